"""Chooses how measured cells are drawn: as points, or in their own outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QWidget

if TYPE_CHECKING:
    from ..session import Session


class CellsRow(QWidget):
    """Two buttons, seen only where the cells of the tissue were segmented."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.points, self.labels = QPushButton("Points"), QPushButton("Cell labels")
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        row.addWidget(QLabel("Cells as"))
        for button, tip in (
            (self.points, "Draw each cell as a point, the quickest"),
            (self.labels, "Fill the outline that each cell was segmented with"),
        ):
            button.setCheckable(True)
            button.setToolTip(tip)
            self._group.addButton(button)
            row.addWidget(button, 1)
        self.points.clicked.connect(lambda: session.stack.cells.show(False))
        self.labels.clicked.connect(lambda: session.stack.cells.show(True))

    def refresh(self) -> None:
        """Show what the stack shows."""
        cells = self._session.stack.cells
        (self.labels if cells.shown else self.points).setChecked(True)
        self.setVisible(cells.available)
