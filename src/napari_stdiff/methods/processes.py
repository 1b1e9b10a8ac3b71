"""Gaussian processes over depth, place and cell type, one for each principal axis of expression.

The kernel is ``a K(place) + b [same type] + c K(place) [same type]`` with one length in the plane
and one in depth, plus noise; all six numbers are found by marginal likelihood on a part of the
cells. The posterior goes through at most 1,000 inducing cells, with the variance they miss put
back cell by cell (FITC; Snelson and Ghahramani 2006): with fewer cells than that it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import minimize

from ..data.tissue import Tissue

AXES = 15
_TUNING = 300  # cells whose marginal likelihood is maximised
INDUCING = 1000
_CHUNK = 4096
_START = np.log([0.3, 0.15, 0.3, 0.3, 0.3, 0.5])  # variances relative to the axis, lengths to 1
_STEPS = 40
N_SETTINGS = len(_START)


@dataclass(frozen=True)
class Points:
    """Where cells are, and of which type.

    Attributes
    ----------
    zyx
        (points, 3) places, in extents of the tissue.
    code
        (points,) types as numbers; -1 where not known, which is like no other.
    """

    zyx: np.ndarray
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, rows: np.ndarray | slice) -> Points:
        return Points(self.zyx[rows], self.code[rows])


@dataclass(frozen=True)
class Frame:
    """One origin and one unit for all axes of a tissue."""

    centre: np.ndarray
    extent: float

    @classmethod
    def of(cls, coords: np.ndarray) -> Self:
        """Take the mean of (cells, 3) z, y, x, and the larger of their extents in the plane."""
        return cls(coords.mean(axis=0), float(np.ptp(coords[:, 1:], axis=0).max()) or 1.0)

    def points(self, coords: np.ndarray, code: np.ndarray) -> Points:
        """Return places of cells in this frame."""
        return Points((coords - self.centre) / self.extent, np.asarray(code))


@dataclass(frozen=True)
class Posterior:
    """What one axis is, given the visible cells.

    Attributes
    ----------
    said
        (6,) logarithms of the three variances, of the lengths in the plane and in depth, and of
        the noise.
    basis
        The inducing cells.
    lower
        (inducing, inducing) Cholesky factor of their covariance.
    weights
        (inducing,) mean of the whitened inducing values.
    spread
        (inducing, inducing) square root of their covariance: spread @ spread.T.
    """

    said: np.ndarray
    basis: Points
    lower: np.ndarray
    weights: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, said: np.ndarray, basis: Points, points: Points, y: np.ndarray) -> Self:
        """Condition on the values `y` (points,) of an axis."""
        m = len(basis)
        own = kernel(said, basis, basis)
        own[np.diag_indices(m)] += 1e-6 * np.trace(own) / m
        start = cls(said, basis, np.linalg.cholesky(own), np.zeros(m), np.eye(m))
        gram, right = np.eye(m), np.zeros(m)
        for first in range(0, len(y), _CHUNK):
            part = slice(first, first + _CHUNK)
            phi = start.features(points[part])
            precision = 1 / start.missed(points[part], phi)
            gram += (phi * precision[:, None]).T @ phi
            right += phi.T @ (precision * y[part])
        lower = np.linalg.cholesky(gram)
        # gram^-1 = S S' with S = L^-T
        spread = solve_triangular(lower, np.eye(m), lower=True, trans="T")
        return cls(said, basis, start.lower, spread @ (spread.T @ right), spread)

    def features(self, points: Points) -> np.ndarray:
        """Return (points, inducing) features whose products are the low-rank kernel."""
        cross = kernel(self.said, self.basis, points)
        return np.asarray(solve_triangular(self.lower, cross, lower=True).T)

    def missed(self, points: Points, phi: np.ndarray) -> np.ndarray:
        """Return (points,) variances beyond the inducing cells' `phi`, with the noise."""
        total, noise = diagonal(self.said, points)
        return np.asarray(np.maximum(total - (phi**2).sum(axis=1), 0) + noise)

    @cached_property
    def representers(self) -> np.ndarray:
        """(inducing,) weights of the kernel in the mean: mean(x) = kernel(x, basis) @ them."""
        return self._representers(self.weights)

    def representers_without(self, points: Points, y: np.ndarray) -> np.ndarray:
        """Return the same as if some of the cells conditioned on were not there.

        The weights of a regression without a block of rows follow from those with it
        (Cook and Weisberg 1982), so nothing is solved anew but a system of that block's size.

        Parameters
        ----------
        points, y
            The cells to forget, and their values.
        """
        phi = self.features(points)
        precision = 1 / self.missed(points, phi)
        seen = phi @ self.spread
        leverage = (seen @ seen.T) * precision
        off = np.linalg.solve(np.eye(len(y)) - leverage, y - phi @ self.weights)
        return self._representers(self.weights - self.spread @ (seen.T @ (precision * off)))

    def _representers(self, weights: np.ndarray) -> np.ndarray:
        return np.asarray(solve_triangular(self.lower, weights, lower=True, trans="T"))


def principal_scores(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (axes, genes) leading directions of centred (cells, genes) values, and the scores."""
    from sklearn.decomposition import TruncatedSVD

    n_axes = min(AXES, x.shape[1], len(x) - 1)
    if n_axes < 1:
        axes = np.zeros((0, x.shape[1]))
    elif n_axes >= x.shape[1]:
        axes = np.eye(x.shape[1])
    else:
        axes = np.asarray(TruncatedSVD(n_axes, random_state=seed).fit(x).components_)
    return axes, x @ axes.T


def posteriors(points: Points, scores: np.ndarray, seed: int) -> Iterator[Posterior]:
    """Yield the posterior of one axis after another.

    Parameters
    ----------
    points
        The visible cells.
    scores
        (cells, axes) values, of mean 0.
    seed
        Of the choice of cells that are tuned on, and of inducing cells.
    """
    rng = np.random.default_rng([seed, 17])
    tuning = rng.permutation(len(points))[:_TUNING]
    basis = points[np.sort(rng.permutation(len(points))[:INDUCING])]
    for y in scores.T:
        said = tuned(points[tuning], y[tuning], float(y.var()))
        yield Posterior.of(said, basis, points, y)


def process_seconds(tissue: Tissue) -> float:
    """Estimate the seconds of :func:`posteriors` on `tissue`."""
    m = min(INDUCING, tissue.n_cells)
    return min(AXES, tissue.n_genes) * (0.2 + 3e-10 * m * m * (tissue.n_cells + m))


def _apart(a: Points, b: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return squared distances in depth and in the plane, and whether types are the same."""
    square = [(a.zyx[:, [axis]] - b.zyx[:, axis]) ** 2 for axis in range(3)]
    same = (a.code[:, None] == b.code) & (a.code[:, None] >= 0)
    return square[0], square[1] + square[2], same


def kernel(said: np.ndarray, a: Points, b: Points) -> np.ndarray:
    """Return (a, b) covariances, without noise."""
    place, kind, both, plane_length, depth_length, _ = np.exp(said)
    depth, plane, same = _apart(a, b)
    near = np.exp(-0.5 * (plane / plane_length**2 + depth / depth_length**2))
    return np.asarray((place + both * same) * near + kind * same)


def diagonal(said: np.ndarray, points: Points) -> tuple[np.ndarray, float]:
    """Return (points,) variances without noise, and the noise."""
    place, kind, both, _, _, noise = np.exp(said)
    return place + (kind + both) * (points.code >= 0), float(noise)


def tuned(points: Points, y: np.ndarray, size: float) -> np.ndarray:
    """Return the logarithms of variances, lengths and noise that make `y` most likely.

    Parameters
    ----------
    points, y
        Cells and their values.
    size
        Variance of the axis, which the variances start from and are bounded by.
    """
    depth, plane, same = _apart(points, points)
    typed = bool(same.any())

    def loss(said: np.ndarray) -> tuple[float, np.ndarray]:
        place, kind, both, plane_length, depth_length, noise = np.exp(said)
        across, along = plane / plane_length**2, depth / depth_length**2
        near = np.exp(-0.5 * (across + along))
        smooth = (place + both * same) * near if typed else place * near
        covariance = smooth + kind * same if typed else smooth.copy()
        covariance[np.diag_indices(len(y))] += noise + 1e-6 * size
        lower, failed = lapack.dpotrf(covariance, lower=1)
        if failed:
            return np.inf, np.zeros(len(said))
        half = lapack.dpotri(lower, lower=1)[0]
        inverse = np.tril(half) + np.tril(half, -1).T
        alpha = inverse @ y
        value = 0.5 * float(y @ alpha) + float(np.log(lower.diagonal()).sum())
        slope = 0.5 * (inverse - np.outer(alpha, alpha))
        pulled, smoothed = slope * near, slope * smooth
        out = [
            place * pulled.sum(),
            kind * slope[same].sum() if typed else 0.0,
            both * pulled[same].sum() if typed else 0.0,
            (smoothed * across).sum(),
            (smoothed * along).sum(),
            noise * slope.trace(),
        ]
        return value, np.array(out)

    variances = np.array([True, True, True, False, False, True])
    shift = np.where(variances, np.log(max(size, 1e-9)), 0.0)
    low = np.where(variances, np.log(1e-4), np.log(0.005)) + shift
    high = np.log(5.0) + shift
    found = minimize(
        loss,
        _START + shift,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": _STEPS},
    )
    return np.asarray(found.x)
