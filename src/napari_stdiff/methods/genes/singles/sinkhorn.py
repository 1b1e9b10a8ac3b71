"""Entropic optimal transport between the tissue's cells and the reference's."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import ot

from .base import Single, standardise, unit_rows

REGULARISATION = 0.05
STEPS = 60
CELLS = 4096  # cells of the tissue that are transported together


class Sinkhorn(Single):
    """Each cell takes the mean of the reference cells that transport assigns to it.

    The cost is one minus the cosine of the standardised shared genes; both sides have equal
    masses. A tissue with more than `CELLS` cells is transported in random parts of it, each to
    the whole reference, so that memory stays bounded. Only the reference's scalings are kept:
    the plan of a part of the cells is made anew when it is needed.
    """

    id = "sinkhorn"
    title = "Optimal transport"
    description = "Mean of the reference cells that entropic transport assigns to a cell."

    def fit(self, tissue: np.ndarray, reference: np.ndarray) -> Self:
        """Find the reference's scalings for every part of the tissue."""
        self._tissue = unit_rows(standardise(tissue))
        self._reference = unit_rows(standardise(reference))
        n, m = len(tissue), len(reference)
        order = np.random.default_rng(0).permutation(n)
        self._parts = [np.sort(p) for p in np.array_split(order, -(-n // CELLS))]
        self._scalings = []
        target = np.full(m, 1 / m, dtype=np.float32)
        for rows in self._parts:
            source = np.full(len(rows), 1 / len(rows), dtype=np.float32)
            cost = 1 - self._tissue[rows] @ self._reference.T
            _, log = ot.sinkhorn(
                source,
                target,
                cost,
                REGULARISATION,
                numItermax=STEPS,
                stopThr=1e-4,
                warn=False,
                log=True,
            )
            self._scalings.append(np.asarray(log["v"], dtype=np.float32))
        return self

    def predict(self, profiles: np.ndarray) -> np.ndarray:
        """Average the profiles by each cell's share of the plan."""
        out = np.empty((len(self._tissue), profiles.shape[1]), dtype=np.float32)
        profiles = np.asarray(profiles, dtype=np.float32)
        for part, scaling in zip(self._parts, self._scalings, strict=True):
            for rows in np.array_split(part, -(-len(part) // 1024)):
                plan = self._tissue[rows] @ self._reference.T
                plan = np.exp((plan - 1) / REGULARISATION) * scaling
                plan /= plan.sum(axis=1, keepdims=True)
                out[rows] = plan @ profiles
        return out

    def facts(self) -> dict[str, Any]:
        """Return the regularisation."""
        return {"regularisation": REGULARISATION}
