"""The dock that cuts a virtual section between the measured ones."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.compat import isalive
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...data.virtual import VirtualSection
from ...tasks.config import InterpolateConfig
from ..fields import PathField
from ..forms import ConfigForm
from ..remember import about_data, recall, remember, remember_about_data
from ..session import session_of
from ..worker import Job, Problem, end
from .cost_line import CostLine, Estimate
from .data_box import DataBox
from .dock import Dock, heading
from .results import Results
from .run_bar import RunBar
from .where import Where

if TYPE_CHECKING:
    import napari


class InterpolateWidget(Dock):
    """Data, where, how, what it costs, Run, and what came out.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(getattr(napari_viewer, "__wrapped__", napari_viewer))
        self.session = session_of(napari_viewer)
        self._job: Job | None = None
        self._running_on: Tissue | None = None
        self._listening = False
        self.data = DataBox(self.session)
        self.where = Where()
        positions = PathField(title="Positions", pattern="CSV (*.csv);;All files (*)")
        self.form = ConfigForm(
            InterpolateConfig,
            shown=("method", "device"),
            exclude=("at", "hide"),
            fields={"positions": positions},
        )
        self.cost = CostLine(self._question)
        self.run_bar = RunBar("Run")
        self.results_title = heading("Results")
        self.results = Results(self.session)
        self._lay_out()
        self.form.restore(recall("interpolate"))
        self.data.failed.connect(self._fail)
        self.where.changed.connect(self.cost.refresh)
        self.form.changed.connect(self.cost.refresh)
        self.run_bar.run.connect(self.run)
        self.run_bar.cancel.connect(self.cancel)
        self._listen(True)
        self._on_tissue()

    def _lay_out(self) -> None:
        self.task = QWidget()
        inner = QVBoxLayout(self.task)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(5)
        task: tuple[QWidget, ...] = (
            heading("Where"),
            self.where,
            heading("How"),
            self.form,
            self.cost,
        )
        for widget in task:
            inner.addWidget(widget)
        for widget in (
            heading("Data"),
            self.data,
            self.task,
            self.run_bar,
            self.results_title,
            self.results,
        ):
            self.column.addWidget(widget)
        self.column.addStretch(1)

    # -- what is open -----------------------------------------------------------------------

    def _on_tissue(self) -> None:
        """Show the tissue that was opened, by whomever."""
        tissue = self.session.tissue
        if tissue is not self._running_on:
            self.cancel()  # what it returns is dropped
            if self._job is None:
                self.run_bar.clear()
        self.data.show_tissue()
        self.where.set_tissue(tissue)
        if tissue is not None and tissue.origin.path:
            self.where.set_values(**about_data(tissue.origin.path).get("where", {}))
        self.task.setVisible(tissue is not None)
        self.run_bar.set_usable(tissue is not None)
        self._on_layers()
        self._on_results()
        self.cost.refresh()

    def _on_layers(self, *_: object) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self.data.refresh(viewer.layers)

    def _on_layer_removed(self, event: Any) -> None:
        """End a run whose data left the canvas."""
        self._on_layers()
        viewer = self._viewer()
        if viewer is None or self._job is None:
            return
        left = [layer.metadata for layer in viewer.layers]
        ours = "stdiff" in event.value.metadata and not any("stdiff" in m for m in left)
        source = self.data.from_layer
        theirs = source is not None and not any(
            m.get("sdata", m.get("adata")) is source.data for m in left
        )
        if ours or theirs:
            self.end()

    def _on_results(self) -> None:
        self.results.refresh()
        self.results_title.setVisible(bool(self.session.results))

    # -- running ----------------------------------------------------------------------------

    def config(self) -> InterpolateConfig:
        """Return what the dock says.

        Raises
        ------
        StdiffError
            One sentence about a setting that cannot be.
        """
        return self.form.config(**self.where.values())

    def _question(self) -> Callable[[], Estimate] | None:
        tissue = self.session.tissue
        if tissue is None:
            return None
        config = self.config()
        return lambda: estimate_cost(tissue, config)

    def run(self) -> None:
        """Cut the section in the background."""
        tissue, read_config = self.session.tissue, self.session.read_config
        if tissue is None or self._job is not None:
            return
        try:
            config = self.config()
        except StdiffError as error:
            self._fail(error)
            return
        remember("interpolate", self.form.dump())
        if tissue.origin.path:
            remember_about_data(tissue.origin.path, where=self.where.values())

        def done(section: VirtualSection) -> None:
            if self.session.tissue is not tissue:
                return  # it belongs to nothing on the canvas
            name = self.session.keep_result(section)
            self.results.refresh(select=name)
            state = "Done" if section.prediction.complete else "Cancelled, with what was done"
            self.run_bar.set_running(False, f"{state}: {name}.")

        self._running_on = tissue
        self.run_bar.set_running(True, "Starting …")
        self._job = job = Job(lambda monitor: interpolate(tissue, read_config, config, monitor))
        job.progressed.connect(self.run_bar.show_progress)
        job.cancelled.connect(self._cancelled)
        job.deliver(done, self._fail, self._ended)
        job.start()

    def cancel(self) -> None:
        """Ask the run to stop; what it has by then is shown."""
        if self._job is not None:
            self._job.cancel()

    def end(self) -> None:
        """End everything that runs, briefly waiting."""
        end(self._job)
        self.data.end()
        self.cost.end()

    def _cancelled(self) -> None:
        self.run_bar.set_running(
            False, "Cancelled before there was anything to show; a model that was fitted is kept."
        )

    def _ended(self) -> None:
        self._job = None
        if self.run_bar.is_running:
            self.run_bar.set_running(False)

    def _fail(self, error: Exception) -> None:
        problem = Problem.of(error)
        self.run_bar.show_problem(problem)
        show_error(problem.sentence)

    # -- the dock comes and goes --------------------------------------------------------------

    def opened(self) -> None:
        """Listen to what is open in the viewer."""
        self.session.watch(self)
        if not self._listening:  # closed, and opened once more
            self._listen(True)
            self._on_tissue()

    def closed(self) -> None:
        """Listen no more, and end what runs."""
        self._listen(False)
        end(self._job, mute=True)
        self._job = None
        if isalive(self):  # the window may have taken the widgets with it
            self.end()
            self.run_bar.set_running(False)

    def _listen(self, on: bool) -> None:
        self._listening = on
        viewer = self._viewer()
        pairs: list[tuple[Any, Callable[..., None]]] = [
            (self.session.tissue_changed, self._on_tissue),
            (self.session.results_changed, self._on_results),
            (self.session.closed, self.closed),
        ]
        if viewer is not None:
            pairs.append((viewer.layers.events.inserted, self._on_layers))
            pairs.append((viewer.layers.events.removed, self._on_layer_removed))
        for signal, slot in pairs:
            with suppress(ValueError):  # was not connected
                signal.disconnect(slot)
            if on:
                signal.connect(slot)


def interpolate(
    tissue: Tissue, read_config: ReadConfig, config: InterpolateConfig, monitor: Monitor
) -> VirtualSection:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.interpolate import interpolate as task

    return task(tissue, read=read_config, config=config, monitor=monitor)


def estimate_cost(tissue: Tissue, config: InterpolateConfig) -> Estimate:
    """Say what the method does and estimate what the task will take."""
    from ...methods.registry import method_class
    from ...tasks.interpolate import estimate

    return Estimate(method_class(config.method).description, estimate(tissue, config))
