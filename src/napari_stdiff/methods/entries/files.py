"""A model that fills in entries is tied to what was visible to its fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...data.visible import Visible
from ..ties import refuse_other, tie_of


def visible_tie(visible: Visible, reference: bool = True) -> dict[str, Any]:
    """Return what `refuse_other_visible` compares, as JSON can hold it.

    Parameters
    ----------
    visible
        What a model was fitted on.
    reference
        Whether the model looks at the reference; one that does not may be used with any.
    """
    return tie_of(visible, reference) | {"with_reference": reference}


def refuse_other_visible(meta: Mapping[str, Any], visible: Visible) -> None:
    """Raise if the model was fitted on another tissue or reference, or with other gaps.

    Parameters
    ----------
    meta
        As read; ``meta["visible"]`` is what :func:`visible_tie` gave when the model was saved.
    visible
        What the model is to be used on.

    Raises
    ------
    StdiffError
        Naming the tissue or the reference that is another, or the genes that differ.
    """
    kept = meta["visible"]
    now = tie_of(visible, bool(kept["with_reference"]))
    refuse_other(kept, now, content="values, cells or gaps")
