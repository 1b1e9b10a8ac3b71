"""Baselines that answer with cells of the flanking sections, averaged or copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..compute.monitor import Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from .base import Cost, Method, collect, complete
from .cells import VisibleCells, unmatched_note
from .files import read_model, refuse_misfit, write_model
from .flanks import SectionTrees, average_rows, flank_groups, label_codes
from .settings import InterpolationSettings
from .streams import cell_uniforms

_CHUNK = 4096
_TUNING_CELLS = 1000
_CANDIDATES = ((2, 8), (2, 15), (2, 30), (2, 60), (2, 100), (4, 15), (4, 30), (4, 60), (4, 100))

Group = tuple[np.ndarray, list[str], np.ndarray]


class NeighbourMethod(Method):
    """Answers with a weighted set of measured cells: their average, or one of them.

    The mean is the weighted average, the spread the weighted spread, and a draw copies one whole
    cell of the set, chosen by weight, so that genes keep their relations.
    """

    typed: ClassVar[bool]
    per_section: ClassVar[int]
    tuned: ClassVar[bool]
    gaussian: ClassVar[bool]

    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Keep the visible cells; tune the number of neighbours unless it is set."""
        self._take(VisibleCells.of(tissue, config.within), config.seed)
        self.n_sections, self.k = 2, self.per_section
        if self.tuned and config.neighbours:
            self.k = config.neighbours
        elif self.tuned:
            with monitor.stage("Choosing neighbours"):
                self._tune(monitor)
        monitor.step(1, 1)
        return self

    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Average the neighbours; each draw copies one of them."""
        n, cells = query.n_cells, self.cells
        mean = np.zeros((n, len(cells.genes)), dtype=np.float32)
        std = np.zeros_like(mean) if n_draws else None
        donors = np.zeros((n_draws, n), dtype=np.int64)
        code = label_codes(query.cell_type, cells.types, n) if self.typed else np.full(n, -1)
        done = 0
        for rows, sections, kinds in self._groups(query.coords, code):
            index, weights = self._weighted(query.coords[rows], kinds, sections)
            mean[rows] = average_rows(index, weights, cells.expression)
            if std is not None:
                square = average_rows(index, weights, self._squares)
                std[rows] = np.sqrt(np.maximum(square - mean[rows] ** 2, 0))
                u = cell_uniforms(self.seed, query.coords[rows], n_draws)
                donors[:, rows] = _pick(index, weights, u)
            done += len(rows)
            monitor.step(done, n + n_draws)
        draws = collect(lambda i: cells.expression[donors[i]], n_draws, mean.shape, monitor, n)
        notes: tuple[str, ...] = ()
        if self.typed:
            lost = int((code < 0).sum())
            notes = unmatched_note(lost, n, "neighbours of any type are used for them")
        return Prediction(cells.genes, mean, std, draws, complete(draws, n_draws), notes)

    def facts(self) -> dict[str, Any]:
        """Return how many neighbours are averaged."""
        return {"n_sections": self.n_sections, "neighbours": self.k}

    def save(self, folder: Path) -> None:
        """Write the visible cells and the settings to `folder`."""
        meta, tensors = self.cells.pack()
        settings = {"seed": self.seed, "n_sections": self.n_sections, "neighbours": self.k}
        write_model(folder, self.id, meta | settings, tensors)

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted method from `folder`."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method._take(VisibleCells.unpack(meta, tensors), int(meta["seed"]))
        method.n_sections, method.k = int(meta["n_sections"]), int(meta["neighbours"])
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate from cells, genes and neighbours."""
        entries = n_cells * tissue.n_genes
        values = tissue.n_cells * tissue.n_genes
        memory = 4 * (2 * values + (2 + config.draws) * entries)
        searched = n_cells + (10_000 if cls.tuned and not config.neighbours else 0)
        seconds = 0.1 + 2e-8 * values + searched * (2e-5 + 1e-7 * tissue.n_genes)
        return Cost(0, seconds + 1e-9 * config.draws * entries, memory / 2**20)

    def _take(self, cells: VisibleCells, seed: int) -> None:
        self.cells, self.seed = cells, seed
        self._squares = np.square(cells.expression, dtype=np.float64)
        self._trees = SectionTrees(cells.coords, cells.section, cells.code)

    def _groups(
        self, coords: np.ndarray, code: np.ndarray, n_sections: int = 0
    ) -> Iterator[Group]:
        """Yield rows, the sections to search for them, and the types to search for.

        A type that the flanking sections lack is searched for in all sections.
        """
        cells = self.cells
        section_z, n = cells.section_z, n_sections or self.n_sections
        for rows, sections in flank_groups(section_z, coords[:, 0], n, within=cells.within):
            near = np.unique(cells.code[np.isin(cells.section, sections)])
            there = (code[rows] < 0) | np.isin(code[rows], near)
            for part, names in ((rows[there], sections), (rows[~there], list(section_z))):
                for start in range(0, len(part), _CHUNK):
                    some = part[start : start + _CHUNK]
                    yield some, names, code[some]

    def _weighted(
        self, coords: np.ndarray, code: np.ndarray, sections: list[str], k: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return row numbers and weights, both (queries, sections, k); weights sum to 1."""
        index, distance = self._trees.near(coords, code, sections, k or self.k)
        there = index >= 0
        if self.gaussian:
            z = self.cells.section_z
            away = np.abs(np.array([z[s] for s in sections]) - coords[:, :1])
            weights = fading(distance, away)
        else:
            weights = there.astype(np.float64)
        return index, weights / weights.sum(axis=(1, 2), keepdims=True)

    def _tune(self, monitor: Monitor) -> None:
        """Choose the number of sections and neighbours by leaving out some of the cells."""
        cells = self.cells
        left_out = cells.left_out()
        expression = cells.expression[:, cells.telling_genes()]
        rng = np.random.default_rng(self.seed)
        candidates = [c for c in _CANDIDATES if c[0] == 2 or not cells.within]
        errors = np.zeros(len(candidates))
        steps = len(left_out) * len(candidates)
        for i, left in enumerate(left_out):
            rows = np.flatnonzero(left)
            if len(rows) > _TUNING_CELLS:
                rows = np.sort(rng.choice(rows, _TUNING_CELLS, replace=False))
            coords = cells.coords[rows]
            code = cells.code[rows] if self.typed else np.full(len(rows), -1)
            code = np.where(np.isin(code, np.unique(cells.code[~left])), code, -1)
            trial = type(self)()
            trial._take(cells.rows(~left), self.seed)
            for j, (n_sections, k) in enumerate(candidates):
                monitor.step(i * len(candidates) + j, steps)
                for part, sections, kinds in trial._groups(coords, code, n_sections):
                    index, weights = trial._weighted(coords[part], kinds, sections, k)
                    predicted = average_rows(index, weights, expression[~left])
                    truth = expression[rows[part]]
                    errors[j] += float(((predicted - truth) ** 2).sum()) / len(rows)
        if left_out:
            self.n_sections, self.k = candidates[int(errors.argmin())]


class Linear(NeighbourMethod):
    """The mean of the nearest cell in each of the two parent sections."""

    id = "linear"
    title = "Linear (nearest cell of each parent)"
    description = "Mean of the single nearest cell of the section below and of the one above."
    typed, per_section, tuned, gaussian = False, 1, False, False


class Knn(NeighbourMethod):
    """The distance-weighted mean of near cells in the flanking sections."""

    id = "knn"
    title = "Neighbours"
    description = "Weighted mean of the nearest cells of the flanking sections, of any type."
    typed, per_section, tuned, gaussian = False, 60, True, True


class TypedKnn(NeighbourMethod):
    """The distance-weighted mean of near cells of the same type in the flanking sections."""

    id = "typed-knn"
    title = "Neighbours of the same type"
    description = "Weighted mean of the nearest cells of the same type in the flanking sections."
    typed, per_section, tuned, gaussian = True, 60, True, True


class TypedDonor(NeighbourMethod):
    """A measured cell of the same type, copied whole from near by."""

    id = "typed-donor"
    title = "Copied cell of the same type"
    description = (
        "Each draw copies one of the nearest cells of the same type in the two parent sections, "
        "all equally likely; the mean is over those cells."
    )
    typed, per_section, tuned, gaussian = True, 15, False, False


def fading(distance: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Return weights of near cells that fade as a Gaussian of half the radius that holds them.

    Parameters
    ----------
    distance
        (queries, sections, k) in the plane; inf where there is no cell, which weighs 0.
    away
        (queries, sections) between each query and the section, along z.
    """
    there = np.isfinite(distance)
    plane = np.where(there, distance, 0.0)
    square = plane**2 + away[:, :, None] ** 2
    nearest = np.where(there, square, np.inf).min(axis=(1, 2), keepdims=True)
    # never 0, where cells coincide
    width = np.maximum(0.5 * plane.max(axis=(1, 2), keepdims=True), 1e-9)
    with np.errstate(invalid="ignore"):  # no cell at all: inf - inf
        return np.where(there, np.exp(-(square - nearest) / (2 * width**2)), 0.0)


def _pick(index: np.ndarray, weights: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return (draws, queries) row numbers chosen by weight with uniform numbers `u`."""
    n = len(index)
    flat = weights.reshape(n, -1)
    edges = np.cumsum(flat, axis=1)
    picked = np.empty(u.shape, dtype=np.int64)
    last = flat.shape[1] - 1 - np.argmax(flat[:, ::-1] > 0, axis=1)
    for d, row in enumerate(u):
        slot = (edges <= (row * edges[:, -1])[:, None]).sum(axis=1)
        picked[d] = index.reshape(n, -1)[np.arange(n), np.minimum(slot, last)]
    return picked
