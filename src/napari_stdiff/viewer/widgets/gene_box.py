"""A box to find a gene in: type a part of its name, press Enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, QStringListModel, Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QWidget

from ...data.predicted import Badge
from ..fields import NoWheel, tame
from .badges import badge_icon, badge_words


class _Names(QStringListModel):
    """Names of genes, those that were predicted with their badge."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.badges: dict[str, tuple[Badge, float]] = {}

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name of a row, its badge, or the badge in words."""
        if role in (Qt.ItemDataRole.DecorationRole, Qt.ItemDataRole.ToolTipRole):
            found = self.badges.get(str(super().data(index, Qt.ItemDataRole.DisplayRole)))
            if found is None:
                return None
            if role == Qt.ItemDataRole.DecorationRole:
                return badge_icon(found[0])
            return f"predicted, not measured: {badge_words(*found)}"
        return super().data(index, role)


class GeneBox(QComboBox):
    """Emits `picked` with a gene of the list, and `missed` with what was typed in vain."""

    picked = Signal(str)
    missed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._genes: list[str] = []
        self._names = _Names(self)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setModel(self._names)
        self.setMaxVisibleItems(20)
        completer = QCompleter(self._names, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setMaxVisibleItems(15)
        self.setCompleter(completer)
        tame(self, NoWheel(self))
        line = self.lineEdit()
        if line is not None:
            line.setPlaceholderText("Gene: type and press Enter")
            line.returnPressed.connect(self._typed)
        completer.activated.connect(self._chosen)
        self.activated.connect(lambda row: self._chosen(self.itemText(row)))
        self.setCurrentIndex(-1)

    def set_genes(
        self, genes: Sequence[str], badges: Mapping[str, tuple[Badge, float]] | None = None
    ) -> None:
        """Offer `genes`; what is shown stays. Those with a badge were predicted."""
        genes, badges = list(genes), dict(badges or {})
        if genes == self._genes and badges == self._names.badges:
            return
        self._names.badges = badges
        text = self.currentText()
        self._genes = genes
        self._names.setStringList(genes)
        self.show_gene(text)

    def show_gene(self, gene: str) -> None:
        """Show `gene` (or "") without picking it."""
        self.blockSignals(True)
        self.setCurrentIndex(self._genes.index(gene) if gene in self._genes else -1)
        if gene not in self._genes:
            self.clearEditText()
        self.blockSignals(False)

    def match(self, text: str) -> str:
        """Return the gene meant by `text`: itself, whatever its case, or the only one with it."""
        wanted = text.strip().lower()
        if not wanted:
            return ""
        same = [g for g in self._genes if g.lower() == wanted]
        exact = [g for g in same if g == text.strip()]
        starts = [g for g in self._genes if g.lower().startswith(wanted)]
        holds = [g for g in self._genes if wanted in g.lower()]
        for found in (exact, same, starts, holds):
            if len(found) == 1 or (found and found is starts):
                return found[0]
        return ""

    def _typed(self) -> None:
        gene = self.match(self.currentText())
        if gene:
            self._chosen(gene)
        else:
            self.missed.emit(self.currentText())

    def _chosen(self, gene: str) -> None:
        if gene in self._genes:
            self.show_gene(gene)
            self.picked.emit(gene)
