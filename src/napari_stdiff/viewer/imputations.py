"""The imputed values of a session: what was filled in, and what was measured. Main thread only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..data.imputed import TASK, Imputed
from .cell_results import CellResults
from .cover import two_digits

if TYPE_CHECKING:
    from spatialdata import SpatialData


class Imputations(CellResults[Imputed]):
    """What was filled in of genes that were measured."""

    task = TASK
    what = "These values were imputed"

    def load(self, store: str | SpatialData, name: str) -> Imputed:
        """Return the imputed values of a store."""
        from ..data.results import load_imputed

        return load_imputed(store, name)

    def words(self, gene: str) -> str:
        """Say how well values of a gene were predicted while they were hidden."""
        badge, reached, _, _ = self.expected(gene)
        if not math.isfinite(reached):
            return "too few hidden values to say how well"
        return f"{badge} reliability: its hidden values reached r {two_digits(reached)}"

    def measured(self, gene: str) -> np.ndarray:
        """Return (cells,) float32 measured values on the scale of the imputed; NaN for none."""
        result, at = self._found(gene)
        return self._in_tissue(result, result.measured[:, at])

    def filled(self, gene: str) -> np.ndarray:
        """Return (cells,) bool, True where what is shown of a gene is a prediction."""
        result, at = self._found(gene)
        return self._in_tissue(result, result.filled[:, at]) == 1.0

    def covers(self, gene: str) -> np.ndarray:
        """Return (cells,) bool, the cells that the result of a gene is about."""
        result, _ = self._found(gene)
        return np.asarray(self._rows[result.name] >= 0)

    def share(self, gene: str) -> str:
        """Say how many of a gene's values were filled in."""
        n, of = int(self.filled(gene).sum()), int(self.covers(gene).sum())
        if n == of:
            return f"all {of:,} replaced"
        return f"{n:,} of {of:,} filled in"
