"""The guesses that the stack weighs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.guesses import (
    around_axes,
    axes_of,
    first_round,
    library_of,
    second_round,
)
from napari_stdiff.methods.entries.hiding import Trial
from napari_stdiff.methods.entries.singles import Choices
from napari_stdiff.methods.genes.smoothing import Neighbourhood

MakeVisible = Callable[..., Visible]


def _both(visible: Visible) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    near = Neighbourhood(visible.coords, visible.section)
    first = first_round(visible, near, Choices(), Monitor())
    filled = np.mean(list(first.values()), axis=0)
    return first, second_round(visible, near, Choices(), filled, None, Monitor())


@pytest.mark.parametrize("genes", [24, 310])
def test_guesses_tell_something_of_hidden_entries(make_visible: MakeVisible, genes: int) -> None:
    trial = Trial.of(make_visible(cells=200, genes=genes), 0)
    for guesses in _both(trial.visible):
        for name, guess in guesses.items():
            assert guess.shape == trial.visible.raw.shape, name
            assert np.isfinite(guess).all(), name
            assert trial.score(guess) > 0.1, name


def test_what_others_guess_joins_the_second_round(make_visible: MakeVisible) -> None:
    visible = make_visible(cells=60)
    near = Neighbourhood(visible.coords, visible.section)
    guess = np.zeros(visible.raw.shape, dtype=np.float32)
    seen: list[np.ndarray] = []

    def more(table: Visible, filled: np.ndarray, monitor: Monitor) -> dict[str, np.ndarray]:
        seen.append(filled)
        return {"elsewhere": filled + 1}

    found = second_round(visible, near, Choices(), guess, more, Monitor())
    assert seen[0] is guess
    assert (found["elsewhere"] == 1).all()


def test_surroundings_hold_nothing_of_the_spot_itself(make_visible: MakeVisible) -> None:
    visible = make_visible(cells=80)
    near = Neighbourhood(visible.coords, visible.section)
    table = np.array(visible.standard)
    before = near.others(table, 8)[3].copy()
    table[3] += 5
    assert np.allclose(near.others(table, 8)[3], before, atol=1e-5)


def test_axes_are_those_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    filled = (rng.standard_normal((300, 3)) @ rng.standard_normal((3, 9))).astype(np.float32)
    scores, patterns, deviations = axes_of(filled, 5)
    assert np.allclose(scores.std(axis=0)[:3], deviations[:3], atol=1e-3)
    assert np.allclose(patterns.T @ patterns, np.eye(5), atol=1e-4)
    assert deviations[3] < 1e-2 * deviations[0]
    assert np.allclose(around_axes(filled, [filled], 3)[0].std(axis=0), 1, atol=1e-2)


def test_how_much_was_measured_is_standardised(make_visible: MakeVisible) -> None:
    library = library_of(make_visible())
    assert np.allclose(library.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(library.std(axis=0), 1, atol=1e-3)
