"""Neighbours across sections: which sections flank a depth, and the nearest cells in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree


def flanking_sections(
    section_z: Mapping[str, float], z: float, n: int = 2, without: Collection[str] = ()
) -> list[str]:
    """Return the sections around depth `z`: up to ``n // 2`` below and as many above.

    Parameters
    ----------
    section_z
        Section name -> mean z.
    z
        Depth, in the same unit. A section at exactly this depth counts as below.
    n
        Number of sections wanted, even. At an end of the stack only one side is there.
    without
        Sections to leave out (the one whose own cells are being predicted).

    Returns
    -------
    list of str
        Names, ordered by z.
    """
    names = sorted((s for s in section_z if s not in without), key=lambda s: (section_z[s], s))
    half = max(n // 2, 1)
    below = [s for s in names if section_z[s] <= z]
    above = [s for s in names if section_z[s] > z]
    return below[-half:] + above[:half]


def flank_groups(
    section_z: Mapping[str, float],
    z: np.ndarray,
    n: int = 2,
    without: Collection[str] = (),
    within: bool = False,
) -> list[tuple[np.ndarray, list[str]]]:
    """Split cells by the sections that flank them.

    Parameters
    ----------
    section_z, n, without
        As in :func:`flanking_sections`.
    z
        (cells,) depth of each cell.
    within
        Take the section that a cell lies in (the nearest in z) in place of those around it.

    Returns
    -------
    list of (rows, names)
        Row numbers of cells and the sections flanking them; every cell is in one group.
    """
    if within:
        names = sorted((s for s in section_z if s not in without), key=lambda s: section_z[s])
        far = np.abs(z[:, None] - np.array([section_z[s] for s in names]))
        own = far.argmin(axis=1)
        return [(np.flatnonzero(own == i), [names[i]]) for i in np.unique(own)]
    depths = np.sort([v for s, v in section_z.items() if s not in without])
    slot = np.searchsorted(depths, z, side="right")
    groups = []
    for value in np.unique(slot):
        rows = np.flatnonzero(slot == value)
        groups.append((rows, flanking_sections(section_z, float(z[rows[0]]), n, without)))
    return groups


def label_codes(labels: np.ndarray | None, names: Sequence[str], n: int) -> np.ndarray:
    """Return (n,) positions of `labels` in `names`; -1 where unknown, None or NaN."""
    if labels is None:
        return np.full(n, -1, dtype=np.int64)
    values = np.asarray(labels, dtype=object)
    text = pd.Index(values.astype(str).astype(object))
    codes = pd.Index(list(names), dtype=object).get_indexer(text)
    return np.where(pd.isna(values), -1, codes).astype(np.int64)


class SectionTrees:
    """A search tree of x and y for every section, and for every cell type in it.

    Parameters
    ----------
    coords
        (cells, 3) z, y, x.
    section
        (cells,) section names.
    code
        (cells,) cell type as a number, -1 where unknown; None for no types at all.
    """

    def __init__(
        self, coords: np.ndarray, section: np.ndarray, code: np.ndarray | None = None
    ) -> None:
        self._yx = np.ascontiguousarray(coords[:, 1:], dtype=np.float64)
        self._section = np.asarray(section).astype(str)
        self._code = code
        self._trees: dict[tuple[str, int | None], tuple[cKDTree, np.ndarray] | None] = {}

    def near(
        self,
        coords: np.ndarray,
        code: np.ndarray | None,
        sections: Sequence[str],
        k: int,
        skip: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the `k` nearest cells in each of `sections`.

        Parameters
        ----------
        coords
            (queries, 3) z, y, x; z is not used.
        code
            (queries,) type of the cells wanted; None, or -1 for a query, takes any type.
        sections
            Names of the sections to search, each by itself.
        k
            Cells wanted in each section.
        skip
            (queries,) row number that is not to be found (the query itself); None for none.

        Returns
        -------
        index
            (queries, sections, k) row numbers, nearest first; -1 where there are fewer.
        distance
            (queries, sections, k) distances in the plane; inf where there are fewer.
        """
        if skip is not None:
            return _without(*self.near(coords, code, sections, k + 1), skip)
        n = len(coords)
        yx = np.ascontiguousarray(coords[:, 1:], dtype=np.float64)
        index = np.full((n, len(sections), k), -1, dtype=np.int64)
        distance = np.full((n, len(sections), k), np.inf)
        kinds = np.full(n, -1) if code is None else np.asarray(code)
        for kind in np.unique(kinds):
            rows = np.flatnonzero(kinds == kind)
            for s, name in enumerate(sections):
                found = self._tree(name, None if kind < 0 else int(kind))
                if found is None:
                    continue
                tree, members = found
                take = min(k, len(members))
                d, i = tree.query(yx[rows], k=list(range(1, take + 1)))
                index[rows, s, :take] = members[i]
                distance[rows, s, :take] = d
        return index, distance

    def _tree(self, name: str, kind: int | None) -> tuple[cKDTree, np.ndarray] | None:
        key = (name, kind)
        if key not in self._trees:
            keep = self._section == name
            if kind is not None:
                keep &= False if self._code is None else self._code == kind
            members = np.flatnonzero(keep)
            self._trees[key] = (cKDTree(self._yx[members]), members) if len(members) else None
        return self._trees[key]


def _without(
    index: np.ndarray, distance: np.ndarray, skip: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Drop each query's own row from its (queries, sections, k + 1) neighbours, or the last."""
    own = index == np.asarray(skip)[:, None, None]
    own[..., -1] |= ~own.any(axis=2)
    shape = (*index.shape[:2], index.shape[2] - 1)
    return index[~own].reshape(shape), distance[~own].reshape(shape)


def average_rows(index: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted sum of rows of `values` for each query.

    Summed row by row in a fixed order, so that the result does not depend, to the bit, on which
    other queries are in the batch.

    Parameters
    ----------
    index
        (queries, ...) row numbers; entries with weight 0 are ignored.
    weights
        Same shape; sums to 1 for an average.
    values
        (rows, columns).

    Returns
    -------
    np.ndarray
        (queries, columns) float32.
    """
    n = len(index)
    w = weights.reshape(n, -1)
    keep = w > 0
    counts = keep.sum(axis=1)
    pointer = np.concatenate([[0], np.cumsum(counts)])
    matrix = sparse.csr_matrix(
        (w[keep], index.reshape(n, -1)[keep], pointer), shape=(n, len(values))
    )
    return np.asarray(matrix @ values.astype(np.float64, copy=False)).astype(np.float32)
