"""Held-out evaluation of cells generated inside measured sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.checks import no_such
from ..data.copies import without_copies
from ..data.prediction import Query
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.tissue import Tissue
from ..methods.base import Method
from ..methods.registry import method_class
from ..tasks.config import GenerateConfig
from ..tasks.density import Measured
from ..tasks.generate import place_within
from .hidden_cells import HiddenCells, Scores
from .interpolate import default_methods
from .memory import peak_memory

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

Tier = Literal["auto", "A", "B", "C"]

_TIERS = {
    "A": "Positions and types of the hidden cells were given (tier A).",
    "B": "The positions of the hidden cells were given, their types not (tier B).",
    "C": "As many cells as were hidden were generated from nothing (tier C): maps, density, types "
    "and distributions are compared, not single cells.",
}


def evaluate_generate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    hold_out: float = 0.2,
    methods: Sequence[str] | None = None,
    tier: Tier = "auto",
    seed: int = 0,
    n_draws: int = 16,
    section: str = "all",
    enrichment: bool = True,
    read: ReadConfig | None = None,
    config: GenerateConfig | None = None,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Hide a share of the cells of measured sections, generate them, and score what comes.

    Every method sees the other cells alone. The truth is brought to their scale: counts scaled
    per cell to the median total of the visible cells, log1p. Scores are computed in each section
    and averaged by hidden cells.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes; one section is enough.
    hold_out
        Share of the cells of each section that is hidden, chosen at random.
    methods
        Ids; None takes the default model and every baseline.
    tier
        What a method is told about the hidden cells: "A" positions and cell types, "B"
        positions, "C" only how many they are: as many are generated from nothing and compared
        as clouds. "auto" is A where there are cell types, B otherwise.
    seed
        Of the choice of cells, of placing and of every method.
    n_draws
        Draws per cell; scores of whole distributions need at least 16.
    section
        Name of the one section whose cells are hidden; "all" takes every section.
    enrichment
        Score the neighbourhood enrichment of cell types (or clusters) too.
    read
        How to read `data`.
    config
        Further settings, the same for every method.
    monitor
        Progress and cancel.

    Returns
    -------
    dict
        ``{"task", "dataset", "protocol", "methods": {id: {score: value}}}``, ready for JSON; a
        score that a method does not have is None. Beside the scores of
        :func:`evaluate_interpolate`: `moran_error` and `enrichment` (agreement of neighbourhood
        enrichments), of one draw, and in tier C `type_difference`, the share of cells that would
        have to change type for the composition to be the true one. ``"reference"`` holds what as
        many measured cells, drawn at random, score in the place of generated ones.

    Raises
    ------
    StdiffError
        When a section or a method does not exist, a section has too few cells, or tier A is
        asked for without cell types.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=150, seed=1)
    >>> result = st.evaluate_generate(
    ...     sample.sdata, methods=["typed-knn"], section="section_2", enrichment=False
    ... )
    >>> result["protocol"]["hidden_cells"]
    30
    """
    monitor = monitor or Monitor()
    chosen = tuple(dict.fromkeys(methods)) if methods else default_methods()
    classes: dict[str, type[Method]] = {name: method_class(name) for name in chosen}
    settings = (config or GenerateConfig()).but(seed=seed, draws=n_draws)
    with monitor.stage("Reading", 0.02):
        tissue = read_tissue(data, read or ReadConfig())
        given = _tier(tier, tissue)
        hide = hidden_rows(tissue, hold_out, section, seed)
        hidden = tissue.rows(hide)
        visible, copies = without_copies(tissue.rows(~hide), hidden)
        query, belongs = _query(visible, hidden, given, settings)
        judge = HiddenCells.of(visible, hidden, enrichment=enrichment, seed=seed)
        reference = judge.reference(monitor)
    scores: dict[str, Scores] = {}
    notes: dict[str, list[str]] = {}
    for i, (name, cls) in enumerate(classes.items()):
        with monitor.stage(name, 1 / (len(classes) - i)):
            with peak_memory() as peak:
                start = perf_counter()
                with monitor.stage(f"{name}: fitting", 0.8):
                    fitted = cls().fit(visible, None, settings.but(method=name), monitor)
                between = perf_counter()
                with monitor.stage(f"{name}: predicting", 0.8):
                    prediction = fitted.sample(query, n_draws, monitor)
                end = perf_counter()
                monitor.check()
            with monitor.stage(f"{name}: scoring"):
                scores[name] = {
                    **judge.score(prediction, query, belongs, monitor, paired=given != "C"),
                    "fit_seconds": round(between - start, 3),
                    "sample_seconds": round(end - between, 3),
                    "peak_mib": round(peak.mib, 1),
                }
        if prediction.notes:
            notes[name] = list(prediction.notes)
    return {
        "task": "generate",
        "dataset": Path(tissue.origin.path).stem or tissue.origin.kind,
        "protocol": {
            "hold_out": hold_out,
            "sections": hidden.sections,
            "tier": given,
            "given": {"A": "positions and types", "B": "positions", "C": "their number"}[given],
            "tier_means": _TIERS[given],
            "seed": seed,
            "draws": n_draws,
            "cells": tissue.n_cells,
            "visible_cells": visible.n_cells,
            "hidden_cells": hidden.n_cells,
            "predicted_cells": query.n_cells,
            "genes": tissue.n_genes,
            "bins": judge.bins,
            "scale": (
                f"counts per cell scaled to {judge.normaliser.target:g}, log1p"
                if judge.normaliser.values == "counts"
                else "log-normalised values as they are"
            ),
            "about": [copies] if copies else [],
            "read": list(tissue.origin.notes),
            "notes": notes,
        },
        "methods": scores,
        "reference": reference,
    }


def hidden_rows(tissue: Tissue, share: float, section: str, seed: int) -> np.ndarray:
    """Return a (cells,) mask of the cells to hide: a share of one section's cells, or of each's.

    Raises
    ------
    StdiffError
        When there is no such section, or the share leaves or takes too few cells.
    """
    if not 0 < share < 1:
        raise StdiffError(f"The held-out share must lie between 0 and 1 (got {share:g}).")
    there = tissue.sections
    if section not in there and section != "all":
        raise no_such("section", section, there)
    rng = np.random.default_rng([seed, 31])
    hide = np.zeros(tissue.n_cells, dtype=bool)
    for name in [section] if section in there else there:
        rows = np.flatnonzero(tissue.section == name)
        hide[rng.choice(rows, round(share * len(rows)), replace=False)] = True
    if hide.sum() < 2:
        raise StdiffError(
            f"A share of {share:g} hides {int(hide.sum())} cells, too few to score; hold out more."
        )
    return hide


def _tier(tier: Tier, tissue: Tissue) -> Literal["A", "B", "C"]:
    """Return the tier that can be had, or say why the one asked for cannot."""
    if tier not in ("auto", *_TIERS):
        raise no_such("tier", tier, ("auto", *_TIERS))
    if tier == "auto":
        return "B" if tissue.cell_type is None else "A"
    if tier == "A" and tissue.cell_type is None:
        raise StdiffError(
            "Tier A needs cell types and the data has none; name the column with the cell types "
            "or choose tier B."
        )
    return tier


def _query(
    visible: Tissue, hidden: Tissue, tier: str, config: GenerateConfig
) -> tuple[Query, np.ndarray]:
    """Return the cells to predict, no more about them than the tier allows, and their sections."""
    if tier == "A":
        return Query(hidden.coords, hidden.cell_type), hidden.section
    if tier == "B":
        return Query(hidden.coords), hidden.section
    parts, names = [], []
    for name in hidden.sections:
        n_cells = int((hidden.section == name).sum())
        wanted = config.but(section=name, cells="new", n_cells=n_cells)
        part, _ = place_within(Measured.of(visible, name), wanted)
        parts.append(part)
        names.append(np.full(part.n_cells, name))
    types = None
    if all(part.cell_type is not None for part in parts):
        types = np.concatenate([part.cell_type for part in parts])
    return Query(np.concatenate([part.coords for part in parts]), types), np.concatenate(names)
