"""Predicted genes as a table beside the tissue's own, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .annotated import Annotated, annotating
from .export import CONFIDENCE
from .predicted import PredictedGenes, Reliability, confidence_of
from .prediction import Prediction
from .record import RunRecord

if TYPE_CHECKING:
    from anndata import AnnData

TASK = "predict-genes"
ORIGIN = "predicted"


def predicted_table(predicted: PredictedGenes, cells: Annotated) -> AnnData:
    """Return the table of a result: the mean in X, the spread, reliability in var.

    It annotates the same instances of the same elements as the tissue's own table.
    """
    known, reliability = predicted.prediction, predicted.reliability
    return annotating(
        known.mean,
        predicted.names,
        known.genes,
        cells,
        obs={CONFIDENCE: _mean_confidence(predicted).astype(np.float32)},
        var={
            "expected_pearson": np.asarray(reliability.expected, float),
            "expected_low": np.asarray(reliability.low, float),
            "expected_high": np.asarray(reliability.high, float),
            "badge": pd.Categorical(reliability.badges.astype(str)),
            "origin": pd.Categorical([ORIGIN] * len(known.genes)),
        },
        layers={"std": None if known.std is None else np.asarray(known.std, np.float32)},
    )


def _mean_confidence(predicted: PredictedGenes) -> np.ndarray:
    """Return (cells,) mean over genes of each cell's confidence; gene by gene, to spare memory."""
    total = np.zeros(len(predicted.names))
    std = predicted.prediction.std
    if std is None or not len(predicted.genes):
        return np.ones(len(predicted.names))
    for at in range(len(predicted.genes)):
        total += confidence_of(predicted.mean[:, at], std[:, at])
    return total / len(predicted.genes)


def from_table(
    name: str, table: AnnData, record: RunRecord, more: dict[str, Any]
) -> PredictedGenes:
    """Return the result that a table holds."""
    var = table.var
    return PredictedGenes(
        name=name,
        prediction=Prediction(
            genes=table.var_names.to_numpy(),
            mean=np.asarray(table.X),
            std=np.asarray(table.layers["std"]) if "std" in table.layers else None,
            complete=bool(more.get("complete", True)),
            notes=tuple(more.get("notes", ())),
        ),
        names=table.obs_names.to_numpy(),
        reliability=Reliability(
            var["expected_pearson"].to_numpy(float),
            var["expected_low"].to_numpy(float),
            var["expected_high"].to_numpy(float),
        ),
        record=record,
    )
