"""An evaluation as a table to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    lines += [""] if adds else []
    for other, row in adds.items():
        if row is None:
            lines.append(f"What diffusion adds to '{other}' is not known: it was not run.")
            continue
        gains = ", ".join(
            f"{score} {'-' if value is None else f'{value:+.4f}'}" for score, value in row.items()
        )
        lines.append(f"Diffusion over '{other}': {gains}.")
    notes = [f"{name}: {note}" for name, of in protocol["notes"].items() for note in of]
    return "\n".join([*lines, *([""] if notes else []), *notes])


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
