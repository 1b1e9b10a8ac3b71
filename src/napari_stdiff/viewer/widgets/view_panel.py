"""How the stack is laid out: 2D or 3D, stretch, sizes, opacities, which sections are shown."""

from __future__ import annotations

import math

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QBrush
from qtpy.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QButtonGroup,
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSizePolicy,
    QSlider,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..arrange import Section
from ..fields import NoWheel, PlainSpinBox, tame
from ..layers import IMPUTED
from ..session import Session
from ..stack import HEIGHT
from .ink import frame_ticks, readable

_KEY = Qt.ItemDataRole.UserRole


class ValueSlider(QWidget):
    """A slider and a box for one number, on a logarithmic or a plain scale."""

    def __init__(self, low: float, high: float, log: bool = False, suffix: str = "") -> None:
        super().__init__()
        self._low, self._high, self._log = low, high, log
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 200)
        self.box = PlainSpinBox()
        self.box.setRange(low, high)
        self.box.setSuffix(suffix)
        narrow(self.box, 54)
        wheel = NoWheel(self)
        tame(self.slider, wheel)
        tame(self.box, wheel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.slider, 1)
        row.addWidget(self.box)
        self.slider.valueChanged.connect(self._slid)
        self.box.valueChanged.connect(self._show_on_slider)
        self.changed = self.box.valueChanged

    def value(self) -> float:
        """Return the number."""
        return self.box.value()

    def show_value(self, value: float) -> None:
        """Show `value` without saying that it changed."""
        self.box.blockSignals(True)
        self.box.setValue(value)
        self.box.blockSignals(False)
        self._show_on_slider(self.box.value())

    def _slid(self, tick: int) -> None:
        part = tick / 200
        if self._log:
            value = self._low * (self._high / self._low) ** part
        else:
            value = self._low + part * (self._high - self._low)
        self.box.setValue(float(f"{value:.2g}"))

    def _show_on_slider(self, value: float) -> None:
        if self._log:
            part = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            part = (value - self._low) / (self._high - self._low)
        self.slider.blockSignals(True)
        self.slider.setValue(round(200 * part))
        self.slider.blockSignals(False)


def narrow(box: QAbstractSpinBox, width: int) -> None:
    """Make a number box `width` pixels wide, without buttons, whatever napari's style wants."""
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    box.setStyleSheet(f"min-width: {width}px; max-width: {width}px; padding: 1px 3px;")


class ViewPanel(QWidget):
    """The camera's mode and how sections are drawn."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.three, self.two = QPushButton("3D stack"), QPushButton("2D section")
        self.modes = QButtonGroup(self)
        for button, tip in (
            (self.three, f"All sections, one above the other (key {HEIGHT})"),
            (
                self.two,
                "One section; the slider below the canvas goes from one to the next "
                f"(key {HEIGHT})",
            ),
        ):
            button.setCheckable(True)
            button.setToolTip(tip)
            self.modes.addButton(button)
        self.whole = QPushButton("Whole view")
        self.whole.setToolTip("Set the camera so that everything is in sight")
        self.spacing = ValueSlider(0.1, 200.0, log=True, suffix=" ×")
        self.spacing.setToolTip("Stretches the distance between sections on the canvas alone")
        self.explode = ValueSlider(0.0, 1.0)
        self.explode.setToolTip(
            "<p>Spreads the sections until all lie side by side; in 2D all are in sight then. On "
            "the canvas alone.</p>"
        )
        self.point_size = ValueSlider(0.2, 4.0, log=True, suffix=" ×")
        self.point_size.setToolTip("Size of the points; 1 ×: neighbours just touch")
        self.points = ValueSlider(0.0, 1.0)
        self.points.setToolTip("How opaque the cells are; 0: out of sight")
        self.histology = ValueSlider(0.0, 1.0)
        self.histology.setToolTip("How opaque the histology is; 0: out of sight")
        self.beside = QCheckBox("Virtual beside measured")
        self.beside.setToolTip(
            "Where a virtual section has the depth of a measured one, put it beside it, so that "
            "the two can be compared; off: at its true place"
        )
        self._lay_out()
        stack = session.stack
        self.three.clicked.connect(lambda: stack.set_ndisplay(3))
        self.two.clicked.connect(lambda: stack.set_ndisplay(2))
        self.whole.clicked.connect(stack.look)
        self.spacing.changed.connect(stack.set_spacing)
        self.explode.changed.connect(stack.set_explosion)
        self.point_size.changed.connect(stack.set_size)
        self.points.changed.connect(lambda value: stack.set_opacity(points=value))
        self.histology.changed.connect(lambda value: stack.set_opacity(histology=value))
        self.beside.toggled.connect(stack.set_side_by_side)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(3)
        for button in (self.three, self.two, self.whole):
            row.addWidget(button)
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(3)
        self._form.addRow("z stretch", self.spacing)
        self._form.addRow("Explode", self.explode)
        self._form.addRow("Point size", self.point_size)
        self._form.addRow("Point opacity", self.points)
        self._form.addRow("Histology", self.histology)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(row)
        column.addLayout(self._form)
        column.addWidget(self.beside)

    def refresh(self) -> None:
        """Show what the stack shows."""
        stack = self._session.stack
        ndisplay = self._session.viewer.dims.ndisplay
        (self.three if ndisplay == 3 else self.two).setChecked(True)
        self.spacing.show_value(stack.spacing)
        self.explode.show_value(stack.explosion)
        self._form.setRowVisible(self.explode, len(stack.sections) > 1)
        self.point_size.show_value(stack.size_factor)
        self.points.show_value(stack.points_opacity)
        self.histology.show_value(stack.histology_opacity)
        self.beside.blockSignals(True)
        self.beside.setChecked(stack.side_by_side)
        self.beside.blockSignals(False)
        has_picture = any(section.histology is not None for section in stack.sections)
        self._form.setRowVisible(self.histology, has_picture)
        self.beside.setVisible(any(section.beside for section in stack.sections))


class SectionList(QTreeWidget):
    """Every section with its depth; ticked ones are shown, virtual ones are marked."""

    picked = Signal(str)  # a measured section that was clicked

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: list[tuple[str, str, float, int, str]] = []
        self.setColumnCount(3)
        self.setRootIsDecorated(False)
        self.setToolTip("Tick to show; double-click to go to a section in 2D")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        header = self.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setMinimumSectionSize(30)
            for column, mode in enumerate(("Stretch", "ResizeToContents", "ResizeToContents")):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode[mode])
        self.itemChanged.connect(self._ticked)
        self.itemDoubleClicked.connect(self._go)
        self.itemClicked.connect(self._picked)

    def refresh(self) -> None:
        """Show the sections of the stack.

        Rows stay while the sections are the same: this is also called while a row is ticked,
        and a row must not be deleted then.
        """
        sections = self._session.stack.sections[::-1]  # as they lie on the canvas
        tissue = self._session.tissue
        unit = tissue.unit if tissue is not None and tissue.unit != "unit" else ""
        rows = [(s.look.word, s.name, s.z, len(s.coords), unit) for s in sections]
        self.blockSignals(True)
        if rows != self._rows:
            self._rows = rows
            frame_ticks(self)
            self.clear()
            self.setHeaderLabels(["Section", f"z ({unit})" if unit else "z", ""])
            self.addTopLevelItems([_row_of(section) for section in sections])
            self.updateGeometry()
        for i, section in enumerate(sections):
            item = self.topLevelItem(i)
            if item is not None:
                shown = Qt.CheckState.Checked if section.visible else Qt.CheckState.Unchecked
                item.setCheckState(0, shown)
                self._say_what(item, section)
        self.blockSignals(False)

    def _say_what(self, item: QTreeWidgetItem, section: Section) -> None:
        """Say whether the cells show what was measured or what was predicted for them."""
        look = section.cover_look or section.look
        item.setText(2, look.word)
        kind = f"{section.look.word} cells"
        shown = "an imputed gene" if look is IMPUTED else "a predicted gene"
        said = f"{kind}, showing {shown}" if section.covered else kind
        for column in range(self.columnCount()):
            item.setToolTip(column, f"{section.name}: {len(section.coords):,} {said}")
        own = QBrush(readable(section.look.colour, self)) if section.virtual else QBrush()
        shown_as = QBrush(readable(look.colour, self)) if section.covered else own
        for column, ink in enumerate((own, own, shown_as)):
            item.setForeground(column, ink)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Keep rows readable when the theme changes."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange and self._rows:
            frame_ticks(self)
            self.refresh()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return room for the header and two to nine rows."""
        row = max(self.sizeHintForRow(0), self.fontMetrics().height() + 2)
        header = self.header()
        top = header.sizeHint().height() if header is not None else row
        rows = min(max(self.topLevelItemCount(), 2), 9)
        return QSize(280, rows * row + top + 6)

    def _section(self, item: QTreeWidgetItem) -> Section:
        virtual, name = item.data(0, _KEY)
        return self._session.stack.section(name, virtual)

    def _ticked(self, item: QTreeWidgetItem, _: int = 0) -> None:
        shown = item.checkState(0) == Qt.CheckState.Checked
        self._session.stack.set_visible(self._section(item), shown)

    def select(self, name: str) -> None:
        """Mark the row of a measured section; none for ""."""
        for i in range(self.topLevelItemCount()):
            item = self.topLevelItem(i)
            if item is not None and item.data(0, _KEY) == (False, name):
                self.setCurrentItem(item)
                return
        self.clearSelection()

    def _picked(self, item: QTreeWidgetItem, _: int = 0) -> None:
        virtual, name = item.data(0, _KEY)
        if not virtual:
            self.picked.emit(name)

    def _go(self, item: QTreeWidgetItem, _: int = 0) -> None:
        stack = self._session.stack
        section = self._section(item)
        stack.set_ndisplay(2)
        stack.go_to(section)


def _row_of(section: Section) -> QTreeWidgetItem:
    kind = section.look.word
    item = QTreeWidgetItem([section.name, f"{section.z:.4g}", kind])
    item.setData(0, _KEY, (section.virtual, section.name))
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
    return item
