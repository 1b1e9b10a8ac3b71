"""Held-out evaluation of methods that predict a section between measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.normalise import Normaliser
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.tissue import Tissue
from ..methods.base import Method
from ..methods.registry import interpolation_methods, method_class
from ..scoring.correlation import column_pearson
from ..scoring.section import score_section
from ..tasks.cells import cells_of
from ..tasks.config import InterpolateConfig
from ..tasks.lambdas import has_lambda, with_lambda
from ..tasks.target import TIERS, target_of
from .memory import peak_memory

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

Tier = Literal["auto", "A", "B", "C"]


def default_methods() -> tuple[str, ...]:
    """Return the ids that are compared when none are named: the model and every baseline."""
    return tuple(m for m in interpolation_methods() if not m.endswith("-paper"))


def evaluate_interpolate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    hide: str,
    methods: Sequence[str] | None = None,
    tier: Tier = "auto",
    seed: int = 0,
    n_draws: int = 16,
    read: ReadConfig | None = None,
    config: InterpolateConfig | None = None,
    monitor: Monitor | None = None,
    per_gene: bool = False,
) -> dict[str, Any]:
    """Hide a section, or a layer of one, predict it by each method, and score the predictions.

    Every method sees the other sections alone. The truth is brought to their scale: counts
    scaled per cell to the median total of the visible cells, log1p.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes.
    hide
        Name of the section, or of the layer (see ``config.between``).
    methods
        Ids; None takes the default model and every baseline.
    tier
        What a method is told about the hidden section: "A" positions and cell types, "B"
        positions, "C" only its depth. "auto" is A where there are cell types, B otherwise.
    seed
        Of every method.
    n_draws
        Draws per cell; scores of whole distributions need at least 16.
    read
        How to read `data`.
    config
        Further settings, the same for every method.
    monitor
        Progress and cancel.
    per_gene
        Add ``"per_gene": {id: {gene: pcc}}`` (tiers A and B).

    Returns
    -------
    dict
        ``{"task", "dataset", "protocol", "methods": {id: {score: value}}}``, ready for JSON;
        a score that a method does not have is None. Seconds are wall time, ``peak_mib`` is the
        memory that fitting and predicting took at most, above what was held before. Where the
        hidden section is an outermost one, ``protocol["extrapolated"]`` is True.

    Raises
    ------
    StdiffError
        When the section or a method does not exist, the section is the first or the last one and
        ``config.extrapolate`` is not set, too few sections remain, or tier A is asked for without
        cell types.
    """
    monitor = monitor or Monitor()
    if not hide:
        raise StdiffError("Name the section or layer to hide (hide).")
    chosen = tuple(dict.fromkeys(methods)) if methods else default_methods()
    classes: dict[str, type[Method]] = {name: method_class(name) for name in chosen}
    settings = (config or InterpolateConfig()).but(hide=hide, seed=seed, draws=n_draws)
    with monitor.stage("Reading", 0.02):
        tissue = read_tissue(data, read or ReadConfig())
        target = target_of(tissue, settings, read)
        visible, hidden = target.visible, target.hidden
    assert hidden is not None
    given = _tier(tier, hidden)
    query = cells_of(target, settings.but(tier=given)).query
    normaliser = Normaliser.fit(visible)
    truth, scale = normaliser(hidden), normaliser(visible).std(axis=0)
    scores: dict[str, dict[str, float | None]] = {}
    notes: dict[str, list[str]] = {}
    genes: dict[str, dict[str, float | None]] = {}
    chosen_lambda: dict[str, Any] = {}
    for i, (name, cls) in enumerate(classes.items()):
        with monitor.stage(name, 1 / (len(classes) - i)), peak_memory() as peak:
            start = perf_counter()
            own = settings.but(method=name, tier=given)
            if has_lambda(name):
                own, facts = with_lambda(visible, own, monitor)
                chosen_lambda |= {name: facts} if facts else {}
            with monitor.stage(f"{name}: fitting", 0.8):
                fitted = cls().fit(visible, None, own, monitor)
            between = perf_counter()
            with monitor.stage(f"{name}: predicting"):
                prediction = fitted.sample(query, n_draws, monitor)
            end = perf_counter()
            monitor.check()
        scores[name] = {
            **score_section(
                truth,
                hidden.coords,
                hidden.cell_type,
                prediction,
                query=query if given == "C" else None,
                scale=scale,
            ),
            "fit_seconds": round(between - start, 3),
            "sample_seconds": round(end - between, 3),
            "peak_mib": round(peak.mib, 1),
        }
        if per_gene and given != "C":
            values = column_pearson(truth, prediction.mean).tolist()
            genes[name] = {
                str(g): v if isfinite(v) else None
                for g, v in zip(prediction.genes, values, strict=True)
            }
        if prediction.notes:
            notes[name] = list(prediction.notes)
    return {
        "task": "interpolate",
        "dataset": Path(tissue.origin.path).stem or tissue.origin.kind,
        "protocol": {
            "hidden": hide,
            "tier": given,
            "given": {"A": "positions and types", "B": "positions", "C": "depth"}[given],
            "tier_means": TIERS[given],
            **{k: v for k, v in target.describe(hide).items() if k not in ("hidden", "z")},
            "about": list(target.notes),
            "seed": seed,
            "draws": n_draws,
            "visible_sections": visible.sections,
            "visible_cells": visible.n_cells,
            "hidden_cells": hidden.n_cells,
            "predicted_cells": query.n_cells,
            "genes": tissue.n_genes,
            "scale": (
                f"counts per cell scaled to {normaliser.target:g}, log1p"
                if normaliser.values == "counts"
                else "log-normalised values as they are"
            ),
            "read": list(tissue.origin.notes),
            "notes": notes,
            **({"lambda": chosen_lambda} if chosen_lambda else {}),
        },
        "methods": scores,
        **({"per_gene": genes} if genes else {}),
    }


def _tier(tier: Tier, hidden: Tissue) -> Literal["A", "B", "C"]:
    """Return the tier that can be had, or say why the one asked for cannot."""
    if tier == "auto":
        return "B" if hidden.cell_type is None else "A"
    if tier == "A" and hidden.cell_type is None:
        raise StdiffError(
            "Tier A needs cell types and the data has none; name the column with the cell types "
            "or choose tier B."
        )
    return tier
