"""The predicted genes of a session: what each run says about itself, and how to remove one."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...data.predicted import BADGE_FROM, BADGES, PredictedGenes
from ..session import Session
from .dock import heading
from .run_bar import duration

SCORES = {
    "held_out_pcc": "Pearson of hidden genes, mean",
    "held_out_pcc_median": "\u2003median",
    "reliability_spearman": "Expected and reached, Spearman",
    "coverage80": "80 % interval covers",
}
HELP = (
    "<p>Before anything is predicted, the genes that tissue and reference share are hidden in "
    "turn and predicted from the others.<br>"
    "<b>Pearson of hidden genes</b>: over cells; what a gene like them can hope for.<br>"
    "<b>Expected and reached</b>: whether the reliability puts genes in the right order; 1 is "
    "perfect.<br>"
    "<b>80 % interval covers</b>: 0.8 is honest.</p>"
)


class GeneResults(QWidget):
    """Lists the runs, describes the selected one, removes it on request."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.list = QListWidget()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.summary.setToolTip(HELP)
        self.remove = QPushButton("Remove this result")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (heading("Results"), self.list, self.summary, self.remove):
            column.addWidget(widget)
        self.list.currentItemChanged.connect(self._selected)
        self.remove.clicked.connect(self._remove)
        session.predictions.saved.connect(self._describe)
        self.refresh()

    def refresh(self, select: str = "") -> None:
        """Show the runs anew; `select` one, or keep the selected one."""
        wanted = select or self.selected()
        names = list(self._session.predictions.results)
        self.list.blockSignals(True)
        self.list.clear()
        for name in names:
            self.list.addItem(QListWidgetItem(name))
            if name == wanted or self.list.currentRow() < 0:
                self.list.setCurrentRow(self.list.count() - 1)
        self.list.blockSignals(False)
        rows = min(max(self.list.count(), 1), 5)
        self.list.setFixedHeight(rows * max(self.list.sizeHintForRow(0), 16) + 8)
        self.setVisible(bool(names))
        self._describe()

    def selected(self) -> str:
        """Return the name of the selected run, or ""."""
        item = self.list.currentItem()
        return item.text() if item is not None else ""

    def _selected(self, *_: object) -> None:
        """Show the genes as the selected run has them, where several runs have them."""
        self._session.predictions.prefer(self.selected())
        self._describe()

    def _describe(self, *_: object) -> None:
        known = self._session.predictions
        result = known.results.get(self.selected())
        self.remove.setEnabled(result is not None)
        text = describe(result) if result is not None else ""
        why = known.notes.get(self.selected(), "")
        if text and why:
            text += f"<p style='margin:2px 0'>Not saved: {escape(why)}.</p>"
        self.summary.setText(text)

    def _remove(self) -> None:
        name = self.selected()
        button = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Remove result",
            f"Remove '{name}' from the canvas and from its store? Nothing else is touched.",
            button.Yes | button.No,
        )
        if answer == button.Yes:
            self._session.predictions.remove(name)


def describe(result: PredictedGenes) -> str:
    """Put a run into a few lines of rich text: what it is, how far to trust it, notes."""
    record = result.record
    n = len(result.genes)
    head = (
        f"<b>{escape(result.name)}</b><br>{n:,} gene{'s' * (n != 1)} in {len(result.names):,} "
        f"cells, predicted by {escape(record.method)}"
    )
    reference = Path(str(record.target.get("reference") or "")).name
    if Path(reference).suffix:  # a file or a store; a table in memory has no name
        head += f" from {escape(reference)}"
    total = sum(record.seconds.values())
    if total:
        head += f" in {duration(total)}"
    badges = result.reliability.badges
    counts = [f"{int(np.sum(badges == badge)):,} {badge}" for badge in BADGES]
    lines = [
        head + ".",
        f"Reliability: {', '.join(counts)} (high: expected Pearson {BADGE_FROM['high']:g} or "
        f"more, medium: {BADGE_FROM['medium']:g} or more).",
    ]
    text = "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)
    rows = [
        f"<tr><td style='padding-right:10px'>{escape(SCORES.get(key, key))}</td>"
        f"<td align='right'><b>{value:.3f}</b></td></tr>"
        for key, value in record.scores.items()
        if value is not None
    ]
    if rows:
        text += f"<table style='margin:3px 0'>{''.join(rows)}</table>"
    notes = dict.fromkeys((*record.notes, *result.prediction.notes))
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        text += f"<ul style='margin:2px 0 2px 12px; -qt-list-indent:0'>{items}</ul>"
    return text
