"""Guesses from a reference see visible entries alone, and find hidden ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.methods.entries.reference_guesses import guess_names, reference_guesses


def test_each_guess_finds_hidden_entries(make_visible, make_pair) -> None:
    visible = make_pair(cells=500, lacking=3)
    truth = visible.standardised(visible.scaled(make_visible(cells=500, share=0.0).raw))
    guesses = reference_guesses(visible)
    assert tuple(guesses) == guess_names()
    columns = visible.reference_columns
    hidden = ~visible.seen[:, columns]
    for name, guess in guesses.items():
        assert guess.shape == visible.seen.shape, name
        assert guess.dtype == np.float32
        assert np.isfinite(guess).all()
        assert (guess[:, -3:] == 0).all(), "the reference lacks these genes"
        r = np.corrcoef(guess[:, columns][hidden], truth[:, columns][hidden])[0, 1]
        assert r > 0.3, (name, r)


def test_hidden_values_change_nothing(make_pair) -> None:
    visible = make_pair()
    noise = np.random.default_rng(5).poisson(50, visible.raw.shape).astype(np.float32)
    other = replace(visible, raw=np.where(visible.seen, visible.raw, noise))
    one, two = reference_guesses(visible), reference_guesses(other)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_what_the_gaps_are_filled_with_matters_and_visible_values_stay(make_pair) -> None:
    visible = make_pair()
    rng = np.random.default_rng(2)
    filled = rng.normal(size=visible.seen.shape).astype(np.float32)
    other = np.where(visible.seen, rng.normal(size=filled.shape), filled).astype(np.float32)
    name = "reference: assignment, filled, 0.06"
    plain, one = reference_guesses(visible)[name], reference_guesses(visible, filled)[name]
    assert not np.allclose(plain, one)
    assert np.array_equal(one, reference_guesses(visible, other)[name])


def test_without_a_reference_there_is_none(make_visible) -> None:
    assert reference_guesses(make_visible()) == {}


@pytest.mark.parametrize("values", ["counts", "log-normalised"])
def test_kinds_of_values(make_pair, values: str) -> None:
    guesses = reference_guesses(replace(make_pair(cells=90), values=values))
    assert all(np.isfinite(guess).all() for guess in guesses.values())
