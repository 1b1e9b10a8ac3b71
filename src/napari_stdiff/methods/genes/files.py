"""A model that predicts genes is tied to the cells and the reference it was fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...compute.errors import StdiffError
from ...data.panel import Panel

_PARTS = {
    "cells": "The model was fitted on other cells than this tissue has",
    "tissue": "The model was fitted on other values than this tissue has",
    "reference": "The model was fitted with another reference",
}


def panel_tie(panel: Panel) -> dict[str, Any]:
    """Return what `refuse_other_panel` compares, as JSON can hold it.

    Returns
    -------
    dict
        The visible genes' names, and digests of the cells' positions and sections, of the
        tissue's visible values and of the reference's values of the visible genes.
    """
    reference = panel.reference_raw[:, : len(panel.genes)].tocsr()
    reference.sort_indices()
    return {
        "genes": [str(gene) for gene in panel.genes],
        "cells": _digest(
            np.ascontiguousarray(panel.coords, dtype=np.float64),
            "\0".join(map(str, panel.section)).encode(),
        ),
        "tissue": _digest(
            np.ascontiguousarray(panel.tissue_raw, dtype=np.float32),
            panel.tissue_values.encode(),
        ),
        "reference": _digest(
            str(reference.shape).encode(),
            reference.indptr.astype(np.int64),
            reference.indices.astype(np.int64),
            reference.data.astype(np.float32),
            panel.reference_values.encode(),
        ),
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
        Naming visible genes that differ, or saying that cells, values or reference do.
    """
    kept, now = meta["panel"], panel_tie(panel)
    mend = "read the data that it was fitted on, or fit a new model."
    if kept["genes"] != now["genes"]:
        differ = sorted(set(kept["genes"]) ^ set(now["genes"]))
        named = ", ".join(f"'{gene}'" for gene in differ[:4]) or "their order"
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise StdiffError(
            f"The model was fitted on other visible genes (differing: {named}{more}); {mend}"
        )
    for part, sentence in _PARTS.items():
        if kept[part] != now[part]:
            raise StdiffError(f"{sentence}; {mend}")


def _digest(*parts: np.ndarray | bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.data)
    return digest.hexdigest()
