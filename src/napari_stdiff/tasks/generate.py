"""Generate cells that nobody measured, inside a measured section."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.device import choose_device
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.checks import no_such
from ..data.prediction import Prediction, Query
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.store import element_name
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from ..methods.base import Cost, Method
from ..methods.registry import method_class
from .config import GenerateConfig
from .density import Measured
from .fitted import Kept, fitted, run_notes, saved
from .placement import given_cells

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_OUTSIDE = 3.0  # a cell farther from any measured one, in their spacings, is outside the tissue


def generate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: GenerateConfig | None = None,
    monitor: Monitor | None = None,
    model: str | Path | Method | None = None,
    query: Query | None = None,
    **settings: Any,
) -> VirtualSection:
    """Generate cells inside a measured section: where told to, between the measured ones, or new.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes; a single section is enough.
    read
        How to read it.
    config
        Which cells to generate and how; see :class:`GenerateConfig`.
    monitor
        Progress and cancel. A run that is cancelled while it draws returns what is done, with
        ``prediction.complete`` False; before that it raises :class:`Cancelled`.
    model
        A fitted method, or the folder it was saved to; None fits one, or takes the one that an
        earlier run fitted on the same data with the same settings.
    query
        Cells to generate, in the frame of the tissue; None makes them up, or reads them, as
        ``config.cells`` says.
    **settings
        Fields of the config, for example ``cells="denser"`` or ``n_cells=500``.

    Returns
    -------
    VirtualSection
        The generated cells alone (no measured one among them), their expression (mean, std,
        draws) and the record of the run. Draws are what looks like measured cells: each varies
        and co-varies as cells do, which their mean does not. ``config.values`` says which of
        the two the table's ``X`` holds.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: no such section or cell type, too few cells, positions in
        another frame, unusable data.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=150, seed=1)
    >>> cells = st.generate(sample.sdata, n_cells=50, method="typed-knn", draws=1)
    >>> cells.query.n_cells, cells.record.generated
    (50, True)
    """
    monitor = monitor or Monitor()
    config = (config or GenerateConfig()).but(**settings)
    if config.values == "draw" and not config.draws:
        raise StdiffError("X can hold a draw only where there is one; say draws 1 or more.")
    if config.n_cells and (query is not None or config.cells != "new"):
        raise StdiffError(
            "A number of cells is for new cells alone; leave it out, or say cells 'new' (how many "
            "lie between the measured ones follows from the factor)."
        )
    seconds: dict[str, float] = {}
    with monitor.stage("Reading", 0.02):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig())
        section = section_of(tissue, config.section, query)
        seconds["read"] = perf_counter() - start
    with monitor.stage("Placing cells", 0.03):
        start = perf_counter()
        measured = Measured.of(tissue, section)
        asked, notes = place_within(measured, config) if query is None else (query, [])
        how = "given" if query is not None else config.cells
        distance, confidence, far = _far(measured, asked, tissue.unit)
        notes += far
        seconds["place"] = perf_counter() - start
    with monitor.stage("Fitting", 0.8):
        start = perf_counter()
        method, kept = _method(tissue, config, monitor, model)
        seconds["fit"] = perf_counter() - start
    with monitor.stage("Drawing"):
        start = perf_counter()
        prediction = method.sample(asked, config.draws, monitor)
        seconds["sample"] = perf_counter() - start
    told = [
        f"Generated: {asked.n_cells} cells that nobody measured, in section '{section}' "
        f"({_said(how, asked, config)}).",
        *prediction.notes,
        *notes,
        *_told(prediction, kept, config),
    ]
    record = RunRecord(
        task="generate",
        method=config.method,
        parameters=config.model_dump(mode="json"),
        chosen=method.facts(),
        target={
            "section": section,
            "z": measured.z,
            "cells": how,
            "n_cells": asked.n_cells,
            "measured_cells": len(measured.yx),
        },
        seed=config.seed,
        device=choose_device(config.device).type,
        input=describe_input(tissue),
        seconds={k: round(v, 3) for k, v in seconds.items()},
        notes=tuple(told),
    )
    kind = "generated_denser" if how == "denser" else "generated"
    name = element_name(f"{kind}_{section}_{config.method}")
    return VirtualSection(name, asked, prediction, tissue.unit, record, distance, confidence)


def estimate(tissue: Tissue, config: GenerateConfig) -> Cost:
    """Return what :func:`generate` will cost on this machine, without doing it.

    Raises
    ------
    StdiffError
        When there is no such section.
    """
    section = section_of(tissue, config.section)
    return method_class(config.method).cost(tissue, config, how_many(tissue, section, config))


def how_many(tissue: Tissue, section: str, config: GenerateConfig) -> int:
    """Return about how many cells `config` asks for."""
    there = int((tissue.section == section).sum())
    if config.cells == "denser":
        return max(round((config.factor - 1) * there), 1)
    return config.n_cells or there


def section_of(tissue: Tissue, name: str, query: Query | None = None) -> str:
    """Return the section called `name`; of "auto" that of `query`, or the only or middle one.

    Raises
    ------
    StdiffError
        When there is no such section.
    """
    there = tissue.sections
    if name == "auto" and name not in there:
        if query is not None and query.n_cells:
            z = float(query.coords[:, 0].mean())
            return min(there, key=lambda s: abs(tissue.section_z[s] - z))
        return there[(len(there) - 1) // 2]
    if name not in there:
        raise no_such("section", name, there)
    return name


def place_within(measured: Measured, config: GenerateConfig) -> tuple[Query, list[str]]:
    """Return the cells to generate, as ``config.cells`` says, and notes on how they were had.

    Raises
    ------
    StdiffError
        When the section has too few cells, or the positions file cannot be used.
    """
    if config.types == "drawn" and not measured.types:
        raise StdiffError(
            "There are no cell types to draw from; name the column that holds them (cell type "
            "key), or leave types at 'auto'."
        )
    rng = np.random.default_rng([config.seed, 23])
    notes: list[str] = []
    if config.cells == "given":
        asked = given_cells(config.positions, measured.z)
        yx = asked.coords[:, 1:]
        code = measured.codes(asked.cell_type, len(yx))
    elif config.cells == "denser":
        yx, code, notes = measured.between(config.factor, rng)
    else:
        yx, code, notes = measured.anew(config.n_cells, rng)
    drawn = config.types == "drawn" or (config.types == "auto" and config.cells != "given")
    if drawn and (code < 0).any():
        code = np.where(code < 0, measured.types_at(yx, rng), code)
    elif config.types == "none" and config.cells != "given":
        code = np.full(len(yx), -1)
    coords = np.column_stack([np.full(len(yx), measured.z), yx])
    if not measured.types or (code < 0).all():
        return Query(coords), notes
    return Query(coords, np.array([*measured.types, ""], dtype=object)[code]), notes


def _method(
    tissue: Tissue, config: GenerateConfig, monitor: Monitor, model: str | Path | Method | None
) -> tuple[Method, Kept]:
    if model is None:
        method, kept = fitted(tissue, config, monitor)
        return method, "earlier" if kept else ""
    if not isinstance(model, Method):
        return saved(model, tissue, config), "given"
    model.configure(config)
    return model, "given"


def _said(how: str, query: Query, config: GenerateConfig) -> str:
    """Return how the cells were had, in a few words."""
    typed = query.cell_type is not None and any(query.cell_type)
    if how == "new" and typed:
        return "positions and types drawn as dense and as mixed as the measured cells"
    if how == "new":
        return "positions drawn as dense as the measured cells, types left open"
    if how == "denser":
        what = "positions and types drawn" if typed else "positions drawn, types left open,"
        return f"{what} between the measured cells"
    if not typed:
        return "positions given, types left open"
    drawn = config.cells == "given" and config.types == "drawn"
    return "positions given, types drawn" if drawn else "positions and types given"


def _far(measured: Measured, query: Query, unit: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return distances to the measured cells, the confidence, and what to say of cells outside.

    Cells that are all in another frame are refused.
    """
    yx = query.coords[:, 1:]
    distance = measured.distance(yx)
    reach = _OUTSIDE * float(measured.spacing.mean())
    confidence = np.minimum(1.0, reach / np.maximum(distance, 1e-30))
    outside = int((distance > reach).sum())
    if not outside:
        return distance, confidence, []
    low, high = measured.yx.min(axis=0), measured.yx.max(axis=0)
    room = (high - low).max() / 2
    if not ((yx >= low - room) & (yx <= high + room)).all(axis=1).any():
        raise StdiffError(
            f"None of the {query.n_cells} positions lies near section '{measured.name}' (the "
            f"nearest is {distance.min():.4g} {unit} from a measured cell); give x and y in "
            f"{unit}, in the frame of the data."
        )
    note = (
        f"{outside} of {query.n_cells} cells lie outside the measured tissue, up to "
        f"{distance.max():.4g} {unit} from the nearest measured cell of the section; do not "
        "trust them."
    )
    return distance, confidence, [note]


def _told(prediction: Prediction, kept: Kept, config: GenerateConfig) -> list[str]:
    notes = []
    if config.values == "draw" and prediction.draws is not None:
        notes.append("X holds one draw; the mean is the layer 'mean'.")
    return [*notes, *run_notes(prediction, config.draws, kept)]
