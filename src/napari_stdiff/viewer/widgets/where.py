"""Where the virtual section is cut: at a depth, or in the place of a section that is hidden."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QRadioButton, QVBoxLayout, QWidget

from ...data.tissue import Tissue
from ..fields import NoWheel, tame
from .z_slider import ZSlider, unit_words


class Where(QWidget):
    """Fills the fields ``at`` and ``hide`` of the config."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.at_depth = QRadioButton("At a depth between sections")
        self.hiding = QRadioButton("Hide a section and compare")
        self.at_depth.setChecked(True)
        self.slider = ZSlider()
        self.section = QComboBox()
        tame(self.section, NoWheel(self))
        self.section.setToolTip(
            "<p>The section is not shown to the method; its prediction is scored against it.</p>"
        )
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for widget in (self.at_depth, self.slider, self.hiding, self.section, self.hint):
            column.addWidget(widget)
        self.at_depth.toggled.connect(self._switch)
        self.slider.changed.connect(lambda _: self.changed.emit())
        self.section.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.set_tissue(None)

    def set_tissue(self, tissue: Tissue | None) -> None:
        """Offer the sections of `tissue`."""
        self.blockSignals(True)
        names = tissue.sections if tissue else []
        z = tissue.section_z if tissue else {}
        unit = tissue.unit if tissue else "um"
        self.slider.set_sections(z, unit)
        self.section.clear()
        for name in names:
            self.section.addItem(f"{name}  (z = {z[name]:.5g}{unit_words(unit)})", name)
        if len(names) > 2:
            self.section.setCurrentIndex(len(names) // 2)  # an inner one has both parents
        self.hint.setText("One section only: at least two are needed." if len(names) == 1 else "")
        self.hint.setVisible(len(names) == 1)
        self._switch()
        self.blockSignals(False)
        self.changed.emit()

    def values(self) -> dict[str, Any]:
        """Return ``at`` and ``hide`` for the config."""
        if self.hiding.isChecked():
            return {"hide": self.section.currentData() or ""}
        return {"at": self.slider.value() if self.slider.isEnabled() else "middle"}

    def set_values(self, at: float | str = "middle", hide: str = "") -> None:
        """Show where a config says; what this tissue does not have is left out."""
        row = self.section.findData(hide) if hide else -1
        if row >= 0:
            self.hiding.setChecked(True)
            self.section.setCurrentIndex(row)
        elif not isinstance(at, str):
            self.at_depth.setChecked(True)
            self.slider.set_value(at)

    def _switch(self, *_: object) -> None:
        hiding = self.hiding.isChecked()
        self.slider.setVisible(not hiding and self.slider.isEnabledTo(self))
        self.section.setVisible(hiding)
        self.changed.emit()
