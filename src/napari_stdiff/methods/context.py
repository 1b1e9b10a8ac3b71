"""What a model is told about a cell: type, place, and what its flanking sections hold there.

Everything here comes from measured sections other than the cell's own, and from the cell's own
position and type: nothing depends on which other cells are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..diffusion.basis import Basis
from .cells import VisibleCells
from .flanks import SectionTrees, flank_groups

_NEAR = (15, 60)  # neighbours whose types make up the two scales of composition
_FREQUENCIES = 48
_BANDWIDTH = 1.2
FEW = 400  # genes up to this many are taken one by one, more through their principal axes
CLIP = 10.0  # standard deviations beyond which a value is an outlier


def rank_of(n_cells: int, n_genes: int) -> int:
    """Return how many columns stand for the genes: all, or fewer axes where cells are few."""
    return n_genes if n_genes <= FEW else int(np.clip(n_cells / 40, 50, 200))


@dataclass(frozen=True)
class Surroundings:
    """What is around each cell in the sections that flank it.

    Attributes
    ----------
    condition
        (cells, features) float32, what a network is given of type and place.
    kind
        (cells, types) float32: 1 for the cell's type, or the shares around it where it is not
        known.
    """

    condition: np.ndarray
    kind: np.ndarray

    def told(self, code: np.ndarray) -> Surroundings:
        """Return the same with the types `code` put in where they are known (0 or more)."""
        known = code >= 0
        if not known.any():
            return self
        condition, kind = self.condition.copy(), self.kind.copy()
        n_types = kind.shape[1]
        kind[known] = one_hot(code[known], n_types)
        condition[known, :n_types] = kind[known]
        condition[known, n_types] = 1
        return Surroundings(condition, kind)


def one_hot(code: np.ndarray, n_types: int) -> np.ndarray:
    """Return (cells, types) float32, 1 for the type of each cell; unknown types give zeros."""
    return np.eye(n_types + 1, n_types, dtype=np.float32)[code]


@dataclass(frozen=True)
class Context:
    """Turns positions and types into conditions.

    Attributes
    ----------
    cells
        The visible cells.
    frequency
        Cycles over half the extent of the tissue that the Fourier features reach.
    """

    cells: VisibleCells
    frequency: float = 0.5
    trees: SectionTrees = field(init=False, repr=False)

    def __post_init__(self) -> None:
        trees = SectionTrees(self.cells.coords, self.cells.section, self.cells.code)
        object.__setattr__(self, "trees", trees)

    @cached_property
    def frame(self) -> tuple[np.ndarray, float]:
        """Centre of the tissue, and one scale for all axes (so that its shape is kept)."""
        centre = self.cells.coords.mean(axis=0)
        return centre, max(float(np.abs(self.cells.coords - centre).max()), 1e-9)

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each gene over the visible cells."""
        x = self.cells.expression
        return x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Return (cells, genes) expression in standard deviations, outliers clipped."""
        mean, std = self.scale
        return np.clip((x - mean) / std, -CLIP, CLIP)

    @cached_property
    def basis(self) -> Basis:
        """Basis of standardised expression, for what the network is given and gives."""
        x = self.cells.expression
        return Basis.fit(self.standard(x), rank_of(*x.shape), 0)

    @cached_property
    def spacing(self) -> float:
        """Median distance between neighbouring sections."""
        z = np.sort(list(self.cells.section_z.values()))
        return float(np.median(np.diff(z))) if len(z) > 1 and z[-1] > z[0] else 1.0

    @cached_property
    def _waves(self) -> np.ndarray:
        return np.random.default_rng(20_240).normal(
            scale=2 * np.pi * self.frequency, size=(3, _FREQUENCIES)
        )

    def around(
        self,
        coords: np.ndarray,
        code: np.ndarray,
        without: str = "",
        skip: np.ndarray | None = None,
    ) -> Surroundings:
        """Describe cells by what flanks them.

        Parameters
        ----------
        coords
            (cells, 3) z, y, x.
        code
            (cells,) types as positions in ``cells.types``; -1 where not known.
        without
            Section whose cells are not looked at: the cells' own, when they are measured and
            new cells lie between sections.
        skip
            (cells,) row of each cell among the visible ones, not to be looked at: when they are
            measured and new cells lie within sections.
        """
        n, n_types = len(coords), len(self.cells.types)
        mix = np.zeros((n, len(_NEAR) * n_types), dtype=np.float32)
        gaps = np.zeros((n, 2), dtype=np.float32)
        depth = {s: z for s, z in self.cells.section_z.items() if s != without}
        within = self.cells.within
        for rows, sections in flank_groups(depth, coords[:, 0], 2, within=within):
            own = None if skip is None else skip[rows]
            away = np.array([depth[s] for s in sections]) - coords[rows][:, :1]
            gaps[rows] = np.abs(away[:, [0, -1]]) / self.spacing
            if n_types:
                mix[rows] = self._composition(coords[rows], sections, n_types, own)
        centre, extent = self.frame
        place = (coords - centre) / extent
        angle = place @ self._waves
        kind = mix[:, :n_types]
        parts = [
            kind,
            np.zeros((n, 1)),
            place,
            np.sin(angle),
            np.cos(angle),
            2 * mix,
            gaps,
        ]
        there = Surroundings(np.concatenate(parts, axis=1).astype(np.float32), kind.copy())
        return there.told(code)

    def near(
        self,
        coords: np.ndarray,
        code: np.ndarray,
        sections: list[str],
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return near cells of the same type and Gaussian weights by distance.

        A cell whose type none of the sections has takes near cells of any type.

        Returns
        -------
        index, weights
            (cells, sections, k) row numbers, and weights that sum to 1 over both.
        """
        index, distance = self.trees.near(coords, code, sections, k)
        lost = (code >= 0) & ~(index >= 0).any(axis=(1, 2))
        if lost.any():
            index[lost], distance[lost] = self.trees.near(coords[lost], None, sections, k)
        there = index >= 0
        depth = self.cells.section_z
        away = np.array([depth[s] for s in sections]) - coords[:, :1]
        plane = np.where(there, distance, np.nan)
        width = _BANDWIDTH * np.nanmedian(plane.reshape(len(coords), -1), axis=1) + 1e-9
        power = -0.5 * (np.where(there, distance, np.inf) / width[:, None, None]) ** 2
        power -= 0.5 * (away / (2 * self.spacing))[:, :, None] ** 2
        power -= power.max(axis=(1, 2), keepdims=True)
        weights = np.exp(power)
        return index, weights / weights.sum(axis=(1, 2), keepdims=True)

    def _composition(
        self, coords: np.ndarray, sections: list[str], n_types: int, skip: np.ndarray | None
    ) -> np.ndarray:
        """Return shares of each type among the nearest cells, at two scales, both flanks."""
        index, _ = self.trees.near(coords, None, sections, max(_NEAR), skip)
        code = np.where(index >= 0, self.cells.code[index], -1)
        out = []
        for k in _NEAR:
            some = code[:, :, :k].reshape(len(coords), -1)
            counts = np.zeros((len(coords), n_types + 1), dtype=np.float32)
            rows = np.repeat(np.arange(len(coords)), some.shape[1])
            np.add.at(counts, (rows, some.ravel()), 1)
            out.append(counts[:, :-1] / np.maximum(counts[:, :-1].sum(1, keepdims=True), 1))
        return np.concatenate(out, axis=1)
