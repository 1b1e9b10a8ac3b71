"""How guesses are weighed: by all genes together, and by each gene as far as its entries tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

PULLS = (
    30.0,
    100.0,
    300.0,
    1000.0,
    3000.0,
)  # entries' worth of the pull towards all genes' weights
_RIDGE = 1e-3  # of the number of entries
_FOLDS = 3


@dataclass(frozen=True)
class EntryWeights:
    """Linear weights of guesses, for each gene.

    Attributes
    ----------
    names
        Of the guesses.
    table
        (genes, guesses) float32.
    pull
        Entries' worth of the pull of a gene's weights towards those of all genes.
    """

    names: tuple[str, ...]
    table: np.ndarray
    pull: float

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        guesses: np.ndarray,
        truth: np.ndarray,
        columns: np.ndarray,
        n_genes: int,
    ) -> Self:
        """Fit by least squares; the pull is that with the least error on entries left out.

        Parameters
        ----------
        names
            Of the guesses.
        guesses
            (entries, guesses) standardised guesses at entries that were hidden on purpose.
        truth, columns
            (entries,) standardised values that were measured there, and their genes.
        n_genes
            Genes of the table.
        """
        fold = np.random.default_rng(len(truth)).integers(0, _FOLDS, len(truth))
        errors = np.zeros(len(PULLS))
        for k in range(_FOLDS):
            own, out = fold != k, fold == k
            sums = _sums(guesses[own], truth[own], columns[own], n_genes)
            for i, pull in enumerate(PULLS):
                table = _solve(*sums, pull)
                found = np.einsum("eg,eg->e", guesses[out], table[columns[out]])
                errors[i] += float(((truth[out] - found) ** 2).sum())
        pull = PULLS[int(np.argmin(errors))]
        sums = _sums(guesses, truth, columns, n_genes)
        return cls(tuple(names), _solve(*sums, pull).astype(np.float32), pull)

    def mix(self, guesses: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return (cells, genes) float32, the weighted sum of (cells, genes) guesses by name."""
        out: np.ndarray | None = None
        for k, name in enumerate(self.names):
            part = guesses[name] * self.table[:, k]
            out = part if out is None else out + part
        assert out is not None
        return np.asarray(out, dtype=np.float32)

    def at(self, guesses: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return (entries,) float32, the weighted sum of (entries, guesses) guesses."""
        found = np.einsum("eg,eg->e", guesses, self.table[columns])
        return np.asarray(found, dtype=np.float32)

    def facts(self) -> dict[str, float]:
        """Return the mean weight of each guess, and the pull."""
        means = {
            n: round(float(w), 3) for n, w in zip(self.names, self.table.mean(0), strict=True)
        }
        return means | {"pull": self.pull}


def _sums(
    guesses: np.ndarray, truth: np.ndarray, columns: np.ndarray, n_genes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (genes, guesses, guesses) and (genes, guesses) sums of products."""
    order = np.argsort(columns, kind="stable")
    g, t = np.asarray(guesses[order], np.float64), np.asarray(truth[order], np.float64)
    cuts = np.searchsorted(columns[order], np.arange(n_genes + 1))
    k = guesses.shape[1]
    squares, along = np.zeros((n_genes, k, k)), np.zeros((n_genes, k))
    for j in range(n_genes):
        some = slice(cuts[j], cuts[j + 1])
        squares[j], along[j] = g[some].T @ g[some], g[some].T @ t[some]
    return squares, along


def _solve(squares: np.ndarray, along: np.ndarray, pull: float) -> np.ndarray:
    """Return (genes, guesses) weights: ridge towards the weights that fit all genes together."""
    k = along.shape[1]
    whole = squares.sum(axis=0)
    ridge = _RIDGE * max(float(np.trace(whole)) / k, 1e-9)
    common = np.linalg.solve(whole + ridge * np.eye(k), along.sum(axis=0))
    left = squares + pull * np.eye(k)
    return np.asarray(np.linalg.solve(left, (along + pull * common)[:, :, None])[:, :, 0])
