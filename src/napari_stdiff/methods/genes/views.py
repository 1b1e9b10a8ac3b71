"""The tissue's visible genes as measured, and with the noise of single cells averaged out."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from .singles.base import standardise
from .smoothing import Neighbourhood

ALIKE, NEAR = 15, 15  # cells that are averaged: most alike in expression, nearest in space
_AXES = 20


def principal_axes(values: np.ndarray, n: int) -> np.ndarray:
    """Return (cells, at most `n`) float32 scores on the leading principal axes of the columns."""
    centred = values - values.mean(axis=0)
    covariance = np.asarray(centred.T @ centred, dtype=np.float64) / len(centred)
    _, vectors = np.linalg.eigh(covariance)
    n = max(min(n, values.shape[1] - 1), 1)
    return np.asarray(centred @ vectors[:, ::-1][:, :n].astype(np.float32))


def averages_alike(axes: np.ndarray, cells: int) -> sparse.csr_matrix:
    """Return the (cells, cells) matrix that averages each cell and the `cells` most like it."""
    k = min(cells + 1, len(axes))
    index = NearestNeighbors(n_neighbors=k).fit(axes).kneighbors(axes, return_distance=False)
    weights = np.full(index.size, 1 / k, dtype=np.float32)
    pointer = np.arange(0, index.size + 1, k)
    return sparse.csr_matrix((weights, index.ravel(), pointer), shape=(len(axes), len(axes)))


class Views:
    """The same cells, seen with more and less noise.

    Attributes
    ----------
    raw
        (cells, shared) as measured.
    alike
        Half as measured, half the average over the cells most alike in expression.
    near
        Those, and the average over the nearest cells in space, in equal parts.
    both
        (cells, cells) averages over cells alike in what they and their surroundings express.
    """

    def __init__(self, tissue: np.ndarray, near: Neighbourhood) -> None:
        scores = standardise(tissue)
        around = standardise(near.average(scores, NEAR))
        alike = scores + averages_alike(principal_axes(scores, _AXES), ALIKE) @ scores
        self.raw = tissue
        # every gene back to its own deviation, so that a method may weigh genes by it
        deviation = np.maximum(tissue.std(axis=0), 1e-6)
        self.alike = np.asarray(alike * deviation / 2, dtype=np.float32)
        self.near = np.asarray((alike / 2 + around) * deviation, dtype=np.float32)
        self.both = averages_alike(principal_axes(np.hstack([scores, around]), 15), 20)
