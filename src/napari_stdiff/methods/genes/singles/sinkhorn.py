"""Entropic optimal transport between the tissue's cells and the reference's."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import ot

from .base import Single, blocks, mean_pearson, standardise, tuning_folds, unit_rows

REGULARISATIONS = (0.05, 0.1, 0.2, 0.4)
STEPS = 20  # more change the third digit of a Pearson at most
CELLS = 4096  # cells of the tissue that are transported together
_TUNED = (600, 2000)  # cells of tissue and reference that the regularisation is chosen on


class Sinkhorn(Single):
    """Each cell takes the mean of the reference cells that transport assigns to it.

    The cost is one minus the cosine of the standardised shared genes; both sides have equal
    masses. The regularisation is the one that predicts visible genes best when they are hidden
    in turn. A tissue with more than `CELLS` cells is transported in random parts of it, each to
    the whole reference, so that memory stays bounded. Only the reference's scalings are kept:
    the plan of some cells is made anew when it is needed.
    """

    id = "sinkhorn"
    title = "Optimal transport"
    description = "Mean of the reference cells that entropic transport assigns to a cell."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Choose the regularisation and find the reference's scalings for every part."""
        a, b = standardise(tissue), standardise(reference)
        self.regularisation = self._choose(a, b, reference)
        self._tissue, self._reference = unit_rows(a), unit_rows(b)
        order = np.random.default_rng(0).permutation(len(a))
        self._parts = [np.sort(p) for p in np.array_split(order, -(-len(a) // CELLS))]
        self._scalings = [
            _scalings(self._tissue[rows], self._reference, self.regularisation)
            for rows in self._parts
        ]
        return self

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Average the profiles by each cell's share of the plan."""
        out = np.empty((len(self._tissue), profiles.shape[1]), dtype=np.float32)
        profiles = np.asarray(profiles, dtype=np.float32)
        for part, scaling in zip(self._parts, self._scalings, strict=True):
            for some in blocks(len(part), 1024):
                rows = part[some]
                plan = _plan(self._tissue[rows], self._reference, self.regularisation, scaling)
                out[rows] = plan @ profiles
        return out

    def facts(self) -> dict[str, Any]:
        """Return the regularisation."""
        return {"regularisation": self.regularisation}

    @staticmethod
    def _choose(a: np.ndarray, b: np.ndarray, reference: np.ndarray) -> float:
        rows, others = (
            np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).astype(np.int64))
            for x, most in zip((a, b), _TUNED, strict=True)
        )
        a, b, reference = a[rows], b[others], reference[others]
        score = np.zeros(len(REGULARISATIONS))
        for kept, hidden in tuning_folds(a.shape[1]):
            x, y = unit_rows(a[:, kept]), unit_rows(b[:, kept])
            for i, regularisation in enumerate(REGULARISATIONS):
                plan = _plan(x, y, regularisation, _scalings(x, y, regularisation))
                score[i] += mean_pearson(a[:, hidden], plan @ reference[:, hidden])
        return REGULARISATIONS[int(score.argmax())]


def _scalings(a: np.ndarray, b: np.ndarray, regularisation: float) -> np.ndarray:
    """Return (reference cells,) what Sinkhorn's iterations multiply the kernel's columns by."""
    masses = (np.full(len(x), 1 / len(x), dtype=np.float32) for x in (a, b))
    _, log = ot.sinkhorn(
        *masses,
        1 - a @ b.T,
        regularisation,
        numItermax=STEPS,
        stopThr=1e-4,
        warn=False,
        log=True,
    )
    return np.asarray(log["v"], dtype=np.float32)


def _plan(a: np.ndarray, b: np.ndarray, regularisation: float, scalings: np.ndarray) -> np.ndarray:
    """Return (cells, reference cells) shares; each row sums to one."""
    plan = np.exp((a @ b.T - 1) / regularisation) * scalings
    return np.asarray(plan / plan.sum(axis=1, keepdims=True))
