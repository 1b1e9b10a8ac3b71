"""Spots on a grid (Visium, ST): telling that they are, and the places between them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

_EVEN = 0.15  # of the distance to the nearest spot, its spread over its mean
_REACH = 1.35  # in spot distances; takes the sides of a cell of the grid, not its diagonals
_MOST = 2_000_000


def is_grid(yx: np.ndarray) -> bool:
    """Return whether (n, 2) positions are as evenly spaced as spots on a grid."""
    if len(yx) < 3:
        return False
    nearest = np.asarray(cKDTree(yx).query(yx, k=2)[0])[:, 1]
    return bool(nearest.std() < _EVEN * nearest.mean())


def basis(yx: np.ndarray) -> np.ndarray:
    """Return (2, 2) the two steps of the grid that (n, 2) spots lie on, as rows y, x."""
    tree = cKDTree(yx)
    distance, index = tree.query(yx, k=min(9, len(yx)))
    step = float(np.median(distance[:, 1]))
    pairs = (distance[:, 1:] > 0.5 * step) & (distance[:, 1:] < _REACH * step)
    rows, columns = np.nonzero(pairs)
    vectors = yx[index[rows, columns + 1]] - yx[rows]
    short = np.linalg.norm(vectors, axis=1) < 1.15 * step
    first = _commonest(vectors[short])
    angle = np.abs(np.sin(_angle(vectors) - _angle(first[None])[0]))
    second = _commonest(vectors[angle > math.sin(math.radians(50))])
    return np.stack([first, second])


def finer(
    yx: np.ndarray, factor: float, n: int, inside: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return places between spots on a grid, and where spots are missing among others.

    Parameters
    ----------
    yx
        (spots, 2) positions.
    factor
        How many times as dense the grid becomes at least: up to 2 by the centres of its cells,
        beyond by dividing its steps.
    n
        Places wanted at least, where they are counted instead (0 for not).
    inside
        Tells for (m, 2) positions whether they are tissue.

    Returns
    -------
    np.ndarray
        (places, 2), none of them measured.
    """
    steps = basis(yx)
    size = float(np.linalg.norm(steps, axis=1).min())
    around = [i * steps[0] + j * steps[1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    holes = _apart(np.concatenate([yx + v for v in around]), yx, 0.5 * size)
    holes = holes[inside(holes)]
    sites = np.concatenate([yx, holes])
    found = holes
    wanted = max(n, math.ceil((factor - 1) * len(yx)))
    for parts in range(1, 12):
        if parts == 1:
            shifts = [(0.5, 0.5)]
        else:
            grid = np.arange(parts) / parts
            shifts = [(a, b) for a in grid for b in grid if a or b]
        places = np.concatenate([sites + a * steps[0] + b * steps[1] for a, b in shifts])
        places = places[inside(places)]
        close = 0.4 * size / max(parts, 1.5)
        found = np.concatenate([holes, _apart(places, sites, close)])
        enough = len(found) >= wanted if n else max(parts**2, 2) >= factor
        if enough or len(sites) * (parts + 1) ** 2 > _MOST:
            break
    return found


def _angle(vectors: np.ndarray) -> np.ndarray:
    return np.arctan2(vectors[:, 0], vectors[:, 1])


def _commonest(vectors: np.ndarray) -> np.ndarray:
    """Return the mean of the vectors around the commonest direction, either sense counting."""
    angle = np.mod(_angle(vectors), np.pi)
    turns = np.linspace(0, np.pi, 180, endpoint=False)
    off = np.abs(np.angle(np.exp(2j * (angle[None, :] - turns[:, None])))) / 2
    near = off < math.radians(10)
    best = int(near.sum(axis=1).argmax())
    some = vectors[near[best]]
    toward = np.array([np.sin(turns[best]), np.cos(turns[best])])
    return np.asarray((some * np.sign(some @ toward)[:, None]).mean(axis=0))


def _apart(yx: np.ndarray, taken: np.ndarray, least: float) -> np.ndarray:
    """Return those of (n, 2) that lie `least` or more from `taken` and from earlier ones."""
    yx = yx[np.asarray(cKDTree(taken).query(yx)[0]) >= least]
    keep = np.ones(len(yx), dtype=bool)
    if len(yx) > 1:
        for i, j in np.sort(cKDTree(yx).query_pairs(least, output_type="ndarray"), axis=1):
            if keep[i]:
                keep[j] = False
    return np.asarray(yx[keep])
