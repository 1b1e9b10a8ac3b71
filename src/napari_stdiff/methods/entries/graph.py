"""The tissue as a graph: each spot and its nearest ones, section by section."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy import sparse

from ...data.visible import Visible


@dataclass(frozen=True)
class Part:
    """Some spots of a graph, and the edges among them.

    Attributes
    ----------
    nodes
        (nodes,) row numbers; those that were asked for come first, in their order.
    source, target
        (edges,) places in `nodes` that an edge leads from and to; every node has an edge to
        itself.
    weight
        (edges,) float32, ``1 / sqrt(d_source d_target)`` with d the number of edges of a node in
        the whole graph, its own included (Kipf and Welling 2017, arXiv:1609.02907, equation 2).
    """

    nodes: np.ndarray
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Graph:
    """Spots joined to their nearest ones in the same section; edges have no direction.

    Attributes
    ----------
    adjacency
        (spots, spots) CSR float32 of ones, symmetric, without edges of a spot to itself.
    """

    adjacency: sparse.csr_matrix

    @classmethod
    def of(cls, visible: Visible, neighbours: int) -> Self:
        """Join each spot to its `neighbours` nearest ones, found by squidpy.

        Where two spots share an edge, either is among the nearest of the other. A section with
        fewer spots is joined whole.
        """
        n = visible.n_cells
        rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        names = np.asarray(visible.section).astype(str)
        for name in np.unique(names):
            where = np.flatnonzero(names == name)
            if len(where) > 1:
                joined = _nearest(visible.coords[where], min(neighbours, len(where) - 1)).tocoo()
                rows.append(where[joined.row])
                columns.append(where[joined.col])
        row, column = np.concatenate(rows), np.concatenate(columns)
        ones = np.ones(len(row), dtype=np.float32)
        near = sparse.csr_matrix((ones, (row, column)), shape=(n, n))
        both = sparse.csr_matrix(near.maximum(near.T))
        both.sort_indices()
        return cls(both)

    @property
    def n_spots(self) -> int:
        """Number of spots."""
        return int(self.adjacency.shape[0])

    @cached_property
    def normalised(self) -> sparse.csr_matrix:
        """(spots, spots) CSR with the weights that :class:`Part` has, own edges included."""
        whole = self.adjacency + sparse.eye_array(self.n_spots, dtype=np.float32)
        scale = sparse.diags_array(np.asarray(whole.sum(axis=1)).ravel() ** -0.5)
        out = sparse.csr_matrix(scale @ whole @ scale).astype(np.float32)
        out.sort_indices()
        return out

    @cached_property
    def whole(self) -> Part:
        """All spots in their order, and all edges."""
        return self._part(np.arange(self.n_spots))

    def around(self, rows: np.ndarray, hops: int) -> Part:
        """Return `rows` and all spots that lie at most `hops` edges away.

        What `hops` layers of messages bring to `rows` is then as it is in the whole graph.
        """
        taken = np.zeros(self.n_spots, dtype=bool)
        taken[rows] = True
        nodes, last = [rows], rows
        for _ in range(hops):
            last = np.unique(self.adjacency[last].indices)
            last = last[~taken[last]]
            if not len(last):
                break
            taken[last] = True
            nodes.append(last)
        return self._part(np.concatenate(nodes).astype(np.int64))

    def _part(self, nodes: np.ndarray) -> Part:
        edges = self.normalised[nodes][:, nodes].tocoo()
        source, target = edges.col.astype(np.int64), edges.row.astype(np.int64)
        return Part(nodes, source, target, edges.data.astype(np.float32))


def _nearest(coords: np.ndarray, neighbours: int) -> sparse.csr_matrix:
    """Return (spots, spots) with a one where the column is among the row's nearest."""
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        import squidpy
        from anndata import AnnData

        places = AnnData(np.zeros((len(coords), 1), dtype=np.float32))
        places.obsm["spatial"] = np.ascontiguousarray(coords, dtype=np.float64)
        found = squidpy.gr.spatial_neighbors(
            places, coord_type="generic", n_neighs=neighbours, copy=True
        )
    return sparse.csr_matrix(found[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep squidpy from telling the shell that it makes a graph."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)
