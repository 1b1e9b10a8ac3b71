"""The results of a session: what each says about itself, and how to remove one."""

from __future__ import annotations

from html import escape

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
from .run_bar import duration
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
    """Lists the results, describes the selected one, removes it on request."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
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
        for widget in (self.list, self.summary, self.remove):
            column.addWidget(widget)
        self.list.currentItemChanged.connect(self._describe)
        self.remove.clicked.connect(self._remove)
        session.saved.connect(self._describe)
        self.refresh()

    def refresh(self, select: str = "") -> None:
        """Show the session's results anew; `select` one, or keep the selected one."""
        wanted = select or self.selected()
        self.list.blockSignals(True)
        self.list.clear()
        for name in self._session.results:
            self.list.addItem(QListWidgetItem(name))
            if name == wanted or self.list.currentRow() < 0:
                self.list.setCurrentRow(self.list.count() - 1)
        self.list.blockSignals(False)
        rows = min(max(self.list.count(), 1), 5)
        self.list.setFixedHeight(rows * max(self.list.sizeHintForRow(0), 16) + 8)
        self.setVisible(bool(self._session.results))
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


def describe(section: VirtualSection) -> str:
    """Put a result into a few lines of rich text: what it is, how far to trust it, notes."""
    record, prediction = section.record, section.prediction
    target = record.target
    hidden = str(target.get("hidden") or "")
    depth = escape(f"{section.z:.5g}{unit_words(section.unit)}")
    head = (
        f"<b>{escape(section.name)}</b><br>{section.query.n_cells:,} cells, "
        f"{len(prediction.genes):,} genes at z = {depth}, "
        f"by {escape(record.method)}"
    )
    total = sum(record.seconds.values())
    if total:
        head += f" in {duration(total)}"
    lines = [head + "."]
    if hidden:
        lines.append(f"In the place of the hidden section {escape(hidden)}.")
    placed = PLACED.get(str(target.get("cells") or ""))
    if placed:
        lines.append(placed)
    if prediction.draws is None and prediction.std is None:
        lines.append("The mean alone, without a spread.")
    text = "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)
    if record.scores:
        text += _table(record.scores)
    notes = dict.fromkeys((*record.notes, *prediction.notes))
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        text += f"<ul style='margin:2px 0 2px 12px; -qt-list-indent:0'>{items}</ul>"
    return text


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
