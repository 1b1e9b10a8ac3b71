"""A model that predicts genes is tied to the tissue and the reference it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...compute.errors import StdiffError
from ...data.panel import Panel


def panel_tie(panel: Panel) -> dict[str, Any]:
    """Return what `refuse_other_panel` compares, as JSON can hold it.

    Returns
    -------
    dict
        Names of the visible genes, names and fingerprints of tissue and reference.
    """
    return {
        "genes": [str(gene) for gene in panel.genes],
        "tissue": panel.tissue_fingerprint(),
        "reference": panel.reference_fingerprint(),
        "tissue_name": panel.tissue_name,
        "reference_name": panel.reference_name,
    }


def refuse_other_panel(meta: Mapping[str, Any], panel: Panel) -> None:
    """Raise if the model was fitted on another panel than `panel`.

    Parameters
    ----------
    meta
        As read; ``meta["panel"]`` is what :func:`panel_tie` gave when the model was saved.
    panel
        What the model is to be used on.

    Raises
    ------
    StdiffError
        Naming the tissue or the reference that is another, or the visible genes that differ.
    """
    kept, now = meta["panel"], panel_tie(panel)
    mend = "read the data that it was fitted on, or fit a new model."
    for role in ("tissue", "reference"):
        was, is_now = kept[f"{role}_name"], now[f"{role}_name"]
        if kept[role] != now[role] and was != is_now:
            raise StdiffError(
                f"The model was fitted on the {role} '{was}', not '{is_now}'; {mend}"
            )
    if kept["genes"] != now["genes"]:
        differ = sorted(set(kept["genes"]) ^ set(now["genes"]))
        named = ", ".join(f"'{gene}'" for gene in differ[:4]) or "their order"
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise StdiffError(
            f"The model was fitted on other visible genes (differing: {named}{more}); {mend}"
        )
    for role in ("tissue", "reference"):
        if kept[role] != now[role]:
            name = now[f"{role}_name"] or "given"
            raise StdiffError(
                f"The {role} '{name}' holds other values or cells than the one that the model was "
                f"fitted on; {mend}"
            )
