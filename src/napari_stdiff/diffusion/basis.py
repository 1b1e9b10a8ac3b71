"""A low-rank basis of genes, so that a model of twenty thousand genes stays small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Basis:
    """Coefficients of unit variance, and the way back; the genes themselves where these are few.

    Attributes
    ----------
    vectors
        (genes, rank) orthonormal columns, or None: each gene is its own coefficient.
    scale
        (rank,) standard deviation of the coefficients.
    """

    vectors: np.ndarray | None
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, rank: int, seed: int) -> Self:
        """Take the leading principal axes of (cells, genes) centred values.

        With `rank` genes or fewer nothing is left out and nothing is turned.
        """
        n, genes = x.shape
        if genes <= rank:
            return cls(None, np.ones(genes, dtype=np.float32))
        from sklearn.utils.extmath import randomized_svd

        rank = max(min(rank, n - 1), 1)
        _, size, rows = randomized_svd(x, rank, n_iter=4, random_state=seed)
        scale = np.maximum(size / np.sqrt(n), 1e-6)
        return cls(np.ascontiguousarray(rows.T, dtype=np.float32), scale.astype(np.float32))

    @property
    def rank(self) -> int:
        """Number of coefficients."""
        return len(self.scale)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return (cells, rank) coefficients of (cells, genes) values."""
        return x if self.vectors is None else x @ self.vectors / self.scale

    def decode(self, c: np.ndarray) -> np.ndarray:
        """Return (cells, genes) values of (cells, rank) coefficients."""
        return c if self.vectors is None else (c * self.scale) @ self.vectors.T
