"""Says what the colours on the canvas mean."""

from __future__ import annotations

from html import escape

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from ..colors import UNKNOWN
from ..layers import COVERS, GENERATED, VIRTUAL
from ..stack import Stack


class Gradient(QWidget):
    """A strip of a colormap with its two ends written below."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._ends = ("", "")
        self.setFixedHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_scale(self, colormap: str, limits: tuple[float, float]) -> None:
        """Show `colormap` from one limit to the other."""
        colours = ensure_colormap(colormap).map(np.linspace(0, 1, 256).astype(np.float32))
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
    """A gradient for numbers, swatches for labels, and what virtual cells look like."""

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.gradient = Gradient()
        self.swatches = QLabel()
        self.swatches.setWordWrap(True)
        self.swatches.setTextFormat(Qt.TextFormat.RichText)
        self.swatches.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.swatches.setContentsMargins(2, 2, 2, 2)
        self.frame = QScrollArea()
        self.frame.setWidget(self.swatches)
        self.frame.setWidgetResizable(True)
        self.frame.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.frame.setMaximumHeight(120)
        self.marks = QLabel()
        self.marks.setWordWrap(True)
        self.marks.setTextFormat(Qt.TextFormat.RichText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget in (self.title, self.gradient, self.frame, self.marks):
            column.addWidget(widget)

    def show_stack(self, stack: Stack) -> None:
        """Explain the present colours of `stack`."""
        colouring = stack.colouring
        rest = stack.title.removeprefix(colouring.name)
        rest = escape(rest).replace("\n", "<br>")
        self.title.setText(f"<b>{escape(colouring.name)}</b>{rest}")
        self.title.setVisible(colouring.kind != "none")
        self.gradient.setVisible(colouring.continuous)
        self.frame.setVisible(colouring.kind == "label")
        if colouring.continuous:
            self.gradient.show_scale(stack.colormap, stack.limits)
        if colouring.kind == "label":
            self.swatches.setText(
                " &nbsp; ".join(
                    f"<span style='white-space:nowrap'><span style='color:{colour}'>■</span>"
                    f"&nbsp;{escape(label).replace(' ', '&nbsp;')}</span>"
                    for label, colour in colouring.palette.items()
                )
            )
            rows = (len(colouring.palette) + 1) // 2
            self.frame.setFixedHeight(min(120, 24 + 17 * rows))
        parts = []
        sections = stack.sections
        for look in (VIRTUAL, GENERATED, *COVERS):
            if any(look in (section.look, section.cover_look) for section in sections):
                parts.append(f"<span style='color:{look.colour}'>{look.mark}</span> {look.told}")
        if stack.only_filled and colouring.filled is not None:
            parts.append("faded: measured")
        elif any(section.trust is not None for section in sections):
            parts.append("faded: less to be trusted")
        if has_unknown(stack):
            parts.append(f"<span style='color:{UNKNOWN}'>■</span> no value")
        self.marks.setText(" &nbsp; ".join(parts))
        self.marks.setVisible(bool(parts))


def has_unknown(stack: Stack) -> bool:
    """Whether some cell is drawn in the grey of a missing value."""
    everything = [stack.colouring.measured, *stack.colouring.virtual.values()]
    if stack.colouring.continuous:
        return any(bool(np.isnan(values).any()) for values in everything)
    return stack.colouring.kind == "label" and any(bool((v == "").any()) for v in everything)
