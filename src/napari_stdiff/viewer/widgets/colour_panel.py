"""Chooses what sections are coloured by, and the scale."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QDoubleRangeSlider

from ...compute.errors import StdiffError
from ..colors import COLORMAPS, Choice, useful_columns
from ..fields import NoWheel, PlainSpinBox, tame
from ..session import Session
from .gene_box import GeneBox
from .imputed_panel import ImputedPanel
from .legend import Legend
from .trust import TrustPanel
from .view_panel import narrow

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = ("gene", "column", "none")


class ColourPanel(QWidget):
    """What colours mean: a gene, an annotation or nothing; map, limits, clipping, legend."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._quiet = False
        wheel = NoWheel(self)
        self.kind = QComboBox()
        self.kind.addItems(["Gene", "Annotation", "One colour"])
        self.gene = GeneBox()
        self.column = QComboBox()
        self.column.setToolTip("Obs column to colour by")
        self.choice = QStackedWidget()
        for page in (self.gene, self.column, QLabel("")):
            self.choice.addWidget(page)
        self.choice.setMaximumHeight(30)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.legend = Legend()
        self.colormap = QComboBox()
        self.colormap.addItems(COLORMAPS)
        self.colormap.setToolTip("Maps that colour-blind readers can read")
        self.quantity = QComboBox()
        self.quantity.addItem("predicted: mean", "mean")
        self.quantity.addItem("predicted: spread", "std")
        self.quantity.setToolTip(
            "What virtual sections and predicted genes show: the predicted mean, or how unsure "
            "it is (standard deviation)"
        )
        self.trust = TrustPanel(session, session.predictions)
        self.imputed = ImputedPanel(session)
        self.low, self.high = PlainSpinBox(), PlainSpinBox()
        for box, what in ((self.low, "Lower"), (self.high, "Upper")):
            box.setRange(-1e9, 1e9)
            box.setToolTip(f"{what} end of the colour scale")
            narrow(box, 48)
        self.range = QDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.clip_low, self.clip_high = QSpinBox(), QSpinBox()
        for spin, value in ((self.clip_low, 1), (self.clip_high, 99)):
            spin.setRange(0, 100)
            spin.setValue(value)
            spin.setSuffix(" %")
            narrow(spin, 44)
            spin.setKeyboardTracking(False)
            spin.setToolTip("Percentile of the measured values at which the scale is clipped")
        self.auto = QToolButton()
        self.auto.setText("Auto")
        self.auto.setToolTip("Set the limits from the percentiles again")
        for widget in (self.kind, self.column, self.colormap, self.quantity, self.low, self.high,
                       self.clip_low, self.clip_high, self.range):  # fmt: skip
            tame(widget, wheel)
        self._lay_out()
        self.kind.activated.connect(self._kind_chosen)
        self.gene.picked.connect(lambda gene: self._colour("gene", gene))
        self.gene.missed.connect(self._missed)
        self.column.textActivated.connect(lambda name: self._colour("column", name))
        self.colormap.textActivated.connect(lambda name: self._session.stack.set_colormap(name))
        self.quantity.activated.connect(self._quantity_chosen)
        self.low.valueChanged.connect(self._limits_typed)
        self.high.valueChanged.connect(self._limits_typed)
        self.range.valueChanged.connect(self._slid)
        self.clip_low.valueChanged.connect(self._clip)
        self.clip_high.valueChanged.connect(self._clip)
        self.auto.clicked.connect(self._clip)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(_row(self.kind, (self.choice, 1)))
        column.addWidget(self.message)
        column.addWidget(self.legend)
        self.scale = QWidget()
        inner = QVBoxLayout(self.scale)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(3)
        inner.addLayout(_row(self.low, (self.range, 1), self.high))
        inner.addLayout(
            _row("Clip at", self.clip_low, "to", self.clip_high, (QWidget(), 1), self.auto)
        )
        inner.addLayout(_row((self.colormap, 1), (self.quantity, 1)))
        column.addWidget(self.scale)
        column.addWidget(self.trust)
        column.addWidget(self.imputed)
        self.message.hide()

    def refresh_choices(self) -> None:
        """Offer the genes and columns of the tissue that is open."""
        tissue = self._session.tissue
        known = self._session.predictions
        badges = {gene: known.expected(gene)[:2] for gene in known.genes}
        with self._silence():
            self.gene.set_genes(self._session.stack.genes, badges)
            columns = [] if tissue is None else useful_columns(tissue)
            present = self.column.currentText()
            self.column.clear()
            self.column.addItems(columns)
            self.column.setCurrentText(present)
        results = self._session.results.values()
        self.quantity.setVisible(any(r.prediction.std is not None for r in results))

    def refresh(self) -> None:
        """Show what the stack shows."""
        stack = self._session.stack
        colouring = stack.colouring
        with self._silence():
            if colouring.kind == "gene":
                self._show_kind("gene")
                self.gene.show_gene(colouring.name)
            elif colouring.kind != "none":
                self._show_kind("column")
                self.column.setCurrentText(colouring.name)
            elif _KINDS[self.kind.currentIndex()] == "column":
                self._show_kind("none")
            self.colormap.setCurrentText(stack.colormap)
            self.quantity.setCurrentIndex(0 if stack.quantity == "mean" else 1)
            self.scale.setVisible(colouring.continuous)
            self.trust.refresh()
            self.imputed.refresh()
            lo, hi = stack.limits
            least, most = colouring.span((0.0, 100.0))
            self.range.setRange(min(least, lo), max(most, hi))
            self.range.setValue((lo, hi))
            self.low.setValue(float(f"{lo:.3g}"))
            self.high.setValue(float(f"{hi:.3g}"))
        self.legend.show_stack(stack)

    def _show_kind(self, kind: str) -> None:
        self.kind.setCurrentIndex(_KINDS.index(kind))
        self.choice.setCurrentIndex(_KINDS.index(kind))

    def _kind_chosen(self, row: int) -> None:
        self.choice.setCurrentIndex(row)
        kind = _KINDS[row]
        if kind == "none":
            self._colour("none", "")
        elif kind == "column" and self.column.currentText():
            self._colour("column", self.column.currentText())
        elif kind == "gene":
            if self.gene.currentText():
                self._colour("gene", self.gene.currentText())
            self.gene.setFocus()

    def _quantity_chosen(self, row: int) -> None:
        self._session.stack.set_quantity("std" if self.quantity.itemData(row) == "std" else "mean")

    def _colour(self, choice: Choice, name: str) -> None:
        self._say("")
        try:
            self._session.stack.colour_by(choice, name)
        except StdiffError as error:
            self._say(str(error))

    def _missed(self, text: str) -> None:
        if text.strip():
            self._say(
                f"No single gene fits '{text.strip()}'; go on typing or pick one of the list."
            )

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _limits_typed(self, _: float) -> None:
        if not self._quiet:
            self._session.stack.set_limits(self.low.value(), self.high.value())

    def _slid(self, limits: tuple[float, float]) -> None:
        if not self._quiet:
            self._session.stack.set_limits(*map(float, limits))

    def _clip(self, *_: object) -> None:
        if not self._quiet:
            self._session.stack.set_percentiles(self.clip_low.value(), self.clip_high.value())

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _row(*parts: QWidget | str | tuple[QWidget, int]) -> QHBoxLayout:
    """Return widgets (with a stretch) and words side by side."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for part in parts:
        if isinstance(part, str):
            row.addWidget(QLabel(part))
        elif isinstance(part, tuple):
            row.addWidget(part[0], part[1])
        else:
            row.addWidget(part)
    return row
