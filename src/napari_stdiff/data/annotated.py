"""A result about measured cells: which rows of a store they are, and a table beside theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from .export import tissue_elements
from .tissue import Tissue

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


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
        f"No table of {where} holds the cells of this result; save to the store that was read, or "
        "to a path where there is nothing yet."
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


def measured_elements(
    tissue: Tissue, name: str, names: np.ndarray, section: str = ""
) -> dict[str, Any]:
    """Return the tissue as elements, none of them called like the result.

    Parameters
    ----------
    tissue
        What the result was predicted from.
    name, names
        Of the result, and of its cells.
    section
        The section that the result is restricted to; "" for all of them.

    Raises
    ------
    StdiffError
        When the cells of the tissue are not those of the result.
    """
    own = tissue.section == section if section else np.ones(tissue.n_cells, dtype=bool)
    if not np.array_equal(tissue.names[own].astype(str), names.astype(str)):
        raise StdiffError(
            f"'{name}' was predicted for other cells than those of this tissue; give the tissue "
            "it was predicted for."
        )
    return tissue_elements(tissue, {name})


def annotating(
    values: np.ndarray,
    names: np.ndarray,
    genes: np.ndarray,
    cells: Annotated,
    *,
    obs: Mapping[str, Any],
    var: Mapping[str, Any],
    layers: Mapping[str, np.ndarray | None],
) -> AnnData:
    """Return a table that annotates the same instances of the same elements as the tissue's own.

    Parameters
    ----------
    values
        (cells, genes), its X.
    names, genes
        (cells,) and (genes,) names.
    cells
        The rows of the tissue's own table.
    obs, var
        Further columns.
    layers
        (cells, genes) arrays; those that are None are left out.
    """
    from anndata import AnnData
    from spatialdata.models import TableModel

    region = pd.Categorical(cells.obs[cells.region].astype(str))
    table = AnnData(
        np.asarray(values, np.float32),
        obs=pd.DataFrame(
            {
                cells.region: region,
                cells.instance: cells.obs[cells.instance].to_numpy(),
                **obs,
            },
            index=names.astype(str),
        ),
        var=pd.DataFrame(dict(var), index=genes.astype(str)),
    )
    for key, layer in layers.items():
        if layer is not None:
            table.layers[key] = layer
    return TableModel.parse(
        table,
        region=list(region.categories),
        region_key=cells.region,
        instance_key=cells.instance,
    )
