"""The spread of a prediction: calibrated on genes never seen, sharper than one width for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.methods.genes.spread import EDGES, Entries, Spread
from napari_stdiff.scoring.distribution import coverage80, crps

Genes = tuple[np.ndarray, np.ndarray]


def _genes(n: int, seed: int, cells: int = 600) -> Genes:
    """Return predictions and counts-like truth whose level the prediction knows roughly."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(cells, n))
    level = rng.uniform(-2, 2, n)
    mean = np.log1p(np.exp(level + 0.7 * signal))
    rate = np.exp(level + 0.4 * rng.normal(size=n) + 0.7 * signal)
    return mean.astype(np.float32), np.log1p(rng.poisson(rate)).astype(np.float32)


@pytest.fixture(scope="module")
def seen() -> Genes:
    return _genes(60, 0)


@pytest.fixture(scope="module")
def spread(seen: Genes) -> Spread:
    return Spread.fit(*seen, seed=0)


def _names(n: int) -> list[str]:
    return [f"W{i}" for i in range(n)]


def test_intervals_cover_genes_that_were_never_seen(spread: Spread) -> None:
    mean, truth = _genes(40, 1)
    cover = coverage80(truth, spread.draws(mean, 64, _names(40), 0))
    assert cover == pytest.approx(0.8, abs=0.05)


def test_it_is_sharper_than_one_width_for_all(seen: Genes, spread: Spread) -> None:
    mean, truth = _genes(40, 2)
    at = (np.arange(32) + 0.5) / 32
    residual = np.quantile(seen[1] - seen[0], at)
    conformal = np.maximum(mean[None] + residual[:, None, None], 0).astype(np.float32)
    ours = crps(truth, spread.draws(mean, 32, _names(40), 0))
    assert ours < 0.95 * crps(truth, conformal)


def test_zeros_are_exactly_zero_and_as_many_as_measured(spread: Spread) -> None:
    mean, truth = _genes(40, 3)
    draws = spread.draws(mean, 16, _names(40), 0)
    assert draws.dtype == np.float32
    assert draws.min() == 0
    assert (draws == 0).mean() == pytest.approx((truth == 0).mean(), abs=0.04)


def test_values_without_a_floor_or_zeros_are_left_so() -> None:
    rng = np.random.default_rng(4)
    mean = rng.normal(size=(400, 12))
    truth = mean + 0.5 * rng.normal(size=mean.shape)
    draws = Spread.fit(mean, truth).draws(mean[:, :3], 16, _names(3), 0)
    assert draws.min() < -0.5
    assert not (draws == 0).any()
    assert draws.std(axis=0).mean() == pytest.approx(0.5, abs=0.15)


def test_a_gene_has_its_own_random_numbers(spread: Spread) -> None:
    mean, _ = _genes(5, 5)
    together = spread.draws(mean, 8, _names(5), 7)
    assert np.array_equal(spread.draws(mean[:, [3]], 8, ["W3"], 7)[:, :, 0], together[:, :, 3])
    assert np.array_equal(spread.draws(mean[:, ::-1], 8, _names(5)[::-1], 7), together[:, :, ::-1])
    assert np.array_equal(spread.draws(mean, 3, _names(5), 7), together[:3])
    assert not np.array_equal(spread.draws(mean, 8, _names(5), 8), together)


def test_draws_fill_the_distribution_evenly(spread: Spread) -> None:
    mean, _ = _genes(2, 6)
    few = spread.draws(mean, 32, _names(2), 0).mean(axis=0)
    many = spread.draws(mean, 400, _names(2), 0).mean(axis=0)
    spreads = spread.draws(mean, 400, _names(2), 0).std(axis=0)
    assert np.abs(few - many).mean() < 0.4 * spreads.mean() / np.sqrt(32)


def test_levels_are_mended_where_they_are_off_and_left_where_they_are_right() -> None:
    mean, truth = _genes(40, 7)
    right = Spread.fit(truth * 0.9 + 0.1 * truth.mean(axis=0), truth)
    assert not right.relevel
    assert np.array_equal(right.calibrated(mean), mean)
    off = Spread.fit(mean[:, :30] * 5, truth[:, :30])
    assert off.relevel
    mended = off.calibrated(mean[:, 30:] * 5)
    error = np.abs(mended - truth[:, 30:]).mean()
    assert error < 0.5 * np.abs(mean[:, 30:] * 5 - truth[:, 30:]).mean()
    for j in range(10):  # a line with a positive slope
        assert np.corrcoef(mended[:, j], mean[:, 30 + j])[0, 1] > 0.9999


def test_it_is_kept_in_a_file_as_it_is(spread: Spread) -> None:
    mean, _ = _genes(3, 8)
    again = Spread.unpack(*spread.pack())
    first, second = (s.draws(mean, 4, _names(3), 0) for s in (spread, again))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("genes", [3, 4])
def test_few_genes_few_cells_and_constant_predictions_are_no_trouble(genes: int) -> None:
    mean, truth = _genes(genes, 9, cells=9)
    mean[:, 0], truth[:, 1] = 0, 0
    spread = Spread.fit(mean, truth)
    assert np.isfinite(spread.draws(mean, 5, _names(genes), 0)).all()
    assert np.isfinite(spread.calibrated(mean)).all()


def _entries(seed: int, zeros: float) -> Entries:
    """Return distributions of 40 cells, with a share of zeros."""
    rng = np.random.default_rng(seed)
    pooled = (
        rng.gamma(2.0, 1.0, (len(EDGES) - 1, 96)) * np.linspace(0.5, 2, len(EDGES) - 1)[:, None]
    )
    pooled[rng.random(pooled.shape) < zeros] = 0
    return Entries(rng.normal(size=40), np.sort(pooled, axis=1).astype(np.float32))


@given(st.integers(0, 99), st.floats(0, 0.9), st.floats(0.03, 0.97))
@settings(max_examples=25, deadline=None)
def test_places_undo_what_is_found_at_them(seed: int, zeros: float, u: float) -> None:
    entries = _entries(seed, zeros)
    values = entries.at(np.full(40, u, dtype=np.float32))
    positive = values > 0
    found = entries.places(values, np.full(40, 0.5))
    assert np.abs(found - u)[positive].max(initial=0) < 0.02
    low, high = (entries.places(np.zeros(40), np.full(40, at)) for at in (0.0, 1.0))
    assert (low == 0).all()
    assert np.abs(high - entries._zero).max() < 0.02  # zeros share their part of the distribution
    assert (high[~positive] > u - 0.02).all()


def test_places_of_what_is_drawn_are_uniform() -> None:
    entries, rng = _entries(0, 0.4), np.random.default_rng(1)
    drawn = [entries.at(rng.random(40, dtype=np.float32)) for _ in range(200)]
    places = np.concatenate([entries.places(values, rng.random(40)) for values in drawn])
    share = np.histogram(places, np.linspace(0, 1, 11))[0] / len(places)
    assert np.abs(share - 0.1).max() < 0.015


def test_some_of_the_cells_are_as_among_all() -> None:
    entries, cells = _entries(2, 0.3), np.array([7, 3, 30])
    u = np.linspace(0.1, 0.9, 40).astype(np.float32)
    assert np.array_equal(entries.some(cells).at(u[cells]), entries.at(u)[cells])
    assert np.array_equal(entries.some(cells).expected(), entries.expected()[cells])
