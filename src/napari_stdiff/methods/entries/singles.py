"""Closed-form guesses at the entries of a table with gaps: arrays in, arrays out.

Each returns (cells, genes) float32 standardised values (as ``visible.standard``) for all entries.
Where an entry is hidden its own value plays no part; where it is visible the guess is what the
method makes of everything measured, that entry included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..genes.smoothing import Neighbourhood
from .hiding import Trial
from .low_rank import LowRank, low_rank, low_ranks

SHRINKAGES = (0.95, 0.85, 0.75, 0.65, 0.55, 0.4)
AROUND = (4, 8, 15, 30, 60, 120)
ALIKE = (15, 30, 60, 120, 240)
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
BLENDED = ("spatial-knn", "expression-knn", "soft-svd")
_PREDICTORS = 1500  # genes that ridge regression looks at
_TUNING_CELLS = 8000  # cells that the shrinkage is chosen on
_GENES = 256  # averaged at a time


@dataclass(frozen=True)
class Choices:
    """Numbers that the guesses are made with; :func:`choose` finds them.

    Attributes
    ----------
    shrinkage
        Of the low rank (:func:`~napari_stdiff.methods.entries.low_rank.low_rank`).
    around
        Nearest cells in space that are averaged, beside the cell itself.
    alike
        Cells most alike in expression that are averaged, the cell itself among them.
    strength
        Of the ridge penalty, relative to the variance of a gene.
    """

    shrinkage: float = 0.7
    around: int = 15
    alike: int = 30
    strength: float = 0.1

    def facts(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


class Singles:
    """The guesses at one table; what several of them need is made once.

    Parameters
    ----------
    visible
        The table.
    near
        Neighbours in space; may be shared by all tables of the same cells.
    choices
        Numbers that the guesses are made with.
    """

    def __init__(
        self, visible: Visible, near: Neighbourhood, choices: Choices = Choices()
    ) -> None:
        self.visible, self.near, self.choices = visible, near, choices

    @cached_property
    def low_rank(self) -> LowRank:
        """The low rank that guesses in expression start from."""
        return low_rank(self.visible.standard, self.visible.seen, self.choices.shrinkage)

    def guess(self, name: str) -> np.ndarray:
        """Return (cells, genes) float32 standardised guesses of one of :data:`SINGLES`."""
        return _GUESSES[name](self)

    def mean(self) -> np.ndarray:
        """Guess each gene's mean."""
        return np.zeros(self.visible.raw.shape, dtype=np.float32)

    def spatial(self) -> np.ndarray:
        """Guess the mean of the nearest cells of the section."""
        return around(self.visible, self.near, self.choices.around)

    def expression(self) -> np.ndarray:
        """Guess the mean of the cells that are most alike."""
        index = nearest(self.low_rank.left, self.choices.alike)
        return alike(self.visible, index)

    def soft_svd(self) -> np.ndarray:
        """Guess what the low rank has there."""
        return self.low_rank.table()

    def ridge(self) -> np.ndarray:
        """Guess each gene from all others."""
        return ridge(self.visible, self.low_rank, self.choices.strength)

    def blend(self) -> np.ndarray:
        """Guess the average of the guesses in space, of like cells and of low rank."""
        total = self.mean()
        for name in BLENDED:
            total += self.guess(name)
        return total / np.float32(len(BLENDED))


_GUESSES: dict[str, Callable[[Singles], np.ndarray]] = {
    "mean": Singles.mean,
    "spatial-knn": Singles.spatial,
    "expression-knn": Singles.expression,
    "soft-svd": Singles.soft_svd,
    "ridge": Singles.ridge,
    "blend": Singles.blend,
}
SINGLES = tuple(_GUESSES)


def around(visible: Visible, near: Neighbourhood, neighbours: int) -> np.ndarray:
    """Return the mean of visible values over each cell and its nearest `neighbours`.

    A gene's mean, 0, stands where none of them is visible.
    """
    return _shared_out(visible, lambda values: near.average(values, neighbours))


def nearest(scores: np.ndarray, neighbours: int) -> np.ndarray:
    """Return (cells, neighbours) the nearest rows of (cells, rank) `scores`, itself first."""
    from sklearn.neighbors import NearestNeighbors

    k = min(neighbours, len(scores))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(scores)
    return np.asarray(search.kneighbors(scores, return_distance=False))


def alike(visible: Visible, index: np.ndarray) -> np.ndarray:
    """Return the mean of visible values over the cells that `index`, (cells, k), lists."""
    n, k = index.shape
    weights = np.full(index.size, 1 / k, dtype=np.float32)
    averaging = sparse.csr_matrix((weights, index.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    return _shared_out(visible, lambda values: averaging @ values)


def ridge(visible: Visible, low: LowRank, strength: float) -> np.ndarray:
    """Return each gene as a weighted sum of the others, gaps filled by the low rank."""
    return Regression(visible, low.table()).predict(strength)


class Regression:
    """Ridge regression of each gene on all others at once.

    The gaps of what a gene is predicted from are filled; what it is fitted to is what was
    measured of it. With ``P`` the inverse of the regularised covariance and ``c`` a
    gene's covariances with all genes, the weights that leave the gene itself out are
    ``P c - P_g (P c)_g / P_gg`` (the inverse of a matrix less one row and column).

    Parameters
    ----------
    visible
        The table.
    guess
        (cells, genes) standardised guesses that fill the gaps.
    also
        (cells, features) of further features that every gene is predicted from, or None.
    """

    def __init__(
        self, visible: Visible, guess: np.ndarray, also: np.ndarray | None = None
    ) -> None:
        filled = np.where(visible.seen, visible.standard, guess)
        # of very many genes those that the guesses tell most about
        size = (guess**2).sum(axis=0)
        self._from = np.sort(np.argsort(-size, kind="stable")[:_PREDICTORS])
        known = filled[:, self._from]
        if also is not None:
            known = np.hstack([known, also]).astype(np.float32)
        self._known = known - known.mean(axis=0)
        gram = np.asarray(self._known.T @ self._known, dtype=np.float64) / len(known)
        self._values, self._vectors = np.linalg.eigh(gram)
        self._count = np.maximum(visible.seen.sum(axis=0), 1)
        self._seen = visible.seen
        along = np.asarray(self._known.T @ visible.standard, dtype=np.float64) / self._count
        self._own = np.arange(len(self._from))
        along[self._own, self._from] = 0
        self._along = along

    def predict(self, strength: float) -> np.ndarray:
        """Return (cells, genes) float32 predictions, of mean 0 over what is visible of a gene."""
        inverse = (self._vectors / (np.maximum(self._values, 0) + strength)) @ self._vectors.T
        weights = inverse @ self._along
        own = weights[self._own, self._from] / np.diagonal(inverse)[self._own]
        weights[:, self._from] -= inverse[:, self._own] * own
        out = np.asarray(self._known @ weights.astype(np.float32))
        middle = np.einsum("cg,cg->g", out, self._seen, dtype=np.float64) / self._count
        out -= middle.astype(np.float32)
        return out


def choose(
    trial: Trial, near: Neighbourhood, monitor: Monitor, names: tuple[str, ...] = SINGLES
) -> Choices:
    """Return the numbers with the highest Pearson on entries that were hidden on purpose.

    Parameters
    ----------
    trial
        A table with some more entries hidden.
    near
        Neighbours in space.
    monitor
        Asked between numbers whether to go on.
    names
        Guesses whose numbers are wanted; the others keep theirs.
    """
    wanted = {*names, *(BLENDED if "blend" in names else ())}
    chosen, visible = Choices(), trial.visible
    steps = 4
    if "spatial-knn" in wanted:
        tables = (lambda k=k: around(visible, near, k) for k in AROUND)
        chosen = replace(chosen, around=AROUND[_best(tables, trial, monitor)])
    monitor.step(1, steps)
    if wanted & {"soft-svd", "expression-knn", "ridge"}:
        chosen = replace(chosen, shrinkage=_shrinkage(trial))
    monitor.step(2, steps)
    singles = Singles(visible, near, chosen)
    if "expression-knn" in wanted:
        possible = [k for k in ALIKE if k <= visible.n_cells] or [visible.n_cells]
        index = nearest(singles.low_rank.left, possible[-1])
        tables = (lambda k=k: alike(visible, index[:, :k]) for k in possible)
        chosen = replace(chosen, alike=possible[_best(tables, trial, monitor)])
    monitor.step(3, steps)
    if "ridge" in wanted:
        regression = Regression(visible, singles.low_rank.table())
        tables = (lambda s=s: regression.predict(s) for s in STRENGTHS)
        chosen = replace(chosen, strength=STRENGTHS[_best(tables, trial, monitor)])
    monitor.step(4, steps)
    return chosen


def _best(tables: Any, trial: Trial, monitor: Monitor) -> int:
    scores = []
    for table in tables:
        monitor.check()
        scores.append(trial.score(table()))
    return int(np.argmax(scores))


def _shrinkage(trial: Trial) -> float:
    """Return the shrinkage, chosen on at most `_TUNING_CELLS` cells."""
    n = trial.visible.n_cells
    rows = np.unique(np.linspace(0, n - 1, min(n, _TUNING_CELLS)).astype(np.int64))
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    some = place[trial.cells] >= 0
    few = replace(
        trial, cells=place[trial.cells[some]], columns=trial.columns[some], truth=trial.truth[some]
    )
    found = low_ranks(trial.visible.standard[rows], trial.visible.seen[rows], SHRINKAGES)
    scores = [few.score(low.table()) for low in found]
    return SHRINKAGES[int(np.argmax(scores))]


def _shared_out(visible: Visible, average: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return averages of visible values over the visible share of what is averaged."""
    out = np.empty(visible.raw.shape, dtype=np.float32)
    for start in range(0, visible.n_genes, _GENES):
        part = slice(start, start + _GENES)
        share = average(visible.seen[:, part].astype(np.float32))
        out[:, part] = average(visible.standard[:, part]) / np.maximum(share, 1e-6)
    return out
