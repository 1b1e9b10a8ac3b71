"""A model that predicts genes is tied to the tissue and the reference it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...data.panel import Panel
from ..ties import refuse_other, tie_of


def panel_tie(panel: Panel) -> dict[str, Any]:
    """Return what `refuse_other_panel` compares, as JSON can hold it."""
    return tie_of(panel)


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
    refuse_other(meta["panel"], tie_of(panel), genes="visible genes")
