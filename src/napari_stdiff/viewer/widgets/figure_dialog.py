"""Asks how the figure of the canvas is to look, and where it goes."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QVBoxLayout,
)

from ...compute.errors import StdiffError
from ..figure import Parts, save_figure
from ..layers import camera_of
from ..preferences import begin_at
from ..session import Session
from .ask import main_window

_KINDS = {
    "PNG picture (*.png)": ".png",
    "PDF, with text and lines (*.pdf)": ".pdf",
    "SVG, with text and lines (*.svg)": ".svg",
}
_TILTED = (
    "Seen at an angle, lengths along the sections look shorter; the bar holds in the plane of "
    "the picture."
)
_PERSPECTIVE = "With perspective, lengths differ over the picture: there is no scale bar."


class FigureDialog(QDialog):
    """Resolution and parts of the figure; *Save…* asks for the file.

    Parameters
    ----------
    session
        The session whose canvas is saved.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(main_window())
        self._session = session
        self.setWindowTitle("Export figure")
        self.resolution = QComboBox()
        for times in (1, 2, 3, 4):
            words = "as on the screen" if times == 1 else f"{times} times the screen"
            self.resolution.addItem(words, float(times))
        self.resolution.setCurrentIndex(1)
        self.title = QCheckBox("Title: what the colours show")
        self.colours = QCheckBox("Colour bar or legend")
        self.scale = QCheckBox("Scale bar")
        for box in (self.title, self.colours, self.scale):
            box.setChecked(True)
        self.note = QLabel(self._note())
        self.note.setWordWrap(True)
        self.note.setVisible(bool(self.note.text()))
        form = QFormLayout()
        form.addRow("Resolution", self.resolution)
        self.buttons = QDialogButtonBox()
        save = self.buttons.addButton("Save…", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        if save is not None:
            save.setDefault(True)
        column = QVBoxLayout(self)
        about = QLabel("The canvas as it is seen now; hide or turn what you like first.")
        about.setWordWrap(True)
        column.addWidget(about)
        column.addLayout(form)
        for widget in (self.title, self.colours, self.scale, self.note, self.buttons):
            column.addWidget(widget)
        self.buttons.accepted.connect(self._save)
        self.buttons.rejected.connect(self.reject)

    def parts(self) -> Parts:
        """Return what is drawn around the picture."""
        return Parts(self.title.isChecked(), self.colours.isChecked(), self.scale.isChecked())

    def _note(self) -> str:
        viewer = self._session.viewer
        if viewer.dims.ndisplay == 2:
            return ""
        camera = camera_of(viewer)
        if float(getattr(camera, "perspective", 0.0)) > 0:
            return _PERSPECTIVE
        return "" if abs(float(camera.view_direction[0])) > 0.999 else _TILTED

    def _save(self) -> None:
        """Ask for the file, which Qt asks about where it is there, and write it."""
        name = self._session.stack.colouring.name or "figure"
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        start = begin_at(f"{name}.png")
        path, kind = QFileDialog.getSaveFileName(self, "Export figure", start, ";;".join(_KINDS))
        if not path:
            return
        asked = True
        if Path(path).suffix.lower() not in _KINDS.values():
            path, asked = path + _KINDS.get(kind, ".png"), False
        super().accept()
        times = float(self.resolution.currentData())
        try:
            written = save_figure(self._session, path, times, self.parts(), overwrite=asked)
        except StdiffError as error:
            show_error(str(error))
            return
        show_info(f"The figure is in {written}.")
