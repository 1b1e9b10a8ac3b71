"""Partial least squares of each wanted gene on the shared genes, learned in the reference."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

import numpy as np

from .base import tuning_folds
from .linear import Linear, gram, pearson_of_weights

COMPONENTS = 12


class Pls(Linear):
    """Partial least squares, a regression of its own for each gene.

    The weights after m components are those of m conjugate-gradient steps on the normal
    equations from zero (Phatak and de Hoog 2002), which serves all genes at once. The number of
    components is the one that predicts visible genes best when they are hidden in turn.
    """

    id = "pls"
    title = "Partial least squares"
    description = "Each gene from a few directions of the shared genes, learned in the reference."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Choose the number of components."""
        self._take(tissue, reference)
        seen = gram(self._tissue)
        score = np.zeros(COMPONENTS)
        for kept, hidden in tuning_folds(len(seen)):
            inner, outer = seen[np.ix_(kept, kept)], seen[np.ix_(kept, hidden)]
            steps = _steps(self._gram[np.ix_(kept, kept)], self._gram[np.ix_(kept, hidden)])
            for i, weights in enumerate(steps):
                score[i] += pearson_of_weights(weights, inner, outer).mean()
        self.components = int(score.argmax()) + 1
        return self

    def facts(self) -> dict[str, Any]:
        """Return the number of components."""
        return {"components": self.components}

    def _weights(self, target: np.ndarray, cross: np.ndarray) -> np.ndarray:
        return next(islice(_steps(self._gram, cross), self.components - 1, None))


def _steps(correlation: np.ndarray, cross: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (shared, wanted) weights after 1, 2, ... `COMPONENTS` components."""
    weights, left = np.zeros_like(cross), cross.copy()
    direction, size = left.copy(), (left**2).sum(axis=0)
    smallest = 1e-16 * np.maximum(size, 1e-16)
    for _ in range(COMPONENTS):
        pushed = correlation @ direction
        along = (direction * pushed).sum(axis=0)
        going = (size > smallest) & (along > 0)  # a gene that is solved stays where it is
        step = np.where(going, size / np.where(going, along, 1), 0)
        weights = weights + step * direction
        left = left - step * pushed
        new = (left**2).sum(axis=0)
        direction = left + np.where(going, new / np.where(size > 0, size, 1), 0) * direction
        size = new
        yield weights
