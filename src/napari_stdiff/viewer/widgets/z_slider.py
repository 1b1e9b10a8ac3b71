"""A slider along z that shows where the measured sections are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from ..fields import PlainSpinBox

_STEPS = 1000


class _Marks(QWidget):
    """A small triangle under the slider for every measured section."""

    def __init__(self, slider: QSlider) -> None:
        super().__init__()
        self._slider = slider
        self.fractions: list[float] = []
        self.setFixedHeight(10)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the marks where the handle's middle would be."""
        left, width = track(self._slider)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(self.foregroundRole())
        painter.setPen(QPen(Qt.PenStyle.NoPen))
        painter.setBrush(colour)
        for fraction in self.fractions:
            x = left + fraction * width
            triangle = [QPointF(x, 1), QPointF(x - 3.5, 8), QPointF(x + 3.5, 8)]
            painter.drawPolygon(QPolygonF(triangle))
        painter.end()


class ZSlider(QWidget):
    """Picks a depth between the first and the last measured section, or a little beyond."""

    changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._sections: dict[str, float] = {}
        self._unit = "um"
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.marks = _Marks(self.slider)
        self.box = PlainSpinBox()
        self.box.setMinimumWidth(90)
        self.between = QLabel()
        self.between.setWordWrap(True)
        self.slider.valueChanged.connect(self._slid)
        self.box.valueChanged.connect(self._typed)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("z"))
        row.addWidget(self.box)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.slider)
        column.addWidget(self.marks)
        column.addLayout(row)
        column.addWidget(self.between)

    def put_below(self, widget: QWidget) -> None:
        """Put `widget` right below the marks."""
        column = self.layout()
        if isinstance(column, QVBoxLayout):
            column.insertWidget(2, widget)

    def set_sections(self, sections: Mapping[str, float], unit: str, beyond: float = 0.0) -> None:
        """Show the measured sections (name -> z in `unit`) and go to the widest gap's middle.

        The slider goes `beyond` the first and the last of them.
        """
        ordered = sorted(sections.items(), key=lambda item: item[1])
        self._sections = {name: float(z) for name, z in ordered}
        self._unit = unit
        z = list(self._sections.values())
        usable = len(z) > 1 and z[-1] > z[0]
        self.setEnabled(usable)
        self.box.setSuffix(unit_words(unit))
        if not usable:
            self.marks.fractions = []
            self.between.setText("")
            self.marks.update()
            return
        self.box.blockSignals(True)
        low, high = z[0] - beyond, z[-1] + beyond
        self.box.setRange(low, high)
        self.box.blockSignals(False)
        self.marks.fractions = [(v - low) / (high - low) for v in z]
        self.marks.update()
        self.set_value(middle_of_widest_gap(z))

    def value(self) -> float:
        """Return the depth, in the tissue's unit."""
        return self.box.value()

    def reaches(self, z: float) -> bool:
        """Tell whether `z` is within the slider's range."""
        return self.box.minimum() <= z <= self.box.maximum()

    def set_value(self, z: float) -> None:
        """Go to depth `z`."""
        self.box.setValue(float(f"{z:.7g}"))
        self._typed(self.box.value())

    def _slid(self, step: int) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        self.box.setValue(float(f"{low + (high - low) * step / _STEPS:.6g}"))

    def _typed(self, z: float) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        self.slider.blockSignals(True)
        self.slider.setValue(round(_STEPS * (z - low) / (high - low)) if high > low else 0)
        self.slider.blockSignals(False)
        self.between.setText(self._words(z))
        self.changed.emit(z)

    def _words(self, z: float) -> str:
        below = [name for name, at in self._sections.items() if at <= z]
        above = [name for name, at in self._sections.items() if at >= z]
        if not self._sections:
            return ""
        if not below or not above:
            last = above[0] if not below else below[-1]
            away = f"{abs(z - self._sections[last]):.4g}{unit_words(self._unit)}"
            return f"{away} {'below' if not below else 'above'} {last}, beyond the sections"
        first, second = below[-1], above[0]
        if first == second:
            return f"at the measured section {first}"
        near, far = z - self._sections[first], self._sections[second] - z
        return (
            f"between {first} ({near:.4g}{unit_words(self._unit)} below) "
            f"and {second} ({far:.4g}{unit_words(self._unit)} above)"
        )


def track(slider: QSlider) -> tuple[float, float]:
    """Return where the middle of the handle is at the slider's start, and how far it goes."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = slider.style()
    if style is None:
        return 0.0, float(slider.width())
    control = QStyle.ComplexControl.CC_Slider
    part = QStyle.SubControl
    groove = style.subControlRect(control, option, part.SC_SliderGroove, slider)
    handle = style.subControlRect(control, option, part.SC_SliderHandle, slider)
    return groove.left() + handle.width() / 2, float(groove.width() - handle.width())


def middle_of_widest_gap(z: list[float]) -> float:
    """Return the middle of the widest gap in the sorted `z`; of equal ones the innermost."""
    centre = (z[0] + z[-1]) / 2
    gaps = [(round(b - a, 9), -abs((a + b) / 2 - centre), (a + b) / 2) for a, b in pairwise(z)]
    return max(gaps)[2]


def unit_words(unit: str) -> str:
    """Return what stands behind a length: nothing where nobody knows the unit."""
    return "" if unit == "unit" else f" {unit}"
