"""Cut a virtual section between measured ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.device import choose_device
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.checks import need_sections
from ..data.normalise import Normaliser
from ..data.prediction import Prediction, Query
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from ..methods.base import Cost, Method
from ..methods.registry import load_method, method_class
from ..scoring.section import score_section
from .config import InterpolateConfig
from .fitted import fitted
from .placement import given_cells, parents, place

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_GIVEN = {
    "A": "The positions and cell types of the hidden section were given (tier A).",
    "B": "The positions of the hidden section were given, its cell types not (tier B).",
    "C": "Nothing of the hidden section was given (tier C).",
}


def interpolate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: InterpolateConfig | None = None,
    monitor: Monitor | None = None,
    model: str | Path | Method | None = None,
    query: Query | None = None,
    **settings: Any,
) -> VirtualSection:
    """Predict the expression of a section that lies between measured ones.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes, with at least two sections.
    read
        How to read it.
    config
        What to cut and how; see :class:`InterpolateConfig`.
    monitor
        Progress and cancel. A run that is cancelled while it draws returns what is done, with
        ``prediction.complete`` False; before that it raises :class:`Cancelled`.
    model
        A fitted method, or the folder it was saved to; None fits one, or takes the one that an
        earlier run fitted on the same data with the same settings.
    query
        Cells to predict; None makes them up as ``config.cells`` says.
    **settings
        Fields of the config, for example ``hide="section_3"`` or ``at=120.0``.

    Returns
    -------
    VirtualSection
        Cells, expression (mean, std, draws) and the record of the run. Where a section was
        hidden, ``record.scores`` compares with it.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: no such section, a depth that is not between two measured
        sections, too few sections, unusable data.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=150, seed=1)
    >>> section = st.interpolate(sample.sdata, at=60.0, method="typed-knn", draws=0)
    >>> section.prediction.mean.shape[0] == section.query.n_cells
    True
    """
    monitor = monitor or Monitor()
    config = (config or InterpolateConfig()).but(**settings)
    seconds: dict[str, float] = {}
    with monitor.stage("Reading", 0.02):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig())
        visible, hidden = _visible(tissue, config)
        z = _depth(visible, hidden, config)
        seconds["read"] = perf_counter() - start
    with monitor.stage("Placing cells", 0.03):
        start = perf_counter()
        asked, tier, how = _cells(visible, hidden, z, config, query)
        seconds["place"] = perf_counter() - start
    with monitor.stage("Fitting", 0.8):
        start = perf_counter()
        method, kept = _method(visible, config, monitor, model)
        seconds["fit"] = perf_counter() - start
    with monitor.stage("Drawing"):
        start = perf_counter()
        prediction = method.sample(asked, config.draws, monitor)
        seconds["sample"] = perf_counter() - start
    scores: dict[str, float | None] = {}
    if hidden is not None:
        scores = _scores(visible, hidden, prediction, asked, tier)
    record = RunRecord(
        task="interpolate",
        method=config.method,
        parameters=config.model_dump(mode="json"),
        chosen=method.facts(),
        target={
            "z": z,
            "hidden": config.hide,
            "tier": tier,
            "cells": how,
            "n_cells": asked.n_cells,
        },
        seed=config.seed,
        device=choose_device(config.device).type,
        input=describe_input(tissue),
        scores=scores,
        seconds={k: round(v, 3) for k, v in seconds.items()},
        notes=_notes(prediction, tier, kept, config),
    )
    name = f"virtual_{config.hide or f'z{z:.4g}'}_{config.method}"
    return VirtualSection(name, asked, prediction, tissue.unit, record)


def estimate(tissue: Tissue, config: InterpolateConfig) -> Cost:
    """Return what :func:`interpolate` will cost on this machine, without doing it.

    Raises
    ------
    StdiffError
        When the section to hide does not exist, or too few sections remain.
    """
    visible, hidden = _visible(tissue, config)
    n_cells = hidden.n_cells if hidden is not None else visible.n_cells // len(visible.sections)
    return method_class(config.method).cost(visible, config, n_cells)


def _visible(tissue: Tissue, config: InterpolateConfig) -> tuple[Tissue, Tissue | None]:
    """Split what the method may see from what is hidden."""
    if config.hide and config.at != "middle":
        raise StdiffError("Say either a depth (at) or a section to hide (hide), not both.")
    if not config.hide:
        need_sections(tissue, 2)
        return tissue, None
    visible, hidden = tissue.split(config.hide)
    need_sections(tissue, 3)
    return visible, hidden


def _depth(visible: Tissue, hidden: Tissue | None, config: InterpolateConfig) -> float:
    """Return the depth asked for; it must lie between two measured sections."""
    if hidden is not None:
        z = float(hidden.coords[:, 0].mean())
    elif isinstance(config.at, str):
        depths = np.sort(list(visible.section_z.values()))
        widest = int(np.argmax(np.diff(depths)))
        z = float(depths[widest : widest + 2].mean())
    else:
        z = float(config.at)
    parents(visible, z)
    return z


def _cells(
    visible: Tissue,
    hidden: Tissue | None,
    z: float,
    config: InterpolateConfig,
    query: Query | None,
) -> tuple[Query, str, str]:
    """Return the cells to predict, the tier of honesty ("" where nothing is hidden), and how."""
    if query is not None:
        return query, "", "given"
    if config.cells == "given":
        if config.tier != "auto":
            raise StdiffError("Cells that are given have no tier; leave the tier at 'auto'.")
        return given_cells(config.positions, z), "", "given"
    if hidden is None:
        if config.tier != "auto":
            raise StdiffError("A tier says what of a hidden section is given; name it with hide.")
        how = "transport" if config.cells == "auto" else config.cells
        return place(visible, z, config), "", how
    if config.tier == "C" or (config.tier == "auto" and config.cells != "auto"):
        how = "transport" if config.cells == "auto" else config.cells
        return place(visible, z, config), "C", how
    if config.cells != "auto":
        raise StdiffError(
            f"Tier {config.tier} takes the cells of the hidden section itself; leave cells at "
            "'auto', or take tier C."
        )
    if config.tier == "B" or hidden.cell_type is None:
        if config.tier == "A":
            raise StdiffError(
                "Tier A needs cell types and the data has none; name their column or take tier B."
            )
        return Query(hidden.coords), "B", "hidden section's"
    return Query(hidden.coords, hidden.cell_type), "A", "hidden section's"


def _method(
    visible: Tissue, config: InterpolateConfig, monitor: Monitor, model: str | Path | Method | None
) -> tuple[Method, bool]:
    if model is None:
        return fitted(visible, config, monitor)
    if not isinstance(model, Method):
        model = load_method(config.method, model, visible)
    model.configure(config)
    return model, True


def _scores(
    visible: Tissue, hidden: Tissue, prediction: Prediction, query: Query, tier: str
) -> dict[str, float | None]:
    """Compare with the hidden section, on the scale of what is visible.

    Cell by cell where the cells are the hidden section's own, as clouds of cells otherwise.
    """
    if not prediction.complete:  # cancelled: answer at once, with what the mean alone can say
        prediction = replace(prediction, draws=None)
    own = tier != "C" and np.array_equal(query.coords[:, 1:], hidden.coords[:, 1:])
    normaliser = Normaliser.fit(visible)
    return score_section(
        normaliser(hidden),
        hidden.coords,
        hidden.cell_type,
        prediction,
        query=None if own else query,
        scale=normaliser(visible).std(axis=0),
    )


def _notes(
    prediction: Prediction, tier: str, kept: bool, config: InterpolateConfig
) -> tuple[str, ...]:
    notes = list(prediction.notes)
    if tier:
        notes.append(_GIVEN[tier])
    if kept:
        notes.append("The model was kept from an earlier fit on the same data and settings.")
    if not prediction.complete:
        done = 0 if prediction.draws is None else len(prediction.draws)
        notes.append(f"Cancelled after {done} of {config.draws} draws; the mean is complete.")
    return tuple(notes)
