"""One section at several lambdas, from one fit: run once in a process of its own, then drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import napari_stdiff as st
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.scoring.moran import morans_i, neighbour_graph

from .cases import ALL, Case, open_tissue


def place_of(case: Case, work: Path) -> Path:
    """Return the file that a sweep is kept in."""
    return work / f"{case.key}/sweep.npz"


def run_sweep(case: Case, data: Path, work: Path, seed: int = 0) -> None:
    """Sweep lambda on a case; keep the map of its most patchy gene, and the scores."""
    from napari_stdiff.tasks.sweep import sweep_lambda

    tissue = open_tissue(case.dataset, data, work)
    said: dict[str, Any] = {"between": "layers"} if ALL[case.dataset].layers else {}
    config = st.InterpolateConfig(hide=case.hidden, draws=16, seed=seed, **said)
    sweep = sweep_lambda(tissue, config=config)
    visible, hidden = tissue.split(case.hidden)
    truth = Normaliser.fit(visible)(hidden)
    patchy = np.nan_to_num(morans_i(truth, neighbour_graph(hidden.coords)))
    gene = int(np.argmax(patchy))
    scores = [section.record.scores for section in sweep.sections]
    place = place_of(case, work)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        values=np.array(sweep.values),
        coords=sweep.sections[0].query.coords,
        maps=np.stack([s.prediction.mean[:, gene] for s in sweep.sections]),
        truth_coords=hidden.coords,
        truth=truth[:, gene],
        gene=np.array(str(hidden.genes[gene])),
        geometric=np.array(sweep.geometric),
        chosen=np.array(np.nan if sweep.chosen is None else sweep.chosen),
        training=np.array([sweep.training.get(v, np.nan) for v in sweep.values]),
        target=np.array([_known(s.get("crps")) for s in scores]),
    )
    part.replace(place)
    text = json.dumps(sweep.dump(), indent=1) + "\n"
    place.with_suffix(".json").write_text(text)


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def lambda_sweep(case: Case, held: dict[str, np.ndarray]) -> Any:
    """Draw the strip of sections, and below it the score of each lambda."""
    import matplotlib.pyplot as plt

    from .figures import dot_size, dress

    values = held["values"]
    figure = plt.figure(figsize=(1.45 * (len(values) + 1), 4.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    axes = list(above.subplots(1, len(values) + 1))
    left, right = below.subplots(1, 2)
    everything = np.concatenate([held["truth"], held["maps"].ravel()])
    low, high = np.quantile(everything, [0.02, 0.98])
    panels = [(f"{v:g}", held["coords"], m) for v, m in zip(values, held["maps"], strict=True)]
    panels.append(("measured", held["truth_coords"], held["truth"]))
    marks = None
    for axis, (title, coords, shown) in zip(axes, panels, strict=True):
        size = dot_size(len(coords)) / 5
        marks = axis.scatter(
            coords[:, 2], coords[:, 1], c=shown, s=size, linewidths=0, vmin=low, vmax=high
        )
        dress(axis, title)
    above.colorbar(marks, ax=axes, shrink=0.7, pad=0.01, label=str(held["gene"]))
    for axis, scores, name in (
        (left, held["training"], "left-out training section"),
        (right, held["target"], "hidden section (plays no part)"),
    ):
        if np.isfinite(scores).any():
            axis.plot(values, scores, "o-", color="#333333", markersize=4)
        else:
            axis.text(0.5, 0.5, "too few sections", ha="center", transform=axis.transAxes)
        axis.axvline(float(held["geometric"]), color="#2166ac", ls="--", label="geometric")
        if np.isfinite(held["chosen"]):
            axis.axvline(float(held["chosen"]), color="#b2182b", ls=":", label="chosen")
        axis.set_xlabel("lambda")
        axis.set_ylabel("CRPS")
        axis.set_title(name, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    title = f"{ALL[case.dataset].title}, {case.hidden}, lambda from one parent to the other"
    figure.suptitle(title, fontsize=11)
    return figure
