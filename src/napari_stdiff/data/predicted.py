"""Genes that nobody measured, predicted in the cells of a tissue, with a reliability for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..compute.errors import StdiffError
from .prediction import Prediction
from .record import RunRecord

Badge = Literal["high", "medium", "low"]
BADGES: tuple[Badge, ...] = get_args(Badge)
# Expected Pearson from which on a gene is called so; below all of them it is "low".
BADGE_FROM: dict[Badge, float] = {"high": 0.5, "medium": 0.25}
# Standard normal quantile: mean +- this many standard deviations is the central 80 %.
Z80 = 1.2815515655446004


def badge_of(expected: float) -> Badge:
    """Return "high" (expected Pearson .5 or more), "medium" (.25 or more) or "low".

    >>> [badge_of(r) for r in (0.61, 0.25, 0.1)]
    ['high', 'medium', 'low']
    """
    return next((name for name, least in BADGE_FROM.items() if expected >= least), "low")


@dataclass(frozen=True)
class Reliability:
    """How far to trust each predicted gene.

    Attributes
    ----------
    expected
        (genes,) Pearson over cells that the gene is expected to reach.
    low, high
        (genes,) ends of the 80 % interval of that expectation.
    """

    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def badges(self) -> np.ndarray:
        """(genes,) "high", "medium" or "low", as :func:`badge_of` says."""
        return np.array([badge_of(float(r)) for r in self.expected], dtype=object)


@dataclass(frozen=True)
class PredictedGenes:
    """What `predict_genes` returns, what a store keeps and what the canvas shows.

    Attributes
    ----------
    name
        Name of the result: of its table, which annotates the elements of the tissue's own table.
    prediction
        Genes, mean (cells, genes) and the spread (cells, genes). Mean +- 1.28 spreads holds 80 %
        of the cells of held-out genes of the same reliability. No draws: they were summed up.
    names
        (cells,) obs names, as in the tissue's table.
    reliability
        How far to trust each gene.
    record
        How it was made.
    """

    name: str
    prediction: Prediction
    names: np.ndarray
    reliability: Reliability
    record: RunRecord

    @property
    def genes(self) -> np.ndarray:
        """(genes,) names."""
        return self.prediction.genes

    @property
    def mean(self) -> np.ndarray:
        """(cells, genes) float32 expected expression."""
        return self.prediction.mean

    @property
    def std(self) -> np.ndarray:
        """(cells, genes) float32 spread of each cell."""
        assert self.prediction.std is not None
        return self.prediction.std

    def column(self, gene: str) -> int:
        """Return the number of a gene.

        Raises
        ------
        StdiffError
            When it was not predicted.
        """
        where = np.flatnonzero(self.genes == gene)
        if not len(where):
            raise StdiffError(f"'{self.name}' has no gene '{gene}'.")
        return int(where[0])

    def confidence(self, gene: str) -> np.ndarray:
        """Return (cells,) from 0 to 1: near 1 where the spread is small beside what is predicted.

        As :func:`confidence_of`.
        """
        at = self.column(gene)
        return confidence_of(self.mean[:, at], self.std[:, at])


def confidence_of(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the confidence in each cell of one gene, (cells,) from 0 to 1.

    ``a^2 / (a^2 + std^2)`` with a the cell's mean above zero plus the standard deviation of the
    gene's mean over the cells: half where a cell's spread is as large as that.

    >>> confidence_of(np.array([0.0, 0.0]), np.array([0.0, 1.0])).tolist()
    [1.0, 0.0]
    """
    size = np.abs(np.asarray(mean, np.float64)) + float(np.std(mean))
    noise = np.asarray(std, np.float64) ** 2
    total = size**2 + noise
    return np.where(total > 0, size**2 / np.where(total > 0, total, 1.0), 1.0)
