"""Distributions around guesses: of the right width, zeros at their share, and undone exactly."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.methods.entries.spread import EntryDrawing, EntrySpread, entry_uniforms

GENES = 6


def _entries(n: int, seed: int, zeros: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return guesses, truths and genes; the higher the guess, the wider and the fewer zeros."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, GENES, n)
    guess = rng.gamma(2 + columns, 0.3)
    truth = np.maximum(1.5 * guess + 0.4 * guess * rng.standard_normal(n), 0.05)
    if zeros:
        truth = np.where(rng.random(n) < 0.6 * np.exp(-guess), 0, truth)
    return guess, truth, columns


def _fitted(n: int = 6000, zeros: bool = True) -> EntrySpread:
    guess, truth, columns = _entries(n, 0, zeros)
    mean = np.array([truth[columns == j].mean() for j in range(GENES)])
    deviation = np.array([truth[columns == j].std() for j in range(GENES)])
    return EntrySpread.fit(guess, truth, columns, mean, deviation)


@pytest.fixture(scope="module")
def spread() -> EntrySpread:
    return _fitted()


@pytest.mark.parametrize("zeros", [True, False])
def test_places_of_the_truth_are_uniform(zeros: bool) -> None:
    guess, truth, columns = _entries(20000, 1, zeros)
    u = np.random.default_rng(2).random(len(guess))
    at = _fitted(zeros=zeros).at(guess, columns)
    places = at.places(truth, u)
    assert np.abs(np.quantile(places, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.02
    for third in range(3):  # at every level of the guess
        low, high = np.quantile(guess, [third / 3, (third + 1) / 3])
        some = places[(guess >= low) & (guess < high)]
        assert ((some > 0.1) & (some < 0.9)).mean() == pytest.approx(0.8, abs=0.03)


def test_zeros_are_drawn_at_their_share_at_every_level(spread: EntrySpread) -> None:
    guess, truth, columns = _entries(20000, 1)
    at = spread.at(guess, columns)
    drawn = at.values(np.random.default_rng(3).random(len(guess), dtype=np.float32))
    assert drawn.min() == 0
    for third in range(3):
        low, high = np.quantile(guess, [third / 3, (third + 1) / 3])
        some = (guess >= low) & (guess < high)
        assert (drawn[some] == 0).mean() == pytest.approx((truth[some] == 0).mean(), abs=0.03)
    assert at.zero.mean() == pytest.approx((truth == 0).mean(), abs=0.02)


def test_places_undo_values(spread: EntrySpread) -> None:
    guess, _, columns = _entries(3000, 4)
    rng = np.random.default_rng(5)
    at, u = spread.at(guess, columns), rng.uniform(0.03, 0.97, 3000)
    values = at.values(u)
    back = at.places(values, rng.random(3000))
    known = (values > 0) & (values > spread.least[columns])
    inside = known & (u > at.zero + 0.02)
    assert inside.sum() > 1500
    assert np.abs(back - u)[inside].max() < 1e-3
    assert (back[values == 0] <= at.zero[values == 0]).all()


def test_the_mean_is_that_of_the_draws(spread: EntrySpread) -> None:
    guess, _, columns = _entries(400, 4)
    at = spread.at(guess, columns)
    many = np.stack([at.values(np.full(400, (k + 0.5) / 500)) for k in range(500)])
    apart = np.abs(many.mean(axis=0) - at.expected())
    assert apart.mean() < 0.005
    assert apart.max() < 0.1


def test_calibrated_guesses_lie_nearer_and_in_the_same_order(spread: EntrySpread) -> None:
    guess, truth, columns = _entries(5000, 6)
    better = spread.calibrated(guess, columns)
    assert ((better - truth) ** 2).mean() < 0.8 * ((guess - truth) ** 2).mean()
    for j in range(GENES):
        mine = columns == j
        assert np.corrcoef(guess[mine], better[mine])[0, 1] == pytest.approx(1, abs=1e-5)
    table = guess[:40].reshape(8, 5)
    assert spread.calibrated(table, np.arange(5)).shape == table.shape


def test_a_gene_of_few_entries_takes_those_of_genes_like_it() -> None:
    guess, truth, columns = _entries(6000, 0)
    kept = (columns != 3) | (np.cumsum(columns == 3) <= 12)
    mean = np.array([truth[columns == j].mean() for j in range(GENES)])
    deviation = np.array([truth[columns == j].std() for j in range(GENES)])
    few = EntrySpread.fit(guess[kept], truth[kept], columns[kept], mean, deviation)
    new, measured, other = _entries(20000, 7)
    mine = other == 3
    at = few.at(new[mine], other[mine])
    places = at.places(measured[mine], np.random.default_rng(0).random(int(mine.sum())))
    assert ((places > 0.1) & (places < 0.9)).mean() == pytest.approx(0.8, abs=0.06)


def test_a_gene_without_entries_and_one_of_zeros_have_distributions() -> None:
    guess, truth, columns = _entries(3000, 0)
    truth = np.where(columns == 2, 0, truth)
    kept = columns != 4
    spread = EntrySpread.fit(
        guess[kept], truth[kept], columns[kept], np.ones(GENES), np.ones(GENES)
    )
    u = np.linspace(0.01, 0.99, 50)
    assert np.isfinite(spread.at(np.ones(50), np.full(50, 4)).values(u)).all()
    assert spread.zeros[2].min() == 1
    assert not spread.at(np.ones(50), np.full(50, 2)).values(u).any()


def test_values_below_zero_are_let_be() -> None:
    rng = np.random.default_rng(0)
    guess = rng.standard_normal(2000)
    truth = guess + 0.5 * rng.standard_normal(2000)
    columns = np.zeros(2000, dtype=int)
    spread = EntrySpread.fit(guess, truth, columns, np.zeros(1), np.ones(1))
    at = spread.at(guess, columns)
    assert at.values(np.full(2000, 0.2)).min() < -1
    assert not at.zero.any()
    assert at.places(truth, rng.random(2000)).std() == pytest.approx(12**-0.5, abs=0.02)


def test_one_guess_for_all_has_one_distribution_whatever_the_order_of_cells() -> None:
    truth = np.sort(np.random.default_rng(0).gamma(2, 1, 900))
    columns = np.zeros(900, dtype=int)
    spread = EntrySpread.fit(np.full(900, 2.0), truth, columns, np.full(1, 2.0), np.ones(1))
    at = spread.at(np.full(3, 2.0), np.zeros(3, dtype=int))
    assert np.allclose(
        at.values(np.array([0.1, 0.5, 0.9])), np.quantile(truth, [0.1, 0.5, 0.9]), 0.05
    )


def test_draws_are_even_and_an_entrys_own(spread: EntrySpread) -> None:
    names = [f"G{j}" for j in range(GENES)]
    guess, _, _ = _entries(50 * GENES, 8)
    guess = guess.reshape(50, GENES)
    columns = np.tile(np.arange(GENES), (50, 1))
    every = entry_uniforms(names, 50, np.arange(50), 1)
    some = np.array([31, 4, 17])
    assert np.array_equal(entry_uniforms(names, 50, some, 1), every[some])
    assert np.array_equal(entry_uniforms(names[2:4], 50, some, 1), every[some][:, 2:4])
    assert not np.array_equal(entry_uniforms(names, 50, some, 2), every[some])
    whole = EntryDrawing(spread.at(guess.ravel(), columns.ravel()), every.ravel())
    draws = np.stack([whole.draw(k) for k in range(64)])
    assert (draws == 0).mean() == pytest.approx(whole.distributions.zero.mean(), abs=0.01)
    assert np.allclose(draws.mean(axis=0), whole.distributions.expected(), atol=0.15)


def test_a_file_keeps_all(spread: EntrySpread) -> None:
    again = EntrySpread.unpack(spread.pack())
    for name in ("levels", "zeros", "others", "slopes", "least", "lines"):
        assert np.array_equal(getattr(again, name), getattr(spread, name))


def test_few_entries_that_are_alike_do_not_make_a_gene_sure_of_a_steep_line() -> None:
    rng = np.random.default_rng(4)
    many = rng.standard_normal((30, 60))
    truth = 0.2 * many + rng.standard_normal((30, 60))
    # by luck, 12 entries without noise and far from what other genes do
    few = np.linspace(-0.01, 0.01, 12)
    guess = np.concatenate([many.ravel(), few])
    values = np.concatenate([truth.ravel(), 3 * few])
    columns = np.concatenate([np.repeat(np.arange(30), 60), np.full(12, 30)])
    spread = EntrySpread.fit(guess, values, columns, np.zeros(31), np.ones(31))
    assert spread.lines[30, 2] == pytest.approx(0.2, abs=0.1)


def test_genes_that_differ_for_sure_keep_lines_of_their_own() -> None:
    rng = np.random.default_rng(5)
    guess = rng.standard_normal((10, 2000))
    steep = np.linspace(0.2, 2.0, 10)
    truth = steep[:, None] * guess + 0.3 * rng.standard_normal(guess.shape)
    columns = np.repeat(np.arange(10), 2000)
    spread = EntrySpread.fit(guess.ravel(), truth.ravel(), columns, np.zeros(10), np.ones(10))
    assert np.allclose(spread.lines[:, 2], steep, atol=0.03)
