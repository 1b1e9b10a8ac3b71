"""Closed-form guesses at wanted genes: each single predictor, on a tissue with its noise reduced.

A single cell's counts are noisy, and a map from the reference passes that noise on. So predictors
see the tissue as measured, averaged over cells that are alike, and over cells that are near
(see :mod:`.views`). Averages of all guesses over neighbours are guesses, too.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from ...compute.monitor import Monitor
from ...data.panel import Panel
from .singles import SINGLES, Single
from .singles.base import standardise, unit_rows
from .singles.nearest import averaging, nearest
from .smoothing import Neighbourhood
from .views import Views

_NEIGHBOURS = 50


class CentredKnn(Single):
    """The most similar reference cells, where genes that vary more count more."""

    id = "centred-knn"
    title = "Nearest reference cells, varying genes first"
    description = "Mean of the reference cells that are most similar in the genes that vary most."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Find the neighbours."""
        a, b = (unit_rows(x - x.mean(axis=0)) for x in (tissue, reference))
        index, cosine = nearest(a, b, _NEIGHBOURS)
        self._weights = averaging(index, np.maximum(cosine, 0), len(b))
        return self

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Average the neighbours' profiles."""
        return np.asarray(self._weights @ profiles, dtype=np.float32)


_SINGLES: dict[str, type[Single]] = {**SINGLES, CentredKnn.id: CentredKnn}
# which predictor sees which view of the tissue
PARTS: tuple[tuple[str, str], ...] = (
    ("centred-knn", "raw"),
    ("centred-knn", "alike"),
    ("knn", "alike"),
    ("knn", "near"),
    ("ridge", "alike"),
    ("ridge", "near"),
    ("gene-kernel-ridge", "raw"),
    ("gene-kernel-ridge", "alike"),
    ("gene-kernel-ridge", "near"),
    ("pls", "alike"),
    ("sinkhorn", "alike"),
)
# averages of the mean guess: over 15 and 50 near cells, and over cells of like surroundings
_AVERAGES = ("near 15", "near 50", "like surroundings")


class Guesses:
    """Every guess at wanted genes, from one panel.

    Attributes
    ----------
    level
        Number of the guess that gives a gene's level: it averages what reference cells express.
    """

    def __init__(self, panel: Panel, near: Neighbourhood, monitor: Monitor) -> None:
        self._near = near
        self._views = Views(panel.tissue, near)
        self._fitted: list[Single] = []
        for i, (name, view) in enumerate(PARTS):
            monitor.step(i, len(PARTS), f"{_SINGLES[name].title.lower()}")
            seen = getattr(self._views, view)
            self._fitted.append(_SINGLES[name]().fit(seen, panel.reference))
        monitor.step(len(PARTS), len(PARTS))

    @staticmethod
    def names() -> list[str]:
        """Return what each guess is."""
        return [f"{name}, {view}" for name, view in PARTS] + [f"average, {a}" for a in _AVERAGES]

    def at(self, profiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Guess at genes from their profiles in the reference.

        Parameters
        ----------
        profiles
            (reference cells, wanted) expression.

        Returns
        -------
        tuple
            (guesses, cells, wanted) float32, each gene of each guess at mean 0 and deviation 1
            over the cells; and (wanted,) the levels that the nearest reference cells give.
        """
        out = np.empty(
            (len(PARTS) + len(_AVERAGES), len(self._views.raw), profiles.shape[1]),
            dtype=np.float32,
        )
        for i, single in enumerate(self._fitted):
            guess = single.predict(profiles)
            if i == 0:
                level = guess.mean(axis=0)
            out[i] = standardise(guess)
        mean = standardise(out[: len(PARTS)].mean(axis=0))
        averages = (
            self._near.average(mean, 15),
            self._near.average(mean, 50),
            self._views.both @ mean,
        )
        for i, average in enumerate(averages, start=len(PARTS)):
            out[i] = standardise(np.asarray(average, dtype=np.float32))
        return out, level
