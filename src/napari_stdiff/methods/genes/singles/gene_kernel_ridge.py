"""Kernel ridge regression in which a gene is a sample: its profile goes in, its map comes out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .base import mean_pearson, tuning_rows
from .linear import Linear

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
WIDTHS = (None, 2.0, 1.0, 0.5)


class GeneKernelRidge(Linear):
    """The closed form of "a gene is a sample".

    A wanted gene's map is the visible genes' maps, weighted by how alike the genes' profiles are
    in the reference. Likeness is the correlation r, or exp((r - 1) / width). Kernel and strength
    are those of the highest leave-one-gene-out Pearson over the visible genes, which kernel
    ridge regression gives in closed form.
    """

    id = "gene-kernel-ridge"
    title = "Gene-kernel ridge"
    description = "Maps of visible genes, weighted by likeness to the gene in the reference."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Choose kernel and strength on the visible genes, each left out in turn."""
        self._take(tissue, reference)
        maps = self._tissue[tuning_rows(len(tissue))].T.astype(np.float64)
        best = -np.inf
        for width in WIDTHS:
            values, vectors = np.linalg.eigh(_kernel(self._gram, width))
            turned = vectors.T @ maps
            for strength in STRENGTHS:
                shrunk = vectors / (np.maximum(values, 0) + strength)
                diagonal = (shrunk * vectors).sum(axis=1, keepdims=True)
                left_out = maps - (shrunk @ turned) / diagonal
                score = mean_pearson(maps.T, left_out.T)
                if score > best:
                    best, self.width, self.strength = score, width, strength
        kernel = _kernel(self._gram, self.width)
        self._inverse = np.linalg.inv(kernel + self.strength * np.eye(len(kernel)))
        return self

    def facts(self) -> dict[str, Any]:
        """Return kernel and strength."""
        return {"kernel_width": self.width, "strength": self.strength}

    def _weights(self, target: np.ndarray, cross: np.ndarray) -> np.ndarray:
        return np.asarray(self._inverse @ _kernel(cross, self.width))


def _kernel(correlation: np.ndarray, width: float | None) -> np.ndarray:
    """Return likeness from correlation; without a width it is the correlation itself."""
    return correlation if width is None else np.exp((correlation - 1) / width)
