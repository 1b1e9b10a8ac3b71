"""Accounts as Markdown and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from napari_stdiff.data.record import versions

from .bars import bars, spoken
from .cases import ALL
from .peers import PEERS
from .summary import OURS, Account, Row, better
from .unit import SCORES

HEADS = {
    "pcc": "Pearson",
    "pcc_binned": "binned",
    "spearman": "Spearman",
    "nmse": "NMSE",
    "crps": "CRPS",
    "coverage80": "cover. 80",
    "energy_distance": "energy",
    "variance_ratio": "var. ratio",
    "coexpression": "coexpr.",
    "moran_error": "Moran err.",
    "label_agreement": "labels",
    "enrichment_agreement": "enrichm.",
    "density_pcc": "density",
}
_GIVEN = {"A": "positions and types", "B": "positions", "C": "nothing"}
_SCALED = "(scaled run)"


def as_markdown(accounts: Sequence[Account], figures: Sequence[str] = ()) -> str:
    """Return the whole report."""
    lines = [
        "# Interpolation: stDiffusion beside everything else",
        "",
        "Made by `python benchmarks/interpolation.py`; do not edit by hand. One section of a "
        "stack is hidden and predicted from the others. Each method and seed ran in a process of "
        "its own; every score is the mean over seeds. "
        f"Made on {date.today().isoformat()} on {machine()}.",
        "",
        "## Bars",
        "",
        *spoken(bars(accounts)),
        "",
        "## Scores",
        "",
        *_legend(),
    ]
    for dataset in dict.fromkeys(a.case.dataset for a in accounts):
        lines += _dataset([a for a in accounts if a.case.dataset == dataset])
    if figures:
        lines += ["## Figures", ""]
        lines += [line for name in figures for line in (f"![{_alt(name)}]({name})", "")]
    lines += ["## Public peers", "", *_peers(), ""]
    return "\n".join(lines)


def _legend() -> list[str]:
    return [
        "`Pearson`: mean over genes, over cells. `binned`: the same on means over a grid (15 x "
        "15, fewer bins where a section has under 1,000 cells, so that about 20 lie in each). "
        "`cover. 80`: share of values inside the central 80 % interval of the draws. `energy`: "
        "distance of draws to the truth within bin, and type where types are given. `Moran err.`: "
        "mean difference of Moran's I of one draw to the truth's. `labels`: adjusted Rand index "
        "of the labels that one classifier, trained on the flanking sections, gives to truth and "
        "draw. `enrichm.`: Pearson of their neighbourhood-enrichment z scores. `CPU s`: "
        "fit and draws, all cores together (torch and linear algebra were given one thread); what "
        "else ran on the machine hardly changes them. For a scaled run of the paper's "
        "configuration the full one's are in brackets, from its measured epochs. `MiB`: peak "
        "memory above that of the loaded data. NMSE, CRPS, energy and Moran "
        "error: lower is better; coverage is best at 0.8, variance ratio at 1. The best of a "
        "column is bold. Genes are not independent of each other, so p values are smaller than "
        "they should be: read the differences first.",
        "",
        "`stdiffusion-quick` is stDiffusion with `effort=quick`: the closed-form guess as the "
        "mean, near cells as they are as draws, and no network. It is no baseline of the bars, "
        "and counts in the last of them alone, which takes the time of the fastest setting of "
        "stDiffusion whose score is at least that of the paper's configuration.",
        "",
    ]


def _dataset(accounts: Sequence[Account]) -> list[str]:
    first = accounts[0]
    held = ALL[first.case.dataset]
    lines = [f"### {held.title}", ""]
    for distance in dict.fromkeys(a.case.distance for a in accounts):
        some = [a for a in accounts if a.case.distance == distance]
        tier = next((a.tier for a in some if a.tier), "A")
        cells = [a.cells for a in some if a.cells]
        sizes = (
            f"{min(cells)} to {max(cells)}" if len(set(cells)) > 1 else f"{max(cells, default=0)}"
        )
        lines += [
            f"Neighbours at {distance}; {len(some)} hidden section(s) of {sizes} cells or spots, "
            f"{max(a.n_genes for a in some)} genes; tier {tier} ({_GIVEN[tier]} given).",
            "",
            *_scores(some),
            "",
        ]
    lines += [*_sections(accounts), ""]
    wrong = [f"- {a.title}: {who}: {what}" for a in accounts for who, what in a.errors.items()]
    return lines + (["Errors:", "", *wrong, ""] if wrong else [])


def _scores(accounts: Sequence[Account]) -> list[str]:
    """Return the table of methods and scores, averaged over the sections that all of them have."""
    methods = list(dict.fromkeys(m for a in accounts for m in a.rows))
    keys = [k for k in SCORES if any(a.score(m, k) is not None for a in accounts for m in methods)]
    values = {m: {k: _mean(accounts, m, k) for k in keys} for m in methods}
    lines = [
        f"| method | {' | '.join(HEADS[k] for k in keys)} | CPU s | MiB |",
        f"|---|{'---:|' * (len(keys) + 2)}",
    ]
    for method in methods:
        cells = []
        for key in keys:
            own = values[method][key]
            others = [v for m in methods if (v := values[m][key]) is not None]
            best = own is not None and all(better(key, own, v) >= 0 for v in others)
            text = "-" if own is None else f"{own:.3f}"
            cells.append(f"**{text}**" if best else text)
        rows = [a.rows[method] for a in accounts if method in a.rows]
        name = f"{method} {_SCALED}" if any(r.scaled for r in rows) else method
        if len(rows) < len(accounts):
            name += f" ({len(rows)} of {len(accounts)} sections)"
        lines.append(f"| {name} | {' | '.join(cells)} | {_seconds(rows)} | {_memory(rows)} |")
    return lines


def _sections(accounts: Sequence[Account]) -> list[str]:
    """Return per-gene Pearson section by section, with the paired test."""
    methods = list(dict.fromkeys(m for a in accounts for m in a.rows))
    lines = [
        f"| section | {' | '.join(methods)} | {OURS} against the best baseline | p |",
        f"|---|{'---:|' * len(methods)}---|---:|",
    ]
    for account in accounts:
        scores = [account.score(m, "pcc") for m in methods]
        top = max((s for s in scores if s is not None), default=None)
        cells = ["-" if s is None else f"**{s:.3f}**" if s == top else f"{s:.3f}" for s in scores]
        said, p = "-", "-"
        if account.verdict:
            found = account.comparisons[account.best]
            said = f"{account.verdict} ({found.other}, {found.difference:+.4f})"
            p = f"{found.p:.2g}"
        name = f"{account.case.hidden}, {account.case.distance}"
        lines.append(f"| {name} | {' | '.join(cells)} | {said} | {p} |")
    return lines


def _mean(accounts: Sequence[Account], method: str, key: str) -> float | None:
    known = [v for a in accounts if (v := a.score(method, key)) is not None]
    return mean(known) if known else None


def _seconds(rows: Sequence[Row]) -> str:
    own = mean(r.seconds for r in rows)
    full = mean(r.full_seconds for r in rows)
    text = f"{own:.1f}" if own < 10 else f"{own:.0f}"
    return f"{text} (full: {full:.0f})" if any(r.scaled for r in rows) else text


def _memory(rows: Sequence[Row]) -> str:
    return f"{mean(r.memory for r in rows):.0f}"


def _peers() -> list[str]:
    lines = ["| tool | outcome |", "|---|---|"]
    return lines + [f"| {peer.name} | {peer.outcome} |" for peer in PEERS]


def _alt(name: str) -> str:
    return Path(name).stem.removeprefix("benchmark-").replace("-", " ")


def machine() -> str:
    """Return the processor in words."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            x.split(":", 1)[1].strip() for x in info.read_text().splitlines() if "model name" in x
        ]
        if models:
            name = f"{models[0]}, {len(models)} cores"
    return name


def as_json(accounts: Sequence[Account]) -> dict[str, Any]:
    """Return everything but the arrays, ready for JSON."""
    return {
        "task": "benchmark-interpolation",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "bars": [asdict(bar) for bar in bars(accounts)],
        "cases": [_case(account) for account in accounts],
        "peers": [asdict(peer) for peer in PEERS],
    }


def _case(account: Account) -> dict[str, Any]:
    return {
        **asdict(account.case),
        "distance": account.case.distance,
        "tier": account.tier,
        "cells": account.cells,
        "genes": account.n_genes,
        "methods": {name: _plain(row) for name, row in account.rows.items()},
        "errors": account.errors,
        "best_baseline": account.best,
        "verdict": account.verdict,
        "comparisons": [asdict(c) for c in account.comparisons.values()],
        "donor_energy_interval": account.interval,
    }


def _plain(row: Row) -> dict[str, Any]:
    out = {k: v for k, v in vars(row).items() if k != "arrays"}
    for name in ("seconds", "memory", "full_seconds", "clock"):
        out[name] = round(out[name], 2)
    genes = row.genes()
    if genes is not None:
        known = genes[np.isfinite(genes)]
        share = np.quantile(known, [0.1, 0.25, 0.5, 0.75, 0.9]) if len(known) else []
        out["pcc_gene_quantiles"] = [round(float(v), 4) for v in share]
    return out
