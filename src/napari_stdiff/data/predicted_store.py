"""Predicted genes as a table beside the tissue's own, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from .export import CONFIDENCE, tissue_elements
from .predicted import PredictedGenes, Reliability, confidence_of
from .prediction import Prediction
from .record import RunRecord
from .tissue import Tissue

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

TASK = "predict-genes"
ORIGIN = "predicted"


@dataclass(frozen=True)
class Annotated:
    """The rows of a table that are a tissue's cells, and what they annotate.

    Attributes
    ----------
    obs
        The table's obs, in the order of the tissue's cells.
    region, instance
        Names of the two columns that link rows to elements.
    """

    obs: pd.DataFrame
    region: str
    instance: str


def find_cells(
    store: Path | SpatialData, names: np.ndarray, table: str, where: str = "the store"
) -> Annotated:
    """Return the rows of the store's measured tables that are called `names`.

    Parameters
    ----------
    store
        Path of a store, or an object in memory.
    names
        (cells,) obs names.
    table
        Name of the table to look in first; "" for none.
    where
        What the store is called in messages.

    Raises
    ------
    StdiffError
        When no table holds all of these cells.
    """
    for _, obs, region, instance in sorted(_tables(store), key=lambda t: t[0] != table):
        rows = obs.index.astype(str).get_indexer(pd.Index(names.astype(str)))
        if (rows >= 0).all():
            return Annotated(obs.iloc[rows], region, instance)
    raise StdiffError(
        f"No table of {where} holds the cells that the genes were predicted for; save to the "
        "store that was read, or to a path where there is nothing yet."
    )


def _tables(store: Path | SpatialData) -> list[tuple[str, pd.DataFrame, str, str]]:
    """Return name, obs, region key and instance key of every measured table that annotates."""
    found = []
    if not isinstance(store, Path):
        for name, table in store.tables.items():
            attrs = table.uns.get("spatialdata_attrs")
            if attrs and "stdiff" not in table.uns:
                found.append((name, table.obs, attrs["region_key"], attrs["instance_key"]))
        return found
    import zarr
    from anndata.io import read_elem

    tables = zarr.open_group(store, mode="r", use_consolidated=False).get("tables")
    if not isinstance(tables, zarr.Group):
        return []
    for name, group in sorted(tables.groups()):
        region, instance = group.attrs.get("region_key"), group.attrs.get("instance_key")
        if region and instance and "uns/stdiff" not in group:
            found.append((name, read_elem(group["obs"]), str(region), str(instance)))
    return found


def measured_elements(tissue: Tissue, predicted: PredictedGenes) -> dict[str, Any]:
    """Return the tissue as elements, none of them called like the result."""
    if not np.array_equal(tissue.names.astype(str), predicted.names.astype(str)):
        raise StdiffError(
            f"'{predicted.name}' was predicted for other cells than those of this tissue; give "
            "the tissue it was predicted for."
        )
    return tissue_elements(tissue, {predicted.name})


def predicted_table(predicted: PredictedGenes, cells: Annotated) -> AnnData:
    """Return the table of a result: the mean in X, the spread, reliability in var.

    It annotates the same instances of the same elements as the tissue's own table.
    """
    from anndata import AnnData
    from spatialdata.models import TableModel

    known, reliability = predicted.prediction, predicted.reliability
    region = cells.obs[cells.region].astype(str)
    obs = pd.DataFrame(
        {
            cells.region: pd.Categorical(region),
            cells.instance: cells.obs[cells.instance].to_numpy(),
            CONFIDENCE: _mean_confidence(predicted).astype(np.float32),
        },
        index=predicted.names.astype(str),
    )
    var = pd.DataFrame(
        {
            "expected_pearson": np.asarray(reliability.expected, float),
            "expected_low": np.asarray(reliability.low, float),
            "expected_high": np.asarray(reliability.high, float),
            "badge": pd.Categorical(reliability.badges.astype(str)),
            "origin": pd.Categorical([ORIGIN] * len(known.genes)),
        },
        index=known.genes.astype(str),
    )
    table = AnnData(np.asarray(known.mean, np.float32), obs=obs, var=var)
    if known.std is not None:
        table.layers["std"] = np.asarray(known.std, np.float32)
    return TableModel.parse(
        table,
        region=list(obs[cells.region].cat.categories),
        region_key=cells.region,
        instance_key=cells.instance,
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
