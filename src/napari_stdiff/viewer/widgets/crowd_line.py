"""A line that says which share of the cells is drawn, where that is not all."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel

from ..session import Session


class CrowdLine(QLabel):
    """How many of the cells in sight are drawn; hidden while all are."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setWordWrap(True)
        self.setToolTip(
            "<p>So many cells take long to draw. Those that are drawn are an even share, chosen "
            "at random and always the same; colour scales, tables, what is saved and exported "
            "figures go by all cells. The most that are drawn is set in Preferences.</p>"
        )
        self.refresh()

    def refresh(self) -> None:
        """Say what is drawn now."""
        words = self._session.stack.crowd.words
        self.setText(words)
        self.setVisible(bool(words))
