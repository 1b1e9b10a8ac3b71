"""The dock of the virtual microtome: one slider through the stack, and a live cut at its depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...compute.monitor import Monitor
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...data.virtual import VirtualSection
from ...tasks.config import InterpolateConfig
from ..forms import ConfigForm
from ..microtome import Microtome
from .depth_strip import DepthStrip
from .dock import heading, paragraph
from .results import ended
from .run_dock import RunDock
from .z_slider import ZSlider

if TYPE_CHECKING:
    import napari

_NOTHING = "Open serial sections: between two of them a virtual one is cut as you drag."
_ONE_DEPTH = (
    "All cells lie at one depth, so there is nothing to cut between; open sections at two or more "
    "depths."
)


class MicrotomeWidget(RunDock[InterpolateConfig]):
    """A slider over the whole stack, how sure a cut is there, and a button that keeps it.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    nothing_yet = "Cancelled; the cut was not kept."

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        form = ConfigForm(InterpolateConfig, exclude=tuple(InterpolateConfig.model_fields))
        super().__init__(napari_viewer, "microtome", form, "Keep this cut")
        self._microtome: Microtome | None = None
        self.hint = paragraph()
        self.slider = ZSlider()
        self.slider.slider.setToolTip(
            "<p>Drag through the stack: between two measured sections a virtual one is cut at "
            "this depth, and coloured by what the stack shows.</p>"
        )
        self.strip = DepthStrip(self.slider.slider)
        self.slider.put_below(self.strip)
        self.gene = paragraph()
        self.words = paragraph()
        self.sure = paragraph()
        self.busy = paragraph()
        self.busy.setEnabled(False)
        self.cutting = QWidget()
        column = QVBoxLayout(self.cutting)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.slider, self.gene, self.words, self.sure, self.busy):
            column.addWidget(widget)
        self.run_bar.run_button.setToolTip(
            "<p>Predicts all genes of this section, in the places you see, and keeps it like any "
            "virtual section: in the stack, and in the store.</p><p>With the full model if it "
            "was fitted to this tissue before, else with effort quick.</p>"
        )
        self.lay_out((heading("Depth"), self.hint, self.cutting))
        self.slider.changed.connect(self._moved)
        self.begin()

    @property
    def microtome(self) -> Microtome | None:
        """What cuts; None while the dock is closed."""
        return self._microtome

    # What is open -----------------------------------------------------------------------------

    def show_tissue(self) -> None:
        """Offer the depths of the tissue."""
        tissue = self.session.tissue
        depths = {} if tissue is None else tissue.section_z
        usable = len({round(float(z), 9) for z in depths.values()}) > 1
        self.hint.setText(_NOTHING if tissue is None else _ONE_DEPTH)
        self.hint.setVisible(not usable)
        self.cutting.setVisible(usable)
        if self.is_open:
            self._start()
        if not usable or tissue is None:
            return
        self.strip.set_sections(depths, tissue.unit)
        before = self._microtome.z if self._microtome is not None else None
        self.slider.blockSignals(True)
        self.slider.set_sections(depths, tissue.unit)
        self.slider.blockSignals(False)
        if before is None:
            self._moved(self.slider.value())
        else:
            self.slider.set_value(before)
        self._tell()

    def opened(self) -> None:
        """Cut at the slider's depth."""
        super().opened()
        self._start()
        if self.cutting.isVisibleTo(self):
            self._moved(self.slider.value())

    def closed(self) -> None:
        """Take the live cut off the canvas."""
        if self._microtome is not None:
            self._microtome.close()
            self._microtome = None
        super().closed()

    def on_tissue(self) -> None:
        """Show the tissue that was opened."""
        super().on_tissue()
        self.run_bar.set_usable(self.cutting.isVisibleTo(self))

    def _start(self) -> None:
        if self._microtome is not None or self.session.is_closed:
            return
        self._microtome = cutter = Microtome(self.session)
        cutter.told.connect(self._tell)
        cutter.error_changed.connect(self._tell)
        cutter.drawn.connect(self._tell)

    def _moved(self, z: float) -> None:
        if self._microtome is not None:
            self._microtome.move(z)
            self._tell()

    def _tell(self) -> None:
        """Say what is on the canvas, and how sure it is."""
        cutter, stack = self._microtome, self.session.stack
        if cutter is None:
            return
        colouring = stack.colouring
        name = colouring.name if colouring.kind != "none" else "nothing (plain)"
        spread = " (spread)" if stack.quantity == "std" and colouring.kind == "gene" else ""
        self.gene.setText(f"Coloured by <b>{name}</b>{spread}, as the stack is.")
        self.words.setText(cutter.words)
        self.words.setVisible(bool(cutter.words))
        self.strip.set_error(cutter.error, colouring.kind == "label")
        sure = self.strip.words(self.slider.value()) if cutter.can_keep else ""
        self.sure.setText(sure)
        self.sure.setVisible(bool(sure))
        self.busy.setText(cutter.progress or " ")  # its line stays: nothing jumps
        if not self.run_bar.is_running:
            self.run_bar.run_button.setEnabled(cutter.can_keep)

    # Keeping ----------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """Return where it is cut, and that its cells are those that are seen."""
        return {"at": self.slider.value(), "cells": "lines"}

    def work(self, tissue: Tissue, config: InterpolateConfig) -> Callable[[Monitor], Any]:
        """Predict the section in full."""
        read_config = self.session.read_config
        return lambda monitor: keep(tissue, read_config, config, monitor)

    def take(self, tissue: Tissue, result: VirtualSection) -> str:
        """Draw the section and keep it."""
        name = self.session.keep_result(result)
        return ended(result, name)

    def _ended(self) -> None:
        super()._ended()
        self._tell()


def keep(
    tissue: Tissue, read_config: ReadConfig, config: InterpolateConfig, monitor: Monitor
) -> VirtualSection:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.interpolate import interpolate
    from ...tasks.live_cut import keep_config

    chosen = keep_config(tissue, config)
    return interpolate(tissue, read=read_config, config=chosen, monitor=monitor)
