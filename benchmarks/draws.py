"""Ways of drawing from one fitted stDiffusion, beside the baselines' copied cells.

python benchmarks/draws.py DATA --hide NAME [--seed N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import napari_stdiff as st
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.registry import method_class
from napari_stdiff.scoring.section import score_section

SCORES = ("crps", "coverage80", "variance_ratio", "coexpression", "energy_distance")
WAYS: dict[str, dict[str, Any]] = {
    "as chosen": {},
    "parents not carried": {"carry": "off"},
    "carried half": {"carry": "half"},
    "carried in full": {"carry": "full"},
    "t = 0.1": {"noise_level": 0.1},
    "t = 0.6": {"noise_level": 0.6},
    "t = 1": {"noise_level": 1.0},
    "t = 3": {"noise_level": 3.0, "sampler_steps": 8},
    "parents averaged": {"mixing": "average"},
    "parents averaged, t = 1": {"mixing": "average", "noise_level": 1.0},
}


def main() -> None:
    """Fit once, draw in every way, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--hide", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    visible, hidden = st.read(said.data).split(said.hide)
    normaliser = Normaliser.fit(visible)
    truth, scale = normaliser(hidden), normaliser(visible).std(axis=0)
    query, config = st.Query(hidden.coords, hidden.cell_type), st.InterpolateConfig(seed=said.seed)
    rows: dict[str, dict[str, Any]] = {}

    def score(name: str, method: Method) -> None:
        start = perf_counter()
        prediction = method.sample(query, 16, st.Monitor())
        seconds = perf_counter() - start
        found = score_section(
            truth, hidden.coords, hidden.cell_type, prediction, query=None, scale=scale
        )
        rows[name] = {**{s: found[s] for s in SCORES}, "sample_seconds": round(seconds, 1)}
        cells = [f"{v:.4f}" if v is not None else "-" for v in rows[name].values()]
        print(f"{name:<26}" + "".join(f"{c:>16}" for c in cells), flush=True)

    print(f"{'':<26}" + "".join(f"{s:>16}" for s in (*SCORES, "sample_seconds")))
    for name in ("typed-donor", "typed-knn"):
        score(name, method_class(name)().fit(visible, None, config, st.Monitor()))
    fitted = method_class("stdiffusion")().fit(visible, None, config, st.Monitor())
    for name, way in WAYS.items():
        fitted.configure(config.but(**way))
        score(name, fitted)
    if said.json:
        said.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
