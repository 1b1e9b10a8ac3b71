"""Results out: one points element and one table a virtual section, and nothing else touched."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from .describe import describe
from .prediction import Prediction, Query
from .result_list import RECORD_KEY, ResultInfo, find_result, list_results, record_of
from .store import (
    add_elements,
    check_store,
    free_name,
    is_store,
    names_in,
    names_on_disk,
    refuse_file_name,
    remove_elements,
)
from .tissue import Tissue
from .virtual import VirtualSection

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

__all__ = [
    "ResultInfo",
    "Saved",
    "describe",
    "list_results",
    "load_result",
    "remove_result",
    "save",
]

# What a section knows beside its record: unit, completeness, notes of the prediction.
SECTION_KEY = "stdiff_section"


@dataclass(frozen=True)
class Saved:
    """Where a result is.

    Attributes
    ----------
    path
        The store, or "" when the result is in memory alone.
    element, table
        Names of its points element and of its table.
    """

    path: str
    element: str
    table: str


def save(
    section: VirtualSection, out: str | Path | SpatialData, tissue: Tissue | None = None
) -> Saved:
    """Add a virtual section to a store, an object in memory, or a new store.

    Parameters
    ----------
    section
        The result.
    out
        An existing SpatialData store (gains two elements), a SpatialData object (gains them too,
        and so does the store behind it), or a path where there is nothing yet.
    tissue
        What the section was predicted from; a new store gets it too, as points, images and the
        table "measured", and the result gets its colours.

    Returns
    -------
    Saved
        The names may carry a number: nothing is ever overwritten.

    Raises
    ------
    StdiffError
        When `out` is something else, or cannot be written; the store is then as it was, and a
        SpatialData object holds the result in memory.
    """
    from .export import result_elements

    path: Path | None
    sdata = None if isinstance(out, str | Path) else out
    if isinstance(out, str | Path):
        path = _free_or_store(out)
        taken = names_on_disk(path)
    else:
        path = None if out.path is None else Path(out.path)
        taken = names_in(out)
    name = free_name(section.name, taken, ("", "_points"))
    input_ = section.record.input
    system = (
        tissue.origin.coordinate_system
        if tissue is not None
        else str(input_.get("coordinate_system") or "global")
    )
    elements = result_elements(section, name, system, tissue)
    _put_record(elements[name], section)
    points = f"{name}_points"
    if sdata is not None:
        sdata[points] = elements[points]
        sdata[name] = elements[name]
    if path is None:
        return Saved("", points, name)
    try:
        if sdata is None and not path.exists():
            _new_store(path, elements, tissue)
        else:
            add_elements(path, elements)
    except OSError as error:
        where = "in memory" if sdata is None else "in the object in memory"
        raise StdiffError(
            f"{path} cannot be written ({error.strerror or error}); the result is kept {where}: "
            "save it to a new path, for example in your home folder."
        ) from error
    except BaseException:
        if sdata is not None:
            del sdata[name], sdata[points]
        raise
    return Saved(str(path), points, name)


def load_result(store: str | Path | SpatialData, name: str) -> VirtualSection:
    """Return a result as it was saved.

    Raises
    ------
    StdiffError
        When the store has no such result.
    """
    from .export import CONFIDENCE, DISTANCE

    find_result(store, name)
    if isinstance(store, str | Path):
        from anndata import read_zarr

        table = read_zarr(str(check_store(store) / "tables" / name))
    else:
        table = store.tables[name]
    record = record_of(table.uns[RECORD_KEY])
    assert record is not None
    more = json.loads(table.uns.get(SECTION_KEY, "{}"))
    x, y, z = np.asarray(table.obsm["spatial3d"], float).T
    numbers = sorted(int(k.removeprefix("draw_")) for k in table.layers if k.startswith("draw_"))
    draws = [np.asarray(table.layers[f"draw_{i}"]) for i in numbers]
    kinds = table.obs.get("cell_type")
    return VirtualSection(
        name=name,
        query=Query(
            np.stack([z, y, x], axis=1),
            None if kinds is None else kinds.astype(str).to_numpy(object),
        ),
        prediction=Prediction(
            genes=table.var_names.to_numpy(),
            mean=np.asarray(table.layers.get("mean", table.X)),
            std=np.asarray(table.layers["std"]) if "std" in table.layers else None,
            draws=np.stack(draws) if draws else None,
            complete=bool(more.get("complete", True)),
            notes=tuple(more.get("notes", ())),
        ),
        unit=str(more.get("unit", "unit")),
        record=record,
        distance=_column(table, DISTANCE),
        confidence=_column(table, CONFIDENCE),
    )


def remove_result(store: str | Path | SpatialData, name: str) -> None:
    """Remove one result: its table, and the points element that was made for it.

    Raises
    ------
    StdiffError
        When there is no such result, when `name` is not one of ours, or the store is read-only.
    """
    info = find_result(store, name)
    # A table may also annotate an element of the data; only what we made goes.
    names = [name, info.element] if info.element == f"{name}_points" else [name]
    path = check_store(store) if isinstance(store, str | Path) else store.path
    if path is not None:
        path = Path(path)
        there = names_on_disk(path)
        try:
            remove_elements(path, [n for n in names if n in there])
        except OSError as error:
            raise StdiffError(
                f"{path} cannot be written ({error.strerror or error}); '{name}' was not removed."
            ) from error
    if not isinstance(store, str | Path):
        for n in names:
            if n in store:
                del store[n]


def _free_or_store(out: str | Path) -> Path:
    """Return the path when a store or nothing is there."""
    path = Path(out).expanduser()
    refuse_file_name(path)
    if path.exists() and not is_store(path):
        raise StdiffError(
            f"{path} exists and is no SpatialData store; the result is kept in memory: "
            "save it to a store or to a path that is free."
        )
    return path


def _new_store(path: Path, elements: dict[str, Any], tissue: Tissue | None) -> None:
    """Write a store that holds the result and, where it is known, the tissue around it."""
    from spatialdata import SpatialData

    from .export import tissue_elements

    everything = dict(elements)
    if tissue is not None:
        everything = {**tissue_elements(tissue, set(elements)), **elements}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        SpatialData.init_from_elements(everything).write(path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _column(table: AnnData, name: str) -> np.ndarray | None:
    return table.obs[name].to_numpy(float) if name in table.obs else None


def _put_record(table: AnnData, section: VirtualSection) -> None:
    table.uns[RECORD_KEY] = section.record.model_dump_json()
    prediction = section.prediction
    table.uns[SECTION_KEY] = json.dumps(
        {"unit": section.unit, "complete": prediction.complete, "notes": list(prediction.notes)}
    )
