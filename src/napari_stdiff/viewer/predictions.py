"""The predicted genes of a session. Main thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.predicted import PredictedGenes
from .cell_results import CellResults

if TYPE_CHECKING:
    from spatialdata import SpatialData


class Predictions(CellResults[PredictedGenes]):
    """What was predicted of genes that nobody measured."""

    task = "predict-genes"
    what = "These genes were predicted"

    def load(self, store: str | SpatialData, name: str) -> PredictedGenes:
        """Return the predicted genes of a store."""
        from ..data.results import load_predicted

        return load_predicted(store, name)
