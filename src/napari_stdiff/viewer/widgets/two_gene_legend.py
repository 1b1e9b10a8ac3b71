"""Says what the colours of two genes mean: a square, one gene along each side."""

from __future__ import annotations

from html import escape

import numpy as np
from qtpy.QtCore import QRect, Signal
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..fields import NoWheel, tame
from ..two_genes import SCHEMES, Scheme, TwoGenes, blend

_SIDE = 64
_CELLS = 8  # along each side of the square


class ColourSquare(QWidget):
    """The first gene grows to the right, the second one upwards."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self.setFixedSize(_SIDE, _SIDE)

    def show_scheme(self, scheme: Scheme) -> None:
        """Show the colours of a scheme."""
        part = np.linspace(0.0, 1.0, _CELLS)
        x, y = np.meshgrid(part, part[::-1])
        colours = blend(x.ravel(), y.ravel(), ((0.0, 1.0), (0.0, 1.0)), scheme)
        pixels = np.ascontiguousarray(np.round(colours * 255).astype(np.uint8))
        kind = QImage.Format.Format_RGBA8888
        self._image = QImage(pixels.tobytes(), _CELLS, _CELLS, 4 * _CELLS, kind).copy()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the square."""
        painter = QPainter(self)
        painter.drawImage(QRect(0, 0, _SIDE, _SIDE), self._image)
        painter.end()


class TwoGeneLegend(QWidget):
    """The square, what its sides are, and a choice of two other colours."""

    chosen = Signal(object)  # the Scheme

    def __init__(self) -> None:
        super().__init__()
        self.square = ColourSquare()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.scheme = QComboBox()
        for scheme in SCHEMES:
            self.scheme.addItem(scheme.name, scheme)
        self.scheme.setToolTip("Pairs of colours that colour-blind readers can tell apart")
        tame(self.scheme, NoWheel(self))
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addWidget(self.words)
        column.addWidget(self.scheme)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.square)
        row.addLayout(column, 1)
        self.scheme.activated.connect(lambda i: self.chosen.emit(self.scheme.itemData(i)))

    def show_genes(self, first: str, limits: tuple[float, float], second: TwoGenes) -> None:
        """Explain the colours of two genes, each on its own scale."""
        self.square.show_scheme(second.scheme)
        self.scheme.setCurrentIndex(SCHEMES.index(second.scheme))
        lines = [
            f"{arrow} <b>{escape(name)}</b> {low:.3g} to {high:.3g}"
            for arrow, name, (low, high) in (
                ("→", first, limits),
                ("↑", second.name, second.limits),
            )
        ]
        self.words.setText("<br>".join(lines))
        colours = f"{second.scheme.first}: {first}; {second.scheme.second}: {second.name}"
        self.square.setToolTip(f"<p>{escape(colours)}; white: both; dark: neither</p>")
