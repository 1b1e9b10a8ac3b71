"""The mean of the most similar reference cells."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .base import Single, mean_pearson, standardise, tuning_folds, tuning_rows, unit_rows
from .nearest import averaging, nearest

NEIGHBOURS = (15, 25, 50, 100, 200)


class Knn(Single):
    """Averages the reference cells whose shared genes point the same way (cosine)."""

    id = "knn"
    title = "Nearest reference cells"
    description = "Mean of the reference cells that are most similar in the shared genes."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Choose the number of neighbours on hidden visible genes, then find them."""
        a, b = standardise(tissue), standardise(reference)
        self.k = self._choose(a[tuning_rows(len(a))], b, reference)
        self._weights = _weights(a, b, self.k)
        return self

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Average the neighbours' profiles."""
        return np.asarray(self._weights @ profiles, dtype=np.float32)

    def facts(self) -> dict[str, Any]:
        """Return the number of neighbours."""
        return {"neighbours": self.k}

    @staticmethod
    def _choose(a: np.ndarray, b: np.ndarray, reference: np.ndarray) -> int:
        possible = [k for k in NEIGHBOURS if k <= len(b) // 2] or [len(b)]
        score = np.zeros(len(possible))
        for kept, hidden in tuning_folds(a.shape[1]):
            index, cosine = nearest(unit_rows(a[:, kept]), unit_rows(b[:, kept]), possible[-1])
            for i, k in enumerate(possible):
                weights = averaging(index[:, :k], np.maximum(cosine[:, :k], 0), len(b))
                score[i] += mean_pearson(a[:, hidden], weights @ reference[:, hidden])
        return possible[int(score.argmax())]


def _weights(a: np.ndarray, b: np.ndarray, k: int) -> Any:
    index, cosine = nearest(unit_rows(a), unit_rows(b), k)
    return averaging(index, np.maximum(cosine, 0), len(b))
