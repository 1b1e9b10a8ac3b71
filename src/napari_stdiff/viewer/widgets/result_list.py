"""A list of results: what each says about itself, and how to remove one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Generic, TypeVar

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

from ...data.record import RunRecord
from ..saving import Kept, Result
from .dock import heading
from .run_bar import duration

R = TypeVar("R", bound=Result)


class ResultList(QWidget, Generic[R]):
    """Lists results, describes the selected one, removes it on request.

    Subclasses say which there are (`kept`), what each is (`describe`) and how one is removed
    (`discard`); they connect :meth:`redescribe` to what tells that one was saved, and call
    :meth:`refresh` when they are built.

    Parameters
    ----------
    help_text
        What the figures mean, as the tooltip of the description.
    """

    def __init__(self, help_text: str) -> None:
        super().__init__()
        self.list = QListWidget()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.summary.setToolTip(help_text)
        self.remove = QPushButton("Remove this result")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (heading("Results"), self.list, self.summary, self.remove):
            column.addWidget(widget)
        self.list.currentItemChanged.connect(self._chosen)
        self.remove.clicked.connect(self._remove)

    @property
    @abstractmethod
    def kept(self) -> Kept[R]:
        """The results of the session, and where each is saved."""

    def results(self) -> Mapping[str, R]:
        """Return those that are listed, by name, in the order they came."""
        return self.kept.results

    @abstractmethod
    def describe(self, result: R) -> str:
        """Put a result into a few lines of rich text."""

    @abstractmethod
    def discard(self, name: str) -> None:
        """Remove a result from the canvas and from its store."""

    def choose(self, name: str) -> None:
        """Hear that the user selected a result; for subclasses."""

    def refresh(self, select: str = "") -> None:
        """Show the results anew; `select` one, or keep the selected one."""
        wanted = select or self.selected()
        names = list(self.results())
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
        self.redescribe()

    def selected(self) -> str:
        """Return the name of the selected result, or ""."""
        item = self.list.currentItem()
        return item.text() if item is not None else ""

    def redescribe(self, *_: object) -> None:
        """Describe the selected result anew: it may have been saved meanwhile."""
        result = self.results().get(self.selected())
        self.remove.setEnabled(result is not None)
        text = self.describe(result) if result is not None else ""
        self.summary.setText(text + self._whereabouts(self.selected()) if text else "")

    def _whereabouts(self, name: str) -> str:
        """Say whether a result is saved; nothing while it is on its way."""
        if name in self.kept.notes:
            return paragraphs([f"Not saved: {escape(self.kept.notes[name])}."])
        if name in self.kept.stored_as:
            return paragraphs([f"Saved in the store as '{escape(self.kept.stored_as[name])}'."])
        return ""

    def _chosen(self, *_: object) -> None:
        self.choose(self.selected())
        self.redescribe()

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
            self.discard(name)


def paragraphs(lines: Iterable[str]) -> str:
    """Return lines of rich text, one below the other."""
    return "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)


def taken(record: RunRecord) -> str:
    """Say how long a run took, behind a space; "" where that is not known."""
    seconds = sum(record.seconds.values())
    return f" in {duration(seconds)}" if seconds else ""


def score_table(scores: Mapping[str, float | None], titles: Mapping[str, str]) -> str:
    """Return scores as a table of rich text, without those that a method does not have."""
    rows = [
        f"<tr><td style='padding-right:10px'>{escape(titles.get(key, key))}</td>"
        f"<td align='right'><b>{value:.3f}</b></td></tr>"
        for key, value in scores.items()
        if value is not None
    ]
    return f"<table style='margin:3px 0'>{''.join(rows)}</table>" if rows else ""


def remarks(record: RunRecord, prediction: Any) -> str:
    """Return what a run noted, each remark once, as a list of rich text."""
    notes = dict.fromkeys((*record.notes, *prediction.notes))
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul style='margin:2px 0 2px 12px; -qt-list-indent:0'>{items}</ul>" if notes else ""
