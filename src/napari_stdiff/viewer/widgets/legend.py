"""Says what the colours on the canvas mean."""

from __future__ import annotations

from html import escape

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap
from qtpy.QtCore import QRect, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ..colors import UNKNOWN
from ..layers import COVERS, GENERATED, VIRTUAL
from ..stack import Stack
from .swatches import Swatches

_TALLEST = 150  # pixels of swatches; more scroll


class Gradient(QWidget):
    """A strip of a colormap with its two ends written below."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._ends = ("", "")
        self.setFixedHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_scale(self, colormap: str, limits: tuple[float, float]) -> None:
        """Show the map called `colormap` from one limit to the other."""
        self.show_map(ensure_colormap(colormap), limits)

    def show_map(self, colormap: Colormap, limits: tuple[float, float]) -> None:
        """Show a map of any kind from one limit to the other."""
        colours = colormap.map(np.linspace(0, 1, 256).astype(np.float32))
        row = np.ascontiguousarray(np.round(np.asarray(colours) * 255).astype(np.uint8))
        kind = QImage.Format.Format_RGBA8888
        self._image = QImage(row.tobytes(), 256, 1, 4 * 256, kind).copy()
        self._ends = (f"{limits[0]:.3g}", f"{limits[1]:.3g}")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the strip and its ends."""
        painter = QPainter(self)
        painter.drawImage(QRect(0, 2, self.width(), 14), self._image)
        painter.setPen(QColor(self.palette().windowText().color()))
        below = QRect(0, 17, self.width(), 17)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, self._ends[0])
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, self._ends[1])
        painter.end()


class Legend(QWidget):
    """A gradient for numbers, swatches for labels, and what virtual cells look like.

    Signals
    -------
    toggled, only
        The cells of a label are to be hidden or shown; or no others.
    all_asked
        All cells are to be shown again.
    kept
        Whether what is hidden is to stay hidden in other colours.
    """

    toggled = Signal(str)
    only = Signal(str)
    all_asked = Signal()
    kept = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.gradient = Gradient()
        self.swatches = Swatches()
        self.frame = QScrollArea()
        self.frame.setWidget(self.swatches)
        self.frame.setWidgetResizable(True)
        self.frame.setFrameShape(QFrame.Shape.NoFrame)
        self.frame.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.hidden = QLabel()
        self.keep = QCheckBox("in every colour")
        self.keep.setToolTip(
            "Keep these cells hidden when sections are coloured by a gene or another annotation"
        )
        self.all = QPushButton("Show all")
        self.marks = QLabel()
        self.marks.setWordWrap(True)
        self.marks.setTextFormat(Qt.TextFormat.RichText)
        self.sifted = QWidget()
        row = QHBoxLayout(self.sifted)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget, stretch in ((self.hidden, 1), (self.keep, 0), (self.all, 0)):
            row.addWidget(widget, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for part in (self.title, self.gradient, self.frame, self.sifted, self.marks):
            column.addWidget(part)
        self.swatches.toggled.connect(self.toggled.emit)
        self.swatches.only.connect(self.only.emit)
        self.all.clicked.connect(lambda: self.all_asked.emit())
        self.keep.toggled.connect(self.kept.emit)

    def show_stack(self, stack: Stack) -> None:
        """Explain the present colours of `stack`."""
        colouring = stack.colouring
        rest = stack.title.removeprefix(colouring.name)
        rest = escape(rest).replace("\n", "<br>")
        self.title.setText(f"<b>{escape(colouring.name)}</b>{rest}")
        self.title.setVisible(colouring.kind != "none")
        self.gradient.setVisible(colouring.continuous and not stack.second.is_on)
        self.frame.setVisible(colouring.kind == "label")
        if colouring.continuous:
            self.gradient.show_scale(stack.colormap, stack.limits)
        if colouring.kind == "label":
            colours = dict(colouring.palette)
            if has_unknown(stack):
                colours[""] = UNKNOWN
            self.swatches.show_labels(colours, stack.filter.hidden(colouring.name))
            self._fit()
        self._show_hidden(stack)
        parts = []
        sections = stack.sections
        for look in (VIRTUAL, GENERATED, *COVERS):
            if any(look in (section.look, section.cover_look) for section in sections):
                parts.append(f"<span style='color:{look.colour}'>{look.mark}</span> {look.told}")
        if stack.only_filled and colouring.filled is not None:
            parts.append("faded: measured")
        elif any(section.trust is not None for section in sections):
            parts.append("faded: less to be trusted")
        if colouring.kind != "label" and has_unknown(stack):
            parts.append(f"<span style='color:{UNKNOWN}'>■</span> no value")
        self.marks.setText("<br>".join(parts))
        self.marks.setVisible(bool(parts))

    def _show_hidden(self, stack: Stack) -> None:
        """Say that cells are hidden, wherever that is so."""
        kind, known = stack.colouring.kind, stack.filter
        column = stack.colouring.name if kind == "label" else known.column
        hidden = known.hidden(column)
        self.sifted.setVisible(bool(hidden) and (kind == "label" or known.everywhere))
        what = f"{len(hidden)} hidden"
        self.hidden.setText(what)
        self.hidden.setToolTip(
            f"<p>{escape(column)}: {escape(', '.join(sorted(hidden)))}</p>" if hidden else ""
        )
        self.keep.blockSignals(True)
        self.keep.setChecked(known.everywhere)
        self.keep.blockSignals(False)

    def _fit(self) -> None:
        """Be as high as the swatches are at this width, up to a limit."""
        layout = self.swatches.layout()
        wanted = 0 if layout is None else layout.heightForWidth(max(self.width() - 4, 100))
        self.frame.setFixedHeight(min(_TALLEST, wanted + 4))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Lay the swatches out anew."""
        super().resizeEvent(event)
        self._fit()


def has_unknown(stack: Stack) -> bool:
    """Whether some cell is drawn in the grey of a missing value."""
    everything = [stack.colouring.measured, *stack.colouring.virtual.values()]
    if stack.colouring.continuous:
        return any(bool(np.isnan(values).any()) for values in everything)
    return stack.colouring.kind == "label" and any(bool((v == "").any()) for v in everything)
