"""Chooses what sections are coloured by, and the scale."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QDoubleRangeSlider

from ...compute.errors import StdiffError
from ..colors import COLORMAPS, Choice, useful_columns
from ..fields import NoWheel, PlainSpinBox, tame
from ..gene_entries import GUESSED, ONE_COLOUR, Entry, Hit, Pasted, entries_of
from ..gene_index import GeneIndex
from ..held_keys import HeldKeys
from ..recents import Recents
from ..session import Session
from .gene_walk import KEYS, GeneWalk
from .imputed_panel import ImputedPanel
from .legend import Legend
from .search_box import SearchBox
from .trust import TrustPanel
from .view_panel import narrow

if TYPE_CHECKING:
    from collections.abc import Iterator


FIND_KEY = "Ctrl+F"


class ColourPanel(QWidget):
    """What colours mean: a gene, an annotation or nothing; map, limits, clipping, legend."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._quiet = False
        wheel = NoWheel(self)
        self._genes: np.ndarray | None = None
        self._offered: list[object] = []
        self.recents = Recents()
        self.search = SearchBox(self.recents)
        self.walk = GeneWalk()
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.legend = Legend()
        self.colormap = QComboBox()
        self.colormap.addItems(COLORMAPS)
        self.colormap.setToolTip("Maps that colour-blind readers can read")
        self.quantity = QComboBox()
        self.quantity.addItem("mean", "mean")
        self.quantity.addItem("spread", "std")
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
        self.auto = QPushButton("Auto")
        self.auto.setToolTip("Set the limits from the percentiles again")
        for widget in (self.colormap, self.quantity, self.low, self.high,
                       self.clip_low, self.clip_high, self.range):  # fmt: skip
            tame(widget, wheel)
        self._lay_out()
        self.search.picked.connect(self._picked)
        self.search.pasted.connect(self._pasted)
        self.search.missed.connect(self._missed)
        self.search.stepped.connect(self.walk.step)
        self.walk.asked.connect(self._colour)
        acts = {key: partial(self._step, by) for key, by in KEYS.items()}
        self._keys = HeldKeys(session.viewer, acts)
        self.walk.walking.connect(self._keys.set_on)
        find = QShortcut(QKeySequence(FIND_KEY), self)
        find.activated.connect(self.search.ask)
        stack = session.stack
        self.legend.toggled.connect(lambda label: stack.filter.toggle(self._column, label))
        self.legend.only.connect(
            lambda label: stack.filter.only(self._column, label, self.legend.swatches.colours)
        )
        self.legend.all_asked.connect(lambda: stack.filter.show_all(self._column))
        self.legend.kept.connect(stack.filter.set_everywhere)
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
        column.addWidget(self.search)
        column.addWidget(self.walk)
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

    @property
    def _column(self) -> str:
        """The obs column whose labels the legend hides and shows."""
        stack = self._session.stack
        return stack.colouring.name if stack.colouring.kind == "label" else stack.filter.column

    def refresh_choices(self) -> None:
        """Offer the genes and annotations of the tissue that is open."""
        session, tissue = self._session, self._session.tissue
        every = [session.results, *(known.results for known in session.of_cells)]
        preferred = [known.preferred for known in session.of_cells]
        genes = None if tissue is None else tissue.genes
        if genes is not self._genes:  # other data; the same cells in other places keep their genes
            self.recents.open("" if tissue is None else tissue.origin.path)
            self.walk.put_away()
        offered = [*preferred, *(id(r) for results in every for r in results.values())]
        if genes is not self._genes or offered != self._offered:
            self._genes, self._offered = genes, offered
            self.search.offer(partial(index_of, session))
        results = self._session.results.values()
        self.quantity.setVisible(any(r.prediction.std is not None for r in results))

    def refresh(self) -> None:
        """Show what the stack shows."""
        stack = self._session.stack
        colouring = stack.colouring
        with self._silence():
            self.search.show_name(colouring.name or ONE_COLOUR)
            self.colormap.setCurrentText(stack.colormap)
            self.quantity.setCurrentIndex(0 if stack.quantity == "mean" else 1)
            self.scale.setVisible(colouring.continuous)
            self.colormap.setVisible(not stack.second.is_on)  # two genes have colours of their own
            self.trust.refresh()
            self.imputed.refresh()
            lo, hi = stack.limits
            least, most = colouring.span((0.0, 100.0))
            self.range.setRange(min(least, lo), max(most, hi))
            self.range.setValue((lo, hi))
            self.low.setValue(float(f"{lo:.3g}"))
            self.high.setValue(float(f"{hi:.3g}"))
        self.legend.show_stack(stack)

    def _quantity_chosen(self, row: int) -> None:
        self._session.stack.set_quantity("std" if self.quantity.itemData(row) == "std" else "mean")

    def _picked(self, hit: Hit, text: str) -> None:
        """Colour by what was chosen; say so where it is not quite what was typed."""
        if self._colour(hit.entry):
            self.recents.add(hit.entry.key)
            self.walk.follow(hit.entry)
            if hit.how in GUESSED:
                self._say(f"Nothing here is called '{text.strip()}'; this is {hit.entry.called}.")

    def _pasted(self, pasted: Pasted) -> None:
        self._say("")
        self.walk.begin(pasted)

    def _step(self, by: int) -> None:
        """Go on in the list, by a key of the canvas."""
        if isalive(self):
            self.walk.step(by)
        else:  # the dock was closed with its list
            self._keys.set_on(False)

    def _colour(self, entry: Entry) -> bool:
        """Colour all sections by an entry; return whether that could be done."""
        self._say("")
        try:
            self._session.stack.colour_by(*_asked(entry))
        except StdiffError as error:
            self._say(str(error))
            return False
        return True

    def _missed(self, text: str) -> None:
        self._say(f"No gene or annotation here is like '{text.strip()}'; check how it is spelled.")

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


def _asked(entry: Entry) -> tuple[Choice, str]:
    """Return what a stack is asked for."""
    return entry.choice, "" if entry.choice == "none" else entry.called


def index_of(session: Session, columns: bool = True) -> GeneIndex:
    """Return all that the sections of a session can be coloured by, or its genes alone."""
    tissue = session.tissue
    if tissue is None:
        return GeneIndex()
    ids = tissue.gene_ids
    other = {} if ids is None else dict(zip(map(str, tissue.genes), map(str, ids), strict=True))
    trust = [
        {gene: known.expected(gene)[:2] for gene in known.genes}
        for known in (session.predictions, session.imputations)
    ]
    entries = entries_of(
        session.stack.genes,
        useful_columns(tissue),
        measured=map(str, tissue.genes),
        other=other,
        predicted=trust[0],
        imputed=trust[1],
    )
    entries += session.tables.entries()
    return GeneIndex(entries if columns else [e for e in entries if e.choice == "gene"])


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
