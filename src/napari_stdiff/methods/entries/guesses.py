"""What the stack weighs: guesses in two rounds, the second from gaps that the first filled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..genes.smoothing import Neighbourhood
from .factors import tissue_factors
from .singles import Choices, Regression, Singles, alike, around, nearest

# further guesses from elsewhere: (visible, guess that fills gaps, monitor) -> name -> guess
More = Callable[[Visible, np.ndarray, Monitor], dict[str, np.ndarray]]

WIDE, NEAR = 50, 15  # nearest cells in space that are averaged
AXES = 10  # of filled tables, that like cells are found by
_ALIKE = (30, 80)
_AROUND_AXES = 20
_FULL = 300  # genes up to which neighbours' means of every gene are looked at
_STRENGTHS = (0.1, 0.3)


def first_round(
    visible: Visible, near: Neighbourhood, choices: Choices, monitor: Monitor
) -> dict[str, np.ndarray]:
    """Return (cells, genes) standardised guesses by name, from the table with its gaps.

    Parameters
    ----------
    visible
        The table.
    near
        Neighbours in space.
    choices
        Numbers that the guesses are made with.
    monitor
        Asked between guesses whether to go on.
    """
    singles = Singles(visible, near, choices)
    out: dict[str, np.ndarray] = {}
    for name in ("soft-svd", "expression-knn", "spatial-knn", "ridge"):
        monitor.check()
        out[name] = singles.guess(name)
    out["wide"] = around(visible, near, WIDE)
    monitor.check()
    factors = tissue_factors(visible.standard, visible.seen)
    out["factors"] = factors.expected(visible.standard, visible.seen)
    return out


def second_round(
    visible: Visible,
    near: Neighbourhood,
    choices: Choices,
    guess: np.ndarray,
    more: More | None,
    monitor: Monitor,
) -> dict[str, np.ndarray]:
    """Return guesses by name from the table with its gaps filled by `guess`.

    Cells are compared, and genes predicted, by values without gaps; neighbours lend what is
    expected of them where nothing was measured. `more` gives guesses from elsewhere, such as a
    reference.
    """
    filled = np.where(visible.seen, visible.standard, guess).astype(np.float32)
    out: dict[str, np.ndarray] = {}
    index = nearest(axes_of(filled, AXES)[0], min(max(_ALIKE), visible.n_cells))
    for k in _ALIKE:
        monitor.check()
        out[f"{k} like filled"] = alike(visible, index[:, :k])
    beside = near.others(filled, NEAR)
    out["filled neighbours"] = beside
    monitor.check()
    library = library_of(visible)
    if visible.n_genes > _FULL:
        beside = around_axes(filled, [beside], _AROUND_AXES)[0]
    regression = Regression(visible, guess, np.hstack([beside, library]))
    for strength in _STRENGTHS:
        monitor.check()
        out[f"regression {strength:g}"] = regression.predict(strength)
    plain = Regression(visible, guess)
    out["ridge of filled"] = plain.predict(choices.strength)
    if more is not None:
        out |= more(visible, guess, monitor)
    return out


def library_of(visible: Visible) -> np.ndarray:
    """Return (cells, 4) float32 features of how much was measured of each cell, standardised.

    The scale of a cell's entries, hidden ones too, is made of its visible ones: where these are
    few by chance, all others come out high, and this is how a model can know.
    """
    scale = np.log(np.maximum(visible.factor, 1e-6))
    total = np.log1p(np.maximum(visible.raw.sum(axis=1), 0))
    features = np.stack([scale, total, scale**2, visible.seen.mean(axis=1)], axis=1)
    spread = features.std(axis=0)
    apart = features - features.mean(axis=0)
    return np.asarray(apart / np.where(spread > 1e-6, spread, 1), dtype=np.float32)


def axes_of(filled: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (cells, n) scores, (genes, n) patterns and (n,) deviations of the principal axes."""
    centred = filled - filled.mean(axis=0)
    n = max(min(n, *filled.shape), 1)
    gram = np.asarray(centred.T @ centred, dtype=np.float64)
    values, vectors = np.linalg.eigh(gram)
    patterns = vectors[:, ::-1][:, :n]
    # the sign of an axis is nobody's: the largest weight is positive
    patterns = patterns * np.sign(patterns[np.abs(patterns).argmax(axis=0), np.arange(n)])
    # axes that hold nothing but rounding are not blown up by what divides by them
    least = max(1e-6 * float(values[-1]), 1e-9)
    deviations = np.sqrt(np.maximum(values[::-1][:n], least) / len(filled))
    return (
        np.asarray(centred @ patterns, dtype=np.float32),
        np.asarray(patterns, dtype=np.float32),
        np.asarray(deviations, dtype=np.float32),
    )


def around_axes(filled: np.ndarray, tables: list[np.ndarray], n: int) -> list[np.ndarray]:
    """Return (cells, n) float32 places of `tables` along the axes of `filled`, standardised."""
    _, patterns, deviations = axes_of(filled, n)
    middle = filled.mean(axis=0)
    weights = patterns / deviations
    return [np.asarray((table - middle) @ weights, dtype=np.float32) for table in tables]
