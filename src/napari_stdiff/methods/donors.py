"""The parents of a new cell: near cells of its type in the sections below and above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from .context import Context
from .flanks import flank_groups
from .streams import cell_uniforms

_SECTIONS = 2  # on each side
_PER_SECTION = 60


@dataclass(frozen=True)
class Donors:
    """Cells that a draw may start from.

    Attributes
    ----------
    index
        (cells, 2, k) row numbers of near cells below and above.
    edges
        (cells, 2, k) cumulated weights, the last of each side 1.
    weight
        (cells,) lambda: 0 at the section below, 1 at the one above.
    """

    index: np.ndarray
    edges: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(
        cls,
        context: Context,
        coords: np.ndarray,
        code: np.ndarray,
        blend: float | None,
        per_section: int = 0,
        without: str = "",
    ) -> Self:
        """Find the parents of cells at `coords`.

        Parameters
        ----------
        context
            Knows the visible cells.
        coords, code
            (cells, 3) z, y, x, and (cells,) types as numbers, -1 where not known.
        blend
            Lambda for all cells; None takes it from the depths, (z - z1) / (z2 - z1), and
            lessens the share of a side by as much as it has fewer cells than are asked for: a
            handful of cells would come again and again.
        per_section
            Near cells taken from each section; 0 takes 60.
        without
            Section whose cells are no parents.
        """
        wanted = per_section or _PER_SECTION
        n, k = len(coords), _SECTIONS * wanted
        index = np.zeros((n, 2, k), dtype=np.int64)
        edges = np.ones((n, 2, k))
        weight = np.full(n, 0.5 if blend is None else blend)
        depth = {s: z for s, z in context.cells.section_z.items() if s != without}
        around = flank_groups(depth, coords[:, 0], 2 * _SECTIONS, within=context.cells.within)
        for rows, sections in around:
            z = coords[rows, 0]
            below = [s for s in sections if depth[s] <= z[0]]
            above = [s for s in sections if s not in below]
            there = np.ones((2, len(rows)))
            for side, names in enumerate((below or above, above or below)):
                found, shares = context.near(coords[rows], code[rows], names, wanted)
                there[side] = np.minimum((found >= 0).sum(axis=(1, 2)) / wanted, 1)
                flat = shares.reshape(len(rows), -1).cumsum(axis=1)
                index[rows, side, : flat.shape[1]] = found.reshape(len(rows), -1)
                edges[rows, side, : flat.shape[1]] = flat / flat[:, -1:]
            if blend is None and below and above and depth[above[0]] > depth[below[-1]]:
                low, high = depth[below[-1]], depth[above[0]]
                shares = np.stack([high - z, z - low]) * there
                weight[rows] = shares[1] / shares.sum(axis=0)
        return cls(index, edges, weight)

    def pick(self, seed: int, coords: np.ndarray, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Choose one cell of each side for a draw.

        Returns
        -------
        rows
            (cells, 2) row numbers of the parents.
        second
            (cells,) whether a draw that starts from one parent alone starts from the one above:
            so with probability lambda.
        """
        u = cell_uniforms(seed, coords, 3, stream=8 * draw)
        cells = np.arange(len(coords))
        rows = np.empty((len(coords), 2), dtype=np.int64)
        for side in range(2):
            slot = (self.edges[:, side] <= u[side][:, None]).sum(axis=1)
            rows[:, side] = self.index[cells, side, np.minimum(slot, self.edges.shape[2] - 1)]
        return rows, u[2] < self.weight
