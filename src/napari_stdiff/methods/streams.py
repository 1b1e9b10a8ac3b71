"""Random numbers that belong to a cell: the same whatever the batch or the order of cells."""

from __future__ import annotations

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: np.ndarray) -> np.ndarray:
    """Scramble 64-bit words (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))


def cell_keys(seed: int, coords: np.ndarray) -> np.ndarray:
    """Return (cells,) uint64 keys made of the seed and the coordinates of each cell."""
    words = (np.ascontiguousarray(coords, dtype=np.float64) + 0.0).view(np.uint64)
    key = np.full(len(words), _mix(np.array([seed], dtype=np.uint64) + _GOLDEN)[0])
    with np.errstate(over="ignore"):
        for column in words.T:
            key = _mix((key ^ column) + _GOLDEN)
    return key


def cell_uniforms(seed: int, coords: np.ndarray, n: int, stream: int = 0) -> np.ndarray:
    """Return (n, cells) float64 numbers in [0, 1), a stream of its own for each cell.

    Parameters
    ----------
    seed
        Of the run.
    coords
        (cells, 3) z, y, x; cells at one point share their numbers.
    n
        How many for each cell; the first m of n are the same for every n.
    stream
        Number of the purpose, so that two uses of one seed do not share numbers.
    """
    with np.errstate(over="ignore"):
        key = _mix(cell_keys(seed, coords) ^ _mix(np.array([stream + 1], dtype=np.uint64)))
        count = (np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)[:, None]
        words = _mix(key[None, :] + count)
    return np.asarray((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def cell_normals(seed: int, coords: np.ndarray, n: int, stream: int = 0) -> np.ndarray:
    """Return (n, cells) float32 standard normal numbers, a stream of its own for each cell.

    Parameters as in :func:`cell_uniforms`.
    """
    from scipy.special import ndtri

    u = cell_uniforms(seed, coords, n, stream)
    return np.asarray(ndtri(np.maximum(u, 2.0**-54)), dtype=np.float32)


def row_normals(seed: int, rows: np.ndarray, n: int, stream: int = 0) -> np.ndarray:
    """Return (rows, n) float32 standard normal numbers that belong to row numbers.

    Parameters as in :func:`cell_uniforms`, with numbers of rows in place of coordinates; a row
    that is given twice has the same numbers twice.
    """
    once, back = np.unique(rows, return_inverse=True)
    keys = np.column_stack([once, np.zeros((len(once), 2))]).astype(np.float64)
    return np.ascontiguousarray(cell_normals(seed, keys, n, stream).T[back])
