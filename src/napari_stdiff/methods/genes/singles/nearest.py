"""The nearest reference cells of each cell, by cosine, a block of cells at a time."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .base import blocks


def nearest(a: np.ndarray, b: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` rows of `b` that are most similar to each row of `a`, best first.

    Parameters
    ----------
    a, b
        (cells, features) and (reference cells, features) rows of length one.
    k
        Neighbours; at most as many as `b` has rows.

    Returns
    -------
    tuple
        Rows of `b`, (cells, k) int64, and cosines, (cells, k) float32. Equal cosines are taken
        in the order of `b`'s rows.
    """
    k = min(k, len(b))
    index = np.empty((len(a), k), dtype=np.int64)
    cosine = np.empty((len(a), k), dtype=np.float32)
    for rows in blocks(len(a)):
        similar = a[rows] @ b.T
        part = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(similar, part, axis=1)
        order = np.lexsort((part, -values), axis=1)
        index[rows] = np.take_along_axis(part, order, axis=1)
        cosine[rows] = np.take_along_axis(values, order, axis=1)
    return index, cosine


def averaging(index: np.ndarray, weights: np.ndarray, n: int) -> sparse.csr_matrix:
    """Return the (cells, n) matrix that averages the rows `index` by `weights`.

    A row whose weights are all zero takes the plain average of its neighbours.
    """
    total = weights.sum(axis=1, keepdims=True)
    share = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / index.shape[1])
    pointer = np.arange(0, index.size + 1, index.shape[1])
    return sparse.csr_matrix(
        (share.ravel().astype(np.float32), index.ravel(), pointer), shape=(len(index), n)
    )
