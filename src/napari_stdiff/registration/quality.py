"""How well two sections lie on each other: the correlation of neighbours across the gap."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from .frames import moved
from .places import Places

_NEIGHBOURS = 4


def agreement(moving: Places, fixed: Places, matrix: np.ndarray) -> np.ndarray:
    """Return how well the places of two sections agree with their neighbours across the gap.

    Parameters
    ----------
    moving, fixed
        Two sections.
    matrix
        Where `moving` lies, as a map into the frame of `fixed`.

    Returns
    -------
    ndarray
        (places of `moving` + places of `fixed`,) correlation of the expression at each place with
        that of the nearest places of the other section, nearer ones counting more.
    """
    there = moved(moving.coords, matrix)
    return np.concatenate(
        [
            _one_way(there, moving.features, fixed.coords, fixed.features, fixed.spacing),
            _one_way(fixed.coords, fixed.features, there, moving.features, fixed.spacing),
        ]
    )


def neighbour_correlation(moving: Places, fixed: Places, matrix: np.ndarray) -> float:
    """Return the mean of :func:`agreement`, both sections counting the same."""
    values = agreement(moving, fixed, matrix)
    n = len(moving.coords)
    return float((values[:n].mean() + values[n:].mean()) / 2)


def better(after: np.ndarray, before: np.ndarray) -> bool:
    """Tell whether agreement rose by more than chance would raise it.

    Places next to each other say nearly the same, so that the mean has a larger error than that
    of independent ones; four standard errors leave room for that.
    """
    gain = after - before
    error = float(gain.std()) / np.sqrt(len(gain))
    return bool(gain.mean() > max(4 * error, 0.005))


def _one_way(
    here: np.ndarray, own: np.ndarray, there: np.ndarray, other: np.ndarray, spacing: float
) -> np.ndarray:
    distance, near = cKDTree(there).query(here, k=min(_NEIGHBOURS, len(there)))
    distance = np.asarray(distance).reshape(len(here), -1)
    near = np.asarray(near).reshape(len(here), -1)
    # relative to the nearest, so that places beyond the border still count
    excess = (distance**2 - distance[:, :1] ** 2) / (2 * spacing**2)
    weight = np.exp(-excess)
    mean = np.einsum("nk,nkd->nd", weight, other[near])
    length = np.maximum(np.linalg.norm(mean, axis=1), 1e-12)
    return (own * mean).sum(axis=1) / length
