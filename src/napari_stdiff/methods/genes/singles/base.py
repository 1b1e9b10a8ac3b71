"""What every single predictor is, and what several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from ....scoring.correlation import column_pearson

BLOCK = 2048  # cells whose similarities to every reference cell are held at a time
TUNING_CELLS = 1000  # cells that a choice of one number is judged on
TUNING_FOLDS = 4


class Single(ABC):
    """Predicts wanted genes in the tissue's cells from what the two sides share.

    Each side is standardised by its own genes' means and deviations, so that a gene may be
    brighter in one technology. Predictions are on the reference's expression scale.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Learn from (cells, shared) tissue and (reference cells, shared) reference."""

    @abstractmethod
    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Return (cells, wanted) float32 from (reference cells, wanted) expression.

        Each column depends on its own profile alone. Nothing is clipped.
        """

    def facts(self) -> dict[str, Any]:
        """Return what the fit chose by itself, as JSON can hold it."""
        return {}


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each column, (genes,) float32; constants deviate by one."""
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 1e-6, deviation, 1.0)
    return mean.astype(np.float32), deviation.astype(np.float32)


def standardise(values: np.ndarray) -> np.ndarray:
    """Return (rows, genes) float32 with each gene at mean 0 and deviation 1."""
    mean, deviation = moments(values)
    return np.asarray((values - mean) / deviation, dtype=np.float32)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Return the rows at length one; a row of zeros stays."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(length, 1e-9), dtype=np.float32)


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Yield slices that cover `n` rows."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def tuning_rows(n: int) -> np.ndarray:
    """Return (rows,) at most `TUNING_CELLS` rows of `n`, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, TUNING_CELLS)).astype(np.int64))


def tuning_folds(n_genes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (kept, hidden) columns of the visible genes, dealt out at random."""
    order = np.random.default_rng(0).permutation(n_genes)
    for k in range(min(TUNING_FOLDS, n_genes)):
        hidden = np.sort(order[k :: min(TUNING_FOLDS, n_genes)])
        yield np.setdiff1d(order, hidden), hidden


def mean_pearson(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean over genes of Pearson's correlation over cells; undefined counts 0."""
    return float(np.nan_to_num(column_pearson(truth, prediction)).mean())
