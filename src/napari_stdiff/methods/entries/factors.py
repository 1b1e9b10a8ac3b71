"""Entries from a Gaussian with few factors: what is expected of each, given a row's others.

Standardised values of a row are taken as normal with covariance ``L L' + diag(own)``. What is
expected of entries given those that are visible then takes one small system of equations a row,
whichever entries these are, and leaving out one visible entry more costs nothing (a rank-one
update), so that visible entries can be predicted as if they were hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

_LEAST_OWN = 0.05  # of a gene's variance
_ROWS = 4096  # rows whose equations are held at a time
_RANKS = (5, 10, 20, 30)
_NOISES = (0.0, 1.0)
_JUDGED = 0.15  # share of visible entries that rank and noise are judged on
_JUDGED_ROWS = 1000
_STREAM = 0xFAC


def visible_covariance(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the (genes, genes) covariance over rows where both genes are visible.

    Parameters
    ----------
    z
        (cells, genes) standardised values, 0 where not visible.
    seen
        (cells, genes) bool, True where an entry is visible.
    """
    shown = seen.astype(np.float32)
    both = np.maximum(shown.T @ shown, 1)
    covariance = np.asarray((z.T @ z) / both, dtype=np.float64)
    np.fill_diagonal(covariance, 1.0)
    return covariance


@dataclass(frozen=True)
class Factors:
    """A covariance in short.

    Attributes
    ----------
    loadings
        (genes, factors) float32.
    own
        (genes,) float32 variance of each gene beside what the factors share, with the noise of
        its measurement.
    """

    loadings: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, covariance: np.ndarray, rank: int, noise: float = 0.0) -> Self:
        """Take the leading axes of a (genes, genes) covariance, and `noise` on top of the rest."""
        values, vectors = np.linalg.eigh(covariance)
        rank = max(min(rank, len(covariance) - 1), 1)
        values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
        loadings = vectors * np.sqrt(np.maximum(values, 0))
        rest = np.maximum(np.diag(covariance) - (loadings**2).sum(axis=1), _LEAST_OWN)
        return cls(loadings.astype(np.float32), (rest + noise).astype(np.float32))

    def expected(self, z: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return E[entry | the row's other visible entries], (cells, genes) float32.

        Parameters
        ----------
        z
            (cells, genes) standardised values, 0 where not visible.
        seen
            (cells, genes) bool, True where an entry is visible.
        """
        parts = [
            self._expected(z[start : start + _ROWS], seen[start : start + _ROWS])
            for start in range(0, max(len(z), 1), _ROWS)
        ]
        return np.concatenate(parts)

    def _expected(self, z: np.ndarray, seen: np.ndarray) -> np.ndarray:
        loadings, own = self.loadings, self.own
        rank = loadings.shape[1]
        products = (loadings[:, :, None] * loadings[:, None, :]).reshape(-1, rank**2)
        shown = seen.astype(np.float32)
        systems = (shown @ (products / own[:, None])).reshape(-1, rank, rank) + np.eye(
            rank, dtype=np.float32
        )
        inverse = np.linalg.inv(systems)
        factors = np.einsum("ckl,cl->ck", inverse, (shown * z / own) @ loadings)
        fitted = factors @ loadings.T
        # how much of a visible value is in its own fit; without it the fit is what this undoes
        share = (inverse.reshape(-1, rank**2) @ products.T) / own
        without = (fitted - share * z) / np.maximum(1 - share, 1e-3)
        return np.where(seen, without, fitted).astype(np.float32)


def tissue_factors(z: np.ndarray, seen: np.ndarray, seed: int = 0) -> Factors:
    """Return the factors of the tissue's own visible entries.

    Rank and noise are those that predict some visible entries best that are hidden for it.

    Parameters
    ----------
    z
        (cells, genes) standardised values, 0 where not visible.
    seen
        (cells, genes) bool, True where an entry is visible.
    seed
        Of the entries that are hidden.
    """
    # a stream of its own: who hid entries of this table from the same seed drew the same numbers
    rng = np.random.default_rng([seed, _STREAM])
    hidden = seen & (rng.random(seen.shape) < _JUDGED)
    left = seen & ~hidden
    shown = np.where(left, z, np.float32(0))
    covariance = visible_covariance(shown, left)
    rows = np.unique(np.linspace(0, len(z) - 1, min(len(z), _JUDGED_ROWS)).astype(np.int64))
    judged, truth = hidden[rows], z[rows][hidden[rows]]
    best, chosen = np.inf, (1, 0.0)
    for rank in [r for r in _RANKS if r < z.shape[1]] or [1]:
        for noise in _NOISES:
            guess = Factors.of(covariance, rank, noise).expected(shown[rows], left[rows])
            error = float(((guess[judged] - truth) ** 2).mean()) if len(truth) else 0.0
            if error < best:
                best, chosen = error, (rank, noise)
    return Factors.of(visible_covariance(z, seen), *chosen)
