"""From a gene's standardised values to the tissue's scale and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....data.panel import Panel

_RIDGE = 0.1  # of the standardised regression, times the number of genes


@dataclass(frozen=True)
class GeneScale:
    """Mean and spread of visible genes in the tissue, and how they follow from the reference.

    Attributes
    ----------
    mean, std
        (shared,) of the visible genes over the spots.
    lowest
        Lowest value a prediction may take: 0, or minus infinity where the tissue goes below it.
    """

    mean: np.ndarray
    std: np.ndarray
    lowest: float
    _centre: np.ndarray
    _spread: np.ndarray
    _weights: np.ndarray

    @classmethod
    def of(cls, panel: Panel) -> GeneScale:
        """Learn from the visible genes of a panel."""
        tissue = panel.tissue.astype(np.float64)
        mean, std = tissue.mean(axis=0), np.maximum(tissue.std(axis=0), 1e-6)
        told = _moments(panel.reference)
        centre, spread = told.mean(axis=0), np.maximum(told.std(axis=0), 1e-6)
        x = np.column_stack([np.ones(len(told)), (told - centre) / spread])
        penalty = _RIDGE * len(told) * np.diag([0.0, *np.ones(told.shape[1])])
        y = np.column_stack([mean, np.log(std)])
        weights = np.linalg.solve(x.T @ x + penalty, x.T @ y)
        lowest = 0.0 if tissue.min() >= 0 else -np.inf
        return cls(mean, std, lowest, centre, spread, weights)

    def standardised(self, tissue: np.ndarray) -> np.ndarray:
        """Return the (cells, shared) values of the visible genes as (shared, cells) float32."""
        return np.ascontiguousarray(((tissue - self.mean) / self.std).T, dtype=np.float32)

    def expected(self, profiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and std in the tissue that wanted genes are expected to have, (genes,) each.

        Within the range of the visible genes: a regression on few genes does not reach further.

        Parameters
        ----------
        profiles
            (reference cells, genes) expression on the log scale.
        """
        x = (_moments(profiles) - self._centre) / self._spread
        out = np.column_stack([np.ones(len(x)), x]) @ self._weights
        mean = np.clip(out[:, 0], self.mean.min(), self.mean.max())
        return mean, np.clip(np.exp(out[:, 1]), self.std.min(), self.std.max())

    def back(self, z: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Return standardised (genes, cells) values as (cells, genes) on the tissue's scale."""
        values = z * std[:, None] + mean[:, None]
        return np.ascontiguousarray(np.maximum(values, self.lowest).T, dtype=np.float32)


def _moments(values: np.ndarray) -> np.ndarray:
    """Return (genes, 2): mean and log spread over the reference's cells."""
    values = values.astype(np.float64)
    return np.column_stack([values.mean(axis=0), np.log(values.std(axis=0) + 1e-3)])
