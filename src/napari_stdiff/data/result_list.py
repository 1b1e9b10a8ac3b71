"""Which tables of a store are results of ours, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from ..compute.errors import StdiffError
from .record import RunRecord
from .store import check_store, names_in, names_on_disk

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

RECORD_KEY = "stdiff"


@dataclass(frozen=True)
class ResultInfo:
    """One result of a store.

    Attributes
    ----------
    name, element
        Names of its table and of the element that the table annotates.
    n_cells, n_genes
        Its size.
    record
        How it was made.
    """

    name: str
    element: str
    n_cells: int
    n_genes: int
    record: RunRecord


def list_results(store: str | Path | SpatialData) -> list[ResultInfo]:
    """Return what napari-stdiff added to a store, by name.

    Parameters
    ----------
    store
        Path of a store, or a SpatialData object.
    """
    if not isinstance(store, str | Path):
        found = []
        for name, table in store.tables.items():
            record = record_of(table.uns.get(RECORD_KEY))
            if record is not None:
                found.append(
                    ResultInfo(
                        name, ", ".join(regions_of(table)), table.n_obs, table.n_vars, record
                    )
                )
        return sorted(found, key=lambda info: info.name)
    return _list_on_disk(check_store(store))


def record_of(value: Any) -> RunRecord | None:
    """Return the record in ``uns["stdiff"]``, or None when there is none of ours."""
    if not isinstance(value, str):
        return None
    try:
        return RunRecord.model_validate_json(value)
    except ValidationError:
        return None


def regions_of(table: AnnData) -> list[str]:
    """Return the names of the elements that a table annotates."""
    return _as_list(table.uns.get("spatialdata_attrs", {}).get("region"))


def _as_list(region: Any) -> list[str]:
    return [] if region is None else [str(name) for name in np.atleast_1d(region)]


def find_result(store: str | Path | SpatialData, name: str) -> ResultInfo:
    """Return the result called `name`, or say what there is instead."""
    results = {info.name: info for info in list_results(store)}
    if name in results:
        return results[name]
    taken = names_on_disk(check_store(store)) if isinstance(store, str | Path) else names_in(store)
    if name in taken:
        raise StdiffError(f"'{name}' was not made by napari-stdiff, so it is left alone.")
    have = ", ".join(results) or "none"
    raise StdiffError(f"There is no result '{name}'; the results here are: {have}.")


def _list_on_disk(path: Path) -> list[ResultInfo]:
    """List results without reading their values."""
    import zarr
    from anndata.io import read_elem

    root = zarr.open_group(path, mode="r", use_consolidated=False)
    tables = root.get("tables")
    if not isinstance(tables, zarr.Group):
        return []
    found = []
    for name, group in sorted(tables.groups()):
        if f"uns/{RECORD_KEY}" not in group:
            continue
        record = record_of(read_elem(group[f"uns/{RECORD_KEY}"]))
        if record is None:
            continue
        region = group.attrs.get("region")
        names = _as_list(region)
        n_cells, n_genes = (_length(group[axis]) for axis in ("obs", "var"))
        found.append(ResultInfo(name, ", ".join(names), n_cells, n_genes, record))
    return found


def _length(frame: Any) -> int:
    """Return the number of rows of a stored data frame."""
    return int(frame[frame.attrs["_index"]].shape[0])
