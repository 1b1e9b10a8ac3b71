"""A grid laid over a section, so that maps are compared rather than single cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

N_BINS = 15
MIN_CELLS = 10


@dataclass(frozen=True)
class Grid:
    """``n`` x ``n`` equal bins on the extent of the cells it was laid over.

    Attributes
    ----------
    low, high
        (2,) extent, y then x.
    n
        Bins a side.
    """

    low: np.ndarray
    high: np.ndarray
    n: int = N_BINS

    @classmethod
    def over(cls, coords: np.ndarray, n: int = N_BINS) -> Self:
        """Lay the grid over `coords`, (cells, 3) z, y, x."""
        yx = np.asarray(coords, dtype=np.float64)[:, -2:]
        return cls(yx.min(axis=0), yx.max(axis=0), n)

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.n * self.n

    def bin_of(self, coords: np.ndarray) -> np.ndarray:
        """Return (cells,) bin numbers; -1 outside the extent."""
        yx = np.asarray(coords, dtype=np.float64)[:, -2:]
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        cell = np.floor((yx - self.low) / width * self.n).astype(np.int64)
        cell = np.where(yx == self.high, self.n - 1, cell)
        inside = ((yx >= self.low) & (yx <= self.high)).all(axis=1)
        return np.where(inside, cell[:, 0] * self.n + cell[:, 1], -1)

    def counts(self, coords: np.ndarray) -> np.ndarray:
        """Return (bins,) numbers of cells."""
        bins = self.bin_of(coords)
        return np.bincount(bins[bins >= 0], minlength=self.size)

    def means(self, values: np.ndarray, coords: np.ndarray) -> np.ndarray:
        """Return (bins, genes) float64 means of `values`, (cells, genes); NaN in empty bins."""
        bins = self.bin_of(coords)
        inside = bins >= 0
        sums = np.zeros((self.size, values.shape[1]))
        np.add.at(sums, bins[inside], values[inside])
        n = np.bincount(bins[inside], minlength=self.size)[:, None]
        return np.asarray(np.where(n > 0, sums / np.maximum(n, 1), np.nan))
