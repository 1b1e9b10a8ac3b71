"""Colours of the canvas as text, on dark and on light themes."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from napari_stdiff.viewer.layers import COVERS, GENERATED, VIRTUAL
from napari_stdiff.viewer.widgets.ink import contrast, readable

pytestmark = pytest.mark.viewer


def on(ground: str) -> QWidget:
    widget = QWidget()
    palette = widget.palette()
    palette.setColor(QPalette.ColorRole.Base, QColor(ground))
    widget.setPalette(palette)
    return widget


def test_contrast_is_that_of_the_standard(qapp: Any) -> None:
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21.0)
    assert contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ground", ["#2e333e", "#dddad8"])
def test_words_in_the_colours_of_the_canvas_can_be_read(qapp: Any, ground: str) -> None:
    for look in (VIRTUAL, GENERATED, *COVERS):
        widget = on(ground)
        ink = readable(look.colour, widget)
        assert contrast(ink, QColor(ground)) >= 4.5
        assert ink.hslHueF() == pytest.approx(QColor(look.colour).hslHueF(), abs=0.02)


def test_what_can_be_read_stays_as_it_is(qapp: Any) -> None:
    assert readable(VIRTUAL.colour, on("#23242b")).name() == VIRTUAL.colour
