"""Imputed values as a table beside the tissue's own, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .annotated import Annotated, annotating
from .imputed import Imputed
from .predicted import Reliability
from .prediction import Prediction
from .record import RunRecord

if TYPE_CHECKING:
    from anndata import AnnData

ORIGIN = "imputed"


def imputed_table(imputed: Imputed, cells: Annotated) -> AnnData:
    """Return the table of a result: values in X, and which of them were filled in.

    It annotates the same instances of the same elements as the tissue's own table.
    """
    known, trust = imputed.prediction, imputed.reliability
    return annotating(
        known.mean,
        imputed.names,
        known.genes,
        cells,
        obs={"filled_share": imputed.filled.mean(axis=1, dtype=np.float32)},
        var={
            "held_out_pearson": np.asarray(trust.expected, float),
            "held_out_low": np.asarray(trust.low, float),
            "held_out_high": np.asarray(trust.high, float),
            "badge": pd.Categorical(trust.badges.astype(str)),
            "n_checked": np.asarray(imputed.checked, np.int64),
            "n_filled": imputed.filled.sum(axis=0, dtype=np.int64),
            "origin": pd.Categorical([ORIGIN] * len(known.genes)),
        },
        layers={
            "std": None if known.std is None else np.asarray(known.std, np.float32),
            "filled": np.asarray(imputed.filled, bool),
            "measured": np.asarray(imputed.measured, np.float32),
        },
    )


def from_table(name: str, table: AnnData, record: RunRecord, more: dict[str, Any]) -> Imputed:
    """Return the result that a table holds."""
    var = table.var
    return Imputed(
        name=name,
        prediction=Prediction(
            genes=table.var_names.to_numpy(),
            mean=np.asarray(table.X),
            std=np.asarray(table.layers["std"]) if "std" in table.layers else None,
            complete=bool(more.get("complete", True)),
            notes=tuple(more.get("notes", ())),
        ),
        names=table.obs_names.to_numpy(),
        measured=np.asarray(table.layers["measured"]),
        filled=np.asarray(table.layers["filled"]).astype(bool),
        reliability=Reliability(
            *(var[f"held_out_{part}"].to_numpy(float) for part in ("pearson", "low", "high"))
        ),
        checked=var["n_checked"].to_numpy(np.int64),
        record=record,
    )
