"""An evaluation as a table to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data.checks import listing

_HEADS = {
    "pcc": "pcc",
    "pcc_binned": "binned",
    "spearman": "spearman",
    "nmse": "nmse",
    "variance_ratio": "var.ratio",
    "coexpression": "coexpr.",
    "crps": "crps",
    "coverage80": "cover.80",
    "energy_distance": "energy",
    "density_pcc": "density",
    "moran_error": "moran",
    "enrichment": "enrich.",
    "type_difference": "types",
    "fit_seconds": "fit s",
    "sample_seconds": "sample s",
    "peak_mib": "peak MiB",
}

_GENE_HEADS = {
    "pcc": "pcc",
    "pcc_median": "median",
    "ssim": "ssim",
    "rmse": "rmse",
    "js": "js",
    "accuracy_score": "AS",
    "crps": "crps",
    "coverage80": "cover.80",
    "reliability_spearman": "reliab.",
    "fit_seconds": "fit s",
    "sample_seconds": "sample s",
    "peak_mib": "peak MiB",
}

_ENTRY_HEADS = {
    "pcc": "pcc",
    "cosine": "cosine",
    "rmse": "rmse",
    "mae": "mae",
    "ssim": "ssim",
    "crps": "crps",
    "coverage80": "cover.80",
    "fit_seconds": "fit s",
    "sample_seconds": "sample s",
    "peak_mib": "peak MiB",
}
_PATTERNS = {
    "entries": "{hide:.0%} of the entries hidden",
    "nonzero": "{hide:.0%} of the entries above zero hidden",
    "genes": "whole genes hidden",
    "thinning": "half of the counts hidden, molecule by molecule",
}
_PARTS = {"zeros": "zero", "nonzeros": "not zero"}


def format_report(result: Mapping[str, Any]) -> str:
    """Return a text table of what :func:`~napari_stdiff.evaluate_interpolate` returned.

    One line a method, in the order of the result; scores that no method has are left out, and
    "-" stands where one method has none.
    """
    protocol, methods = result["protocol"], dict(result["methods"])
    if "reference" in result:
        methods["(measured cells)"] = result["reference"]
    table = _table(methods, _HEADS)
    kind = "layer" if protocol.get("between") == "layers" else "section"
    if result.get("task") == "generate":
        what = f"{protocol['hidden_cells']} of {protocol['cells']} cells hidden in " + (
            f"section '{protocol['sections'][0]}'"
            if len(protocol["sections"]) == 1
            else f"{len(protocol['sections'])} sections"
        )
        what += f" ({protocol['genes']} genes), generated from the others"
    else:
        what = (
            f"{kind} '{protocol['hidden']}' hidden ({protocol['hidden_cells']} cells, "
            f"{protocol['genes']} genes), predicted from {len(protocol['visible_sections'])} "
            f"{kind}s"
        )
    head = (
        f"{result['dataset']}: {what}; tier {protocol['tier']} "
        f"({protocol['given']} given), seed {protocol['seed']}, {protocol['draws']} draws"
    )
    meant = protocol.get("tier_means")
    about = [*([meant] if meant else []), *protocol.get("about", ())]
    if protocol.get("extrapolated"):
        about.append(
            f"The hidden {kind} is an outermost one: these are scores of extrapolation, which is "
            "weaker than predicting between measured ones, and are not to be compared with those."
        )
    notes = [f"{name}: {note}" for name, of in protocol["notes"].items() for note in of]
    return "\n".join([head, *about, "", *table, *([""] if notes else []), *notes])


def format_gene_report(result: Mapping[str, Any]) -> str:
    """Return a text table of what :func:`~napari_stdiff.evaluate_predict_genes` returned.

    What the diffusion model adds to the stack and to the stack with a plain network stands below.
    """
    protocol, methods = result["protocol"], result["methods"]
    head = (
        f"{result['dataset']}: {protocol['shared_genes']} genes in {protocol['cells']} cells, "
        f"hidden in {protocol['folds']} folds; reference {protocol['reference']}, "
        f"{protocol['reference_cells']} cells; seed {protocol['seed']}, {protocol['draws']} draws"
    )
    lines = [head, f"{protocol['genes_chosen']}; {protocol['scale']}", ""]
    lines += _table(methods, _GENE_HEADS)
    thinned = [
        f"{name}, {share} of the counts removed: robustness {_number(row['robustness'])}, "
        f"mean Pearson {_number(row['pcc'])}"
        for name, scores in methods.items()
        for share, row in scores.get("downsampled", {}).items()
    ]
    lines += ["", *thinned] if thinned else []
    adds = protocol["diffusion_adds"]
    lines += ["", *_added(adds, "Diffusion")] if adds else []
    notes = [f"{name}: {note}" for name, of in protocol["notes"].items() for note in of]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def format_impute_report(result: Mapping[str, Any]) -> str:
    """Return a text table of what :func:`~napari_stdiff.evaluate_impute` returned.

    Entries whose truth is zero and the others stand apart below, then how well clusters agree
    with annotated types, and what diffusion adds to what it builds on.
    """
    protocol, methods = result["protocol"], result["methods"]
    hidden = _PATTERNS[protocol["pattern"]].format(hide=protocol["hide"] or 0)
    reference = protocol["reference"]
    lines = [
        f"{result['dataset']}: {hidden} in {protocol['genes']} genes of {protocol['cells']} "
        f"cells ({protocol['entries']} entries, {protocol['zeros']} of them zero); "
        + (f"reference {reference}; " if reference else "no reference; ")
        + f"seed {protocol['seed']}, {protocol['draws']} draws",
        f"{protocol['genes_chosen']} genes; {protocol['scale']}",
    ]
    if protocol["hidden_genes"]:
        lines.append(f"hidden: {', '.join(protocol['hidden_genes'])}")
    if protocol["untouched"]:
        lines.append(f"nothing hidden of: {listing(protocol['untouched'])}")
    lines += ["", *_table(methods, _ENTRY_HEADS)]
    heads = {name: _ENTRY_HEADS[name] for name in ("pcc", "rmse", "mae", "crps", "coverage80")}
    for part in ("zeros", "nonzeros"):
        some = {name: row[part] for name, row in methods.items()}
        if any(row.get("rmse") is not None for row in some.values()):
            perfect = {**heads, "coverage80_expected": "(perfect)"}
            lines += ["", f"Entries whose truth is {_PARTS[part]}", *_table(some, perfect)]
    groups = protocol["clusters"]
    if groups:
        known = {f"({name})": groups[name] or {} for name in ("raw", "measured") if name in groups}
        some = known | {name: row["clusters"] or {} for name, row in methods.items()}
        said = f"{groups['types']} annotated types ({groups['labels']}) of {groups['cells']} cells"
        heads = {name: name.upper() for name in ("ari", "ami", "nmi")}
        lines += ["", f"Clusters against {said}", *_table(some, heads)]
    adds = protocol["diffusion_adds"]
    lines += [""] if adds else []
    for own, row in adds.items():
        lines += _added(row, own)
    notes = [f"{name}: left out, it {why}." for name, why in protocol["left_out"].items()]
    notes += [f"{name}: {note}" for name, of in protocol["notes"].items() for note in of]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _added(adds: Mapping[str, Mapping[str, Any] | None], what: str) -> list[str]:
    """Return what a diffusion model adds to each method that it builds on, a line each."""
    lines = []
    for other, row in adds.items():
        if row is None:
            own = "diffusion" if what == "Diffusion" else what
            lines.append(f"What {own} adds to '{other}' is not known: it was not run.")
            continue
        gains = ", ".join(
            f"{score} {'-' if value is None else f'{value:+.4f}'}" for score, value in row.items()
        )
        lines.append(f"{what} over '{other}': {gains}.")
    return lines


def _table(methods: Mapping[str, Mapping[str, Any]], heads: Mapping[str, str]) -> list[str]:
    """Return a line a method; scores that none has are left out."""
    keys = [k for k in heads if any(row.get(k) is not None for row in methods.values())]
    lines = [["method", *(heads[k] for k in keys)]]
    for name, row in methods.items():
        lines.append([name, *(_shown(k, row.get(k)) for k in keys)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys) + 1)]
    return [
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if key.endswith(("seconds", "mib")) else f"{value:.3f}"
