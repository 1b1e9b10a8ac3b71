"""Walks through a list of genes, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ..gene_entries import Entry, Pasted

KEYS = {"PageDown": 1, "PageUp": -1}  # of the canvas, while there is a list
_NAMED = 5


class GeneWalk(QWidget):
    """Where in a list we are, with buttons to the next and to the one before; hidden without.

    Signals
    -------
    asked
        An entry of the list is to be shown.
    walking
        A list is there to be walked through, or was put away.
    """

    asked = Signal(object)
    walking = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._entries: Sequence[Entry] = ()
        self._at = 0
        self.before, self.next, self.end = (QPushButton() for _ in range(3))
        for button, sign, tip in (
            (self.before, "◀", "The one before it in the list (Page up)"),
            (self.next, "▶", "The next one of the list (Page down)"),
            (self.end, "✕", "Put the list away"),
        ):
            button.setText(sign)
            button.setToolTip(tip)
        self.where = QLabel()
        self.where.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.missing = QLabel()
        self.missing.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(3)
        for widget, stretch in ((self.before, 0), (self.where, 1), (self.next, 0), (self.end, 0)):
            row.addWidget(widget, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(row)
        column.addWidget(self.missing)
        self.before.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.end.clicked.connect(self.put_away)
        self.hide()

    @property
    def entries(self) -> Sequence[Entry]:
        """The list."""
        return self._entries

    def begin(self, pasted: Pasted) -> None:
        """Walk through a list from its first entry, and say what was not found."""
        self._entries, self._at = pasted.found, 0
        names = pasted.missing
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        self.missing.setText(f"Not found here: {', '.join(names[:_NAMED])}{more}.")
        self.missing.setToolTip(f"<p>{', '.join(names)}</p>")
        self.missing.setVisible(bool(names))
        for button in (self.before, self.next):
            button.setEnabled(len(self._entries) > 1)
        self.show()
        self._tell()
        self.walking.emit(len(self._entries) > 1)
        if self._entries:
            self.asked.emit(self._entries[0])

    def step(self, by: int) -> None:
        """Go on by so many, from the last to the first."""
        if self._entries:
            self._at = (self._at + by) % len(self._entries)
            self._tell()
            self.asked.emit(self._entries[self._at])

    def follow(self, entry: Entry) -> None:
        """Go on from here, where another entry of the list was chosen by name."""
        keys = [e.key for e in self._entries]
        if entry.key in keys:
            self._at = keys.index(entry.key)
            self._tell()

    def put_away(self) -> None:
        """Forget the list."""
        self._entries = ()
        self.hide()
        self.walking.emit(False)

    def _tell(self) -> None:
        n = len(self._entries)
        self.where.setText(f"{self._at + 1:,} of {n:,} in the list" if n else "None is known here")
