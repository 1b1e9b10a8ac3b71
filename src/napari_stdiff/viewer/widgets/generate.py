"""The dock that generates cells within a measured section."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFormLayout

from ...compute.monitor import Monitor
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...data.virtual import VirtualSection
from ...tasks.config import GenerateConfig
from ..fields import ChoiceField, PathField
from ..forms import ConfigForm
from .cost_line import Estimate
from .dock import heading, paragraph
from .results import Results, ended
from .run_dock import RunDock

if TYPE_CHECKING:
    import napari

ABOUT = {
    "new": "As many cells as you say, placed as dense and as mixed as the measured ones: the "
    "section drawn once more.",
    "denser": "Cells between the measured ones; on a grid of spots, a finer grid.",
    "given": "Cells where your file says; their types are taken from it, if it has them.",
}
_ONLY = {"n_cells": "new", "factor": "denser", "positions": "given"}  # field -> kind of cells


class GenerateWidget(RunDock[GenerateConfig]):
    """Data, which cells, how, what it costs, Run, and what came out.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    nothing_yet = "Cancelled before there was anything to show; a model that was fitted is kept."

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._section = ChoiceField("auto", ["auto"])
        positions = PathField(title="Positions", pattern="CSV (*.csv);;All files (*)")
        form = ConfigForm(
            GenerateConfig,
            shown=("section", "cells", *_ONLY, "values", "method", "effort", "device"),
            fields={"section": self._section, "positions": positions},
        )
        super().__init__(napari_viewer, "generate", form)
        self.what = paragraph()
        self.results = Results(self.session, "generate")
        self.lay_out((heading("Cells"), self.what, self.form, self.cost), (self.results,))
        self.form.changed.connect(self._explain)
        self.begin()

    def show_tissue(self) -> None:
        """Offer the sections of the tissue."""
        tissue = self.session.tissue
        names = tissue.sections if tissue is not None else []
        self._section.set_choices(["auto", *names])
        if self._section.value not in ("auto", *names):
            self._section.value = "auto"
        self._explain()
        self.results.refresh()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to results that come and go."""
        return [*super().heard(), (self.session.results_changed, self.results.refresh)]

    def estimate(self, tissue: Tissue, config: GenerateConfig) -> Callable[[], Estimate]:
        """Say how many cells it will be, and what they cost."""
        return lambda: estimate_cost(tissue, config)

    def work(self, tissue: Tissue, config: GenerateConfig) -> Callable[[Monitor], Any]:
        """Generate the cells."""
        read_config = self.session.read_config
        if config.cells != _ONLY["n_cells"]:  # what was said for new cells is not shown now
            config = config.but(n_cells=0)
        return lambda monitor: generate(tissue, read_config, config, monitor)

    def take(self, tissue: Tissue, result: VirtualSection) -> str:
        """Draw the cells and keep them."""
        name = self.session.keep_result(result)
        self.session.stack.reveal(name)
        self.results.refresh(select=name)
        return ended(result, name)

    def _explain(self, *_: object) -> None:
        """Say what the kind of cells means, and show only what it needs."""
        kind = str(self.form.fields["cells"].value)
        self.what.setText(ABOUT[kind])
        for name, only in _ONLY.items():
            native = self.form.fields[name].native
            parent = native.parentWidget()
            rows = parent.layout() if parent is not None else None
            if isinstance(rows, QFormLayout):
                rows.setRowVisible(native, kind == only)


def generate(
    tissue: Tissue, read_config: ReadConfig, config: GenerateConfig, monitor: Monitor
) -> VirtualSection:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.generate import generate as task

    return task(tissue, read=read_config, config=config, monitor=monitor)


def estimate_cost(tissue: Tissue, config: GenerateConfig) -> Estimate:
    """Say how many cells it will be and estimate what they will take."""
    from ...methods.registry import method_class
    from ...tasks.generate import estimate, how_many, section_of

    cost = estimate(tissue, config)
    section = section_of(tissue, config.section)
    about = method_class(config.method).description
    if config.cells != "given":
        n_cells = how_many(tissue, section, config)
        about = f"About {n_cells:,} cells in '{section}'. {about}"
    return Estimate(about, cost)
