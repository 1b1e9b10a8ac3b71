"""Normal scores: expression with its zeros and ties, as values a diffusion model can learn.

Log-normalised counts have a point mass at zero, which no sum with Gaussian noise can have. Here
each value becomes its randomised rank among the visible cells, turned into a normal quantile:
ties are spread evenly over the ranks they share, so that every gene is standard normal. The way
back is the empirical quantile function, so zeros come back as often as they were measured where
the model says nothing else (van der Waerden scores with the randomised probability integral
transform of Smith 1985).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr, ndtri

_LEVELS = 4096
_MARGIN = 1e-3  # of a level, so that rounding never crosses into the next


@dataclass(frozen=True)
class NormalScores:
    """The transformation, gene by gene.

    Attributes
    ----------
    quantiles
        (levels, genes) rising values: what the empirical quantile function gives.
    """

    quantiles: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Self:
        """Learn from (cells, genes) values of the visible cells."""
        n = len(x)
        levels = min(n, _LEVELS)
        ranks = ((np.arange(levels) + 0.5) / levels * n).astype(np.int64)
        return cls(np.sort(x, axis=0)[ranks].astype(np.float32))

    def ranks(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (cells, genes) uint16 lowest and highest levels that each value covers."""
        low = np.empty(x.shape, dtype=np.uint16)
        high = np.empty(x.shape, dtype=np.uint16)
        for gene in range(x.shape[1]):
            column, values = self.quantiles[:, gene], x[:, gene]
            low[:, gene] = np.searchsorted(column, values, "left")
            high[:, gene] = np.searchsorted(column, values, "right")
        return low, high

    def scores(self, low: np.ndarray, high: np.ndarray, u: np.ndarray | np.float32) -> np.ndarray:
        """Return normal scores (float32) of covered levels, placed by uniforms `u` in [0, 1)."""
        n = len(self.quantiles)
        width = high.astype(np.float64) - low
        level = (low + width * (_MARGIN + (1 - 2 * _MARGIN) * u)) / n
        return np.asarray(ndtri(np.clip(level, 0.5 / n, 1 - 0.5 / n)), dtype=np.float32)

    def values(self, scores: np.ndarray) -> np.ndarray:
        """Return expression (float32) for (cells, genes) normal scores."""
        levels = len(self.quantiles)
        level = np.minimum((ndtr(scores) * levels).astype(np.int64), levels - 1)
        return np.take_along_axis(self.quantiles, level, axis=0)
