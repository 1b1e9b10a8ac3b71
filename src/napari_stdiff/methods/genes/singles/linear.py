"""What the linear singles share: everything they learn is in gene-by-gene products."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .base import Single, moments, standardise


class Linear(Single):
    """Predicts a gene as a weighted sum of the tissue's standardised shared genes."""

    def _take(self, tissue: np.ndarray, reference: np.ndarray) -> None:
        """Keep both sides standardised, and the reference's gene-by-gene correlation."""
        self._tissue, self._reference = standardise(tissue), standardise(reference)
        self._gram = gram(self._reference)

    @abstractmethod
    def _weights(self, target: np.ndarray, cross: np.ndarray) -> np.ndarray:
        """Return (shared, wanted) weights.

        Parameters
        ----------
        target
            (reference cells, wanted) standardised profiles.
        cross
            (shared, wanted) their correlations with the shared genes.
        """

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Weight the tissue's shared genes, and bring the sum to the profiles' scale."""
        mean, deviation = moments(profiles)
        target = (profiles - mean) / deviation
        cross = self._reference.T.astype(np.float64) @ target / len(target)
        weights = self._weights(target, cross).astype(np.float32)
        return np.asarray(self._tissue @ weights * deviation + mean, dtype=np.float32)


def gram(standardised: np.ndarray) -> np.ndarray:
    """Return (genes, genes) float64 products over the number of rows."""
    return np.asarray(standardised.T @ standardised, dtype=np.float64) / len(standardised)


def pearson_of_weights(weights: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Return (genes,) Pearson between weighted sums and truth, without making the sums.

    Parameters
    ----------
    weights
        (kept, genes).
    inner
        (kept, kept) correlations of the kept genes in the tissue.
    outer
        (kept, genes) their correlations with the genes that are predicted.
    """
    variance = np.einsum("ig,ij,jg->g", weights, inner, weights, optimize=True)
    along = (weights * outer).sum(axis=0)
    ok = variance > 1e-12
    return np.where(ok, along / np.sqrt(np.where(ok, variance, 1)), 0.0)
