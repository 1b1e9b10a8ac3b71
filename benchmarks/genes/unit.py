"""One unit of work: hide a fold of genes, fit, predict, score, and write what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
from stacks.unit import _peak, _reset_peak, source_hash
from units import done, place, whole, write

import napari_stdiff as st
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.methods.genes.base import GeneMethod
from napari_stdiff.methods.genes.registry import gene_method_class
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.scoring.genes import GeneScores, downsample, score_genes

from .cases import ALL, Opened, narrowed, open_pair
from .peers import PEERS, peer_class

PAPER = "spadit-paper"


@dataclass(frozen=True)
class Unit:
    """What is run once: a method on a pair with a fold of its genes hidden.

    Attributes
    ----------
    pair
        Key in `cases.ALL`.
    method
        Id of a method of the package or of a peer.
    fold, folds
        Which part of the shared genes is hidden, and how many parts there are.
    seed
        Of the folds and the method.
    removed
        Share of the tissue's visible counts that is taken away.
    draws
        Draws a cell.
    scale_to
        Seconds that the paper's configuration is scaled to.
    settings
        Further settings of the method, (name, value).
    """

    pair: str
    method: str
    fold: int
    folds: int = 5
    seed: int = 0
    removed: float = 0.0
    draws: int = 32
    scale_to: float = 60.0
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Name of the unit, good for a file; what differs gives another name."""
        said = "".join(f"-{k}={v}" for k, v in self.settings)
        scaled = f"-to{self.scale_to:g}" if self.method == PAPER else ""
        what = f"{self.method}{scaled}{said}"
        protocol = f"{self.folds}x{self.seed}-{self.draws}"
        return f"{self.pair}/{protocol}/removed{self.removed:g}/{what}/{self.fold}"

    @property
    def slow(self) -> bool:
        """Whether a fold has a process of its own; quick methods run all folds in one."""
        return self.method in PEERS or self.method == PAPER

    def dump(self) -> str:
        """Return the unit as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, said: dict[str, Any]) -> Unit:
        """Undo :meth:`dump`."""
        return cls(**{**said, "settings": tuple((k, v) for k, v in said["settings"])})


def hidden_genes(opened: Opened, unit: Unit) -> np.ndarray:
    """Return the genes that a unit hides."""
    from sklearn.model_selection import KFold

    split = KFold(unit.folds, shuffle=True, random_state=unit.seed).split(opened.shared)
    return np.asarray(opened.shared[list(split)[unit.fold][1]], dtype=object)


def new_method(unit: Unit) -> GeneMethod:
    """Return the unfitted method of a unit."""
    if unit.method not in PEERS:
        return gene_method_class(unit.method)()
    options = {"spots": ALL[unit.pair].spots} if unit.method == "tangram" else {}
    return peer_class(unit.method)(**options)


def config_of(unit: Unit) -> GeneSettings:
    """Return the settings of a unit."""
    scale = {"scale_to": unit.scale_to} if unit.method == PAPER else {}
    said = {"seed": unit.seed, "draws": unit.draws, "device": "cpu", **scale}
    return GeneSettings.of(**{**said, **dict(unit.settings)})


def run_units(units: Sequence[Unit], data: Path, work: Path) -> None:
    """Run units of one pair; each is written as soon as it is done."""
    opened = open_pair(units[0].pair, data)
    for unit in units:
        if done(unit, work) is None:
            run_unit(unit, opened, work)


def run_unit(unit: Unit, opened: Opened, work: Path) -> None:
    """Run a unit and write ``<key>.json`` and ``<key>.npz``."""
    hidden = hidden_genes(opened, unit)
    panel, guarded = visible_panel(unit, opened, hidden)
    # on the scale of all visible counts, whatever is taken away from what methods see
    truth = opened.panel.without(hidden).scaled(opened.raw(hidden))
    kept = place(unit, work, ".kept.npz")
    held = _kept(kept, panel)
    if held is None:
        prediction, took = _predict(unit, panel, hidden)
        if unit.method in PEERS:  # hours of work: scores can be made again without it
            _keep(kept, panel, prediction, took)
    else:
        prediction, took = held
    scores = score_genes(truth, prediction, seed=unit.seed)
    result: dict[str, Any] = {
        **asdict(unit),
        **took,
        "cells": panel.n_cells,
        "visible_genes": len(panel.genes),
        "reference_cells": panel.reference_raw.shape[0],
        "genes": [str(g) for g in hidden],
        "unmoved_by_hidden": guarded,
        "notes": list(prediction.notes),
        "source": source_hash(),
        "per_gene": _plain(scores.per_gene),
        "counts": _plain(scores.counts),
    }
    arrays = {"mean": prediction.mean.astype(np.float16), "genes": hidden.astype(str)}
    write(unit, work, result, arrays)


def scores_of(results: Sequence[dict[str, Any]]) -> GeneScores:
    """Return the scores of several folds as of one run."""
    return GeneScores.joined(
        [GeneScores(_table(r["per_gene"]), _table(r["counts"])) for r in results]
    )


def _plain(table: pd.DataFrame) -> dict[str, Any]:
    values = table.astype(object).where(table.notna(), None)
    return {"genes": [str(g) for g in table.index], **{str(c): list(values[c]) for c in table}}


def _table(held: dict[str, Any]) -> pd.DataFrame:
    columns = {c: np.array(v, dtype=np.float64) for c, v in held.items() if c != "genes"}
    return pd.DataFrame(columns, index=pd.Index(held["genes"], dtype=object))


def visible_panel(unit: Unit, opened: Opened, hidden: np.ndarray) -> tuple[Panel, bool]:
    """Return what the method sees, and whether noise in the hidden genes leaves it as it is."""
    rng = np.random.default_rng(1)
    shape = (opened.tissue.n_cells, len(hidden))
    other = opened.with_raw(hidden, rng.poisson(3.0, shape).astype(np.float32))
    panels = []
    for one in (opened, other):
        panel = one.panel
        if unit.removed:
            fewer = downsample(opened.panel.tissue_raw, unit.removed, unit.seed)
            if one is other:
                columns = np.isin(panel.genes.astype(str), hidden.astype(str))
                fewer[:, columns] = panel.tissue_raw[:, columns]
            panel = replace(panel, tissue_raw=np.asarray(fewer, dtype=np.float32))
        panel = panel.without(hidden)
        panels.append(narrowed(panel, hidden) if unit.method in PEERS else panel)
    return panels[0], panels[0].fingerprint() == panels[1].fingerprint()


def _predict(unit: Unit, panel: Panel, hidden: np.ndarray) -> tuple[Prediction, dict[str, Any]]:
    """Fit and predict; return the prediction and what that took."""
    config, method = config_of(unit), new_method(unit)
    estimate = type(method).cost(panel, config, len(hidden))
    before = _reset_peak()
    start, start_cpu = perf_counter(), process_time()
    method = method.fit(panel, config, st.Monitor())
    between, between_cpu = perf_counter(), process_time()
    prediction = method.sample(hidden, unit.draws, st.Monitor())
    end, end_cpu = perf_counter(), process_time()
    return prediction, {
        "fit_seconds": round(between - start, 3),
        "sample_seconds": round(end - between, 3),
        # of all cores; unlike the others, hardly longer where something else runs beside it
        "fit_cpu_seconds": round(between_cpu - start_cpu, 3),
        "sample_cpu_seconds": round(end_cpu - between_cpu, 3),
        "peak_mib": round(max(_peak() - before, 0.0), 1),
        "parameters": estimate.parameters,
        "estimated_seconds": round(estimate.seconds, 1),
        "facts": json.loads(json.dumps(method.facts(), default=str)),
    }


def _keep(path: Path, panel: Panel, prediction: Prediction, took: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"mean": prediction.mean, "genes": np.asarray(prediction.genes).astype(str)}
    if prediction.draws is not None:
        arrays["draws"] = prediction.draws.astype(np.float16)
    said = json.dumps({"panel": panel.fingerprint(), **took})
    whole(path, {**arrays, "said": np.array(said)})


def _kept(path: Path, panel: Panel) -> tuple[Prediction, dict[str, Any]] | None:
    """Return a prediction that was kept, where it was made of the same panel."""
    if not path.exists():
        return None
    arrays = dict(np.load(path))
    took = json.loads(str(arrays["said"]))
    if took.pop("panel") != panel.fingerprint():
        return None
    draws = arrays["draws"].astype(np.float32) if "draws" in arrays else None
    spread = None if draws is None else draws.std(axis=0)
    return Prediction(arrays["genes"].astype(object), arrays["mean"], spread, draws), took


__all__ = ["Unit", "done", "place", "run_unit", "run_units", "scores_of", "write"]
