"""How expression lies on the histology: points, outlines or heat map; two genes; several maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...compute.errors import StdiffError
from ..compare import why_not
from ..fields import NoWheel, PlainSpinBox, tame
from ..gene_entries import Hit
from ..recents import Recents
from .colour_panel import index_of
from .legend import Gradient
from .search_box import SearchBox
from .two_gene_legend import TwoGeneLegend
from .view_panel import narrow

if TYPE_CHECKING:
    from ..painting import Drawing
    from ..session import Session

_WAYS: tuple[tuple[Drawing, str, str], ...] = (
    ("points", "Points", "Draw each cell as a point, the quickest"),
    ("outlines", "Outlines", "Fill the outline that each cell was segmented with"),
    (
        "heat",
        "Heat map",
        "Smooth the cells into a picture over the histology; it fades where no cell is near, and "
        "where a prediction is not sure",
    ),
)
_NO_OUTLINES = "The cells of this tissue have no outlines: its table annotates no labels element"
_NO_GENE = "Colour the sections by a gene for a heat map, a second gene, or maps side by side."
_NO_NUMBERS = "A heat map shows numbers: colour the sections by a gene first"


class OverlayPanel(QWidget):
    """Chooses how cells are drawn, a second gene, and maps side by side."""

    def __init__(self, session: Session, recents: Recents) -> None:
        super().__init__()
        self._session = session
        self.ways = {way: QPushButton(title) for way, title, _ in _WAYS}
        self._tips = {way: tip for way, _, tip in _WAYS}
        self._group = QButtonGroup(self)
        for way, button in self.ways.items():
            button.setCheckable(True)
            self._group.addButton(button)
            button.clicked.connect(partial(self._draw_as, way))
        self.pixel = PlainSpinBox()
        self.pixel.setRange(0.0, 1e9)
        self.pixel.setKeyboardTracking(False)
        narrow(self.pixel, 80)
        self.auto = QPushButton("Auto")
        self.auto.setToolTip("Half the distance from a cell to its neighbours")
        self.search = SearchBox(recents)
        self.search.setToolTip("A second gene, shown with the first, each in a colour of its own")
        self.clear = QPushButton("✕")
        self.clear.setToolTip("Show the first gene alone")
        self.legend = TwoGeneLegend()
        self.alone, self.several = QPushButton("Off"), QPushButton("Maps side by side")
        self._compare = QButtonGroup(self)
        for button in (self.alone, self.several):
            button.setCheckable(True)
            self._compare.addButton(button)
        self.alone.setToolTip("The stack alone")
        self.scales = {kind: (QLabel(), Gradient()) for kind in ("difference", "uncertainty")}
        self.note = QLabel()
        self.note.setWordWrap(True)
        tame(self.pixel, NoWheel(self))
        self._genes: np.ndarray | None = None
        self._lay_out()
        stack = session.stack
        self.pixel.valueChanged.connect(self._pixel_typed)
        self.auto.clicked.connect(lambda: self._try(lambda: stack.heat.set_pixel(0.0)))
        self.search.picked.connect(self._picked)
        self.search.pasted.connect(
            lambda _: self._say("One second gene at a time; type its name.")
        )
        self.search.missed.connect(lambda text: self._say(f"No gene here is like '{text}'."))
        self.clear.clicked.connect(lambda: self._try(lambda: stack.second.choose("")))
        self.legend.chosen.connect(stack.second.set_scheme)
        self.alone.clicked.connect(lambda: self._try(lambda: stack.quad.show(False)))
        self.several.clicked.connect(lambda: self._try(lambda: stack.quad.show(True)))

    def _lay_out(self) -> None:
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(3)
        self._form.addRow("Draw as", _row(*((b, 1) for b in self.ways.values())))
        self._pixel_row = _row((self.pixel, 0), (self.auto, 0), (QWidget(), 1))
        self._form.addRow("Pixel", self._pixel_row)
        self._form.addRow("2nd gene", _row((self.search, 1), (self.clear, 0)))
        self._form.addRow(self.legend)
        self._form.addRow("Compare", _row((self.alone, 0), (self.several, 1)))
        for label, gradient in self.scales.values():
            self._form.addRow(label)
            self._form.addRow(gradient)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(self._form)
        column.addWidget(self.note)
        self.note.hide()

    def refresh_choices(self) -> None:
        """Offer the genes of the tissue that is open."""
        self.search.offer(partial(index_of, self._session, columns=False))

    def refresh(self) -> None:
        """Show what the stack shows."""
        session = self._session
        stack, tissue = session.stack, session.tissue
        self._say("")
        numbers = stack.colouring.continuous
        self.ways[stack.drawing].setChecked(True)
        self._allow(
            self.ways["outlines"], stack.cells.available, self._tips["outlines"], _NO_OUTLINES
        )
        self._allow(
            self.ways["heat"], numbers or stack.heat.shown, self._tips["heat"], _NO_NUMBERS
        )
        self.ways["points"].setToolTip(self._tips["points"])
        self._form.setRowVisible(self._pixel_row, stack.heat.shown)
        if stack.heat.shown and tissue is not None:
            self.pixel.blockSignals(True)
            self.pixel.setSuffix("" if tissue.unit == "unit" else f" {tissue.unit}")
            self.pixel.setValue(float(f"{stack.heat.pixel:.3g}"))
            self.pixel.blockSignals(False)
            if not numbers:
                self._say(f"{_NO_NUMBERS}; until then cells show as points.")
        second = stack.second
        first = stack.colouring.kind == "gene"
        self.search.setEnabled(first or bool(second.name))
        self.search.setPlaceholderText("None; type a gene" if first else "after a first gene")
        self.search.show_name(second.name)
        self.clear.setVisible(bool(second.name))
        self._form.setRowVisible(self.legend, second.is_on)
        if second.is_on:
            self.legend.show_genes(stack.colouring.name, stack.limits, second)
        elif second.name:
            self._say(second.why_not)
        elif not numbers and not stack.heat.shown:
            self._say(_NO_GENE)
        self._show_maps()

    def _show_maps(self) -> None:
        """Show what is compared, or why nothing can be."""
        quad = self._session.stack.quad
        (self.several if quad.is_on else self.alone).setChecked(True)
        reason = why_not(self._session)
        tip = "Measured, predicted, their difference and the uncertainty, side by side"
        self._allow(self.several, quad.is_on or not reason, tip, reason)
        shown = {m.kind: m for m in quad.maps[1:]}
        for kind, (label, gradient) in self.scales.items():
            found = next((m for k, m in shown.items() if k == kind), None)
            self._form.setRowVisible(label, found is not None)
            self._form.setRowVisible(gradient, found is not None)
            if found is not None:
                label.setText(found.title)
                gradient.show_map(quad.colormap_of(found), quad.limits_of(found))
        if quad.is_on and quad.note:
            self._say(quad.note)

    def _allow(self, button: QPushButton, allowed: bool, tip: str, reason: str) -> None:
        """Let `button` be pressed, or say why not."""
        button.setEnabled(allowed)
        button.setToolTip(f"<p>{tip if allowed else reason}</p>")

    def _draw_as(self, way: Drawing) -> None:
        self._try(lambda: self._session.stack.set_drawing(way))

    def _pixel_typed(self, side: float) -> None:
        self._try(lambda: self._session.stack.heat.set_pixel(side))

    def _picked(self, hit: Hit, _: str) -> None:
        self._try(lambda: self._session.stack.second.choose(hit.entry.called))

    def _try(self, act: Callable[[], None]) -> None:
        """Do something, show what came of it, and say why where it cannot be."""
        try:
            act()
        except StdiffError as error:
            self.refresh()
            self._say(str(error))
            return
        self.refresh()

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))


def _row(*parts: tuple[QWidget, int]) -> QWidget:
    """Return widgets side by side, each with a stretch."""
    out = QWidget()
    row = QHBoxLayout(out)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(3)
    for widget, stretch in parts:
        row.addWidget(widget, stretch)
    return out
