"""Baseline: Gaussian processes on principal axes, as a textbook would do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..compute.monitor import Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from .base import Cost, Method, collect, complete
from .cells import VisibleCells, unmatched_note
from .files import read_model, refuse_misfit, write_model
from .flanks import label_codes
from .processes import (
    AXES,
    INDUCING,
    N_SETTINGS,
    Frame,
    Points,
    Posterior,
    posteriors,
    principal_scores,
    process_seconds,
)
from .settings import InterpolationSettings
from .streams import cell_normals

_CHUNK = 4096
_NONE = np.zeros(0, dtype=np.int64)
_ARRAYS = ("said", "lower", "weights", "spread")


class GaussianProcess(Method):
    """Gaussian processes on principal axes, over depth, place and cell type.

    The mean is the posterior's. A draw is one of the posterior process with its noise, the same
    process for all cells; what the axes leave out is added gene by gene. Clipped at 0.
    """

    id: ClassVar[str] = "gaussian-process"
    title: ClassVar[str] = "Gaussian process"
    description: ClassVar[str] = (
        "Gaussian processes over place and cell type, with length scales of their own for each of "
        "15 principal axes of expression."
    )

    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Find the axes, then for each its length scales and the posterior."""
        cells = VisibleCells.of(tissue, config.within)
        self.genes, self.types, self.seed = cells.genes, cells.types, config.seed
        self.frame = Frame.of(cells.coords)
        self.mean = cells.expression.mean(axis=0, dtype=np.float64)
        x = cells.expression - self.mean
        self.axes, scores = principal_scores(x, config.seed)
        self.rest = np.sqrt(np.maximum((x**2).mean(0) - (scores @ self.axes).var(0), 0.0))
        points = self.frame.points(cells.coords, cells.code)
        self.posteriors: list[Posterior] = []
        n_axes = len(self.axes)
        monitor.step(0, n_axes, "length scales")
        for posterior in posteriors(points, scores, config.seed):
            self.posteriors.append(posterior)
            monitor.step(len(self.posteriors), n_axes, f"axis {len(self.posteriors)} of {n_axes}")
        return self

    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Return the posterior mean; a draw is one of the posterior process, with its noise."""
        n, n_axes = query.n_cells, len(self.axes)
        coords = np.asarray(query.coords, dtype=np.float64)
        points = self.frame.points(coords, label_codes(query.cell_type, self.types, n))
        means, alone = np.zeros((n, n_axes)), np.zeros((n, n_axes))
        shared, joint = np.zeros((n, n_axes)), np.zeros((n_draws, n, n_axes))
        for axis, posterior in enumerate(self.posteriors):
            monitor.step(axis, n_axes + n_draws)
            rng = np.random.default_rng([self.seed, 19, axis])
            dice = rng.standard_normal((n_draws, len(posterior.basis))).T
            for start in range(0, n, _CHUNK):
                part = slice(start, start + _CHUNK)
                phi = posterior.features(points[part])
                means[part, axis] = phi @ posterior.weights
                spread = phi @ posterior.spread
                shared[part, axis] = (spread**2).sum(axis=1)
                alone[part, axis] = posterior.missed(points[part], phi)
                joint[:, part, axis] = (spread @ dice).T
        mean = means @ self.axes + self.mean
        if not n_draws:
            return Prediction(self.genes, self._clipped(mean), notes=self._notes(points))
        variance = (shared + alone) @ self.axes**2 + self.rest**2

        def draw(number: int) -> np.ndarray:
            dice = cell_normals(self.seed, coords, n_axes, stream=2 * number)
            scores = means + joint[number] + np.sqrt(alone) * dice.T
            own = cell_normals(self.seed, coords, len(self.genes), stream=2 * number + 1)
            return self._clipped(scores @ self.axes + self.mean + self.rest * own.T)

        draws = collect(draw, n_draws, mean.shape, monitor, n_axes)
        return Prediction(
            self.genes,
            self._clipped(mean),
            np.sqrt(variance).astype(np.float32),
            draws,
            complete(draws, n_draws),
            self._notes(points),
        )

    def facts(self) -> dict[str, Any]:
        """Return the number of axes and their length scales, in the tissue's unit."""
        lengths = np.exp([p.said[3:5] for p in self.posteriors]) * self.frame.extent
        return {
            "axes": len(self.axes),
            "inducing_cells": len(self.posteriors[0].basis) if self.posteriors else 0,
            "length_in_plane": [round(float(v[0]), 3) for v in lengths],
            "length_in_depth": [round(float(v[1]), 3) for v in lengths],
        }

    def save(self, folder: Path) -> None:
        """Write the posterior to `folder`."""
        meta = {
            "genes": [str(g) for g in self.genes],
            "types": list(self.types),
            "seed": self.seed,
            "extent": self.frame.extent,
        }
        basis = self.posteriors[0].basis if self.posteriors else Points(np.zeros((0, 3)), _NONE)
        tensors = {name: getattr(self, name) for name in ("mean", "axes", "rest")}
        tensors |= {"centre": self.frame.centre, "places": basis.zyx, "codes": basis.code}
        for name in _ARRAYS:
            tensors[name] = np.array([getattr(p, name) for p in self.posteriors])
        write_model(folder, self.id, meta, tensors)

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a posterior from `folder`."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.genes, method.types = np.asarray(meta["genes"]), tuple(meta["types"])
        method.seed = int(meta["seed"])
        method.frame = Frame(tensors["centre"], float(meta["extent"]))
        method.mean, method.axes, method.rest = (tensors[n] for n in ("mean", "axes", "rest"))
        basis = Points(tensors["places"], tensors["codes"])
        method.posteriors = [
            Posterior(basis=basis, **{name: tensors[name][axis] for name in _ARRAYS})
            for axis in range(len(method.axes))
        ]
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate from cells, axes and inducing cells."""
        axes = min(AXES, tissue.n_genes)
        m = min(INDUCING, tissue.n_cells)
        seconds = process_seconds(tissue) + axes * 1e-10 * m * m * n_cells
        entries = n_cells * tissue.n_genes
        seconds += 3e-8 * config.draws * entries + 2e-8 * tissue.n_cells * tissue.n_genes
        values = 2 * axes * m * m + 3 * m * min(_CHUNK, max(tissue.n_cells, n_cells))
        values += config.draws * n_cells * axes + tissue.n_cells * tissue.n_genes
        memory = 8 * values + 4 * (4 + config.draws) * entries
        return Cost(axes * N_SETTINGS, seconds, memory / 2**20)

    @staticmethod
    def _clipped(values: np.ndarray) -> np.ndarray:
        return np.maximum(values, 0).astype(np.float32)

    def _notes(self, points: Points) -> tuple[str, ...]:
        if not self.types:
            return ()
        lost = int((points.code < 0).sum())
        return unmatched_note(lost, len(points), "place alone is used for them")
