"""Accounts as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from stacks.tables import machine

from napari_stdiff.data.record import versions

from .bars import bars, on_folds, spoken
from .cases import ALL
from .peers import PEERS
from .summary import LOWER, OURS, PAPER, STACKS, Account, Row

HEADS = {
    "pcc": "Pearson",
    "pcc_median": "median",
    "ssim": "SSIM",
    "rmse": "RMSE",
    "js": "JS",
    "accuracy_score": "AS",
    "crps": "CRPS",
    "coverage80": "cover. 80",
    "coverage80_zeros": "zeros",
    "coverage80_nonzeros": "non-zeros",
    "reliability_spearman": "reliab.",
}
_PLAIN = ("coverage80_zeros", "coverage80_nonzeros")  # no best
Timing = dict[str, Any] | None


def as_markdown(accounts: Sequence[Account], timing: Timing, figures: Sequence[str] = ()) -> str:
    """Return the whole report."""
    lines = [
        "# Genes the panel never measured: SpaDiT beside everything else",
        "",
        "Made by `python benchmarks/gene_prediction.py`; do not edit by hand. The genes that "
        "tissue and reference share are dealt into folds; a fold is hidden from the tissue and "
        "predicted from the other genes and the reference. Made on "
        f"{date.today().isoformat()} on {machine()}.",
        "",
        "## Bars",
        "",
        *spoken(bars(accounts, timing)),
        "",
        "## Scores",
        "",
        *_legend(),
    ]
    for account in accounts:
        lines += _pair(account)
    lines += _thinned(accounts)
    if figures:
        lines += ["## Figures", ""]
        lines += [line for name in figures for line in (f"![{_alt(name)}]({name})", "")]
    lines += ["## Public peers", "", *_peers(accounts), ""]
    return "\n".join(lines)


def _legend() -> list[str]:
    return [
        "`Pearson`: over cells, mean over genes; `median` over genes. `SSIM`, `JS`: Li et al. "
        "2022. `RMSE`: on the log scale. `AS`: accuracy score, the mean of a method's ranks in "
        "these four over the number of methods of the table; methods that are equal share their "
        "ranks, as `spadit` and `stack-network` do, whose means are one. `CRPS`: of 32 draws; a "
        "method without draws has none. `cover. 80`: share of values inside the central 80 % of "
        "the draws (randomised PIT), of true `zeros` and `non-zeros` too. `reliab.`: Spearman of "
        "expected and reached Pearson over genes. `s`: processor seconds of a fold, fit and "
        "prediction on one core (of a paper's configuration that was scaled down, in brackets "
        "what it takes in full); `MiB`: peak memory above that of the loaded data. RMSE, JS and "
        "CRPS: lower is better. The best of a column is bold. `spadit against it`: mean "
        "difference in Pearson, and p of the Wilcoxon signed-rank test over genes, corrected by "
        "Holm; genes are not independent of each other, so p values are smaller than they "
        "should be.",
        "",
    ]


def _pair(account: Account) -> list[str]:
    held = ALL[account.pair]
    sizes = account.sizes
    lines = [f"### {held.title}", ""]
    if sizes:
        rows = "spots" if held.spots else "cells"
        lines += [
            f"{sizes['cells']:,} {rows}, {sizes['genes']:,} shared genes in {account.folds} "
            f"folds, {sizes['reference_cells']:,} reference cells. {held.note}".rstrip(),
            "",
            *(_scores(account, account.whole(), account.means) if account.whole() else []),
            "",
            *_added(account),
        ]
    for peer in account.partial():
        folds = account.rows[peer].folds
        who = [*account.whole(), peer]
        lines += [
            f"{PEERS[peer].title if peer in PEERS else peer} ran {len(folds)} of "
            f"{account.folds} folds (time); every method over the genes of these alone:",
            "",
            *_scores(account, who, on_folds(account, folds, who)),
            "",
        ]
    wrong = [f"- {who}: {what}" for who, what in account.errors.items()]
    return lines + (["Errors:", "", *wrong, ""] if wrong else [])


def _scores(
    account: Account, methods: Sequence[str], means: dict[str, dict[str, float | None]]
) -> list[str]:
    keys = [k for k in HEADS if any(means[m].get(k) is not None for m in methods)]
    lines = [
        f"| method | {' | '.join(HEADS[k] for k in keys)} | s | MiB | {OURS} against it |",
        f"|---|{'---:|' * (len(keys) + 2)}---:|",
    ]
    for method in methods:
        row = account.rows[method]
        cells = []
        for key in keys:
            own = means[method].get(key)
            others = [v for m in methods if (v := means[m].get(key)) is not None]
            text = "-" if own is None else f"{own:.3f}"
            cells.append(f"**{text}**" if own is not None and _best(key, own, others) else text)
        test = account.comparisons.get(method)
        said = "" if test is None else f"{test.difference:+.3f}, p = {test.p:.2g}"
        lines.append(
            f"| {_name(row)} | {' | '.join(cells)} | {_seconds(row)} | {row.memory:.0f} | {said} |"
        )
    return lines


def _best(key: str, own: float, others: Sequence[float]) -> bool:
    if key in _PLAIN:
        return False
    if key == "coverage80":
        return all(abs(own - 0.8) <= abs(v - 0.8) for v in others)
    return own == (min(others) if key in LOWER else max(others))


def _name(row: Row) -> str:
    full = row.facts.get("full_configuration", {})
    scaled = any(row.facts.get(name) != size for name, size in full.items())
    return f"{row.method} (scaled run)" if scaled and row.method == PAPER else row.method


def _seconds(row: Row) -> str:
    own = row.cpu_seconds
    text = f"{own:.1f}" if own < 10 else f"{own:.0f}"
    full = row.facts.get("full_seconds_estimated")
    return text if full is None else f"{text} (full: {full:.0f})"


def _added(account: Account) -> list[str]:
    """Say what diffusion adds to the stack and to the stack with a plain network."""
    ours = account.score(OURS, "pcc"), account.score(OURS, "crps")
    lines = []
    for stack in STACKS:
        theirs = account.score(stack, "pcc"), account.score(stack, "crps")
        if ours[0] is None or theirs[0] is None:
            continue
        said = f"{ours[0] - theirs[0]:+.4f} Pearson"
        if ours[1] is not None and theirs[1] is not None:
            said += f", {ours[1] - theirs[1]:+.4f} CRPS"
        lines.append(f"What diffusion adds to `{stack}`: {said}.")
    return [" ".join(lines), ""] if lines else []


def _thinned(accounts: Sequence[Account]) -> list[str]:
    some = [a for a in accounts if a.thinned]
    if not some:
        return []
    lines = [
        "## Fewer counts",
        "",
        "A share of the visible counts of the tissue is taken away, molecule by molecule; the "
        "truth is that of all counts. Mean Pearson, and robustness score in brackets: the share "
        "of genes with a Pearson above .5 both with all counts and with fewer.",
        "",
    ]
    for account in some:
        shares = list(account.thinned)
        methods = [m for m in account.rows if any(m in account.thinned[s] for s in shares)]
        lines += [
            f"### {account.title}",
            "",
            f"| method | all counts | {' | '.join(f'{s:.0%} removed' for s in shares)} |",
            f"|---|{'---:|' * (len(shares) + 1)}",
        ]
        for method in methods:
            found = [account.thinned[s].get(method) for s in shares]
            cells = [
                "-" if f is None else f"{_text(f['pcc'])} ({_text(f['robustness'])})"
                for f in found
            ]
            whole = account.score(method, "pcc")
            lines.append(f"| {method} | {_text(whole)} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _peers(accounts: Sequence[Account]) -> list[str]:
    ran = {m for a in accounts for m in a.rows}
    lines = ["| tool | in this run | |", "|---|---|---|"]
    for name, peer in PEERS.items():
        there = "yes" if name in ran else "not installed" if peer.place else "no"
        if name not in ran and peer.place and peer.installed:
            there = "no"
        lines.append(f"| {peer.title} | {there} | {peer.note} |")
    return lines


def _alt(name: str) -> str:
    return Path(name).stem.removeprefix("benchmark-").replace("-", " ")


def as_json(accounts: Sequence[Account], timing: Timing) -> dict[str, Any]:
    """Return everything but the predictions, ready for JSON."""
    return {
        "task": "benchmark-predict-genes",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "bars": [asdict(bar) for bar in bars(accounts, timing)],
        "pairs": [_plain(account) for account in accounts],
        "timing": timing,
        "peers": {name: asdict(p) | {"installed": p.installed} for name, p in PEERS.items()},
    }


def _plain(account: Account) -> dict[str, Any]:
    return {
        "pair": account.pair,
        **account.sizes,
        "folds": account.folds,
        "methods": {
            m: {
                **account.means[m],
                "folds": row.folds,
                "fit_seconds": round(row.fit_seconds, 2),
                "sample_seconds": round(row.sample_seconds, 2),
                "cpu_seconds": round(row.cpu_seconds, 2),
                "peak_mib": row.memory,
                "parameters": row.parameters,
                "facts": row.facts,
                "unmoved_by_hidden": row.unmoved,
                "per_gene": {g: _known(v) for g, v in row.pcc.items()},
            }
            for m, row in account.rows.items()
        },
        "comparisons": [asdict(c) for c in account.comparisons.values()],
        "thinned": {f"{share:g}": found for share, found in account.thinned.items()},
        "stepped": account.stepped,
        "errors": account.errors,
    }


def _known(value: float) -> float | None:
    return round(value, 5) if value == value else None
