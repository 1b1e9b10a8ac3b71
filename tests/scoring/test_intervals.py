"""Coverage and conformal quantiles against what must hold for data that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.scoring.distribution import coverage80
from napari_stdiff.scoring.intervals import (
    conformal_by_group,
    conformal_quantile,
    coverage,
    coverage_counts,
    coverage_of,
    pit,
)


def poisson(m: int = 32, cells: int = 3000, genes: int = 8, rate: float = 0.5) -> tuple:
    """Return truth and draws from one distribution, which differs between the entries."""
    rng = np.random.default_rng(0)
    level = rng.gamma(1.0, rate, (cells, genes))
    return rng.poisson(level).astype("f4"), rng.poisson(level, (m, cells, genes)).astype("f4")


@pytest.mark.parametrize("m", [3, 16, 40])
def test_the_pit_of_the_right_distribution_is_uniform(m: int) -> None:
    u = pit(*poisson(m))
    assert u.min() >= 0
    assert u.max() <= 1
    np.testing.assert_allclose(np.histogram(u, 10, (0, 1))[0] / u.size, 0.1, atol=0.008)


def test_the_pit_written_out() -> None:
    truth = np.array([[0.0], [2.0], [9.0], [-1.0]])
    draws = np.array([[[0.0]] * 4, [[0.0]] * 4, [[3.0]] * 4])
    v = np.random.default_rng((7, 2)).random(4)
    expected = [v[0] * 3 / 4, (2 + v[1]) / 4, (3 + v[2]) / 4, v[3] / 4]
    np.testing.assert_allclose(pit(truth, draws, seed=7, first=2).ravel(), expected)


def test_blocks_of_genes_and_the_seed() -> None:
    truth, draws = poisson(cells=50)
    whole = pit(truth, draws, seed=1)
    np.testing.assert_array_equal(whole[:, 3:], pit(truth[:, 3:], draws[:, :, 3:], 1, first=3))
    assert not np.array_equal(whole, pit(truth, draws, seed=2))


def test_coverage_of_the_right_distribution() -> None:
    truth, draws = poisson(rate=0.3)
    found = coverage(truth, draws)
    assert found.all == pytest.approx(0.8, abs=0.01)
    assert found.all == pytest.approx(coverage80(truth, draws), abs=0.01)
    # zeros and non-zeros apart are not at 80 % even so, but where they must be
    assert found.zeros is not None
    assert found.nonzeros is not None
    assert found.zeros > 0.82
    assert found.nonzeros < 0.78
    assert found.zeros == pytest.approx(found.zeros_expected, abs=0.01)
    assert found.nonzeros == pytest.approx(found.nonzeros_expected, abs=0.02)
    assert coverage(truth, draws, level=0.5).all == pytest.approx(0.5, abs=0.01)


def test_a_perfect_forecast_of_rare_counts_covers_none_of_them() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((4000, 2)) < 0.05).astype(float)
    draws = (rng.random((200, 4000, 2)) < 0.05).astype(float)
    found = coverage(truth, draws)
    assert found.all == pytest.approx(0.8, abs=0.015)
    assert found.nonzeros == pytest.approx(0, abs=0.02)
    assert found.nonzeros_expected == pytest.approx(0, abs=0.02)


def test_where_zeros_are_rare_the_others_are_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    found = coverage(rng.poisson(3.5, (2000, 4)), rng.poisson(3.5, (32, 2000, 4)))
    for share in (found.nonzeros, found.nonzeros_expected):
        assert share == pytest.approx((0.9 - 0.1) / (1 - math.exp(-3.5)), abs=0.02)
    assert found.zeros_expected == pytest.approx(0, abs=0.15)


def test_coverage_of_wrong_spreads() -> None:
    truth, draws = poisson(rate=5)
    mean = draws.mean(axis=0)
    narrow = coverage(truth, mean + 0.3 * (draws - mean)).all
    wide = coverage(truth, mean + 3.0 * (draws - mean)).all
    assert narrow is not None
    assert wide is not None
    assert narrow < 0.5
    assert wide > 0.95


def test_counts_of_parts_add_up() -> None:
    truth, draws = poisson(cells=200)
    parts = [
        coverage_counts(truth[:, a:b], draws[:, :, a:b], first=a) for a, b in ((0, 3), (3, 8))
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert coverage_of(joined) == coverage(truth, draws)
    assert joined["n"].tolist() == [200] * 8
    np.testing.assert_array_equal(joined["n_zero"], (truth == 0).sum(axis=0))


def test_no_zeros_have_no_coverage() -> None:
    truth, draws = poisson(cells=50)
    assert coverage(truth + 1, draws + 1).zeros is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(0.05, 0.95))
def test_the_conformal_quantile_covers_its_level(scores: list[float], level: float) -> None:
    q = conformal_quantile(np.array(scores), level)
    n = len(scores)
    if math.isinf(q):
        assert (n + 1) * level > n
    else:
        assert q in scores
        assert np.sum(np.array(scores) <= q) >= (n + 1) * level - 1e-6


def test_the_conformal_quantile_by_hand() -> None:
    assert conformal_quantile(np.arange(1, 10), 0.8) == 8  # ceil(10 * .8)
    assert conformal_quantile(np.arange(1, 5), 0.8) == 4
    assert conformal_quantile(np.arange(1, 4), 0.8) == math.inf
    assert conformal_quantile(np.array([1.0, np.nan, 2.0, 3.0]), 0.6) == 3
    assert conformal_quantile(np.zeros(0), 0.8) == math.inf


def test_new_entries_are_covered_as_promised() -> None:
    rng = np.random.default_rng(0)
    held = [
        (rng.random(2000) <= conformal_quantile(rng.random(19), 0.8)).mean() for _ in range(400)
    ]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


def test_each_group_has_its_own_quantile() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((400, 3)) * np.array([1.0, 10.0, 1.0])
    found = conformal_by_group(scores, np.array(["sure", "unsure", "sure"]))
    assert found["sure"] == pytest.approx(0.8, abs=0.05)
    assert found["unsure"] == pytest.approx(8, abs=0.5)
    assert found["sure"] < found[""] < found["unsure"]
    flat = conformal_by_group(scores.ravel(), np.tile(["sure", "unsure", "sure"], 400))
    assert flat == found
    few = conformal_by_group(scores[:, 0], np.array(["rare"] * 3 + ["many"] * 397))
    assert few["rare"] == few[""]
