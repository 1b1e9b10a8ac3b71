"""Colours of the canvas as text of a dock: dark enough on light themes, light enough on dark."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

_ENOUGH = 4.5  # contrast of small text, as WCAG 2.2 asks for it (1.4.3)
_STEP = 0.04


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
    by = -_STEP if luminance(ground) > 0.18 else _STEP
    while contrast(ink, ground) < _ENOUGH and 0.0 < ink.lightnessF() < 1.0:
        lightness = min(max(ink.lightnessF() + by, 0.0), 1.0)
        ink = QColor.fromHslF(max(ink.hslHueF(), 0.0), ink.hslSaturationF(), lightness)
    return ink


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
