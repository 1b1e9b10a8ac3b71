"""A strip along a z slider: where sections were measured, and how sure a cut in between is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSlider, QToolTip, QWidget

from ..colors import VIRTUAL_EDGE
from .z_slider import track, unit_words

if TYPE_CHECKING:
    from ...tasks.depth_error import DepthError

ABOUT = (
    "<p><b>Expected error of a cut</b>: the higher the curve, the less sure. Lines are measured "
    "sections.</p><p>Each inner section was hidden and predicted from the others (stDiffusion, "
    "effort quick, at the places of its own cells): the error one section away. Cells left out "
    "within their sections give the error next to one. In between, the error grows with the "
    "distance to the nearest measured section. The top is the error of always answering with the "
    "gene's mean.</p>"
)
ABOUT_LABELS = (
    "<p><b>Expected share of wrong labels</b>: the higher the curve, the less sure. Lines are "
    "measured sections.</p><p>Each inner section takes the labels of the nearest cells of its "
    "neighbour, cells within a section that of the cell beside them; in between, the share grows "
    "with the distance to the nearest measured section.</p>"
)
NOT_KNOWN = "<p>Lines are measured sections. How sure a cut in between is, is not known yet.</p>"


class DepthStrip(QWidget):
    """Paints the error that is expected at each depth, on the scale of a slider.

    Parameters
    ----------
    slider
        The slider that it stands below.
    """

    def __init__(self, slider: QSlider) -> None:
        super().__init__()
        self._slider = slider
        self._depths: dict[str, float] = {}
        self._unit = ""
        self._error: DepthError | None = None
        self._of_labels = False
        self.setFixedHeight(34)
        slider.valueChanged.connect(lambda _: self.update())

    def set_sections(self, depths: Mapping[str, float], unit: str) -> None:
        """Mark the measured sections."""
        self._depths, self._unit = dict(depths), unit
        self.update()

    def set_error(self, error: DepthError | None, of_labels: bool = False) -> None:
        """Show what is expected in between, of a gene or of labels; None where not known."""
        self._error, self._of_labels = error, of_labels
        self.update()

    @property
    def ends(self) -> tuple[float, float]:
        """Depths at the two ends of the slider."""
        return min(self._depths.values()), max(self._depths.values())

    def heights(self, z: np.ndarray) -> np.ndarray:
        """Return the curve at depths `z`, 0 at the bottom and 1 at the top; NaN where unknown."""
        if self._error is None or self._error.worst <= 0:
            return np.full(len(z), np.nan)
        return np.clip(self._error.at(z) / self._error.worst, 0.0, 1.0)

    def words(self, z: float) -> str:
        """Say what is expected at depth `z`; "" where it is not known, or measured."""
        error = self._error
        value = np.nan if error is None else float(error.at(z)[0])
        if error is None or not np.isfinite(value) or value == 0.0:
            return ""
        if self._of_labels:
            return f"About {value:.0%} of the labels are expected to be wrong here."
        return (
            f"Expected error of a cell here: {value:.2g}, where the gene varies by "
            f"{error.worst:.2g} ({value / error.worst:.0%})."
        )

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the curve, the measured sections and the present depth."""
        if len(self._depths) < 2:
            return
        left, width = track(self._slider)
        low, high = self.ends
        bottom, top = self.height() - 1.0, 2.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(self.foregroundRole())
        ground = QColor(ink)
        ground.setAlpha(22)
        painter.fillRect(QRectF(left, top, width, bottom - top), ground)
        x = np.arange(0.0, width + 0.5, 1.0)
        height = self.heights(low + (high - low) * x / max(width, 1.0))
        known = np.isfinite(height)
        if known.any():
            y = bottom - np.where(known, height, 0.0) * (bottom - top)
            points = [QPointF(left + a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
            ring = [QPointF(left, bottom), *points, QPointF(left + width, bottom)]
            fill = QColor(VIRTUAL_EDGE)
            fill.setAlpha(150)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF(ring))
        painter.setPen(QPen(ink, 2.0))
        for z in self._depths.values():
            at = left + width * (z - low) / max(high - low, 1e-12)
            painter.drawLine(QPointF(at, top), QPointF(at, bottom))
        span = max(self._slider.maximum() - self._slider.minimum(), 1)
        at = left + width * (self._slider.value() - self._slider.minimum()) / span
        painter.setPen(QPen(ink, 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(at, top), QPointF(at, bottom))
        painter.end()

    def event(self, event: QEvent | None) -> bool:
        """Tell about the depth under the mouse."""
        if isinstance(event, QHelpEvent) and len(self._depths) > 1:
            left, width = track(self._slider)
            low, high = self.ends
            share = min(max((event.pos().x() - left) / max(width, 1.0), 0.0), 1.0)
            QToolTip.showText(event.globalPos(), self.tip(low + (high - low) * share), self)
            return True
        return super().event(event)

    def tip(self, z: float) -> str:
        """Return what is told of depth `z`."""
        if self._error is None or not self._error.known:
            return NOT_KNOWN
        about = ABOUT_LABELS if self._of_labels else ABOUT
        return f"<p>z = {z:.4g}{unit_words(self._unit)}. {self.words(z)}</p>{about}"
