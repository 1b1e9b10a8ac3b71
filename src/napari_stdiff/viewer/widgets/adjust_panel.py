"""Moving a section by hand: choose it, mirror, turn, shift, change the order, save, undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ..adjust import STILL, adjust_of
from ..adjust_canvas import AdjustCanvas
from ..agreement import Agreement
from ..fields import NoWheel, PlainSpinBox, tame
from ..preferences import begin_at
from ..session import Session
from ..worker import Job, end
from .dock import paragraph
from .stored_alignments import StoredAlignments
from .view_panel import ValueSlider
from .z_slider import unit_words

_HOW = (
    "Click a section on the canvas, then drag it; with Shift it turns. Keys: arrows shift it (ten "
    "steps with Shift), comma and full stop turn it, Page Up and Page Down change its depth."
)
_FAR = 1e9


class ShiftBox(PlainSpinBox):
    """A length that its arrows change by `by`."""

    by = 1.0

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step by `by`."""
        self.setValue(float(f"{self.value() + steps * self.by:.12g}"))


class AdjustPanel(QWidget):
    """Shows and changes what hands do to the sections of a session.

    While it is in sight, it has the mouse and some keys of the canvas.
    """

    failed = Signal(object)  # the exception

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._job: Job | None = None
        self.adjust = adjust_of(session)
        self.canvas = AdjustCanvas(self.adjust, self.failed.emit)
        self.agreement = Agreement(self.adjust)
        self.how, self.agrees = paragraph(), paragraph()
        self.agrees.setToolTip(
            "<p>Correlation of expression between places that lie above one another in "
            "neighbouring sections; 1 is the same, 0 is chance.</p>"
        )
        self.section = QComboBox()
        self.section.setToolTip("The section that is moved; or click one on the canvas")
        self.left_right = self._button("Mirror ↔", "Swap left and right", self._flip)
        self.top_bottom = self._button(
            "Mirror ↕", "Swap top and bottom", partial(self._flip, upside_down=True)
        )
        self.up = self._button(
            "Up", "Exchange depths with the next section above", partial(self._swap, up=True)
        )
        self.down = self._button(
            "Down", "Exchange depths with the next section below", partial(self._swap, up=False)
        )
        self.rotation = ValueSlider(-180.0, 180.0, suffix="°")
        self.rotation.setToolTip("Turn about the middle of its cells, clockwise")
        self.shift_x, self.shift_y, self.deep = (ShiftBox() for _ in range(3))
        self.step = PlainSpinBox()
        self.reset = self._button("Reset section", "Put this section back", self._reset)
        self.reset_all = self._button("Reset all", "Put all sections back", self.adjust.reset)
        self.undo = self._button("Undo", "Take the last move back", self.adjust.undo)
        self.redo = self._button("Redo", "Do that move once more", self.adjust.redo)
        self.reverse = self._button(
            "Reverse order",
            "The first section gets the depth of the last, the second that of the last but one, "
            "and so on",
            self.adjust.reverse,
        )
        self.align = self._button(
            "Align all …",
            "Align sections by expression, landmarks or histology in a dock of its own; then go "
            "on by hand from there",
            self._open_align,
        )
        self.kept = paragraph()
        self.save_button = self._button(
            "Save", "Adds a coordinate system to the open store; none is changed", self.save
        )
        self.save_as_button = self._button(
            "Save as …", "Writes a new store with the data in both frames", self._save_as
        )
        self.stored = StoredAlignments(session, self.adjust.aligned)
        self.stored.remove_button.hide()  # the dock Align sections does that
        self._lay_out()
        self.section.activated.connect(
            lambda _: self.adjust.choose(str(self.section.currentData() or ""))
        )
        self.rotation.changed.connect(lambda v: self._set(rotation=float(v)))
        self.shift_x.valueChanged.connect(lambda v: self._set(x=float(v)))
        self.shift_y.valueChanged.connect(lambda v: self._set(y=float(v)))
        self.deep.valueChanged.connect(self._set_depth)
        self.step.valueChanged.connect(self._set_step)
        self.adjust.changed.connect(self.refresh)
        self.adjust.aligned.changed.connect(self._show_stored)
        self.agreement.changed.connect(self.refresh)

    def _button(self, text: str, tip: str, act: Callable[..., None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(f"<p>{tip}.</p>")
        button.clicked.connect(lambda: self._try(act))
        return button

    def _lay_out(self) -> None:
        wheel = NoWheel(self)
        tame(self.section, wheel)
        for box, tip in (
            (self.shift_x, "Shift to the right"),
            (self.shift_y, "Shift down"),
            (self.deep, "Depth of the section"),
            (self.step, "How far an arrow key moves it"),
        ):
            box.setRange(-_FAR, _FAR)
            box.setToolTip(tip)
            tame(box, wheel)
        self.step.setRange(1e-6, _FAR)
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setVerticalSpacing(3)
        self.form.addRow("Section", self.section)
        self.form.addRow("Turn", self.rotation)
        self.form.addRow("x", self.shift_x)
        self.form.addRow("y", self.shift_y)
        self.form.addRow("z", self.deep)
        self.form.addRow("Key step", self.step)
        self.tools = QWidget()
        grid = QGridLayout(self.tools)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        rows = (
            (self.left_right, self.top_bottom),
            (self.up, self.down),
            (self.undo, self.redo),
            (self.reset, self.reset_all),
            (self.reverse, self.align),
        )
        for row, buttons in enumerate(rows):
            for column, button in enumerate(buttons):
                grid.addWidget(button, row, column)
        acts = QHBoxLayout()
        acts.setSpacing(3)
        acts.addWidget(self.save_button)
        acts.addWidget(self.save_as_button)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addWidget(self.how)
        outer.addLayout(self.form)
        outer.addWidget(self.agrees)
        outer.addWidget(self.tools)
        outer.addWidget(self.kept)
        outer.addLayout(acts)
        outer.addWidget(self.stored)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take the mouse and the keys of the canvas."""
        super().showEvent(event)
        self.canvas.set_on(True)
        self.refresh()
        self._show_stored()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Give them back: folded away, behind another dock, or closed."""
        super().hideEvent(event)
        self.canvas.set_on(False)
        self.adjust.rest()

    def end(self) -> None:
        """End what runs."""
        self.canvas.set_on(False)
        self.agreement.end()
        end(self._job, mute=True)
        self._job = None

    def refresh(self) -> None:
        """Show what hands did, and what is saved."""
        adjust, tissue = self.adjust, self._session.tissue
        names = adjust.names[::-1]  # as they lie on the canvas
        if [self.section.itemData(i) for i in range(1, self.section.count())] != names:
            self.section.clear()
            self.section.addItem("click or choose one", "")
            for name in names:
                self.section.addItem(name, name)
            self._fit_step()
        self.section.setCurrentIndex(max(self.section.findData(adjust.chosen), 0))
        usable, chosen = adjust.can_move and self._job is None, bool(adjust.chosen)
        self.how.setText(
            _HOW
            if adjust.can_move or tissue is None
            else "The sections are shown as they were read. Press After in the dock Align "
            "sections to go on from where they were moved."
        )
        one = (
            self.rotation,
            self.shift_x,
            self.shift_y,
            self.deep,
            self.left_right,
            self.top_bottom,
            self.up,
        )
        for widget in (*one, self.down):
            widget.setEnabled(usable and chosen)
        self.section.setEnabled(usable)
        self.reverse.setEnabled(usable and len(names) > 1)
        self.undo.setEnabled(usable and adjust.can_undo)
        self.redo.setEnabled(usable and adjust.can_redo)
        self.reset.setEnabled(usable and adjust.hand(adjust.chosen) != STILL)
        self.reset_all.setEnabled(usable and bool(adjust.hands))
        hand = adjust.hand(adjust.chosen)
        self.rotation.show_value(hand.rotation)
        depth = adjust.depth(adjust.chosen) if chosen else 0.0
        for box, value in ((self.shift_x, hand.x), (self.shift_y, hand.y), (self.deep, depth)):
            if not box.hasFocus() or abs(box.value() - value) > 1e-9 * max(abs(value), 1.0):
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)
        if self.isVisible():
            self.agreement.want()
            self.agrees.setText(self.agreement.words(adjust.chosen) if usable else "")
        self.agrees.setVisible(bool(self.agrees.text()))
        self._show_kept(usable)

    def _show_kept(self, usable: bool) -> None:
        aligned = self.adjust.aligned
        there = aligned.alignment is not None
        if not there:
            text = ""
        elif aligned.system:
            text = f"Saved as the coordinate system '{aligned.system}'."
        elif aligned.can_hold:
            text = "Not saved yet. Save adds a coordinate system to the store."
        else:
            text = "Not saved yet. Save as … writes a new SpatialData store with both frames."
        self.kept.setText(text if self._job is None else "Saving …")
        self.kept.setVisible(there)
        self.save_button.setVisible(there and aligned.can_hold)
        self.save_as_button.setVisible(there)
        for button in (self.save_button, self.save_as_button):
            button.setEnabled(usable and not aligned.system)

    def _show_stored(self) -> None:
        """Offer what the store has from earlier; looked up while the panel is in sight alone."""
        if self.isVisible():
            self.stored.refresh()

    def save(self, out: str = "") -> None:
        """Save where the sections are as a new coordinate system, in the background.

        Parameters
        ----------
        out
            A path for a new store; "" for the open one.
        """
        self.adjust.rest()
        aligned = self.adjust.aligned
        save = aligned.saver(out)

        def work(_: Monitor) -> str:
            with self._session.writing:
                return save()

        self._job = job = Job(work)
        job.deliver(lambda system: aligned.saved(system, out), self.failed.emit, self._ended)
        job.start()
        self.refresh()

    def _save_as(self) -> None:
        out, _ = QFileDialog.getSaveFileName(
            self, "New SpatialData store", begin_at("moved.zarr"), "SpatialData store (*.zarr)"
        )
        if out:
            self.save(str(Path(out).with_suffix(".zarr")))

    def _ended(self) -> None:
        self._job = None
        self.refresh()

    def _try(self, act: Callable[..., None]) -> None:
        try:
            act()
        except StdiffError as error:
            self.failed.emit(error)

    def _change(self, hand: Any) -> None:
        if self.adjust.chosen:
            self._try(lambda: self.adjust.move({self.adjust.chosen: hand}))

    def _set(self, **changes: Any) -> None:
        self._change(replace(self.adjust.hand(self.adjust.chosen), **changes))

    def _set_depth(self, depth: float) -> None:
        adjust = self.adjust
        if adjust.chosen:
            gap = float(depth) - adjust.depth(adjust.chosen)
            self._change(adjust.hand(adjust.chosen).shifted(z=gap))

    def _flip(self, upside_down: bool = False) -> None:
        self._change(self.adjust.hand(self.adjust.chosen).flipped(upside_down))
        self.adjust.rest()

    def _swap(self, up: bool) -> None:
        self.adjust.swap(self.adjust.chosen, up)
        self.adjust.rest()

    def _set_step(self, step: float) -> None:
        self.canvas.step = self.shift_x.by = self.shift_y.by = self.deep.by = float(step)

    def _reset(self) -> None:
        self.adjust.reset(self.adjust.chosen)

    def _open_align(self) -> None:
        self.adjust.rest()
        self._session.viewer.window.add_plugin_dock_widget("napari-stdiff", "Align sections")

    def _fit_step(self) -> None:
        """Let an arrow key move a section by about a two-hundredth of its size."""
        tissue = self._session.tissue
        if tissue is None:
            return
        size = float((tissue.coords[:, 1:].max(axis=0) - tissue.coords[:, 1:].min(axis=0)).max())
        self.step.setValue(float(f"{max(size, 1e-6) / 200:.1g}"))
        self._set_step(self.step.value())
        for box in (self.shift_x, self.shift_y, self.deep, self.step):
            box.setSuffix(unit_words(tissue.unit))
