"""A table with gaps as few patterns of genes: the low rank with soft-thresholded singular values.

The singular values of the table, its gaps filled by the low rank itself, are shrunk in turn until
nothing moves (soft-impute; Mazumder et al. 2010). Each turn is one step of subspace iteration
from the last (as Hastie et al. 2015 do by alternating least squares), so that no whole
decomposition is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RANK = 40  # at most; shrinking leaves fewer where noise asks for it
_TURNS = 40
_STILL = 2e-3  # change of the singular values, relative to them


@dataclass(frozen=True)
class LowRank:
    """A (cells, genes) table of few patterns.

    Attributes
    ----------
    left
        (cells, rank) float32 scores of cells, of length the singular values.
    right
        (genes, rank) float32 orthonormal patterns of genes.
    """

    left: np.ndarray
    right: np.ndarray

    def table(self) -> np.ndarray:
        """Return (cells, genes) float32."""
        return np.asarray(self.left @ self.right.T)


def low_rank(standard: np.ndarray, seen: np.ndarray, shrinkage: float) -> LowRank:
    """Return the low rank of (cells, genes) values, of which those `seen` count.

    Parameters
    ----------
    standard
        (cells, genes) float32, each gene at mean 0 and deviation 1; 0 where not seen.
    seen
        (cells, genes) bool.
    shrinkage
        What singular values are shrunk by, relative to the largest that noise of variance one
        has in the entries that are seen.
    """
    return low_ranks(standard, seen, [shrinkage])[0]


def low_ranks(
    standard: np.ndarray, seen: np.ndarray, shrinkages: Sequence[float]
) -> list[LowRank]:
    """Return the low ranks of several shrinkages, the first of them from nothing.

    Each starts from the one before, so that they are best asked for from strong to weak.
    Parameters otherwise as in :func:`low_rank`.
    """
    n, genes = standard.shape
    noise = float((n**0.5 + genes**0.5) * max(float(seen.mean()), 1e-9) ** 0.5)
    rank = min(RANK, n, genes)
    start = np.random.default_rng(0).standard_normal((genes, rank))
    right = np.linalg.qr(start)[0].astype(np.float32)
    filled = np.array(standard, dtype=np.float32)
    out = []
    for shrinkage in shrinkages:
        before = np.zeros(rank)
        for _ in range(_TURNS):
            left = np.linalg.qr(filled @ right)[0]
            right, values, turn = np.linalg.svd(filled.T @ left, full_matrices=False)
            values = np.maximum(values - shrinkage * noise, 0)
            left = (left @ turn.T) * values
            np.copyto(filled, left @ right.T, where=~seen)
            moved = float(np.abs(values - before).sum())
            before = values
            if moved <= _STILL * max(float(values.sum()), 1e-9):
                break
        kept = max(int((values > 0).sum()), 1)
        out.append(LowRank(left[:, :kept].copy(), right[:, :kept].copy()))
    return out
