"""A Gaussian process as a method like any other: what a textbook would do first.

Expression is brought to principal axes; on each axis lives a Gaussian process over depth, place
and cell type with its own length scales, found by marginal likelihood on a part of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Cost, Method, collect, complete
from napari_stdiff.methods.cells import VisibleCells
from napari_stdiff.methods.files import read_model, refuse_misfit, write_model
from napari_stdiff.methods.flanks import label_codes
from napari_stdiff.methods.settings import InterpolationSettings
from napari_stdiff.methods.streams import cell_normals

_AXES = 15
_TUNING = 300  # cells whose marginal likelihood is maximised
_INDUCING = 1000
_CHUNK = 4096
_START = np.log([0.3, 0.15, 0.3, 0.3, 0.3, 0.5])  # variances relative to the axis, lengths to 1
_TENSORS = (
    "centre",
    "mean",
    "axes",
    "rest",
    "settings",
    "places",
    "codes",
    "factors",
    "weights",
    "spreads",
)


@dataclass(frozen=True)
class _Points:
    """Places scaled to the extent of the tissue, and types as numbers (-1: not known)."""

    zyx: np.ndarray
    code: np.ndarray


class GaussianProcess(Method):
    """Gaussian processes on principal axes, over depth, place and cell type.

    The kernel is ``a K(place) + b [same type] + c K(place) [same type]`` with one length in the
    plane and one in depth, plus noise. Predictions go through at most 1,000 inducing cells, with
    the variance they miss put back cell by cell (FITC), so that draws are exact draws of that
    process; what the axes leave out is added gene by gene.
    """

    id: ClassVar[str] = "gaussian-process"
    title: ClassVar[str] = "Gaussian process"
    description: ClassVar[str] = "Gaussian processes on principal axes."

    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Find the axes, then for each its length scales and the posterior."""
        cells = VisibleCells.of(tissue)
        rng = np.random.default_rng([config.seed, 17])
        self.genes, self.types, self.seed = cells.genes, cells.types, config.seed
        self.centre = cells.coords.mean(axis=0)
        self.extent = float(np.ptp(cells.coords[:, 1:], axis=0).max()) or 1.0
        self.mean = cells.expression.mean(axis=0, dtype=np.float64)
        x = cells.expression - self.mean
        n_axes = min(_AXES, len(self.genes), len(x) - 1)
        self.axes = _principal_axes(x, n_axes, config.seed)
        scores = x @ self.axes.T
        self.rest = np.sqrt(np.maximum((x**2).mean(0) - (scores @ self.axes).var(0), 0.0))
        points = self._points(cells.coords, cells.code)
        tuning = rng.permutation(len(x))[:_TUNING]
        inducing = np.sort(rng.permutation(len(x))[:_INDUCING])
        basis = _Points(points.zyx[inducing], points.code[inducing])
        self.places, self.codes = basis.zyx, basis.code
        self.settings = np.zeros((n_axes, len(_START)))
        m = len(inducing)
        self.factors, self.weights = np.zeros((n_axes, m, m)), np.zeros((n_axes, m))
        self.spreads = np.zeros((n_axes, m, m))
        some = _Points(points.zyx[tuning], points.code[tuning])
        for axis in range(n_axes):
            monitor.step(axis, n_axes, f"axis {axis + 1} of {n_axes}")
            y = scores[:, axis]
            size = float(y.var())
            self.settings[axis] = _tuned(some, y[tuning], size)
            self._solve(axis, basis, points, y)
        monitor.step(1, 1)
        return self

    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Return the posterior mean; a draw is one of the posterior process, with its noise."""
        n, n_axes = query.n_cells, len(self.axes)
        points = self._points(query.coords, label_codes(query.cell_type, self.types, n))
        basis = _Points(self.places, self.codes)
        means, alone = np.zeros((n, n_axes)), np.zeros((n, n_axes))
        shared = np.zeros((n, n_axes))
        rng = np.random.default_rng([self.seed, 19])
        joint = np.zeros((n_draws, n, n_axes))
        for axis in range(n_axes):
            monitor.step(axis, n_axes + n_draws)
            dice = rng.standard_normal((len(self.places), n_draws))
            for start in range(0, n, _CHUNK):
                part = slice(start, start + _CHUNK)
                here = _Points(points.zyx[part], points.code[part])
                phi = self._features(axis, here, basis)
                total, noise = _diagonal(self.settings[axis], here)
                means[part, axis] = phi @ self.weights[axis]
                spread = phi @ self.spreads[axis]
                shared[part, axis] = (spread**2).sum(axis=1)
                alone[part, axis] = np.maximum(total - (phi**2).sum(axis=1), 0) + noise
                joint[:, part, axis] = (spread @ dice).T
        mean = means @ self.axes + self.mean
        if not n_draws:
            return Prediction(self.genes, np.maximum(mean, 0).astype(np.float32))
        variance = (shared + alone) @ self.axes**2 + self.rest**2

        def draw(number: int) -> np.ndarray:
            dice = cell_normals(self.seed, query.coords, n_axes, stream=2 * number)
            scores = means + joint[number] + np.sqrt(alone) * dice.T
            own = cell_normals(self.seed, query.coords, len(self.genes), stream=2 * number + 1)
            values = scores @ self.axes + self.mean + self.rest * own.T
            return np.maximum(values, 0).astype(np.float32)

        draws = collect(draw, n_draws, mean.shape, monitor, n_axes)
        std = np.sqrt(variance).astype(np.float32)
        mean = np.maximum(mean, 0).astype(np.float32)
        return Prediction(self.genes, mean, std, draws, complete(draws, n_draws))

    def facts(self) -> dict[str, Any]:
        """Return the number of axes and their length scales, in the tissue's unit."""
        lengths = np.exp(self.settings[:, 3:5]) * self.extent
        return {
            "axes": len(self.axes),
            "inducing_cells": len(self.places),
            "length_in_plane": [round(float(v), 3) for v in lengths[:, 0]],
            "length_in_depth": [round(float(v), 3) for v in lengths[:, 1]],
        }

    def save(self, folder: Path) -> None:
        """Write the posterior to `folder`."""
        meta = {
            "genes": [str(g) for g in self.genes],
            "types": list(self.types),
            "seed": self.seed,
            "extent": self.extent,
        }
        write_model(folder, self.id, meta, {name: getattr(self, name) for name in _TENSORS})

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a posterior from `folder`."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.genes, method.types = np.asarray(meta["genes"]), tuple(meta["types"])
        method.seed, method.extent = int(meta["seed"]), float(meta["extent"])
        for name in _TENSORS:
            setattr(method, name, tensors[name])
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate from cells, axes and inducing cells."""
        axes = min(_AXES, tissue.n_genes)
        m = min(_INDUCING, tissue.n_cells)
        seconds = axes * (3.0 + 1e-10 * m * m * (tissue.n_cells + n_cells))
        values = 3 * axes * m * m + 2 * m * tissue.n_cells + config.draws * n_cells * axes
        values += (2 + config.draws) * n_cells * tissue.n_genes
        return Cost(axes * len(_START), seconds, 8 * values / 2**20)

    def _points(self, coords: np.ndarray, code: np.ndarray) -> _Points:
        return _Points((coords - self.centre) / self.extent, np.asarray(code))

    def _features(self, axis: int, points: _Points, basis: _Points) -> np.ndarray:
        """Return (points, inducing) features whose products are the low-rank kernel."""
        cross = _kernel(self.settings[axis], points, basis)
        lower = self.factors[axis]
        return np.asarray(solve_triangular(lower, cross.T, lower=True).T)

    def _solve(self, axis: int, basis: _Points, points: _Points, y: np.ndarray) -> None:
        """Keep the posterior of the weights of one axis."""
        said, m = self.settings[axis], len(basis.code)
        own = _kernel(said, basis, basis)
        own[np.diag_indices(m)] += 1e-6 * np.trace(own) / m
        self.factors[axis] = np.linalg.cholesky(own)
        gram, right = np.eye(m), np.zeros(m)
        for start in range(0, len(y), _CHUNK):
            part = slice(start, start + _CHUNK)
            here = _Points(points.zyx[part], points.code[part])
            phi = self._features(axis, here, basis)
            total, noise = _diagonal(said, here)
            precision = 1 / (np.maximum(total - (phi**2).sum(axis=1), 0) + noise)
            gram += (phi * precision[:, None]).T @ phi
            right += phi.T @ (precision * y[part])
        lower = np.linalg.cholesky(gram)
        half = solve_triangular(lower, right, lower=True)
        self.weights[axis] = solve_triangular(lower, half, lower=True, trans="T")
        # gram^-1 = S S' with S = L^-T
        self.spreads[axis] = solve_triangular(lower, np.eye(m), lower=True, trans="T")


def _principal_axes(x: np.ndarray, n_axes: int, seed: int) -> np.ndarray:
    """Return (axes, genes) orthonormal directions of largest variance."""
    from sklearn.decomposition import TruncatedSVD

    if n_axes >= x.shape[1]:
        return np.eye(x.shape[1])
    return np.asarray(TruncatedSVD(n_axes, random_state=seed).fit(x).components_)


def _apart(a: _Points, b: _Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return squared distances in depth and in the plane, and whether types are the same."""
    depth = (a.zyx[:, :1] - b.zyx[:, 0]) ** 2
    plane = ((a.zyx[:, None, 1:] - b.zyx[None, :, 1:]) ** 2).sum(axis=2)
    same = (a.code[:, None] == b.code) & (a.code[:, None] >= 0)
    return depth, plane, same


def _kernel(said: np.ndarray, a: _Points, b: _Points) -> np.ndarray:
    """Return (a, b) covariances, without noise."""
    place, kind, both, plane_length, depth_length, _ = np.exp(said)
    depth, plane, same = _apart(a, b)
    near = np.exp(-0.5 * (plane / plane_length**2 + depth / depth_length**2))
    return np.asarray((place + both * same) * near + kind * same)


def _diagonal(said: np.ndarray, points: _Points) -> tuple[np.ndarray, float]:
    """Return (points,) variances without noise, and the noise."""
    place, kind, both, _, _, noise = np.exp(said)
    return place + (kind + both) * (points.code >= 0), float(noise)


def _tuned(points: _Points, y: np.ndarray, size: float) -> np.ndarray:
    """Return the logarithms of variances, lengths and noise that make `y` most likely."""
    depth, plane, same = (torch.as_tensor(v, dtype=torch.float64) for v in _apart(points, points))
    target = torch.as_tensor(y, dtype=torch.float64)
    unit = torch.eye(len(y), dtype=torch.float64)

    def loss(raw: np.ndarray) -> tuple[float, np.ndarray]:
        said = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
        place, kind, both, plane_length, depth_length, noise = said.exp()
        near = torch.exp(-0.5 * (plane / plane_length**2 + depth / depth_length**2))
        covariance = (place + both * same) * near + kind * same + (noise + 1e-6 * size) * unit
        lower = torch.linalg.cholesky(covariance)
        half = torch.linalg.solve_triangular(lower, target[:, None], upper=False)
        value = 0.5 * (half**2).sum() + lower.diagonal().log().sum()
        value.backward()
        assert said.grad is not None
        return float(value.detach()), said.grad.numpy()

    variances = np.array([True, True, True, False, False, True])
    shift = np.where(variances, np.log(max(size, 1e-9)), 0.0)
    low = np.where(variances, np.log(1e-4), np.log(0.005)) + shift
    high = np.where(variances, np.log(5.0), np.log(5.0)) + shift
    found = minimize(
        loss,
        _START + shift,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": 40},
    )
    return np.asarray(found.x)
