"""What can be read on dark and on light themes: words in the colours of the canvas, tick boxes."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QAbstractItemView, QWidget

_ENOUGH = 4.5  # contrast of small text, as WCAG 2.2 asks for it (1.4.3)
_STEP = 0.04
_MIDDLE = 0.18  # luminance that differs as much from black as from white
_TICKS = """
QAbstractItemView::indicator {{
    width: 10px; height: 10px; border: 1px solid #8a8a8a; border-radius: 2px;
}}
QAbstractItemView::indicator:checked {{ image: url("theme_{theme}:/check.svg"); }}
"""  # the pictures are napari's


def readable(colour: str, on: QWidget) -> QColor:
    """Return `colour`, darker or lighter where text in it could not be read in a widget.

    Parameters
    ----------
    colour
        As the canvas has it, ``#rrggbb``.
    on
        The widget that it is written in; its theme counts.

    Returns
    -------
    QColor
        Of the same hue.
    """
    ground = on.palette().color(QPalette.ColorRole.Base)
    ink = QColor(colour)
    by = -_STEP if luminance(ground) > _MIDDLE else _STEP
    while contrast(ink, ground) < _ENOUGH and 0.0 < ink.lightnessF() < 1.0:
        lightness = min(max(ink.lightnessF() + by, 0.0), 1.0)
        ink = QColor.fromHslF(max(ink.hslHueF(), 0.0), ink.hslSaturationF(), lightness)
    return ink


def frame_ticks(view: QAbstractItemView) -> None:
    """Draw boxes around the ticks of a list: in dark themes those without a tick are not seen.

    To be called when it is made, and when its style changes.
    """
    dark = luminance(view.palette().color(QPalette.ColorRole.Base)) < _MIDDLE
    style = _TICKS.format(theme="dark" if dark else "light")
    if view.styleSheet() != style:  # setting it changes the style once more
        view.setStyleSheet(style)


def contrast(one: QColor, other: QColor) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: QColor) -> float:
    """Return the relative luminance, 0 to 1 (WCAG 2.2)."""
    linear = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (colour.redF(), colour.greenF(), colour.blueF())
    )
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
