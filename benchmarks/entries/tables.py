"""Accounts as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from stacks.tables import machine

from napari_stdiff.data.record import versions
from napari_stdiff.evaluation.resume import differences

from .bars import bars, spoken
from .cases import ALL, CASES, FIRST, PROTOCOLS, protocol_of
from .summary import OURS, PEERS, STACKS, Account, Row, sign

HEADS = {
    "pcc": "Pearson",
    "cosine": "cosine",
    "rmse": "RMSE",
    "mae": "MAE",
    "ssim": "SSIM",
    "crps": "CRPS",
    "coverage80": "cover. 80",
    "zeros.rmse": "RMSE of zeros",
    "nonzeros.pcc": "Pearson of non-zeros",
    "nonzeros.rmse": "RMSE of non-zeros",
}
_LESS = ("pcc", "rmse", "crps", "coverage80", "zeros.rmse", "nonzeros.pcc", "nonzeros.rmse")


def as_markdown(accounts: Sequence[Account], figures: Sequence[str] = ()) -> str:
    """Return the whole report."""
    lines = [
        "# What the assay missed: stMCDI and SpotDiff beside everything else",
        "",
        "Made by `python benchmarks/imputation.py`; do not edit by hand. Measured entries (a cell "
        "and a gene) are hidden, filled in by each method from what is left, and compared. Made "
        f"on {date.today().isoformat()} on {machine()}.",
        "",
        "## Bars",
        "",
        *_unfinished(accounts),
        *spoken(bars(accounts)),
        "",
        *_overview(accounts),
        "## Scores",
        "",
        *_legend(),
    ]
    for account in accounts:
        lines += _case(account)
    lines += _swept(accounts)
    if figures:
        lines += ["## Figures", ""]
        lines += [line for name in figures for line in (f"![{_alt(name)}]({name})", "")]
    lines += ["## Public peers", "", *_peers(accounts), ""]
    return "\n".join(lines)


def _legend() -> list[str]:
    return [
        "Every score is of a gene over its hidden entries, then the mean over genes. `Pearson` is "
        "the same on any scale; `cosine`, `RMSE`, `MAE` and `CRPS` are of z-scores by each gene's "
        "visible entries, so that filling in the mean has an RMSE of about 1; `SSIM` (Li et al. "
        "2022) is of log expression. `CRPS`: of 32 draws; a method without draws has none. "
        "`cover. 80`: share of entries inside the central 80 % of the draws (randomised PIT). "
        "`ARI`: of clusters of the filled-in table against annotated types, beside those of the "
        "table with means in its gaps and of the measured one. `s`: processor seconds of fit and "
        "filling in on one core, all draws included (of a paper's configuration that was scaled "
        "down, in brackets what it takes in full); `MiB`: peak memory above that of the loaded "
        "data. RMSE, MAE and CRPS: lower is better. The best of a column is bold. `stmcdi against "
        "it`: mean difference in Pearson over genes, and p of the Wilcoxon signed-rank test, "
        "corrected by Holm; genes are not independent of each other, so p values are smaller than "
        "they should be.",
        "",
    ]


def _unfinished(accounts: Sequence[Account]) -> list[str]:
    """Say on which cases neither of the two was run, so that bars are not of these."""
    there = {a.case for a in accounts if any(m in a.first for m in OURS)}
    missing = [case.title for name, case in CASES.items() if name not in there]
    if not missing:
        return []
    return [f"Not run yet, so that no bar is of these: {'; '.join(missing)}.", ""]


def _overview(accounts: Sequence[Account]) -> list[str]:
    """Return one table: Pearson of every method on every case, 30 % of all entries hidden."""
    some = [a for a in accounts if a.first]
    methods = _order(some)
    if not some:
        return []
    lines = [
        "## Pearson at a glance",
        "",
        f"{PROTOCOLS[FIRST].title}; a reference takes part where the name says so.",
        "",
        f"| | {' | '.join(methods)} |",
        f"|---|{'---:|' * len(methods)}",
    ]
    for account in some:
        values = [account.first[m].score("pcc") if m in account.first else None for m in methods]
        lines.append(f"| {account.title} | {' | '.join(_marked('pcc', values))} |")
    return [*lines, ""]


def _order(accounts: Sequence[Account]) -> list[str]:
    from .runner import METHODS

    there = {m for a in accounts for m in a.first}
    return [m for m in METHODS if m in there]


def _case(account: Account) -> list[str]:
    held, sizes = ALL[account.case], account.sizes
    lines = [f"### {account.title}", ""]
    if sizes:
        reference = sizes["reference_cells"]
        lines += [
            f"{sizes['cells']:,} cells or spots, {sizes['genes_chosen']} genes"
            + (f", {reference:,} reference cells, which share {sizes['shared_genes']}. "
               if reference else ". ")
            + held.note,
            "",
        ]  # fmt: skip
    for protocol in (p for p in account.protocols if account.protocols[p]):
        rows = account.protocols[protocol]
        hidden = next(iter(rows.values())).result["hidden"]
        lines += [
            f"**{protocol_of(protocol).title}** ({hidden['entries']:,} entries scored, "
            f"{hidden['zeros'] / max(hidden['entries'], 1):.0%} of them zero)"
            + (f": {', '.join(hidden['hidden_genes'])}" if hidden["hidden_genes"] else ""),
            "",
            *_scores(account, protocol),
            "",
            *_added(rows),
        ]
        out = account.left_out.get(protocol, {})
        if out:
            lines += [
                "Left out: " + "; ".join(f"`{m}` {why}" for m, why in sorted(out.items())) + ".",
                "",
            ]
    wrong = [f"- {who}: {what}" for who, what in account.errors.items()]
    return lines + (["Errors:", "", *wrong, ""] if wrong else [])


def _scores(account: Account, protocol: str) -> list[str]:
    rows = account.protocols[protocol]
    wide = HEADS if protocol == FIRST else _LESS
    keys = [k for k in wide if any(row.score(k) is not None for row in rows.values())]
    groups = any(row.score("clusters.ari") is not None for row in rows.values())
    tests = account.comparisons(OURS[0], protocol) if protocol == FIRST else {}
    heads = [HEADS[k] for k in keys] + ["ARI"] * groups + ["s", "MiB"]
    heads += [f"{OURS[0]} against it"] if tests else []
    lines = [f"| method | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    columns = [_marked(k, [row.score(k) for row in rows.values()]) for k in keys]
    if groups:
        columns.append(_marked("clusters.ari", [r.score("clusters.ari") for r in rows.values()]))
    for number, (method, row) in enumerate(rows.items()):
        cells = [column[number] for column in columns]
        cells += [_seconds(row), f"{row.result['peak_mib']:.0f}"]
        if tests:
            test = tests.get(method)
            cells.append("" if test is None else f"{test.difference:+.3f}, p = {test.p:.2g}")
        lines.append(f"| {_name(row)} | {' | '.join(cells)} |")
    known = next(iter(rows.values())).result["populations"]
    if known and groups:
        raw, measured = ((known[n] or {}).get("ari") for n in ("raw", "measured"))
        lines += [
            "",
            f"{known['types']} annotated types (`{known['labels']}`) of {known['cells']:,} cells: "
            f"ARI {_text(raw)} with means in the gaps, {_text(measured)} of the "
            + ("other half." if protocol == "thinning" else "measured table."),
        ]
    return lines


def _marked(key: str, values: Sequence[float | None]) -> list[str]:
    """Return the values of a column, the best bold."""
    known = [v for v in values if v is not None]
    if not known:
        return ["-" for _ in values]
    if key == "coverage80":
        top = min(known, key=lambda v: abs(v - 0.8))
    else:
        top = max(known, key=lambda v: sign(key) * v)
    return [f"**{v:.3f}**" if v == top else _text(v) for v in values]


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _name(row: Row) -> str:
    return f"{row.method} (scaled run)" if row.scaled else row.method


def _seconds(row: Row) -> str:
    own = row.cpu_seconds
    text = f"{own:.1f}" if own < 10 else f"{own:.0f}"
    return text if row.full_seconds is None else f"{text} (full: {row.full_seconds:.0f})"


def _added(rows: Mapping[str, Row]) -> list[str]:
    """Say what diffusion adds to the stack and to the stack with a plain network."""
    results = {m: row.result for m, row in rows.items()}
    lines = []
    for own in OURS:
        for other, gains in differences(results, own, STACKS, ("pcc", "rmse", "crps")).items():
            if gains is None:
                continue
            said = ", ".join(
                f"{value:+.4f} {HEADS[score]}"
                for score, value in gains.items()
                if value is not None
            )
            lines.append(f"What `{own}` adds to `{other}`: {said}.")
    return [" ".join(lines), ""] if lines else []


def _swept(accounts: Sequence[Account]) -> list[str]:
    some = [a for a in accounts if a.swept]
    if not some:
        return []
    lines = ["## Share of entries hidden", "", "Mean Pearson, all entries alike.", ""]
    for account in some:
        shares = sorted({s for rows in account.swept.values() for s in rows})
        lines += [
            f"### {account.title}: share hidden",
            "",
            f"| method | {' | '.join(f'{s} %' for s in shares)} |",
            f"|---|{'---:|' * len(shares)}",
        ]
        for method, rows in account.swept.items():
            cells = [_text(rows[s].score("pcc") if s in rows else None) for s in shares]
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def _peers(accounts: Sequence[Account]) -> list[str]:
    ran = {m for a in accounts for rows in a.protocols.values() for m in rows}
    lines = ["| tool | in this run | |", "|---|---|---|"]
    for name, peer in PEERS.items():
        there = "yes" if name in ran else "not installed" if peer.module else "no"
        if name not in ran and peer.installed:
            there = "no"
        lines.append(f"| {peer.title} | {there} | {peer.note} |")
    return lines


def _alt(name: str) -> str:
    return Path(name).stem.removeprefix("benchmark-").replace("-", " ")


def as_json(accounts: Sequence[Account]) -> dict[str, Any]:
    """Return everything but what was filled in, ready for JSON."""
    return {
        "task": "benchmark-impute",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "bars": [asdict(bar) for bar in bars(accounts)],
        "cases": [_plain(account) for account in accounts],
        "peers": {name: asdict(p) | {"installed": p.installed} for name, p in PEERS.items()},
    }


def _plain(account: Account) -> dict[str, Any]:
    return {
        "case": account.case,
        "protocols": {
            protocol: {method: dict(row.result) for method, row in rows.items()}
            for protocol, rows in account.protocols.items()
        },
        "swept": {
            method: {share: row.score("pcc") for share, row in rows.items()}
            for method, rows in account.swept.items()
        },
        "left_out": account.left_out,
        "errors": account.errors,
    }
