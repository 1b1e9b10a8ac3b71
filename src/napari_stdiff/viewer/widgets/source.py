"""Which data: what is open, what a layer of the viewer carries, or a file."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from ..fields import NoWheel, tame
from ..interop import LayerSource
from ..preferences import data_folder


class SourcePicker(QWidget):
    """Emits `picked` with a path (str) or a :class:`LayerSource`."""

    picked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.choice = QComboBox()
        tame(self.choice, NoWheel(self))
        self.open_button = QPushButton("Open…")  # framed: it is where everything begins
        self.open_button.setStyleSheet("QPushButton::menu-indicator { image: none; }")
        self.open_button.setToolTip("Open a store or a file from disk")
        menu = QMenu(self.open_button)
        for text, slot in (
            ("SpatialData store (.zarr) …", self._open_store),
            ("AnnData file (.h5ad) …", self._open_file),
        ):
            action = menu.addAction(text)
            if action is not None:
                action.triggered.connect(slot)
        self.open_button.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.choice, 1)
        row.addWidget(self.open_button)
        self.choice.activated.connect(self._chosen)

    def offer(self, opened: str, layers: Sequence[LayerSource]) -> None:
        """Offer what is open (its name, or "" for nothing) and the data of `layers`."""
        self.choice.clear()
        self.choice.addItem(opened or "Choose data …", None)
        for source in layers:
            label = f"layers of {source.label}"
            if source.table:
                label += f" (table {source.table})"
            self.choice.addItem(label, source)

    def _chosen(self, row: int) -> None:
        source = self.choice.itemData(row)
        if source is not None:
            self.picked.emit(source)

    def _open_store(self) -> None:
        path = QFileDialog.getExistingDirectory(
            self, "Open a SpatialData store (.zarr)", data_folder()
        )
        if path:
            self.picked.emit(path)

    def _open_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open an AnnData file", data_folder(), "AnnData (*.h5ad);;All files (*)"
        )
        if path:
            self.picked.emit(path)
