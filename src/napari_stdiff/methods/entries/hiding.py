"""Visible entries hidden on purpose, and how well they are found again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...data.visible import Visible

SHARE = 0.1  # of visible entries


@dataclass(frozen=True)
class Trial:
    """A table in which some more entries are hidden, and what was measured there.

    Attributes
    ----------
    visible
        What is left to be seen.
    cells, columns
        (hidden,) row and column of each entry that was hidden, row by row.
    truth
        (hidden,) float32 what was measured there, on the scale of the table it was hidden in.
    """

    visible: Visible
    cells: np.ndarray
    columns: np.ndarray
    truth: np.ndarray

    @classmethod
    def of(cls, visible: Visible, seed: int, share: float = SHARE, number: int = 0) -> Trial:
        """Hide a share of the visible entries at random.

        Parameters
        ----------
        visible
            The table.
        seed, number
            Of the run and of the trial: another number hides other entries.
        share
            Of visible entries, 0 to 1.
        """
        rng = np.random.default_rng([seed, 23, number])
        hidden = visible.seen & (rng.random(visible.seen.shape, dtype=np.float32) < share)
        return cls._hiding(visible, hidden)

    @cached_property
    def standard(self) -> np.ndarray:
        """(hidden,) float32 truth, standardised by what is left to be seen."""
        deviation = self.visible.deviation[self.columns]
        return np.asarray((self.truth - self.visible.mean[self.columns]) / deviation)

    @classmethod
    def parts(cls, visible: Visible, seed: int, n: int) -> list[Trial]:
        """Return `n` trials that together hide every visible entry, each of them once."""
        rng = np.random.default_rng([seed, 29])
        part = rng.integers(0, n, visible.seen.shape, dtype=np.int8)
        return [cls._hiding(visible, visible.seen & (part == k)) for k in range(n)]

    @classmethod
    def _hiding(cls, visible: Visible, hidden: np.ndarray) -> Trial:
        cells, columns = np.nonzero(hidden)
        truth = visible.expression[cells, columns]
        return cls(visible.without(hidden), cells, columns, truth)

    def at(self, table: np.ndarray) -> np.ndarray:
        """Return (hidden,) values of a (cells, genes) table at the entries that were hidden."""
        return np.asarray(table[self.cells, self.columns])

    def score(self, table: np.ndarray) -> float:
        """Return the mean over genes of Pearson's correlation of (cells, genes) predictions."""
        n = self.visible.n_genes
        return mean_pearson(self.standard, self.at(table), self.columns, n)


def mean_pearson(
    truth: np.ndarray, prediction: np.ndarray, columns: np.ndarray, n_genes: int
) -> float:
    """Return the mean over genes of Pearson's correlation over entries; undefined counts 0.

    Parameters
    ----------
    truth, prediction
        (entries,) values, best near mean 0 and deviation 1.
    columns
        (entries,) gene of each.
    n_genes
        Genes there are; those without entries are left out.
    """
    count = np.bincount(columns, minlength=n_genes)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(columns, np.asarray(values, dtype=np.float64), n_genes)

    there = np.maximum(count, 1)
    t = truth - (total(truth) / there)[columns]
    p = prediction - (total(prediction) / there)[columns]
    norm = np.sqrt(total(t**2) * total(p**2))
    r = np.where(norm > 1e-9, total(t * p) / np.maximum(norm, 1e-9), 0.0)
    return float(r[count > 1].mean()) if (count > 1).any() else 0.0
