"""Where new cells of a measured section may be, and of which type, drawn from its own cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from ..compute.errors import StdiffError
from ..data.tissue import Tissue
from ..methods.files import known_labels
from ..methods.flanks import label_codes
from .lattice import between, is_grid, scattered

_FEWEST = 10  # cells; fewer have no density to speak of
_AROUND = 6  # neighbours that measure how far apart cells lie
_FRAME = 8  # neighbours of the same type that a local frame is made of
_ROUNDS = 30
_HOLE = 1.5  # a gap with a larger radius, in distances between cells, is no tissue

Placed = tuple[np.ndarray, np.ndarray, list[str]]


@dataclass(frozen=True)
class Measured:
    """The measured cells of one section, and what is drawn from them.

    Attributes
    ----------
    name
        Of the section.
    z
        Its depth.
    yx
        (cells, 2) positions.
    code
        (cells,) type as a position in `types`, -1 where unknown.
    types
        Names of the types of the whole tissue.
    """

    name: str
    z: float
    yx: np.ndarray
    code: np.ndarray
    types: tuple[str, ...]

    @classmethod
    def of(cls, tissue: Tissue, section: str) -> Self:
        """Take the cells of `section`.

        Raises
        ------
        StdiffError
            When they are too few to draw others from.
        """
        rows = tissue.section == section
        if rows.sum() < _FEWEST:
            raise StdiffError(
                f"Section '{section}' has only {int(rows.sum())} cells and at least {_FEWEST} are "
                "needed to generate others among them; name another section."
            )
        types = tuple(known_labels(tissue.cell_type))
        labels = None if tissue.cell_type is None else tissue.cell_type[rows]
        return cls(
            section,
            float(tissue.section_z[section]),
            np.ascontiguousarray(tissue.coords[rows, 1:], dtype=np.float64),
            label_codes(labels, types, int(rows.sum())),
            types,
        )

    @cached_property
    def tree(self) -> cKDTree:
        """The search tree of the cells."""
        return cKDTree(self.yx)

    @cached_property
    def spacing(self) -> np.ndarray:
        """(cells,) mean distance of each cell to those around it."""
        distance = np.asarray(self.tree.query(self.yx, k=_AROUND + 1)[0])[:, 1:].mean(axis=1)
        positive = distance[distance > 0]
        typical = float(np.median(positive)) if len(positive) else 1.0
        return np.maximum(distance, 0.05 * typical)

    @cached_property
    def apart(self) -> float:
        """Least distance of two cells, as a share of the spacing around them."""
        nearest = np.asarray(self.tree.query(self.yx, k=2)[0])[:, 1]
        return min(float(np.quantile(nearest / self.spacing, 0.05)), 0.6)

    @cached_property
    def _triangles(self) -> tuple[Delaunay, np.ndarray] | None:
        """The triangulation of the cells, and which triangles are tissue (an alpha shape)."""
        try:
            mesh = Delaunay(self.yx - self.yx.mean(axis=0))
        except QhullError:  # all cells on a line
            return None
        a, b, c = (mesh.points[mesh.simplices[:, i]] for i in range(3))
        sides = [np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (c, a))]
        (uy, ux), (vy, vx) = (b - a).T, (c - a).T
        area = np.abs(uy * vx - ux * vy) / 2
        radius = np.prod(sides, axis=0) / np.maximum(4 * area, 1e-30)
        return mesh, radius <= _HOLE * self.spacing[mesh.simplices].mean(axis=1)

    def holds(self, yx: np.ndarray) -> np.ndarray:
        """Return whether each of (n, 2) positions is inside the tissue, holes left out."""
        distance, near = self.tree.query(yx)
        inside = np.asarray(distance <= 0.3 * self.spacing[near])
        if self._triangles is not None:
            mesh, tissue = self._triangles
            found = mesh.find_simplex(yx - self.yx.mean(axis=0))
            inside |= (found >= 0) & tissue[found]
        return inside

    def distance(self, yx: np.ndarray) -> np.ndarray:
        """Return (n,) distances of positions to the nearest measured cell."""
        return np.asarray(self.tree.query(yx)[0])

    def codes(self, labels: np.ndarray | None, n: int) -> np.ndarray:
        """Return the numbers of `n` given types, -1 for empty ones and for None.

        Raises
        ------
        StdiffError
            When a type is not among those of the data.
        """
        code = label_codes(labels, self.types, n)
        if labels is None:
            return code
        unknown = sorted({str(v) for v in labels[code < 0]} - {""})
        if unknown:
            there = ", ".join(self.types) or "none"
            raise StdiffError(
                f"The positions name the cell type '{unknown[0]}', which the data does not have; "
                f"its types are: {there}."
            )
        return code

    def types_at(self, yx: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the type of a cell at each of (n, 2) positions from the cells around it."""
        known = np.flatnonzero(self.code >= 0)
        if not len(known):
            return np.full(len(yx), -1)
        tree = cKDTree(self.yx[known])
        k = min(2 * _AROUND, len(known))
        distance, index = (np.asarray(found) for found in tree.query(yx, k=list(range(1, k + 1))))
        width = self.spacing[known][index[:, 0]][:, None]
        weights = np.exp(-(distance**2 - distance[:, :1] ** 2) / (2 * width**2))
        edges = np.cumsum(weights, axis=1)
        pick = (edges < (rng.random(len(yx)) * edges[:, -1])[:, None]).sum(axis=1)
        return np.asarray(self.code[known][index[np.arange(len(yx)), pick]])

    def anew(self, n: int, rng: np.random.Generator) -> Placed:
        """Draw `n` cells as dense and as mixed as the measured ones, which are not avoided.

        0 draws as many as were measured. Spots on a grid get places between the spots instead.

        Returns
        -------
        yx, code, notes
            (n, 2) positions, (n,) types, sentences.
        """
        if is_grid(self.yx):
            yx = scattered(self.yx, n, self.holds, rng) if n else between(self.yx, 2, self.holds)
            note = f"The spots lie on a grid: {len(yx)} spots were put between them."
            return yx, self.types_at(yx, rng), [note]
        yx, code = self._drawn(n or len(self.yx), self.apart, np.empty((0, 2)), rng)
        return yx, code, []

    def between(self, factor: float, rng: np.random.Generator) -> Placed:
        """Draw cells between the measured ones, which become `factor` times as many in all."""
        if is_grid(self.yx):
            yx = between(self.yx, factor, self.holds)
            note = (
                f"The spots lie on a grid: {len(yx)} spots were put between them, which makes it "
                f"{1 + len(yx) / len(self.yx):.2g} times as dense."
            )
            return yx, self.types_at(yx, rng), [note]
        n = max(round((factor - 1) * len(self.yx)), 1)
        yx, code = self._drawn(n, self.apart / np.sqrt(factor), self.yx, rng)
        return yx, code, []

    def _drawn(
        self, n: int, apart: float, taken: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw `n` cells: a measured one each, moved within its own local frame.

        A smoothed bootstrap that takes every measured cell equally often, so that density and
        types are kept everywhere; a cell too near another, or outside, is moved anew.
        """
        whole, rest = divmod(n, len(self.yx))
        chosen = rng.choice(len(self.yx), rest, replace=False)
        source = np.concatenate([np.tile(np.arange(len(self.yx)), whole), chosen])
        source = rng.permutation(source)
        frames = self._frames()
        best, clear = self.yx[source].copy(), np.full(n, -np.inf)
        radius = np.maximum(apart, 1e-6) * self.spacing[source]
        pending, done = np.arange(n), np.zeros(n, dtype=bool)
        for _ in range(_ROUNDS):
            if not len(pending):
                break
            weights = rng.normal(size=(len(pending), frames.shape[1]))
            moved = self.yx[source[pending]] + np.einsum(
                "nk,nkd->nd", weights, frames[source[pending]]
            )
            room = _room(moved, np.concatenate([taken, best[done]])) / radius[pending]
            room = np.where(self.holds(moved), room, -1.0)
            better = room > clear[pending]
            best[pending[better]], clear[pending[better]] = moved[better], room[better]
            free = np.flatnonzero(room >= 1)
            free = free[_first_come(moved[free], radius[pending[free]])]
            best[pending[free]] = moved[free]
            done[pending[free]] = True
            pending = pending[~done[pending]]
        return best, self.code[source]

    def _frames(self) -> np.ndarray:
        """Return (cells, k, 2) vectors to near cells of the same type, as long as the spacing.

        Their sum with normal weights spreads as those cells do: along a layer, not across it.
        """
        k = min(_FRAME, len(self.yx) - 1)
        near = np.asarray(self.tree.query(self.yx, k=k + 1)[1])[:, 1:]
        for kind in np.unique(self.code):
            rows = np.flatnonzero(self.code == kind)
            if len(rows) > k:
                index = np.asarray(cKDTree(self.yx[rows]).query(self.yx[rows], k=k + 1)[1])
                near[rows] = rows[index[:, 1:]]
        vectors = self.yx[near] - self.yx[:, None]
        length = np.sqrt((vectors**2).sum(axis=(1, 2)))
        return np.asarray(vectors * (self.spacing / np.maximum(length, 1e-12))[:, None, None])


def _room(yx: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (n,) distances to the nearest of `others`; inf where there are none."""
    if not len(others):
        return np.full(len(yx), np.inf)
    return np.asarray(cKDTree(others).query(yx)[0])


def _first_come(yx: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return a mask that drops cells nearer than their radius to an earlier one of (n, 2)."""
    keep = np.ones(len(yx), dtype=bool)
    if len(yx) < 2:
        return keep
    k = min(_AROUND, len(yx))
    distance, index = cKDTree(yx).query(yx, k=k)
    early = (index < np.arange(len(yx))[:, None]) & (distance < radius[:, None])
    keep[early.any(axis=1)] = False
    return keep
