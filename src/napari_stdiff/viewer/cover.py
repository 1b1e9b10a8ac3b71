"""Lays a predicted gene over the measured cells: a layer a section in the place of its points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .colors import Colouring, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Points

    from .arrange import Section
    from .predictions import Predictions
    from .session import Session

WHAT = {"mean": "", "std": ", spread (std)"}


def predicted_colouring(
    session: Session, gene: str, virtual: dict[str, np.ndarray], quantity: Quantity
) -> Colouring | None:
    """Return the colouring by a gene that was predicted in the measured cells, or None."""
    known = session.predictions
    result = known.of(gene)
    if result is None:
        return None
    values = known.values(gene, quantity)
    return Colouring(
        "gene", gene, values, virtual, result=result.name, confidence=known.confidence(gene)
    )


def uncover(sections: Iterable[Section], viewer: Any) -> None:
    """Take the predicted layers away and show the measured cells again."""
    for section in sections:
        cover, section.cover, section.covered = section.cover, None, False
        if section.points is None:  # the user took it away meanwhile
            section.visible = False
        if section.points is not None:
            section.points.visible = section.visible
        hand_over(viewer, cover, section.points)
        if cover is not None and cover in viewer.layers:
            viewer.layers.remove(cover)


def hand_over(viewer: Any, gone: Points | None, shown: Points | None) -> None:
    """Select `shown` where `gone` was selected: napari tells of the cells of that layer alone."""
    if gone is not None and shown is not None and gone in viewer.layers.selection:
        rest = set(viewer.layers.selection) - {gone}
        viewer.layers.selection = rest | {shown}


def tell_cells(layer: Points, known: Predictions, gene: str, rows: np.ndarray) -> None:
    """Give a layer what napari says of the cell under the mouse: mean, spread and confidence."""
    confidence = known.confidence(gene)
    told = {"mean": known.values(gene), "spread": known.values(gene, "std")}
    if confidence is not None:
        told["confidence"] = confidence
    for name, values in told.items():
        layer.features[name] = np.round(values[rows], 3)


def title_of(colouring: Colouring, quantity: Quantity, session: Session) -> str:
    """Return what the colours show, in a few words."""
    if colouring.kind != "gene":
        return colouring.name
    if not colouring.result:
        title = f"{colouring.name} · log-normalised expression"
        if quantity == "std" and session.results:
            title += "; virtual: spread (std)"
        return title
    known = session.predictions
    badge, expected, _, _ = known.expected(colouring.name)
    method = known.results[colouring.result].record.method
    return (
        f"{colouring.name} · predicted by {method}{WHAT[quantity]}\n"
        f"{badge} reliability, expected r {two_digits(expected)}"
    )


def two_digits(r: float) -> str:
    """Return a correlation cut off, not rounded: it must not pass the bar of a better badge.

    >>> two_digits(0.4999), two_digits(-0.004), two_digits(0.25), two_digits(math.nan)
    ('0.49', '-0.01', '0.25', 'unknown')
    """
    return f"{math.floor(r * 100 + 1e-9) / 100:.2f}" if math.isfinite(r) else "unknown"
