"""What each part of stDiffusion is worth on one hidden section.

python benchmarks/ablation.py DATA --hide NAME [--seed N] [--json FILE] [--draws-only]

The first rows take a part away (and fit again where the part is of the fit), the others change
the way of drawing from one and the same fit; baselines stand first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np

import napari_stdiff as st
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.context import Context, Surroundings
from napari_stdiff.methods.core import Around, Core
from napari_stdiff.methods.registry import method_class
from napari_stdiff.methods.stdiffusion import StDiffusion
from napari_stdiff.scoring.section import score_section

SCORES = (
    *("pcc", "pcc_binned", "nmse", "crps", "coverage80"),
    *("variance_ratio", "coexpression", "energy_distance"),
)
WAYS: dict[str, dict[str, Any]] = {
    "parents not carried": {"carry": "off"},
    "parents carried half": {"carry": "half"},
    "parents carried in full": {"carry": "full"},
    "t = 0.1": {"noise_level": 0.1},
    "t = 0.3": {"noise_level": 0.3},
    "t = 0.6": {"noise_level": 0.6},
    "t = 1": {"noise_level": 1.0},
    "t = 3": {"noise_level": 3.0, "sampler_steps": 8},
    "parents averaged": {"mixing": "average"},
    "parents averaged, t = 1": {"mixing": "average", "noise_level": 1.0},
}


@contextmanager
def not_told(what: str) -> Iterator[None]:
    """Fit and ask with a part of the network's condition put to 0."""
    around, put_together = Context.around, Core._around

    def muted(self: Context, *args: Any, **kwargs: Any) -> Surroundings:
        there = around(self, *args, **kwargs)
        condition, kinds = there.condition.copy(), len(self.cells.types)
        place = slice(kinds + 1, condition.shape[1] - 2 - 2 * kinds)
        near = slice(place.stop, condition.shape[1] - 2)
        condition[:, {"place": place, "types around": near}.get(what, slice(0, 0))] = 0
        return Surroundings(condition, there.kind)

    def without_guess(self: Core, condition: np.ndarray, guesses: np.ndarray) -> Around:
        out = put_together(self, condition, guesses)
        if what == "closed-form guess":
            out.condition[:, condition.shape[1] :] = 0
        return out

    with patch.object(Context, "around", muted), patch.object(Core, "_around", without_guess):
        yield


def main() -> None:
    """Fit, take parts away, draw in every way, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--hide", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--draws-only", action="store_true")
    said = parser.parse_args()
    visible, hidden = st.read(said.data).split(said.hide)
    normaliser = Normaliser.fit(visible)
    truth, scale = normaliser(hidden), normaliser(visible).std(axis=0)
    query, config = st.Query(hidden.coords, hidden.cell_type), st.InterpolateConfig(seed=said.seed)
    rows: dict[str, dict[str, Any]] = {}

    def score(name: str, method: Method, fit_seconds: float = 0.0) -> None:
        start = perf_counter()
        prediction = method.sample(query, 16, st.Monitor())
        seconds = fit_seconds + perf_counter() - start
        found = score_section(
            truth, hidden.coords, hidden.cell_type, prediction, query=None, scale=scale
        )
        rows[name] = {**{s: found[s] for s in SCORES}, "seconds": round(seconds, 1)}
        cells = [f"{v:.4f}" if v is not None else "-" for v in rows[name].values()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)

    def fit(name: str) -> tuple[Method, float]:
        start = perf_counter()
        method = method_class(name)().fit(visible, None, config, st.Monitor())
        return method, perf_counter() - start

    print("| | " + " | ".join((*SCORES, "seconds")) + " |")
    print("|" + "---|" * (len(SCORES) + 2))
    for name in ("typed-donor", "typed-knn"):
        score(name, *fit(name))
    whole, seconds = fit("stdiffusion")
    assert isinstance(whole, StDiffusion)
    score("stdiffusion", whole, seconds)
    chosen = whole.chosen
    for name, share in (("closed-form guess alone", 1.0), ("network alone", 0.0)):
        whole.chosen = replace(chosen, guess_share=share, score_share=share)
        score(name, whole)
    whole.chosen = chosen
    for what in () if said.draws_only else ("closed-form guess", "types around", "place"):
        with not_told(what):
            score(f"network not told: {what}", *fit("stdiffusion"))
    for name, way in WAYS.items():
        whole.configure(config.but(**way))
        score(name, whole)
    if said.json:
        said.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
