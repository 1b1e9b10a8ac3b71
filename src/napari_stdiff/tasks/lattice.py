"""Spots on a grid (Visium, ST): telling that they are, and the places between them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from ..compute.errors import StdiffError

_EVEN = 0.15  # of the distance to the nearest spot, its spread over its mean
_OFF = 0.12  # of a step, how far the nearest spots lie from whole steps; 0.25 where at random
_REACH = 1.35  # in spot distances; takes the sides of a cell of the grid, not its diagonals
_MOST = 2_000_000

Inside = Callable[[np.ndarray], np.ndarray]


def is_grid(yx: np.ndarray) -> bool:
    """Return whether (n, 2) positions lie on a grid.

    Cells that keep their distance from each other are as evenly spaced, but the way from one to
    the next is not made of the same two steps everywhere.
    """
    if len(yx) < 6:
        return False
    distance, index = (np.asarray(found) for found in cKDTree(yx).query(yx, k=5))
    nearest = distance[:, 1]
    if not nearest.std() < _EVEN * nearest.mean():
        return False
    steps = basis(yx)
    if abs(np.linalg.det(steps)) < 0.1 * float(nearest.mean()) ** 2:
        return False
    ways = (yx[index[:, 1:]] - yx[:, None]) @ np.linalg.inv(steps)
    return bool(np.abs(ways - np.rint(ways)).mean() < _OFF)


def basis(yx: np.ndarray) -> np.ndarray:
    """Return (2, 2) the two steps of the grid that (n, 2) spots lie on, as rows y, x."""
    tree = cKDTree(yx)
    distance, index = (np.asarray(found) for found in tree.query(yx, k=min(9, len(yx))))
    step = float(np.median(distance[:, 1]))
    pairs = (distance[:, 1:] > 0.5 * step) & (distance[:, 1:] < _REACH * step)
    rows, columns = np.nonzero(pairs)
    vectors = yx[index[rows, columns + 1]] - yx[rows]
    short = np.linalg.norm(vectors, axis=1) < 1.15 * step
    first = _commonest(vectors[short])
    angle = np.abs(np.sin(_angle(vectors) - _angle(first[None])[0]))
    second = _commonest(vectors[angle > math.sin(math.radians(50))])
    return np.stack([first, second])


def between(yx: np.ndarray, factor: float, inside: Inside) -> np.ndarray:
    """Return the places of a finer grid that nobody measured.

    Parameters
    ----------
    yx
        (spots, 2) positions.
    factor
        How many times as dense the grid becomes, at least: up to 2 by the centres of its cells,
        beyond by dividing its steps.
    inside
        Tells for (m, 2) positions whether they are tissue.

    Returns
    -------
    np.ndarray
        (places, 2), those where a spot is missing among others first.
    """
    parts = 1 if factor <= 2 else math.ceil(math.sqrt(factor))
    if len(yx) * (parts + 1) ** 2 > _MOST:
        raise StdiffError(
            f"A grid {factor:g} times as dense would have more than {_MOST:,} spots; take a "
            "smaller factor."
        )
    steps = basis(yx)
    holes = _holes(yx, steps, inside)
    return np.concatenate([holes, _divided(np.concatenate([yx, holes]), steps, parts, inside)])


def scattered(yx: np.ndarray, n: int, inside: Inside, rng: np.random.Generator) -> np.ndarray:
    """Return `n` places between (spots, 2) spots, or fewer where there is no room for more.

    The centres of the grid's cells come first, then ever finer places; within the last level
    they are chosen at random.
    """
    steps = basis(yx)
    found = _holes(yx, steps, inside)
    for parts in range(1, 9):
        first = len(found) if parts > 1 else 0
        taken = np.concatenate([yx, found])
        places = _divided(yx, steps, parts, inside)
        found = np.concatenate([found, _apart(places, taken, _least(steps, parts))])
        if len(found) >= n:
            last = first + rng.permutation(len(found) - first)
            return found[np.sort(np.concatenate([np.arange(first), last])[:n])]
    return found


def _holes(yx: np.ndarray, steps: np.ndarray, inside: Inside) -> np.ndarray:
    """Return where a spot is missing among others."""
    around = [i * steps[0] + j * steps[1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    holes = _apart(np.concatenate([yx + v for v in around]), yx, _least(steps, 1))
    return np.asarray(holes[inside(holes)])


def _divided(sites: np.ndarray, steps: np.ndarray, parts: int, inside: Inside) -> np.ndarray:
    """Return the places inside when each step is divided; 1 gives the centres of the cells."""
    grid = np.arange(parts) / parts
    shifts = [(a, b) for a in grid for b in grid if a or b] or [(0.5, 0.5)]
    places = np.concatenate([sites + a * steps[0] + b * steps[1] for a, b in shifts])
    return _apart(places[inside(places)], sites, _least(steps, parts))


def _least(steps: np.ndarray, parts: int) -> float:
    """Return the distance below which two places are the same one."""
    return 0.4 * float(np.linalg.norm(steps, axis=1).min()) / max(parts, 1.2)


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
