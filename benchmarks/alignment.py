"""How well sections are aligned: known rotations found again, and genes that took no part.

    python benchmarks/alignment.py DATA.h5ad [DATA ...] [--method expression] [--json FILE]

Without files, the simulated tissue. Prints one line a data set.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time

import numpy as np

import napari_stdiff as st


def main() -> None:
    """Score every data set and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*")
    parser.add_argument("--method", default="expression", choices=["expression", "histology"])
    parser.add_argument("--transform", default="rigid", choices=["rigid", "affine"])
    parser.add_argument("--no-flip", dest="flip", action="store_false")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tissues = {Path(path).stem: st.read(path) for path in options.data}
    tissues = tissues or {"simulated": st.read(st.simulate(n_sections=5, image_size=200).sdata)}
    found = []
    print(
        "| data | sections | before | after | genes left out, before | after | rotation error, "
        "median (worst) | distance error, in spacings | mirror images | core-seconds |"
    )
    print("|" + "---|" * 10)
    for name, tissue in tissues.items():
        start = process_time()
        runs = [
            st.evaluate_align(
                tissue,
                method=options.method,
                transform=options.transform,
                flip=options.flip,
                seed=seed,
            )
            for seed in range(options.seeds)
        ]
        spent = (process_time() - start) / (3 * len(runs))  # an evaluation aligns three times
        found += [{**run, "dataset": name} for run in runs]
        rows = [
            row
            for run in runs
            for section, row in run["sections"].items()
            if section != run["fixed"]
        ]
        turns = np.array([row["rotation_error"] for row in rows])
        far = np.array([row["distance_error"] for row in rows]) / runs[0]["spacing"]
        held = runs[0]["held_out_genes"]
        right = sum(row["mirror_found"] for row in rows)
        print(
            f"| {name} | {len(tissue.sections)} "
            f"| {runs[0]['before']:.3f} | {runs[0]['after']:.3f} "
            f"| {held['before']:.3f} | {held['after']:.3f} "
            f"| {np.median(turns):.2f}° ({turns.max():.2f}°) "
            f"| {np.median(far):.2f} ({far.max():.2f}) | {right} of {len(rows)} "
            f"| {spent:.0f} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
