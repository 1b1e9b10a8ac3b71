"""The genes of a tissue and of a reference as one list that is searched, ticked and badged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal

from ...data.predicted import Badge
from ..cover import two_digits
from .badges import badge_icon, badge_words
from .status_row import STATUS

Mark = Literal["measured", "in reference", "in neither"]
Kind = Literal["all", "in reference", "measured", "predicted"]
KINDS: tuple[Kind, ...] = ("all", "in reference", "measured", "predicted")
TIPS: dict[Mark, str] = {
    "measured": "<p>Measured in this tissue; press Enter to show it.</p>",
    "in reference": "<p>Not measured, but in the reference: tick it to predict it.</p>",
    "in neither": "<p>Neither the tissue nor the reference has a gene of this name.</p>",
}


class Trust(NamedTuple):
    """How far to trust a predicted gene."""

    badge: Badge
    expected: float
    low: float
    high: float


class GeneModel(QAbstractListModel):
    """Every gene that is known, with its mark; shows those that a search leaves.

    Parameters
    ----------
    parent
        Of the Qt object.
    tickable
        The mark of the genes that can be ticked.
    tips
        Mark -> tooltip, where another is wanted.

    Notes
    -----
    The search is done here and not in a proxy: lists of a whole transcriptome are filtered and
    ordered in one pass, where a proxy would ask for each row.
    """

    ticks_changed = Signal()

    def __init__(
        self,
        parent: QObject | None = None,
        tickable: Mark = "in reference",
        tips: Mapping[Mark, str] | None = None,
    ) -> None:
        super().__init__(parent)
        self.tickable = tickable
        self._tips = {**TIPS, **(tips or {})}
        self._marks: dict[str, Mark] = {}
        self._lower: list[tuple[str, str]] = []
        self._trust: dict[str, Trust] = {}
        self._ticked: dict[str, None] = {}
        self._shown: list[str] = []
        self._search = ""
        self._kind: Kind = "all"
        self._reference_known = False

    # -- what is there --------------------------------------------------------------------

    def set_genes(self, measured: Iterable[str], reference: Iterable[str] | None) -> None:
        """Show the genes of the tissue and those that only the reference has (None: none yet).

        Ticks stay on genes that can still be predicted.
        """
        marks: dict[str, Mark] = {}
        self._reference_known = reference is not None
        for gene in reference or ():
            marks[str(gene)] = "in reference"
        for gene in measured:
            marks[str(gene)] = "measured"
        self._marks = marks
        kept = {g: None for g in self._ticked if marks.get(g) == self.tickable}
        changed = kept.keys() != self._ticked.keys()
        self._ticked = kept
        self._sort()
        if changed:
            self.ticks_changed.emit()

    def set_trust(self, trust: Mapping[str, Trust]) -> None:
        """Badge the genes that were predicted."""
        self._trust = dict(trust)
        self._sort()

    @property
    def ticked(self) -> list[str]:
        """Genes that are to be predicted, in the order they were ticked."""
        return list(self._ticked)

    @property
    def shown(self) -> list[str]:
        """Genes that the search leaves, in the order they are shown."""
        return list(self._shown)

    def mark(self, gene: str) -> Mark:
        """Say where a gene is to be had."""
        return self._marks.get(gene, "in neither")

    def is_predicted(self, gene: str) -> bool:
        """Say whether a gene was predicted already."""
        return gene in self._trust

    def count(self, mark: Mark) -> int:
        """Return how many genes have a mark."""
        return sum(m == mark for m in self._marks.values())

    def meant(self, text: str) -> str:
        """Return the gene called `text`, whatever its case; "" where there is none or several."""
        name = text.strip()
        if name in self._marks or name in self._trust:
            return name
        same = [gene for low, gene in self._lower if low == name.lower()]
        return same[0] if len(same) == 1 else ""

    # -- what is asked for ------------------------------------------------------------------

    def search(self, text: str, kind: Kind = "all") -> None:
        """Show the genes with `text` in their name.

        The gene itself comes first, then those that start with it; of these, and without a
        text, those that can be ticked stand before the others.
        """
        self._search, self._kind = text.strip(), kind
        self._filter()

    def set_ticked(self, gene: str, ticked: bool = True) -> bool:
        """Tick a gene that can be; return whether that could be done."""
        if self.mark(gene) != self.tickable:
            return False
        if ticked != (gene in self._ticked):
            if ticked:
                self._ticked[gene] = None
            else:
                del self._ticked[gene]
            if gene in self._shown:
                at = self.index(self._shown.index(gene))
                self.dataChanged.emit(at, at)
            self.ticks_changed.emit()
        return True

    def clear_ticks(self) -> None:
        """Tick nothing."""
        self._ticked = {}
        self.layoutChanged.emit()
        self.ticks_changed.emit()

    def _sort(self) -> None:
        names = self._marks.keys() | self._trust.keys()
        self._lower = sorted((gene.lower(), gene) for gene in names)
        self._filter()

    def _filter(self) -> None:
        """Look through all genes anew."""
        low, kind = self._search.lower(), self._kind
        found = [gene for key, gene in self._lower if low in key and self._fits(gene, kind)]
        known = self._trust
        # who looks here wants what can be ticked; the sorts are stable
        last = "measured" if self.tickable == "in reference" else "in reference"
        found.sort(key=lambda g: self.mark(g) == last)
        if low:
            found.sort(key=lambda g: (g.lower() != low, not g.lower().startswith(low)))
        elif known:
            # what a run brought comes first, the most reliable of it at the top
            found.sort(key=lambda g: _rank(known.get(g)))
        self.beginResetModel()
        self._shown = found
        if low and not found and kind == "all":
            self._shown = [self._search]  # so that the list itself says: in neither
        self.endResetModel()

    def _fits(self, gene: str, kind: Kind) -> bool:
        if kind == "all":
            return True
        return gene in self._trust if kind == "predicted" else self.mark(gene) == kind

    # -- as Qt asks -------------------------------------------------------------------------

    def gene(self, index: QModelIndex) -> str:
        """Return the gene of a row; "" for none."""
        row = index.row()
        return self._shown[row] if 0 <= row < len(self._shown) else ""

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return how many genes are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._shown)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return name, tick, status, badge or tooltip of a row."""
        gene = self.gene(index)
        trust = self._trust.get(gene)
        if role == Qt.ItemDataRole.DisplayRole:
            return gene
        if role == STATUS:
            return badge_words(trust.badge, trust.expected) if trust else self._status(gene)
        if role == Qt.ItemDataRole.DecorationRole and trust is not None:
            return badge_icon(trust.badge)
        if role == Qt.ItemDataRole.CheckStateRole and self.mark(gene) == self.tickable:
            return Qt.CheckState.Checked if gene in self._ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(gene, trust)
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Tick or untick a row."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        return self.set_ticked(self.gene(index), Qt.CheckState(value) == Qt.CheckState.Checked)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let some genes be ticked; one in neither cannot be chosen."""
        gene = self.gene(index)
        mark = self.mark(gene)
        if mark == "in neither" and gene not in self._trust:
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if mark == self.tickable else flags

    def _status(self, gene: str) -> str:
        mark = self.mark(gene)
        return "not measured" if mark == "in neither" and not self._reference_known else mark

    def _tip(self, gene: str, trust: Trust | None) -> str:
        if trust is not None and self.tickable == "measured":  # what was imputed was measured
            return (
                f"<p>Imputed; its hidden values reached r {two_digits(trust.expected)}, which is "
                f"{trust.badge}. Press Enter to tick it, click its name to show it.</p>"
            )
        if trust is not None and self.mark(gene) == "measured":
            return (
                f"<p>Measured in this tissue, which is what is shown; also predicted, "
                f"{trust.badge} reliability. <i>Maps side by side</i> in the dock Stack shows "
                "both.</p>"
            )
        if trust is not None:
            return (
                f"<p>Predicted, not measured; {trust.badge} reliability. Expected Pearson with "
                f"the truth: {two_digits(trust.expected)} "
                f"(80 %: {trust.low:.2f} to {trust.high:.2f}).</p>"
            )
        return self._tips[self.mark(gene)]


def _rank(trust: Trust | None) -> float:
    """Return a number that is smaller for genes that are trusted more; the largest for None."""
    if trust is None:
        return 2.0
    return -trust.expected if math.isfinite(trust.expected) else 1.5
