"""Where a user sets landmarks: a layer a section, and how many each has."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ..aligned import Aligned
from ..fields import NoWheel, tame
from ..landmarks import Landmarks
from ..session import Session
from .dock import paragraph

_ABOUT = (
    "Choose a section, press the button and click places that you know again in the other "
    "sections. Points with the same number are the same place; two at least, three to stretch."
)


class LandmarkBox(QWidget):
    """Makes landmark layers and says what is in them."""

    def __init__(self, session: Session, aligned: Aligned) -> None:
        super().__init__()
        self._session = session
        self._aligned = aligned
        self.landmarks: Landmarks | None = None
        about = paragraph()
        about.setText(_ABOUT)
        self.section = QComboBox()
        tame(self.section, NoWheel(self))
        self.add = QPushButton("Add landmark layer")
        self.add.setToolTip("<p>Shows the section in 2D, ready to be clicked into.</p>")
        self.counts = paragraph()
        row = QHBoxLayout()
        row.addWidget(self.section, 1)
        row.addWidget(self.add)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(about)
        column.addLayout(row)
        column.addWidget(self.counts)
        self.add.clicked.connect(self._add)
        self.refresh()

    def show_tissue(self) -> None:
        """Offer the sections of the tissue; the chosen one stays."""
        tissue = self._session.tissue
        if tissue is not None and self.landmarks is None:
            self.landmarks = Landmarks(self._session, self._aligned)
            self.landmarks.changed.connect(self.refresh)
        names = tissue.sections if tissue is not None else []
        before = self.section.currentText()
        self.section.clear()
        self.section.addItems(names)
        self.section.setCurrentIndex(max(self.section.findText(before), 0))
        self.refresh()

    def show_shown(self) -> None:
        """Choose the section that the 2D view shows."""
        viewer, tissue = self._session.viewer, self._session.tissue
        if tissue is None or viewer.dims.ndisplay != 2:
            return
        at = viewer.dims.point[0] / self._session.stack.spacing
        depth = tissue.section_z
        self.section.setCurrentText(min(depth, key=lambda name: abs(depth[name] - at)))

    def refresh(self, *_: object) -> None:
        """Say how many landmarks each section has."""
        counts = self.landmarks.counts() if self.landmarks is not None else {}
        if not counts:
            self.counts.setText("No landmarks yet.")
            return
        told = ", ".join(f"{name}: {n}" for name, n in counts.items()) + "."
        if len(set(counts.values())) > 1:
            told += " A number that only one section has counts for nothing."
        self.counts.setText(told)

    def _add(self) -> None:
        if self.landmarks is None or not self.section.currentText():
            return
        self.landmarks.add(self.section.currentText())
        self.refresh()


def has_landmarks(box: LandmarkBox) -> bool:
    """Tell whether any landmark is set."""
    return box.landmarks is not None and any(box.landmarks.counts().values())
