"""Results out: sections, predicted genes, imputed values as new elements; nothing else touched."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from .describe import describe
from .imputed import TASK as IMPUTE_TASK
from .imputed import Imputed
from .predicted import PredictedGenes
from .predicted_store import TASK as GENES_TASK
from .prediction import Prediction, Query
from .record import RunRecord
from .result_list import (
    RECORD_KEY,
    ResultInfo,
    find_result,
    list_results,
    record_of,
    regions_of,
)
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
    "load_imputed",
    "load_predicted",
    "load_result",
    "remove_result",
    "save",
]

# What a section knows beside its record: unit, completeness, notes of the prediction.
SECTION_KEY = "stdiff_section"

OfCells = PredictedGenes | Imputed  # a table about measured cells

# Task of a record -> what its result is, and what loads it.
_KINDS = {
    GENES_TASK: ("holds predicted genes", "load_predicted"),
    IMPUTE_TASK: ("holds imputed values", "load_imputed"),
}
_SECTION = ("is a virtual section", "load_result")


@dataclass(frozen=True)
class Saved:
    """Where a result is.

    Attributes
    ----------
    path
        The store, or "" when the result is in memory alone.
    element, table
        Names of the element that it annotates (of several: joined by commas) and of its table.
    """

    path: str
    element: str
    table: str


def save(
    section: VirtualSection | OfCells,
    out: str | Path | SpatialData,
    tissue: Tissue | None = None,
) -> Saved:
    """Add a result to a store, an object in memory, or a new store.

    Parameters
    ----------
    section
        The result: a virtual section (points and their table), or predicted genes or imputed
        values (a table that annotates the elements of the tissue's own).
    out
        An existing SpatialData store (gains the elements), a SpatialData object (gains them too,
        and so does the store behind it), or a path where there is nothing yet.
    tissue
        What the result was predicted from; a new store gets it too, as points, images and the
        table "measured", and a virtual section gets its colours.

    Returns
    -------
    Saved
        The names may carry a number: nothing is ever overwritten.

    Raises
    ------
    StdiffError
        When `out` is something else, or cannot be written; the store is then as it was, and a
        SpatialData object holds the result in memory. When the result is about cells that the
        store does not have.
    """
    path: Path | None
    sdata = None if isinstance(out, str | Path) else out
    if isinstance(out, str | Path):
        path = _free_or_store(out)
        taken = names_on_disk(path)
    else:
        path = None if out.path is None else Path(out.path)
        taken = names_in(out)
    new = sdata is None and path is not None and not path.exists()
    if isinstance(section, VirtualSection):
        elements, around = _section_elements(section, taken, tissue, new)
    else:
        held = sdata if sdata is not None else path
        assert held is not None
        elements, around = _cell_elements(section, held, taken, tissue if new else None, new)
    name = list(elements)[-1]
    annotated = ", ".join(regions_of(elements[name]))
    if sdata is not None:
        for key, element in elements.items():
            sdata[key] = element
    if path is None:
        return Saved("", annotated, name)
    try:
        if new:
            _new_store(path, {**around, **elements})
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
            for key in reversed(elements):
                del sdata[key]
        raise
    return Saved(str(path), annotated, name)


def _section_elements(
    section: VirtualSection, taken: set[str], tissue: Tissue | None, new: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a virtual section adds, its table last, and the tissue for a new store."""
    from .export import result_elements, tissue_elements

    name = free_name(section.name, taken, ("", "_points"))
    input_ = section.record.input
    system = (
        tissue.origin.coordinate_system
        if tissue is not None
        else str(input_.get("coordinate_system") or "global")
    )
    elements = result_elements(section, name, system, tissue)
    _put_record(elements[name], section.record, section.prediction, section.unit)
    return elements, (tissue_elements(tissue, set(elements)) if new and tissue is not None else {})


def _cell_elements(
    result: OfCells,
    store: Path | SpatialData,
    taken: set[str],
    tissue: Tissue | None,
    new: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the table that a result about measured cells adds, and the tissue for a new store."""
    from .annotated import find_cells, measured_elements
    from .imputed_store import imputed_table
    from .predicted_store import predicted_table

    around: dict[str, Any] = {}
    if new:
        if tissue is None:
            raise StdiffError(
                f"'{result.name}' annotates the tissue's own cells; save it to the store of the "
                "tissue, or give the tissue too (save(result, out, tissue))."
            )
        from spatialdata import SpatialData

        section = str(result.record.target.get("section") or "")
        around = measured_elements(tissue, result.name, result.names, section)
        store = SpatialData.init_from_elements(around)
    cells = find_cells(store, result.names, str(result.record.input.get("table") or ""))
    if isinstance(result, Imputed):
        table = imputed_table(result, cells)
    else:
        table = predicted_table(result, cells)
    _put_record(table, result.record, result.prediction, "")
    return {free_name(result.name, {*taken, *around}): table}, around


def load_result(store: str | Path | SpatialData, name: str) -> VirtualSection:
    """Return a virtual section as it was saved.

    Raises
    ------
    StdiffError
        When the store has no such result, or it is of another kind.
    """
    from .export import CONFIDENCE, DISTANCE

    table, record, more = _loaded(store, name, "load_result")
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


def load_predicted(store: str | Path | SpatialData, name: str) -> PredictedGenes:
    """Return predicted genes as they were saved.

    Raises
    ------
    StdiffError
        When the store has no such result, or it is of another kind.
    """
    from .predicted_store import from_table

    return from_table(name, *_loaded(store, name, "load_predicted"))


def load_imputed(store: str | Path | SpatialData, name: str) -> Imputed:
    """Return imputed values as they were saved.

    Raises
    ------
    StdiffError
        When the store has no such result, or it is of another kind.
    """
    from .imputed_store import from_table

    return from_table(name, *_loaded(store, name, "load_imputed"))


def _loaded(
    store: str | Path | SpatialData, name: str, loader: str
) -> tuple[AnnData, RunRecord, dict[str, Any]]:
    """Return the table of a result, its record, and what stands beside the record."""
    what, right = _KINDS.get(find_result(store, name).record.task, _SECTION)
    if loader != right:
        raise StdiffError(f"'{name}' {what}; load it with {right}.")
    if isinstance(store, str | Path):
        from anndata import read_zarr

        table = read_zarr(str(check_store(store) / "tables" / name))
    else:
        table = store.tables[name]
    record = record_of(table.uns[RECORD_KEY])
    assert record is not None
    return table, record, json.loads(table.uns.get(SECTION_KEY, "{}"))


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


def _new_store(path: Path, elements: dict[str, Any]) -> None:
    """Write a store that holds `elements`: all of it, or nothing."""
    from spatialdata import SpatialData

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        SpatialData.init_from_elements(elements).write(path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _column(table: AnnData, name: str) -> np.ndarray | None:
    return table.obs[name].to_numpy(float) if name in table.obs else None


def _put_record(table: AnnData, record: RunRecord, prediction: Prediction, unit: str) -> None:
    table.uns[RECORD_KEY] = record.model_dump_json()
    table.uns[SECTION_KEY] = json.dumps(
        {"unit": unit, "complete": prediction.complete, "notes": list(prediction.notes)}
    )
