"""Baseline: one smooth regression of expression on position and cell type."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from ..compute.monitor import Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from .base import Cost, Method, collect, complete
from .cells import VisibleCells, unmatched_note
from .files import read_model, refuse_misfit, write_model
from .flanks import label_codes
from .settings import InterpolationSettings
from .smooth import solve_ridge, waves_at
from .streams import cell_uniforms

_WAVES = 150
_BANDWIDTHS = (0.03, 0.06, 0.12, 0.25)
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_RESIDUALS = 5000
_CHUNK = 4096


class Field(Method):
    """Ridge regression on random Fourier features of (z, y, x) and on the cell type.

    The features approximate a Gaussian kernel of one bandwidth on all three axes. Bandwidth and
    penalty are chosen by leaving out training sections. A draw adds the whole residual vector of
    a training cell (of the same type where that is known), clipped at 0.
    """

    id = "field"
    title = "Smooth field"
    description = "Ridge regression on smooth functions of position, and on the cell type."

    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Choose bandwidth and penalty, solve, and keep residuals to draw from."""
        cells = VisibleCells.of(tissue, config.within)
        self.genes, self.types, self.seed = cells.genes, cells.types, config.seed
        self.centre = cells.coords.mean(axis=0)
        self.extent = float(np.ptp(cells.coords[:, 1:], axis=0).max()) or 1.0
        self.waves = np.random.default_rng(config.seed).standard_normal((3, _WAVES))
        left_out = cells.left_out()
        best = (np.inf, _BANDWIDTHS[-1], _PENALTIES[-1])
        with monitor.stage("Choosing smoothness", 0.8):
            for i, bandwidth in enumerate(_BANDWIDTHS):
                self.bandwidth = bandwidth
                monitor.step(i, len(_BANDWIDTHS), f"bandwidth {bandwidth * self.extent:.3g}")
                errors = self._errors(cells, left_out, monitor)
                if len(left_out) and errors.min() < best[0]:
                    best = (errors.min(), bandwidth, _PENALTIES[int(errors.argmin())])
        self.bandwidth, penalty = best[1], best[2]
        with monitor.stage("Fitting"):
            features = self._features(cells.coords, cells.code)
            gram = features.T @ features, features.T @ cells.expression
            self.typed = solve_ridge(*gram, penalty, len(self.types))
            untyped = features.shape[1] - len(self.types)
            self.untyped = solve_ridge(gram[0][:untyped, :untyped], gram[1][:untyped], penalty, 0)
            rows = np.arange(len(cells.code))
            if len(rows) > _RESIDUALS:
                rng = np.random.default_rng(config.seed)
                rows = np.sort(rng.choice(rows, _RESIDUALS, replace=False))
            self.residual_code = cells.code[rows]
            seen, own = cells.expression[rows], features[rows]
            self.residuals = (seen - own @ self.typed).astype(np.float32)
            self.untyped_residuals = (seen - own[:, :untyped] @ self.untyped).astype(np.float32)
            monitor.step(1, 1)
        return self

    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Evaluate the field; draws add residuals of training cells."""
        n = query.n_cells
        code = label_codes(query.cell_type, self.types, n)
        mean = np.empty((n, len(self.genes)), dtype=np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            mean[part] = self._mean(query.coords[part], code[part])
            monitor.step(min(start + _CHUNK, n), n + n_draws)
        notes = unmatched_note(int((code < 0).sum()), n, "position alone is used for them")
        if not n_draws:
            return Prediction(self.genes, np.maximum(mean, 0), notes=notes)
        pools = {kind: self._pool(kind) for kind in np.unique(code).tolist()}
        std = np.empty_like(mean)
        for kind, pool in pools.items():
            std[code == kind] = np.sqrt((pool.astype(np.float64) ** 2).mean(axis=0))
        u = cell_uniforms(self.seed, query.coords, n_draws)

        def draw(number: int) -> np.ndarray:
            out = np.empty_like(mean)
            for kind, pool in pools.items():
                rows = np.flatnonzero(code == kind)
                chosen = (u[number, rows] * len(pool)).astype(np.int64)
                out[rows] = np.maximum(mean[rows] + pool[chosen], 0)
            return out

        draws = collect(draw, n_draws, mean.shape, monitor, n)
        mean = np.maximum(mean, 0)
        return Prediction(self.genes, mean, std, draws, complete(draws, n_draws), notes)

    def save(self, folder: Path) -> None:
        """Write coefficients and residuals to `folder`."""
        meta = {
            "genes": [str(g) for g in self.genes],
            "types": list(self.types),
            "seed": self.seed,
            "extent": self.extent,
            "bandwidth": self.bandwidth,
        }
        tensors = {name: getattr(self, name) for name in _TENSORS}
        write_model(folder, self.id, meta, tensors)

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted field from `folder`."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.genes, method.types = np.asarray(meta["genes"]), tuple(meta["types"])
        method.seed, method.extent = int(meta["seed"]), float(meta["extent"])
        method.bandwidth = float(meta["bandwidth"])
        for name in _TENSORS:
            setattr(method, name, tensors[name])
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate from cells, genes and features."""
        n_types = 0 if tissue.cell_type is None else len(np.unique(tissue.cell_type.astype(str)))
        features = 2 * _WAVES + 1 + n_types
        products = tissue.n_cells * features * (features + 2 * tissue.n_genes)
        predicted = n_cells * features * tissue.n_genes
        seconds = 0.5 + 2e-10 * len(_BANDWIDTHS) * products + 1e-9 * predicted
        values = 2 * tissue.n_cells * (features + tissue.n_genes)
        values += (2 + config.draws) * n_cells * tissue.n_genes
        return Cost(features * tissue.n_genes, seconds, 4 * values / 2**20)

    def _features(self, coords: np.ndarray, code: np.ndarray) -> np.ndarray:
        """Return (cells, features): 1, cosines and sines, then the type as 0 and 1."""
        reach = self.bandwidth * self.extent
        types = code[:, None] == np.arange(len(self.types))
        return np.hstack([waves_at(coords, self.centre, reach, self.waves), types])

    def _mean(self, coords: np.ndarray, code: np.ndarray) -> np.ndarray:
        """Return (cells, genes) float32; cells of unknown type by the field without types."""
        features = sparse.csr_matrix(self._features(coords, code))
        out = np.asarray(features @ self.typed)
        lost = np.flatnonzero(code < 0)
        if len(lost):
            out[lost] = features[lost, : len(self.untyped)] @ self.untyped
        return out.astype(np.float32)

    def _pool(self, kind: int) -> np.ndarray:
        """Return residuals to draw from for cells of one type."""
        if kind < 0:
            return self.untyped_residuals
        own = self.residuals[self.residual_code == kind]
        return own if len(own) else self.residuals

    def _errors(
        self, cells: VisibleCells, left_out: list[np.ndarray], monitor: Monitor
    ) -> np.ndarray:
        """Return the error on left-out cells for each penalty, at the present bandwidth."""
        features = self._features(cells.coords, cells.code)
        expression = cells.expression[:, cells.telling_genes()]
        gram, right = features.T @ features, features.T @ expression
        errors = np.zeros(len(_PENALTIES))
        for rows in left_out:
            own, truth = features[rows], expression[rows]
            rest = gram - own.T @ own, right - own.T @ truth
            for j, penalty in enumerate(_PENALTIES):
                monitor.check()
                predicted = own @ solve_ridge(*rest, penalty, len(self.types))
                errors[j] += float(((predicted - truth) ** 2).mean())
        return errors


_TENSORS = (
    "centre",
    "waves",
    "typed",
    "untyped",
    "residuals",
    "untyped_residuals",
    "residual_code",
)
