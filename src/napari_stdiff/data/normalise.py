"""Bring counts to one scale, with statistics from the visible cells alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from .tissue import Tissue, Values


@dataclass(frozen=True)
class Normaliser:
    """Scale each cell's counts to `target` and take log1p; leaves log-normalised values alone.

    Attributes
    ----------
    values
        What the fitted tissue holds.
    target
        Median total of the visible cells (1.0 for log-normalised values).
    """

    values: Values
    target: float

    @classmethod
    def fit(cls, visible: Tissue) -> Self:
        """Take the median total from the cells a method may see."""
        if visible.values != "counts":
            return cls(visible.values, 1.0)
        return cls.of_totals(np.asarray(visible.expression.sum(axis=1)).ravel())

    @classmethod
    def of_totals(cls, totals: np.ndarray) -> Self:
        """Take the median of (cells,) total counts, empty cells left out."""
        positive = totals[totals > 0]
        return cls("counts", float(np.median(positive)) if len(positive) else 1.0)

    def __call__(self, tissue: Tissue) -> np.ndarray:
        """Return (cells, genes) float32 log-normalised expression; an empty cell stays zero."""
        x = tissue.expression
        dense = x.toarray() if sparse.issparse(x) else np.asarray(x)
        dense = dense.astype(np.float32, copy=True)
        if self.values != "counts":
            return dense
        totals = dense.sum(axis=1, keepdims=True)
        dense *= np.float32(self.target) / np.where(totals > 0, totals, 1)
        return np.log1p(dense)
