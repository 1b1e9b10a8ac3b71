"""The noise that a gene's draws start from: alike in cells that err alike, even in each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .singles.base import standardise
from .smoothing import Neighbourhood
from .views import principal_axes

AXES = 8
_AROUND = 50  # cells that visible genes are averaged over before their axes are found


@dataclass(frozen=True)
class SharedNoise:
    """How errors of a gene hang together over the cells.

    A gene that was never seen may lie too high everywhere, or along a pattern of the tissue.
    Both are in the errors of visible genes while they were hidden: the variance of their mean,
    and that along axes of the tissue (a low-rank basis of spots, made of the visible genes'
    smoothed maps). What is left over is each cell's own.

    Attributes
    ----------
    basis
        (cells, axes) float32 patterns of mean 0 and deviation 1; the first is constant.
    variances
        (axes,) of errors along each.
    """

    basis: np.ndarray
    variances: np.ndarray

    @staticmethod
    def patterns(tissue: np.ndarray, near: Neighbourhood) -> np.ndarray:
        """Return the (cells, axes) basis that (cells, shared) visible expression gives."""
        smooth = near.average(standardise(tissue), _AROUND)
        axes = standardise(principal_axes(smooth, AXES))
        return np.hstack([np.ones((len(axes), 1), dtype=np.float32), axes])

    @classmethod
    def fit(cls, basis: np.ndarray, errors: np.ndarray) -> Self:
        """Learn from (cells, genes) errors of unit variance."""
        along = basis.T @ errors / len(errors)
        own = 1 / len(errors)  # what independent errors would have along each axis
        variances = np.maximum((along**2).mean(axis=1) - own, 0)
        most = float(variances.sum())
        return cls(basis, variances * min(1.0, 0.9 / most) if most > 0 else variances)

    def uniforms(self, n_draws: int, generator: np.random.Generator) -> np.ndarray:
        """Return (draws, cells) uniforms whose draws are even in each cell.

        The draws of a cell are one in each of `n_draws` equal parts of [0, 1), in the order that
        noise which hangs together over the cells has there (a Schaake shuffle; Clark et al.
        2004), so that few draws already show the distribution of a cell and of the map.
        """
        cells = len(self.basis)
        own = np.sqrt(np.maximum(1 - self.basis**2 @ self.variances, 0.05))
        shared = generator.standard_normal((n_draws, len(self.variances)))
        field = (shared * np.sqrt(self.variances)) @ self.basis.T
        field += own * generator.standard_normal((n_draws, cells))
        ranks = rankdata(field, axis=0, method="ordinal") - 1
        return np.asarray((ranks + generator.random(cells)) / n_draws, dtype=np.float32)

    def pack(self) -> dict[str, np.ndarray]:
        """Return what a file keeps; the basis is made anew."""
        return {"noise.variances": self.variances}

    @classmethod
    def unpack(cls, tensors: Mapping[str, np.ndarray], basis: np.ndarray) -> Self:
        """Undo :meth:`pack`."""
        return cls(basis, np.asarray(tensors["noise.variances"]))


def scores_of(uniforms: np.ndarray) -> np.ndarray:
    """Return normal scores of uniforms, within what a float32 can tell from 0 and 1."""
    return np.asarray(ndtri(np.clip(uniforms, 1e-5, 1 - 1e-5)), dtype=np.float32)
