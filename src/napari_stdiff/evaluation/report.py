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
    "fit_seconds": "fit s",
    "sample_seconds": "sample s",
}


def format_report(result: Mapping[str, Any]) -> str:
    """Return a text table of what :func:`~napari_stdiff.evaluate_interpolate` returned.

    One line a method, in the order of the result; scores that no method has are left out, and
    "-" stands where one method has none.
    """
    protocol, methods = result["protocol"], result["methods"]
    keys = [k for k in _HEADS if any(row.get(k) is not None for row in methods.values())]
    lines = [["method", *(_HEADS[k] for k in keys)]]
    for name, row in methods.items():
        lines.append([name, *(_shown(k, row.get(k)) for k in keys)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys) + 1)]
    table = [
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    head = (
        f"{result['dataset']}: section '{protocol['hidden']}' hidden "
        f"({protocol['hidden_cells']} cells, {protocol['genes']} genes), predicted from "
        f"{len(protocol['visible_sections'])} sections; tier {protocol['tier']} "
        f"({protocol['given']} given), seed {protocol['seed']}, {protocol['draws']} draws"
    )
    notes = [f"{name}: {note}" for name, of in protocol["notes"].items() for note in of]
    return "\n".join([head, "", *table, *([""] if notes else []), *notes])


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if key.endswith("seconds") else f"{value:.3f}"
