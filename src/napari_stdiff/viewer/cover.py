"""Lays what was predicted of measured cells over them, a layer a section."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.prediction import Quantity
from .colors import Colouring, Values, View
from .layers import PREDICTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer, Points

    from .arrange import Section
    from .session import Session

WHAT = {"mean": "", "std": ", spread (std)"}
KEY = "i"  # flips a gene between what was measured and what is imputed
HINTS = ("also predicted", f"key {KEY}")  # lines that say what else the window can show


def colouring_of_cells(
    session: Session,
    measured: Values,
    gene: str,
    virtual: dict[str, np.ndarray],
    quantity: Quantity,
    view: View,
) -> Colouring | None:
    """Return the colouring by what results say of a gene in the measured cells, or None.

    Parameters
    ----------
    session
        Has the results.
    measured
        Looks up what was measured; where it was, predicted genes are not looked at.
    gene
        Its name.
    virtual
        Virtual section -> (cells,) its values.
    quantity
        Mean or spread of what was predicted.
    view
        What is shown of a gene that was imputed.
    """
    if session.imputations.of(gene) is not None:
        return _imputed(session, measured, gene, virtual, quantity, view)
    known = session.predictions
    result = None if measured.measures(gene) else known.of(gene)
    if result is None:
        return None
    values, confidence = known.values(gene, quantity), known.confidence(gene)
    return Colouring("gene", gene, values, virtual, result=result.name, confidence=confidence)


def _imputed(
    session: Session,
    measured: Values,
    gene: str,
    virtual: dict[str, np.ndarray],
    quantity: Quantity,
    view: View,
) -> Colouring:
    """Return the colouring by a gene that was imputed, or by what was measured of it.

    Both are on the scale of the result; cells that it is not about show what was measured.
    """
    known = session.imputations
    result, inside = known.of(gene), known.covers(gene)
    elsewhere = measured.gene(gene)
    raw = np.where(inside, known.measured(gene), elsewhere)
    mean = np.where(inside, known.values(gene), elsewhere)
    if view == "raw" or result is None:
        return Colouring("gene", gene, raw, virtual, other=mean)
    spread = quantity == "std" and view != "both"  # the two halves are on one scale
    return Colouring(
        "gene",
        gene,
        known.values(gene, "std") if spread else mean,
        virtual,
        result=result.name,
        confidence=known.confidence(gene),
        filled=known.filled(gene),
        other=None if spread else raw,
    )


def uncover(sections: Iterable[Section], viewer: Any, keep: bool = False) -> None:
    """Take the layers of results away and show the measured cells again.

    With `keep`, layers of imputed genes are only hidden: napari takes long over each that goes.
    """
    for section in sections:
        cover, twin = section.cover, section.twin
        kept = keep and section.cover_look is not PREDICTED
        section.cover_look, section.paired = None, False
        if not kept:
            section.cover = section.twin = None
        if section.points is None:  # the user took it away meanwhile
            section.visible = False
        if section.points is not None:
            section.points.visible = section.visible and not section.hides(section.points)
        hand_over(viewer, cover, section.points)
        for layer in (cover, twin):
            if layer is not None and kept:
                layer.visible = False
            elif layer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)


def hand_over(viewer: Any, gone: Layer | None, shown: Layer | None) -> None:
    """Select `shown` where `gone` was selected: napari tells of the cells of that layer alone."""
    if gone is not None and shown is not None and gone in viewer.layers.selection:
        rest = set(viewer.layers.selection) - {gone}
        viewer.layers.selection = rest | {shown}


def tell_cells(layer: Points, session: Session, colouring: Colouring, rows: np.ndarray) -> None:
    """Give a layer what napari says of the cell under the mouse: mean, spread and confidence."""
    gene = colouring.name
    known = session.predictions if colouring.filled is None else session.imputations
    told = {"mean": known.values(gene), "spread": known.values(gene, "std")}
    if colouring.filled is not None:
        told = {"measured": session.imputations.measured(gene), **told}
        layer.features["filled in"] = colouring.filled[rows]
    elif colouring.confidence is not None:
        told["confidence"] = colouring.confidence
    for name, values in told.items():
        layer.features[name] = np.round(values[rows], 3)


def title_of(colouring: Colouring, quantity: Quantity, session: Session, view: View) -> str:
    """Return what the colours show, in a few words."""
    if colouring.kind != "gene":
        return colouring.name
    gene, imputed = colouring.name, session.imputations
    if imputed.of(gene) is not None:
        return _title_of_imputed(colouring, quantity, session, view)
    elsewhere = session.tables.words(gene)
    if elsewhere:
        return elsewhere
    known = session.predictions
    if not colouring.result:
        guess = known.of(gene)
        title = f"{gene} · {'as measured, ' if guess else ''}log-normalised expression"
        if quantity == "std" and session.results:
            title += "; virtual: spread (std)"
        if guess is not None:
            title += f"\n{HINTS[0]} by {guess.record.method}: Maps side by side shows both"
        return title
    method = known.results[colouring.result].record.method
    return f"{gene} · predicted by {method}{WHAT[quantity]}\n{known.words(gene)}"


def _title_of_imputed(
    colouring: Colouring, quantity: Quantity, session: Session, view: View
) -> str:
    gene, known = colouring.name, session.imputations
    result = known.of(gene)
    assert result is not None
    method = result.record.method
    if not colouring.result:
        return f"{gene} · as measured, log-normalised\n{HINTS[1]}: imputed by {method}"
    sides = "left: measured, right: " if view == "both" else ""
    what = WHAT["mean" if view == "both" else quantity]
    _, reached, _, _ = known.expected(gene)
    short = f"{known.share(gene)}; hidden values: r {two_digits(reached)}"
    return f"{gene} · {sides}imputed by {method}{what}\n{short}"


def two_digits(r: float) -> str:
    """Return a correlation cut off, not rounded: it must not pass the bar of a better badge.

    >>> two_digits(0.4999), two_digits(-0.004), two_digits(0.25), two_digits(math.nan)
    ('0.49', '-0.01', '0.25', 'unknown')
    """
    return f"{math.floor(r * 100 + 1e-9) / 100:.2f}" if math.isfinite(r) else "unknown"
