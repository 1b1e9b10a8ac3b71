"""The searchable list of genes: type, press Enter to tick, press Enter again for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..fields import NoWheel, tame
from ..gene_entries import split_names
from .gene_model import KINDS, GeneModel, Mark, Trust
from .ink import frame_ticks
from .status_row import TickRow

_ROWS = 8
_NAMED = 6  # ticked genes that are named; of more, how many


class _View(QListView):
    """A list whose keys are: Space or Enter for the row, letters for the search."""

    entered_row = Signal(str)
    typed = Signal(str)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Keep the tick boxes in sight when the theme changes, or comes from a window."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            frame_ticks(self)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Tick or show the row, or go on searching."""
        if event is None:
            return
        key, text = event.key(), event.text()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            gene = self.currentIndex().data()
            if gene:
                self.entered_row.emit(str(gene))
        elif key == Qt.Key.Key_Backspace or (text.isprintable() and text):
            self.typed.emit("" if key == Qt.Key.Key_Backspace else text)
        else:
            super().keyPressEvent(event)


class GeneList(QWidget):
    """Search line, list, and what is ticked.

    Signals
    -------
    changed
        Other genes are ticked.
    shown
        A gene that is measured or predicted was chosen to be looked at.

    Parameters
    ----------
    tickable
        The mark of the genes that can be ticked.
    tips
        Mark -> tooltip, where another is wanted.
    """

    changed = Signal()
    shown = Signal(str)

    def __init__(
        self, tickable: Mark = "in reference", tips: Mapping[Mark, str] | None = None
    ) -> None:
        super().__init__()
        self.model = GeneModel(self, tickable, tips)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Type a gene")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip(
            "<p>Type a part of a name; Enter ticks the gene. Several names, separated by commas, "
            "are ticked at once. Down goes into the list, Space ticks there.</p>"
        )
        self.kind = QComboBox()
        self.kind.addItems(list(KINDS))
        self.kind.setToolTip("Which genes are listed")
        tame(self.kind, NoWheel(self))
        self.view = _View()
        self.view.setModel(self.model)
        self.view.setItemDelegate(TickRow(self.view))
        self.view.setUniformItemSizes(True)  # thousands of rows
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setFixedHeight(_ROWS * (self.view.fontMetrics().height() + 2) + 6)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.ticked = QLabel()
        self.ticked.setWordWrap(True)
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Tick nothing")
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.search, 3)
        top.addWidget(self.kind, 2)
        bottom.addWidget(self.ticked, 1)
        bottom.addWidget(self.clear)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(top)
        column.addWidget(self.view)
        column.addWidget(self.message)
        column.addLayout(bottom)
        self.search.installEventFilter(self)
        self.search.textChanged.connect(self._search)
        self.search.returnPressed.connect(self._enter)
        self.kind.currentTextChanged.connect(self._search)
        self.view.entered_row.connect(self._chosen)
        self.view.typed.connect(self._back)
        self.view.doubleClicked.connect(lambda index: self._look(str(index.data() or "")))
        self.view.clicked.connect(lambda index: self._look(str(index.data() or "")))
        self.clear.clicked.connect(self.model.clear_ticks)
        self.model.ticks_changed.connect(self._tell)
        self._say("")
        self._count()

    def set_genes(self, measured: Iterable[str], reference: Iterable[str] | None) -> None:
        """Show the genes of the tissue and of the reference (None: none chosen yet)."""
        self.model.set_genes(measured, reference)
        self._say("")
        self._count()

    def set_trust(self, trust: Mapping[str, Trust]) -> None:
        """Badge the genes that were predicted."""
        self.model.set_trust(trust)

    @property
    def genes(self) -> list[str]:
        """The genes that are ticked."""
        return self.model.ticked

    def tick(self, names: Iterable[str]) -> None:
        """Tick genes by name, and say which of them cannot be."""
        others: list[str] = []
        unknown: list[str] = []
        for name in names:
            gene = self.model.meant(name)
            if gene and self.model.set_ticked(gene):
                continue
            (others if gene else unknown).append(gene or name)
        parts = []
        if others:
            has = "tissue" if self.model.tickable == "in reference" else "reference alone"
            parts.append(f"Not ticked, since the {has} has it: {_names(others)}.")
        if unknown:
            parts.append(f"In neither the tissue nor the reference: {_names(unknown)}.")
        self._say(" ".join(parts))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Go from the search line into the list with the Down key."""
        if (
            watched is self.search
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Down
            and self.model.rowCount()
        ):
            self.view.setCurrentIndex(self.model.index(0))
            self.view.setFocus()
            return True
        return super().eventFilter(watched, event)

    def _search(self, *_: object) -> None:
        kind = KINDS[self.kind.currentIndex()]
        names = split_names(self.search.text())
        self.model.search(names[-1] if names else "", kind)
        self.view.scrollToTop()
        self._say("")

    def _enter(self) -> None:
        """Tick the gene that was typed, or all of several; show one that is there already."""
        names = split_names(self.search.text())
        if len(names) > 1:
            self.search.clear()  # the whole list again: a part of it says nothing of several
            self.tick(names)
            return
        if names:
            gene = self.model.meant(names[0]) or next(iter(self.model.shown), "")
            self._chosen(gene or names[0])
            self.search.selectAll()  # the next name replaces this one

    def _chosen(self, gene: str) -> None:
        """Tick or untick a gene that can be ticked, show any other."""
        if self.model.mark(gene) == self.model.tickable:
            self.model.set_ticked(gene, gene not in self.model.ticked)
            self._say("")
        elif self.model.mark(gene) == "measured" or self.model.is_predicted(gene):
            self.shown.emit(gene)
            self._say("" if self.model.is_predicted(gene) else f"{gene} is measured already.")
        else:
            self.tick([gene])

    def _look(self, gene: str) -> None:
        """Show a gene that can be seen."""
        if gene and (self.model.is_predicted(gene) or self.model.mark(gene) == "measured"):
            self.shown.emit(gene)

    def _back(self, text: str) -> None:
        self.search.setFocus()
        if text:
            self.search.setText(text)
        else:
            self.search.selectAll()

    def _tell(self) -> None:
        self._count()
        self.changed.emit()

    def _count(self) -> None:
        genes = self.model.ticked
        n = len(genes)
        self.ticked.setText(
            f"{n} gene{'s' * (n != 1)} ticked: {_names(genes)}" if n else "No gene is ticked."
        )
        self.clear.setVisible(n > 0)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))


def _names(genes: list[str]) -> str:
    """Name some genes; of many, how many more there are."""
    more = len(genes) - _NAMED
    return ", ".join(genes[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
