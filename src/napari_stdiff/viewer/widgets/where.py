"""Where the virtual section is cut: at a depth, or in the place of what is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from ...data.tissue import Tissue
from ...tasks.placement import FARTHEST, spacing_of
from ..fields import NoWheel, tame
from .z_slider import ZSlider, unit_words

TIERS = {
    "A": "positions and types given",
    "B": "positions given, types not",
    "C": "nothing given",
}
_GIVEN = {
    "auto": "all that is known",
    "A": "positions and types (A)",
    "B": "positions (B)",
    "C": "nothing (C)",
}
_WARNING = (
    "<b>Extrapolation</b>: nothing was measured on the other side, so the prediction is weaker "
    "the farther it is; its cells fade on the canvas."
)


class Where(QWidget):
    """Fills the fields of the config that say where: ``at``, ``hide``, ``tier`` and so on."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._tissue: Tissue | None = None
        self.at_depth = QRadioButton("At a depth")
        self.hiding = QRadioButton("Hide a section and compare")
        self.at_depth.setChecked(True)
        self.slider = ZSlider()
        self.section = QComboBox()
        self.section.setToolTip(
            "<p>It is not shown to the method; its prediction is scored against it.</p>"
        )
        self.tier = QComboBox()
        for key, words in _GIVEN.items():
            self.tier.addItem(words, key)
        self.tier.setToolTip(
            "<p>What of the hidden section the method is told: positions and cell types (tier A), "
            "positions (tier B) or nothing (tier C). The less it is told, the harder and the more "
            "honest the comparison.</p>"
        )
        self.inside = QComboBox()
        self.inside.setToolTip("<p>Section that the hidden layer is predicted in.</p>")
        self.layers = QLineEdit()
        self.layers.setPlaceholderText("found by itself")
        self.layers.setToolTip("<p>The two layers around it, separated by a comma.</p>")
        self.beyond = QCheckBox("Beyond the first and last section")
        self.beyond.setToolTip(
            f"<p>Extrapolate: allow depths up to {FARTHEST:g} spacings beyond the measured "
            "sections, and hiding an outermost section or layer.</p>"
        )
        self.warning = QLabel(_WARNING)
        self.hint = QLabel()
        self._lay_out()
        self.at_depth.toggled.connect(self._switch)
        self.beyond.toggled.connect(self._reach)
        self.slider.changed.connect(self._moved)
        self.section.currentIndexChanged.connect(self._switch)
        for combo in (self.tier, self.inside):
            combo.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.layers.editingFinished.connect(self.changed.emit)
        self.set_tissue(None)

    def _lay_out(self) -> None:
        wheel = NoWheel(self)
        for combo in (self.section, self.tier, self.inside):
            tame(combo, wheel)
        self.compare = QWidget()
        self._rows = QFormLayout(self.compare)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setVerticalSpacing(3)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows.addRow(self.section)
        self._rows.addRow("In", self.inside)
        self._rows.addRow("Between", self.layers)
        self._rows.addRow("Given", self.tier)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for widget in (self.at_depth, self.slider, self.hiding, self.compare, self.beyond,
                       self.warning, self.hint):  # fmt: skip
            column.addWidget(widget)
        for label in (self.warning, self.hint):
            label.setWordWrap(True)

    def set_tissue(self, tissue: Tissue | None) -> None:
        """Offer the sections and layers of `tissue`; what is chosen and still there stays."""
        before, self._tissue = self.values(), tissue
        self.blockSignals(True)
        names = tissue.sections if tissue else []
        layers = layer_names(tissue)
        z = tissue.section_z if tissue else {}
        unit = tissue.unit if tissue else "um"
        self.slider.set_sections(z, unit, self._room())
        self.section.blockSignals(True)
        self.section.clear()
        for name in names if len(names) > 2 or not layers else ():  # of fewer, none can be hidden
            words = f"{name}  (z = {z[name]:.5g}{unit_words(unit)})"
            self.section.addItem(words, ("sections", name))
        if len(names) > 2:
            self.section.setCurrentIndex(len(names) // 2)  # an inner one has both parents
        for name in layers:
            words = name if name.lower().startswith("layer") else f"layer {name}"
            self.section.addItem(words, ("layers", name))
        if tissue is not None and layers and len(names) < 3:
            self.section.setCurrentIndex(_row_of(self.section, ("layers", largest(tissue))))
        self.section.blockSignals(False)
        what = "section" if not layers else "layer" if len(names) < 3 else "section or layer"
        self.hiding.setText(f"Hide a {what} and compare")
        self.inside.clear()
        self.inside.addItem("where most of it is", "auto")
        for name in names:
            self.inside.addItem(name, name)
        few = len(names) == 1
        if few and layers:
            self.hiding.setChecked(True)
        self.hint.setText(
            "One section only: between sections, at least two are needed." if few else ""
        )
        self.set_values(**before)
        self._switch()
        self.blockSignals(False)
        self.changed.emit()

    def values(self) -> dict[str, Any]:
        """Return the fields of the config."""
        out: dict[str, Any] = {}
        if self.beyond.isChecked():
            out["extrapolate"] = True
        if not self.hiding.isChecked():
            return out | {"at": self.slider.value() if self.slider.isEnabled() else "middle"}
        kind, name = self.section.currentData() or ("sections", "")
        out |= {"hide": name}
        if self.tier.currentData() != "auto":
            out["tier"] = self.tier.currentData()
        if kind == "layers":
            out |= {"between": kind, "section": self.inside.currentData() or "auto"}
            if self.layers.text().strip():
                out["parents"] = self.layers.text().strip()
        return out

    def set_values(
        self,
        at: float | str = "middle",
        hide: str = "",
        tier: str = "auto",
        between: str = "sections",
        section: str = "auto",
        parents: str = "",
        extrapolate: bool = False,
    ) -> None:
        """Show where a config says; what this tissue does not have is left out."""
        self.beyond.setChecked(extrapolate)
        row = _row_of(self.section, (between, hide)) if hide else -1
        if row >= 0:
            self.hiding.setChecked(True)
            self.section.setCurrentIndex(row)
            self.tier.setCurrentIndex(max(self.tier.findData(tier), 0))
            self.inside.setCurrentIndex(max(self.inside.findData(section), 0))
            self.layers.setText(parents)
        elif not isinstance(at, str) and self.slider.reaches(at):
            self.at_depth.setChecked(True)
            self.slider.set_value(at)

    @property
    def is_beyond(self) -> bool:
        """Whether what is asked for lies beyond the measured sections."""
        if self._tissue is None or not self.beyond.isChecked():
            return False
        if self.hiding.isChecked():
            kind, name = self.section.currentData() or ("", "")
            names = self._tissue.sections
            return kind == "sections" and name in (names[0], names[-1])
        depth = self._tissue.section_z.values()
        return not min(depth) <= self.slider.value() <= max(depth)

    def _room(self) -> float:
        """Return how far beyond the ends the slider goes."""
        if self._tissue is None or not self.beyond.isChecked():
            return 0.0
        return FARTHEST * spacing_of(self._tissue)

    def _reach(self, *_: object) -> None:
        at = self.slider.value()
        if self._tissue is not None:
            self.slider.set_sections(self._tissue.section_z, self._tissue.unit, self._room())
            if self.slider.reaches(at):
                self.slider.set_value(at)
        self._switch()

    def _moved(self, _: float) -> None:
        self.warning.setVisible(self.is_beyond)
        self.changed.emit()

    def _switch(self, *_: object) -> None:
        hiding = self.hiding.isChecked()
        layer = (self.section.currentData() or ("", ""))[0] == "layers"
        self.slider.setVisible(not hiding and self.slider.isEnabledTo(self))
        self.compare.setVisible(hiding)
        self._rows.setRowVisible(self.inside, layer)
        self._rows.setRowVisible(self.layers, layer)
        self.beyond.setVisible(hiding or self.slider.isEnabledTo(self))
        self.warning.setVisible(self.is_beyond)
        self.hint.setVisible(bool(self.hint.text()) and not (hiding and layer))
        self.changed.emit()


def _row_of(combo: QComboBox, data: tuple[str, str]) -> int:
    """Return the row of `combo` with `data`, or -1; Qt does not find tuples."""
    return next((i for i in range(combo.count()) if combo.itemData(i) == data), -1)


def largest(tissue: Tissue) -> str:
    """Return the layer with most cells: more often than not it lies between two others."""
    labels = np.asarray(tissue.layer).astype(str)
    return max(layer_names(tissue), key=lambda name: int((labels == name).sum()))


def layer_names(tissue: Tissue | None) -> list[str]:
    """Return the layers that one section holds two or more of, by name."""
    if tissue is None or tissue.layer is None:
        return []
    from ...tasks.layers import layer_names as names

    return names(tissue)
