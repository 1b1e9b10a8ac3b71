"""Alignments that the open store has from earlier: which one is shown, and a way to remove it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...compute.errors import StdiffError
from ..aligned import Aligned
from ..fields import NoWheel, tame
from ..session import Session
from .dock import heading, paragraph

AS_READ = "auto"  # the coordinate system that reading takes by itself


class StoredAlignments(QWidget):
    """Emits `chosen` with a coordinate system to read in, and `remove` with one to take out."""

    chosen = Signal(str)
    remove = Signal(str)

    def __init__(self, session: Session, aligned: Aligned) -> None:
        super().__init__()
        self._session = session
        self._aligned = aligned
        self.systems: list[str] = []
        about = paragraph()
        about.setText("The store holds the sections aligned, too. Show them:")
        self.choice = QComboBox()
        tame(self.choice, NoWheel(self))
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip(
            "<p>Takes this coordinate system out of the store; nothing else is touched.</p>"
        )
        row = QHBoxLayout()
        row.addWidget(self.choice, 1)
        row.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(heading("Saved alignments"))
        column.addWidget(about)
        column.addLayout(row)
        self.choice.activated.connect(lambda _: self.chosen.emit(self.choice.currentData()))
        self.remove_button.clicked.connect(lambda: self.remove.emit(self.choice.currentData()))
        self.refresh()

    def refresh(self) -> None:
        """Offer what the open store has; nothing while an alignment of this session is shown."""
        session, tissue = self._session, self._session.tissue
        shown = tissue is not None and self._aligned.can_hold and self._aligned.alignment is None
        self.systems = stored(session) if shown else []
        self.setVisible(bool(self.systems))
        here = tissue.origin.coordinate_system if tissue is not None else ""
        self.choice.clear()
        self.choice.addItem("not aligned", AS_READ)
        for system in self.systems:
            self.choice.addItem(f"aligned: '{system}'", system)
        self.choice.setCurrentIndex(max(self.choice.findData(here), 0))
        self.remove_button.setEnabled(self.choice.currentIndex() > 0)

    def set_usable(self, usable: bool) -> None:
        """Let the buttons be pressed, or not while something runs."""
        self.choice.setEnabled(usable)
        self.remove_button.setEnabled(usable and self.choice.currentIndex() > 0)


def stored(session: Session) -> list[str]:
    """Return the coordinate systems of the alignments that the session's store has."""
    from ...data.alignment_store import list_alignments

    store = session.store
    if store is None or type(store).__name__ == "AnnData":
        return []
    try:
        return sorted(list_alignments(store))  # type: ignore[arg-type]
    except (StdiffError, OSError, ValueError):
        return []  # a store of another kind, or gone; reading said so
