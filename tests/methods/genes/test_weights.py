"""Weights of guesses: never negative, near the best guess, equal under a strong pull."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.methods.genes.stack import weigh, weighted
from napari_stdiff.methods.genes.weights import positive_weights


def _guesses(n: int, seed: int, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return (guesses, cells, genes) that each know a share of the (cells, genes) truth."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((300, 6))
    noise = rng.standard_normal((n, *truth.shape))
    return (share * truth + np.sqrt(1 - share**2) * noise).astype(np.float32), truth


@given(st.integers(1, 8), st.integers(0, 999), st.floats(0, 10))
@settings(max_examples=25, deadline=None)
def test_weights_are_never_negative(n: int, seed: int, pull: float) -> None:
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((n, 2 * n))
    weights = positive_weights(made @ made.T, rng.standard_normal(n), pull)
    assert weights.shape == (n,)
    assert np.isfinite(weights).all()
    assert weights.min() >= 0


def test_a_perfect_guess_takes_nearly_all_and_its_opposite_nothing() -> None:
    guesses, truth = _guesses(4, 0, share=0.0)
    guesses[1], guesses[3] = truth, -truth
    weights, _ = weigh(guesses, truth, np.arange(truth.shape[1]) % 2)
    assert weights[1] > 10 * weights[[0, 2]].max()
    assert weights[3] == 0
    found = weighted(guesses, weights)
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.99


def test_the_sum_is_ahead_of_each_guess_and_as_wide_as_it_is_right() -> None:
    guesses, truth = _guesses(6, 1)
    found = weighted(guesses, weigh(guesses, truth, np.arange(truth.shape[1]) % 2)[0])
    reached = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
    alone = [np.corrcoef(guess.ravel(), truth.ravel())[0, 1] for guess in guesses]
    assert reached > max(alone) + 0.15
    assert found.std() == pytest.approx(reached, abs=0.05)


def test_without_pull_it_is_least_squares_and_under_a_strong_one_all_are_equal() -> None:
    guesses, truth = _guesses(5, 2)
    flat = guesses.reshape(5, -1).astype(np.float64)
    gram, right = flat @ flat.T / flat.shape[1], flat @ truth.ravel() / flat.shape[1]
    assert np.allclose(positive_weights(gram, right, 0), np.linalg.solve(gram, right), atol=1e-4)
    equal = positive_weights(gram, right, 1e6)
    assert np.allclose(equal, right.sum() / gram.sum(), atol=1e-4)


def test_a_gene_has_no_say_in_the_weights_it_is_judged_with() -> None:
    guesses, truth = _guesses(4, 3)
    fold = np.arange(truth.shape[1]) % 3
    weights, apart = weigh(guesses, truth, fold)
    rng = np.random.default_rng(0)
    other = truth.copy()
    other[:, fold == 1] = rng.standard_normal(other[:, fold == 1].shape)
    changed, again = weigh(guesses, other, fold)
    assert np.allclose(again[:, fold == 1], apart[:, fold == 1], atol=1e-5)
    assert not np.allclose(again[:, fold == 0], apart[:, fold == 0], atol=1e-3)
    assert not np.allclose(changed, weights, atol=1e-3)
    alone, _ = weigh(guesses[:, :, fold != 1], truth[:, fold != 1], fold[fold != 1])
    assert np.allclose(apart[:, fold == 1], weighted(guesses[:, :, fold == 1], alone), atol=1e-4)


def test_guesses_that_know_nothing_count_nothing() -> None:
    assert np.allclose(positive_weights(np.eye(3), -np.ones(3)), 0)
    assert np.allclose(positive_weights(np.zeros((3, 3)), np.zeros(3)), 0)
