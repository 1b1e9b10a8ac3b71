"""Which measured genes: all, those that vary most, or those that are ticked in a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from ...data.visible_of import MANY, TAKEN
from ..fields import NoWheel, tame
from .gene_list import GeneList
from .gene_model import Mark, Trust

EVERY = "all"  # as the config says it
_LISTED = "ticked"
_TIPS: Mapping[Mark, str] = {
    "measured": "<p>Measured. Press Enter to tick it, click its name to show it.</p>"
}


class GenePick(QWidget):
    """A choice, and the searchable list of genes where some are to be ticked.

    Signals
    -------
    changed
        Other genes are meant.
    shown
        A gene was chosen to be looked at.
    """

    changed = Signal()
    shown = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._n = -1
        self.which = QComboBox()
        tame(self.which, NoWheel(self))
        self.list = GeneList(tickable="measured", tips=_TIPS)
        self.list.kind.hide()  # every gene of the list was measured
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.which)
        column.addWidget(self.list)
        self.which.activated.connect(self._chosen)
        self.list.changed.connect(self.changed.emit)
        self.list.shown.connect(self.shown.emit)
        self.set_genes([])

    def set_genes(self, genes: Iterable[str]) -> None:
        """Offer the genes of a tissue; ticks stay on genes that it has."""
        genes = list(genes)
        self.list.set_genes(genes, None)
        if len(genes) != self._n:
            self._n = len(genes)
            self._offer()

    def set_trust(self, trust: Mapping[str, Trust]) -> None:
        """Badge the genes that were imputed."""
        self.list.set_trust(trust)

    @property
    def genes(self) -> list[str]:
        """The genes that are ticked."""
        return self.list.genes

    @property
    def listed(self) -> bool:
        """Whether those that are ticked are meant."""
        return self.which.currentData() == _LISTED

    @property
    def value(self) -> str:
        """What the config calls it: "" for the default, "all", or names."""
        return ", ".join(self.genes) if self.listed else str(self.which.currentData())

    def choose(self, value: str, genes: Iterable[str] = ()) -> None:
        """Choose what :attr:`value` or "ticked" says, and tick these genes."""
        row = self.which.findData(value)
        self.which.setCurrentIndex(max(row, 0))
        self.list.tick(genes)
        self._chosen()

    def _offer(self) -> None:
        """Offer what can be asked of so many genes."""
        chosen = self.which.currentData()
        some = f"the {TAKEN:,} genes that vary most" if self._n > MANY else "all genes"
        self.which.clear()
        self.which.addItem(some, "")
        if self._n > MANY:
            self.which.addItem(f"all {self._n:,} genes (slower)", EVERY)
        self.which.addItem("only genes I tick", _LISTED)
        self.which.setCurrentIndex(max(self.which.findData(chosen), 0))
        self.list.setVisible(self.listed)

    def _chosen(self, *_: object) -> None:
        self.list.setVisible(self.listed)
        self.changed.emit()
