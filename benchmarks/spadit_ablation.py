"""The ablation tables of SpaDiT's paper, for its configuration with the equations put right.

python benchmarks/spadit_ablation.py [--pairs osmfish,simulated] [--scale-to SECONDS]
    [--same-sizes | --sizes WIDTH,DEPTH,EPOCHS,STEPS] [--folds 5] [--only-folds 2]
    [--draws 16] [--rows NAME,...] [--seed N] [--markdown FILE] [--json FILE]

Each row is `spadit-paper` with one part changed: backbone, condition, concatenation, covariance.
Genes are hidden in folds, and all rows are asked for the same ones. Every fit is scaled to
`--scale-to` seconds by itself; with `--same-sizes` all rows and folds take the width, depth,
epochs and learning rate that the first one came to, so that only the part differs; with `--sizes`
those that are said (and a learning rate of 1e-3). AS ranks the rows of one table by Pearson, SSIM,
RMSE and JS.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from genes.cases import ALL, DATA, Opened, available, open_pair

import napari_stdiff as st
from napari_stdiff.methods.genes.folds import gene_folds
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.spadit_paper import SpaditPaper
from napari_stdiff.scoring.genes import accuracy_scores, score_genes

# what the paper calls it: what is changed
ROWS: dict[str, dict[str, Any]] = {
    "transformer, flash attention (the paper's)": {},
    "backbone U-Net": {"backbone": "unet"},
    "backbone Mamba": {"backbone": "mamba"},
    "condition attention, written out": {"condition": "attention"},
    "condition MLP (no attention)": {"condition": "mlp"},
    "condition PCA": {"condition": "pca"},
    "condition zeros (none)": {"condition": "zeros"},
    "condition from common genes alone": {"condition": "common"},
    "no concatenation": {"concatenate": False},
    "no concatenation, no condition": {"concatenate": False, "condition": "zeros"},
    "learned covariance": {"covariance": True},
}
SCORES = ("pcc", "pcc_median", "ssim", "rmse", "js", "accuracy_score", "crps", "coverage80")
SIZES = ("width", "depth", "epochs", "learning_rate", "sampler_steps")
SHOWN = (*SCORES, "width", "depth", "epochs", "seconds")


def run_row(
    opened: Opened, change: dict[str, Any], said: argparse.Namespace, sizes: dict[str, Any]
) -> dict[str, Any]:
    """Fit and score one row on the folds that are wanted.

    Parameters
    ----------
    opened
        Tissue and reference.
    change
        Settings of the row.
    said
        Options of the command.
    sizes
        Of an earlier row, to be kept; empty to scale each fit by itself.
    """
    tables, facts, began = [], {}, perf_counter()
    for number, (_, places) in enumerate(gene_folds(len(opened.shared), said.folds, said.seed)):
        if said.only_folds and number >= said.only_folds:
            break
        hidden = opened.shared[places]
        panel = opened.panel.without(hidden)
        kept = sizes or (facts if said.same_sizes else {})
        scaled = {n: kept[n] for n in SIZES} if kept else {"scale_to": said.scale_to}
        config = GeneSettings.of(draws=said.draws, seed=said.seed, **scaled, **change)
        method = SpaditPaper().fit(panel, config, st.Monitor())
        prediction = method.sample(hidden, said.draws, st.Monitor())
        truth = panel.scaled(opened.raw(hidden))
        tables.append(score_genes(truth, prediction, seed=said.seed).per_gene)
        facts = method.facts()
    table = pd.concat(tables)
    row = {name: _mean(table[name]) for name in table.columns}
    row["pcc_median"] = float(np.nanmedian(table["pcc"]))
    seconds = round((perf_counter() - began) / len(tables), 1)
    return row | {name: facts[name] for name in SIZES} | {"seconds": seconds, "genes": len(table)}


def _sizes(said: str) -> dict[str, Any]:
    """Return the sizes that `said` fixes for all rows; none where it is empty."""
    if not said:
        return {}
    names = ("width", "depth", "epochs", "sampler_steps")
    return dict(zip(names, map(int, said.split(",")), strict=True)) | {"learning_rate": 1e-3}


def _mean(values: pd.Series) -> float | None:
    return None if values.isna().all() else float(np.nanmean(values))


def table_of(rows: dict[str, dict[str, Any]]) -> str:
    """Return the rows of a table in markdown."""
    lines = ["|  | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for name, row in rows.items():
        cells = [_cell(row.get(column)) for column in SHOWN]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) and abs(value) < 10 else f"{value:.0f}"


def main() -> None:
    """Run every row on every pair and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="osmfish,simulated")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scale-to", type=float, default=60.0)
    parser.add_argument("--same-sizes", action="store_true")
    parser.add_argument("--sizes", default="", help="width, depth, epochs, sampling steps")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only-folds", type=int, default=0)
    parser.add_argument("--draws", type=int, default=16)
    parser.add_argument("--rows", default="", help="parts of the names of the rows to run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    wanted = [part.strip() for part in said.rows.split(",") if part.strip()]
    chosen = {n: r for n, r in ROWS.items() if not wanted or any(part in n for part in wanted)}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for pair in said.pairs.split(","):
        if not available(pair, said.data):
            print(f"{pair}: its files are not in {said.data}; left out.")
            continue
        opened, sizes = open_pair(pair, said.data), _sizes(said.sizes)
        rows = found[pair] = {}
        for name, change in chosen.items():
            rows[name] = run_row(opened, change, said, sizes)
            if said.same_sizes and not sizes:
                sizes = rows[name]
            print(f"{pair}: {name}: {rows[name]}", flush=True)
        for name, score in accuracy_scores(rows).items():
            rows[name]["accuracy_score"] = score
        print(f"\n{ALL[pair].title}\n\n{table_of(rows)}\n", flush=True)
    parts = [f"## {ALL[pair].title}\n\n{table_of(rows)}\n" for pair, rows in found.items()]
    if said.markdown:
        said.markdown.write_text("\n".join(parts), encoding="utf-8")
    if said.json:
        said.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
