"""Neighbours in the directions that tissue and reference have in common."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .base import Single, standardise, unit_rows
from .linear import gram
from .nearest import averaging, nearest

VECTORS = 100
LIKE = 0.3
NEIGHBOURS = 50


class SpageLike(Single):
    """Domain adaptation by principal vectors, then neighbours (after SpaGE, Abdelaal 2020).

    The principal components of both sides are turned so that they pair off (singular vectors of
    their product); pairs with a cosine above .3 are kept, both sides are projected onto the
    reference's vectors of these pairs, and each cell takes its 50 nearest reference cells by
    cosine distance d, weighted by 1 - d / (sum of d).
    """

    id = "spage-like"
    title = "Principal vectors"
    description = "Nearest reference cells in the directions both sides have in common."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Find the common directions and the neighbours in them."""
        a, b = standardise(tissue), standardise(reference)
        shared = a.shape[1]
        n = min(VECTORS, max(shared // 2, 2), len(a) - 1, len(b) - 1)
        turn, cosine, _ = np.linalg.svd(_components(b, n).T @ _components(a, n))
        self.vectors = max(int((cosine > LIKE).sum()), 1)
        basis = (_components(b, n) @ turn[:, : self.vectors]).astype(np.float32)
        index, near = nearest(unit_rows(a @ basis), unit_rows(b @ basis), NEIGHBOURS)
        far = np.maximum(1 - near, 0)
        total = np.where(far < 1, far, 0).sum(axis=1, keepdims=True)
        weights = np.where(far < 1, 1 - far / np.maximum(total, 1e-9), 0)
        self._weights = averaging(index, weights, len(b))
        return self

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Average the neighbours' profiles."""
        return np.asarray(self._weights @ profiles, dtype=np.float32)

    def facts(self) -> dict[str, Any]:
        """Return the number of common directions."""
        return {"vectors": self.vectors}


def _components(standardised: np.ndarray, n: int) -> np.ndarray:
    """Return (genes, n) leading principal components."""
    _, vectors = np.linalg.eigh(gram(standardised))
    return np.asarray(vectors[:, ::-1][:, :n])
