"""The results of a session: what each says about itself, and how to remove one."""

from __future__ import annotations

from html import escape

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

from ...data.virtual import VirtualSection
from ..session import Session
from .dock import heading
from .run_bar import duration
from .where import TIERS
from .z_slider import unit_words

PLACED = {
    "transport": "Its cells were placed between the two neighbouring sections by optimal "
    "transport; nobody measured them.",
    "nearest": "Its cells are copied from the nearer section's positions; nobody measured them.",
    "grid": "Its cells lie on a grid inside the interpolated outline; nobody measured them.",
    "given": "Its cells were given in a file.",
}
SCORES = {
    "pcc": "Correlation per gene",
    "pcc_binned": "\u2003on a 15 × 15 grid",
    "spearman": "Rank correlation per cell",
    "nmse": "Error (1: the gene means)",
    "variance_ratio": "Variance, draw / truth",
    "coexpression": "Co-expression in types",
    "crps": "CRPS (lower is better)",
    "coverage80": "80 % interval covers",
    "energy_distance": "Energy distance",
    "density_pcc": "Cell density",
}
SCORES_HELP = (
    "<p>Against the hidden section, on log-normalised expression.<br>"
    "<b>Correlation per gene</b>: Pearson's r over cells, mean over genes; 1 is perfect.<br>"
    "<b>Rank correlation per cell</b>: about 0.4 even for a constant profile, so never alone.<br>"
    "<b>Error</b>: squared error over the truth's variance.<br>"
    "<b>Variance</b>: 1 is right; below, the draws are too smooth.<br>"
    "<b>CRPS</b>: how good the whole predicted distribution is.<br>"
    "<b>80 % interval covers</b>: 0.8 is honest.</p>"
)


class Results(QWidget):
    """Lists the results of one task, describes the selected one, removes it on request."""

    def __init__(self, session: Session, task: str) -> None:
        super().__init__()
        self._session = session
        self._task = task
        self.list = QListWidget()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.summary.setToolTip(SCORES_HELP)
        self.remove = QPushButton("Remove this result")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (heading("Results"), self.list, self.summary, self.remove):
            column.addWidget(widget)
        self.list.currentItemChanged.connect(self._describe)
        self.remove.clicked.connect(self._remove)
        session.saved.connect(self._describe)
        self.refresh()

    def refresh(self, select: str = "") -> None:
        """Show the session's results anew; `select` one, or keep the selected one."""
        wanted = select or self.selected()
        mine = [k for k, v in self._session.results.items() if v.record.task == self._task]
        self.list.blockSignals(True)
        self.list.clear()
        for name in mine:
            self.list.addItem(QListWidgetItem(name))
            if name == wanted or self.list.currentRow() < 0:
                self.list.setCurrentRow(self.list.count() - 1)
        self.list.blockSignals(False)
        rows = min(max(self.list.count(), 1), 5)
        self.list.setFixedHeight(rows * max(self.list.sizeHintForRow(0), 16) + 8)
        self.setVisible(bool(mine))
        self._describe()

    def selected(self) -> str:
        """Return the name of the selected result, or ""."""
        item = self.list.currentItem()
        return item.text() if item is not None else ""

    def _describe(self, *_: object) -> None:
        section = self._session.results.get(self.selected())
        self.remove.setEnabled(section is not None)
        text = describe(section) if section is not None else ""
        why = self._session.notes.get(self.selected(), "")
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
            self._session.remove_result(name)


def ended(section: VirtualSection, name: str) -> str:
    """Say how a run ended that made `section`, which goes by `name`."""
    state = "Done" if section.prediction.complete else "Cancelled, with what was done"
    return f"{state}: {name}."


def describe(section: VirtualSection) -> str:
    """Put a result into a few lines of rich text: what it is, how far to trust it, notes."""
    record, prediction = section.record, section.prediction
    target = record.target
    hidden = str(target.get("hidden") or "")
    depth = escape(f"{section.z:.5g}{unit_words(section.unit)}")
    head = (
        f"<b>{escape(section.name)}</b><br>{section.query.n_cells:,} cells, "
        f"{len(prediction.genes):,} genes at z = {depth}, "
        f"{'generated ' * (record.task == 'generate')}by {escape(record.method)}"
    )
    total = sum(record.seconds.values())
    if total:
        head += f" in {duration(total)}"
    lines = [head + "."]
    if hidden:
        kind = "layer" if target.get("between") == "layers" else "section"
        lines.append(f"In the place of the hidden {kind} '{escape(hidden)}'.")
    placed = PLACED.get(str(target.get("cells") or "")) if record.task == "interpolate" else ""
    if placed:
        lines.append(placed)
    far = _far(section)
    if far:
        lines.append(far)
    if prediction.draws is None and prediction.std is None:
        lines.append("The mean alone, without a spread.")
    text = "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)
    if record.scores:
        tier = TIERS.get(str(target.get("tier") or ""), "")
        if tier:
            text += (
                f"<p style='margin:4px 0 0 0'>Scores, {tier} (tier {escape(str(target['tier']))}):"
                "</p>"
            )
        text += _table(record.scores)
    notes = dict.fromkeys((*record.notes, *prediction.notes))
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        text += f"<ul style='margin:2px 0 2px 12px; -qt-list-indent:0'>{items}</ul>"
    return text


def _far(section: VirtualSection) -> str:
    """Say how far from measured cells a result lies, where that costs trust; "" elsewhere."""
    if section.distance is None or section.confidence is None or section.confidence.min() > 0.99:
        return ""
    typical, least = np.median(section.distance), section.confidence.min()
    away = escape(f"{typical:.4g}{unit_words(section.unit)}")
    return (
        f"The nearest measured cells are {away} away (median); confidence falls to {least:.2f}, "
        "and the cells fade with it."
    )


def _table(scores: dict[str, float | None]) -> str:
    rows = []
    for key, value in scores.items():
        if value is None:
            continue  # this method, or this tier, does not have it
        title = SCORES.get(key, key)
        rows.append(
            f"<tr><td style='padding-right:10px'>{escape(title)}</td>"
            f"<td align='right'><b>{value:.3f}</b></td></tr>"
        )
    return f"<table style='margin:3px 0'>{''.join(rows)}</table>"
