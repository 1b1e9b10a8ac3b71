"""Ridge regression of each wanted gene on the shared genes, learned in the reference."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .base import tuning_folds
from .linear import Linear, gram, pearson_of_weights

STRENGTHS = np.logspace(-3, 1.5, 19)  # times the number of reference cells
FLOORS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)


class Ridge(Linear):
    """Ridge regression with a strength for each gene.

    The strength is the one with the least generalised cross-validation error in the reference
    (Golub, Heath and Wahba 1979), but not below a floor that visible genes, hidden in turn, ask
    for: the reference alone cannot know how much noisier the tissue's genes are.
    """

    id = "ridge"
    title = "Ridge regression"
    description = "Each gene as a weighted sum of the shared genes, weights from the reference."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Decompose the reference's correlations; choose the floor of the strength."""
        self._take(tissue, reference)
        n, seen = len(reference), gram(self._tissue)
        score = np.zeros(len(FLOORS))
        for kept, hidden in tuning_folds(len(seen)):
            part = _Solver(self._gram[np.ix_(kept, kept)], n)
            cross = self._gram[np.ix_(kept, hidden)]
            inner, outer = seen[np.ix_(kept, kept)], seen[np.ix_(kept, hidden)]
            for i, floor in enumerate(FLOORS):
                weights = part.weights(cross, floor)
                score[i] += pearson_of_weights(weights, inner, outer).mean()
        self.floor = FLOORS[int(score.argmax())]
        self._solver = _Solver(self._gram, n)
        return self

    def facts(self) -> dict[str, Any]:
        """Return the floor of the strength."""
        return {"strength_floor": self.floor}

    def _weights(self, target: np.ndarray, cross: np.ndarray) -> np.ndarray:
        return self._solver.weights(cross, self.floor)


class _Solver:
    """Ridge weights for any target from one eigendecomposition of the correlations."""

    def __init__(self, correlation: np.ndarray, n: int) -> None:
        values, self._vectors = np.linalg.eigh(correlation)
        self._values = np.maximum(values, 0)
        self._n = n

    def weights(self, cross: np.ndarray, floor: float) -> np.ndarray:
        """Return (shared, wanted); `cross` are correlations of targets of deviation one."""
        turned = self._vectors.T @ cross
        strength = np.maximum(self._strengths(turned), floor)
        return np.asarray(self._vectors @ (turned / (self._values[:, None] + strength)))

    def _strengths(self, turned: np.ndarray) -> np.ndarray:
        """Return (wanted,) strengths of the least generalised cross-validation error."""
        values = self._values
        explained = np.where(values > 1e-9, 1 / np.where(values > 1e-9, values, 1), 0)[:, None]
        explained = explained * turned**2
        errors = np.empty((len(STRENGTHS), turned.shape[1]))
        for i, strength in enumerate(STRENGTHS):
            kept = values / (values + strength)
            left = 1 - ((2 * kept - kept**2)[:, None] * explained).sum(axis=0)
            free = max(1 - kept.sum() / self._n, 1e-3)
            errors[i] = np.maximum(left, 0) / free**2
        return np.asarray(STRENGTHS[errors.argmin(axis=0)])
