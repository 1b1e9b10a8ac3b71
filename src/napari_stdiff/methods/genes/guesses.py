"""Closed-form guesses at wanted genes: each single predictor, on a tissue with its noise reduced.

A single cell's counts are noisy, and a map from the reference passes that noise on. So predictors
see the tissue as measured, averaged over cells that are alike, and over cells that are near
(see :mod:`.views`). Averages of all guesses over neighbours are guesses, too.
"""

from __future__ import annotations

from typing import ClassVar, Self

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
# averages of the mean guess: over near cells (how many), and over cells of like surroundings
AVERAGES: tuple[tuple[str, int | None], ...] = (
    ("near 15", 15),
    ("near 50", 50),
    ("like surroundings", None),
)


class Guesses:
    """Every guess at wanted genes, from one panel.

    Attributes
    ----------
    parts
        Predictor and view of each guess; the first gives a gene's level, so it must average
        what reference cells express.
    averages
        What is averaged over, beside.
    """

    parts: ClassVar[tuple[tuple[str, str], ...]] = PARTS
    averages: ClassVar[tuple[tuple[str, int | None], ...]] = AVERAGES

    def __init__(self, panel: Panel, near: Neighbourhood, monitor: Monitor) -> None:
        self._near = near
        self._views = Views(panel.tissue, near)
        self._fitted: list[Single] = []
        for i, (name, view) in enumerate(self.parts):
            monitor.step(i, len(self.parts), f"{_SINGLES[name].title.lower()}")
            seen = getattr(self._views, view)
            self._fitted.append(_SINGLES[name]().fit(seen, panel.reference))
        monitor.step(len(self.parts), len(self.parts))

    @classmethod
    def names(cls) -> list[str]:
        """Return what each guess is."""
        parts = [f"{name}, {view}" for name, view in cls.parts]
        return parts + [f"average, {name}" for name, _ in cls.averages]

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
            (len(self.names()), len(self._views.raw), profiles.shape[1]), dtype=np.float32
        )
        for i, single in enumerate(self._fitted):
            guess = single.predict(profiles)
            if i == 0:
                level = guess.mean(axis=0)
            out[i] = standardise(guess)
        mean = standardise(out[: len(self.parts)].mean(axis=0))
        for i, (_, cells) in enumerate(self.averages, start=len(self.parts)):
            average = self._near.average(mean, cells) if cells else self._views.both @ mean
            out[i] = standardise(np.asarray(average, dtype=np.float32))
        return out, level


def unsmoothed(kind: type[Guesses]) -> type[Guesses]:
    """Return the same guesses without those that are averages over cells."""
    return type(f"Unsmoothed{kind.__name__}", (kind,), {"averages": ()})
