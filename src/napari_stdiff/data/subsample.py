"""Which cells of a large reference are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Fewest cells kept of a type, where it has as many and there is room for all types.
FEWEST = 25


def by_type(labels: np.ndarray | None, n: int, cells: int, seed: int) -> np.ndarray:
    """Return increasing row numbers of at most `cells` of `n` cells, rare types kept.

    Each type gets its share, and at least `FEWEST` cells (all where it has fewer; an equal part
    where there is no room for that many of each).

    Parameters
    ----------
    labels
        (n,) cell types, or None to draw from all cells alike.
    n
        Number of cells.
    cells
        Most cells to keep.
    seed
        Same seed, same cells.
    """
    if n <= cells:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    if labels is None:
        return np.sort(rng.choice(n, cells, replace=False))
    codes, names = pd.factorize(pd.Series(labels, dtype=object).astype(str), sort=True)
    quota = quotas(np.bincount(codes, minlength=len(names)), cells)
    parts = [
        rng.choice(np.flatnonzero(codes == code), take, replace=False)
        for code, take in enumerate(quota)
        if take
    ]
    return np.sort(np.concatenate(parts))


def quotas(sizes: np.ndarray, cells: int, fewest: int = FEWEST) -> np.ndarray:
    """Return how many of each type to keep, (types,): `cells` together, none above its size.

    Parameters
    ----------
    sizes
        (types,) cells of each type.
    cells
        How many to keep, not above their sum.
    fewest
        Of each type, where there is room.
    """
    sizes = np.asarray(sizes, dtype=np.int64)
    floor = np.minimum(sizes, min(fewest, cells // max(1, len(sizes))))
    low, high = 0.0, 1.0
    for _ in range(60):  # the share of each type that, with the floor, adds up to `cells`
        share = (low + high) / 2
        if np.maximum(floor, share * sizes).sum() > cells:
            high = share
        else:
            low = share
    exact = np.maximum(floor, low * sizes)
    quota = np.minimum(np.floor(exact + 1e-9).astype(np.int64), sizes)
    rest = cells - int(quota.sum())
    order = np.argsort(-(exact - quota), kind="stable")
    while rest > 0:
        for code in order[quota[order] < sizes[order]][:rest]:
            quota[code] += 1
            rest -= 1
    return quota
