"""Scores of draws against their formulas written out, and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_stdiff.scoring.distribution import (
    coexpression,
    coverage80,
    crps,
    energy_by_group,
    energy_distance,
    variance_ratio,
)

VALUES = st.floats(-10, 10, width=32)


def brute_crps(truth: np.ndarray, draws: np.ndarray) -> float:
    m = len(draws)
    far = np.abs(draws - truth).mean()
    spread = sum(np.abs(draws[i] - draws[j]).mean() for i in range(m) for j in range(m))
    return far - spread / (2 * m * (m - 1))


@settings(max_examples=40)
@given(arrays(np.float32, (4, 3), elements=VALUES), arrays(np.float32, (5, 4, 3), elements=VALUES))
def test_crps_as_the_double_sum(truth: np.ndarray, draws: np.ndarray) -> None:
    expected = brute_crps(truth.astype(float), draws.astype(float))
    assert crps(truth, draws) == pytest.approx(expected, abs=1e-5)


def test_crps_of_a_gaussian_and_its_fairness() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(3000, 20))
    closed = 1 / np.sqrt(np.pi)  # of N(0, 1) against itself
    for m in (2, 8, 32):
        assert crps(truth, rng.normal(size=(m, 3000, 20))) == pytest.approx(closed, abs=0.01)
    assert crps(truth, rng.normal(size=(8, 3000, 20)) * 3) > closed + 0.1
    assert crps(truth, rng.normal(size=(1, 3000, 20))) is None


def test_crps_in_blocks_of_cells() -> None:
    rng = np.random.default_rng(1)
    truth, draws = rng.normal(size=(5000, 2)), rng.normal(size=(3, 5000, 2))
    assert crps(truth, draws) == pytest.approx(brute_crps(truth, draws))


@pytest.mark.parametrize("m", [4, 16, 50])
def test_coverage_of_the_right_distribution_is_nominal(m: int) -> None:
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.3, (4000, 10))  # mostly zeros: ties everywhere
    assert coverage80(truth, rng.poisson(0.3, (m, 4000, 10))) == pytest.approx(0.8, abs=0.01)


def test_coverage_of_wrong_spreads() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2000, 5))
    assert coverage80(truth, 0.2 * rng.normal(size=(50, 2000, 5))) < 0.4
    assert coverage80(truth, 5 * rng.normal(size=(50, 2000, 5))) > 0.95


def test_variance_ratio() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 4))
    assert variance_ratio(truth, 2 * truth + 1) == pytest.approx(4)
    assert variance_ratio(truth, np.zeros_like(truth)) == 0
    assert variance_ratio(np.ones((5, 2)), truth[:5, :2]) is None


def correlated(rng: np.random.Generator, n: int, mixing: np.ndarray) -> np.ndarray:
    return rng.normal(size=(n, len(mixing))) @ mixing


def test_coexpression_is_within_types_and_weighted_by_cells() -> None:
    rng = np.random.default_rng(0)
    mixing = [rng.normal(size=(8, 8)) for _ in range(2)]
    kind = np.array(["a"] * 300 + ["b"] * 100 + ["c"] * 50)
    truth = np.vstack([correlated(rng, 300, mixing[0]), correlated(rng, 100, mixing[1])])
    truth = np.vstack([truth, rng.normal(size=(50, 8))])
    draw = rng.permutation(truth[:300])
    draw = np.vstack([draw, rng.normal(size=(150, 8))])
    expected = 0.0
    for label, n in (("a", 300), ("b", 100)):  # c has too few cells
        upper = np.triu_indices(8, 1)
        ra = np.corrcoef(truth[kind == label].T)[upper]
        rb = np.corrcoef(draw[kind == label].T)[upper]
        expected += n / 400 * np.corrcoef(ra, rb)[0, 1]
    assert coexpression(truth, draw, kind) == pytest.approx(expected)
    assert coexpression(truth, truth, kind) == pytest.approx(1)
    assert coexpression(truth[:40], draw[:40], kind[:40]) is None


@pytest.mark.parametrize("genes", [5, 60, 300])
def test_coexpression_whichever_is_more_cells_or_genes(genes: int) -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(genes, genes))
    truth, draw = (correlated(rng, n, mixing) + rng.normal(size=(n, genes)) for n in (120, 150))
    upper = np.triu_indices(genes, 1)
    expected = np.corrcoef(np.corrcoef(truth.T)[upper], np.corrcoef(draw.T)[upper])[0, 1]
    kind = np.array(["a"] * 120, dtype=object)
    other = np.array(["a"] * 150, dtype=object)
    assert coexpression(truth, draw, kind, other) == pytest.approx(expected)


def test_coexpression_without_types_and_with_genes_that_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    truth = correlated(rng, 200, rng.normal(size=(6, 6)))
    draw = truth.copy()
    draw[:, 2] = 0
    assert coexpression(truth, draw) == pytest.approx(1)
    assert coexpression(truth, np.zeros_like(truth)) is None


def test_shuffling_each_gene_destroys_coexpression() -> None:
    rng = np.random.default_rng(0)
    truth = correlated(rng, 500, rng.normal(size=(10, 10)))
    shuffled = np.column_stack([rng.permutation(column) for column in truth.T])
    assert abs(coexpression(truth, shuffled) or 0) < 0.4
    assert (coexpression(truth, rng.permutation(truth)) or 0) > 0.99


def spread_out(n: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.column_stack([np.zeros(n), rng.uniform(0, 2, (n, 2))])


def test_energy_distance_as_the_sums_written_out() -> None:
    rng = np.random.default_rng(0)
    coords = np.zeros((12, 3))  # all in one bin
    truth, draw = rng.normal(size=(12, 4)), rng.normal(size=(12, 4)) + 1
    scale = np.array([1.0, 2.0, 0.5, 0.0])  # the last gene is dropped
    a, b = truth[:, :3] / scale[:3], draw[:, :3] / scale[:3]

    def mean_distance(p: np.ndarray, q: np.ndarray, n_pairs: int) -> float:
        return sum(float(np.linalg.norm(x - y)) for x in p for y in q) / n_pairs

    expected = 2 * mean_distance(a, b, 144) - mean_distance(a, a, 132) - mean_distance(b, b, 132)
    got = energy_distance(truth, coords, draw[None], coords, scale=scale)
    assert got == pytest.approx(expected)


def test_energy_distance_sees_the_wrong_type_and_the_wrong_place() -> None:
    rng = np.random.default_rng(0)
    coords = spread_out(4000)
    kind = np.array(["a", "b"])[rng.integers(0, 2, 4000)]
    level = (kind == "a") * 2.0 + (coords[:, 1] > 1) * 2.0

    def cells() -> np.ndarray:
        return level[:, None] + rng.normal(size=(4000, 3))

    truth = cells()
    right = energy_distance(truth, coords, cells()[None], coords, kind, kind)
    flipped = np.where(kind == "a", "b", "a")
    wrong_type = energy_distance(truth, coords, cells()[None], coords, kind, flipped)
    turned = coords * [1, -1, 1] + [0, 2, 0]
    wrong_place = energy_distance(truth, coords, cells()[None], turned, kind, kind)
    assert right == pytest.approx(0, abs=0.05)
    assert min(wrong_type or 0, wrong_place or 0) > 0.5


def test_energy_distance_with_too_few_cells_anywhere() -> None:
    coords = spread_out(10)
    x = np.random.default_rng(0).normal(size=(10, 3))
    assert energy_distance(x, coords, x[None], coords) is None


def test_energy_by_group_is_what_is_averaged() -> None:
    rng = np.random.default_rng(0)
    coords = np.column_stack([np.zeros(100), rng.uniform(size=(100, 2))])
    truth, draws = rng.normal(size=(100, 3)), rng.normal(size=(4, 100, 3)) + 0.3
    said = (truth, coords, draws, coords)
    assert energy_distance(*said) is None  # no bin has five cells
    values, cells = energy_by_group(*said, n_bins=3)
    assert values.shape == (4, 9)
    assert cells.sum() == 100
    whole = energy_distance(*said, n_bins=3)
    assert whole == pytest.approx(np.average(values.mean(axis=0), weights=cells))
    assert energy_by_group(*said)[0].size == 0
