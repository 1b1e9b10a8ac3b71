"""A dock that runs a task on the session's tissue: settings, cost, Run, progress, Cancel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari.utils.notifications import show_error
from qtpy.compat import isalive
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...compute.config import Config
from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.tissue import Tissue
from ..forms import ConfigForm
from ..preferences import form_defaults
from ..remember import about_data, recall, remember, remember_about_data
from ..worker import Job, Problem, end
from .cost_line import CostLine, Estimate
from .run_bar import RunBar
from .tissue_dock import TissueDock

if TYPE_CHECKING:
    import napari

C = TypeVar("C", bound=Config)


class RunDock(TissueDock, Generic[C]):
    """Everything that docks with a Run button share.

    Subclasses say what runs (`work`), what it will take (`estimate`) and what is done with what
    it returns (`take`); they lay themselves out with :meth:`lay_out`, then call :meth:`begin`.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    name
        Under this name the form's values are remembered.
    form
        The settings.
    title
        What the button says.
    """

    nothing_yet = "Cancelled before there was anything to show."

    def __init__(
        self, napari_viewer: napari.Viewer, name: str, form: ConfigForm[C], title: str = "Run"
    ) -> None:
        super().__init__(napari_viewer)
        self._name = name
        self._job: Job | None = None
        self._running_on: Tissue | None = None
        self._fresh = True  # nothing was recalled about the data that is open
        self.form = form
        self.task = QWidget()
        self.cost = CostLine(self._question)
        self.run_bar = RunBar(title)

    # -- what subclasses say ------------------------------------------------------------------

    @abstractmethod
    def work(self, tissue: Tissue, config: C) -> Callable[[Monitor], Any]:
        """Return what runs in the background."""

    @abstractmethod
    def take(self, tissue: Tissue, result: Any) -> str:
        """Show what the run returned, and say in a sentence how it ended."""

    def estimate(self, tissue: Tissue, config: C) -> Callable[[], Estimate] | None:
        """Return what says in the background what a run does and costs; None: nothing to say."""
        return None

    def values(self) -> dict[str, Any]:
        """Return the fields of the config that the form does not show."""
        return {}

    def about(self) -> dict[str, Any]:
        """Return what is remembered about the open data, by field."""
        return {}

    def restore_about(self, values: Mapping[str, Any]) -> None:
        """Show what :meth:`about` returned in an earlier session."""

    # -- what is open -------------------------------------------------------------------------

    def lay_out(self, task: Sequence[QWidget], after: Sequence[QWidget] = ()) -> None:
        """Put the widgets of the `task`, the run bar and what comes `after` in the column."""
        inner = QVBoxLayout(self.task)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(5)
        for widget in task:
            inner.addWidget(widget)
        for widget in (self.task, self.run_bar, *after):
            self.column.addWidget(widget)
        self.column.addStretch(1)

    def begin(self) -> None:
        """Recall the settings, listen, and show what is open."""
        self.form.restore(form_defaults() | recall(self._name))
        self.form.changed.connect(self.cost.refresh)
        self.form.changed.connect(self.run_bar.forgive)
        self.run_bar.run.connect(self.run)
        self.run_bar.cancel.connect(self.cancel)
        super().begin()

    def on_tissue(self) -> None:
        """Show the tissue that was opened; what runs on another one is stopped."""
        tissue = self.session.tissue
        if tissue is not self._running_on:
            self.cancel()  # what it returns is dropped
            if self._job is None:
                self.run_bar.clear()
        super().on_tissue()
        if self._fresh and tissue is not None:
            self._fresh = False
            known = about_data(tissue.origin.path).get(self._name) if tissue.origin.path else None
            if known:
                self.restore_about(known)
        self.task.setVisible(tissue is not None)
        self.run_bar.set_usable(tissue is not None)
        self.cost.refresh()

    def on_layer_removed(self, event: Any) -> None:
        """End a run whose data left the canvas."""
        super().on_layer_removed(event)
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

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to other data being opened."""
        return [(self.session.opened, self._on_opened)]

    def _on_opened(self) -> None:
        self._fresh = True

    # -- running ------------------------------------------------------------------------------

    def config(self) -> C:
        """Return what the dock says.

        Raises
        ------
        StdiffError
            One sentence about a setting that cannot be.
        """
        return self.form.config(**self.values())

    def _question(self) -> Callable[[], Estimate] | None:
        tissue = self.session.tissue
        return None if tissue is None else self.estimate(tissue, self.config())

    def run(self) -> None:
        """Run the task in the background."""
        tissue = self.session.tissue
        if tissue is None or self._job is not None:
            return
        try:
            work = self.work(tissue, self.config())
        except StdiffError as error:
            self.fail(error)
            return
        remember(self._name, self.form.dump())
        about = self.about()
        if tissue.origin.path and about:
            remember_about_data(tissue.origin.path, **{self._name: about})
        self.start(tissue, work, self.take)

    def start(
        self,
        tissue: Tissue,
        work: Callable[[Monitor], Any],
        take: Callable[[Tissue, Any], str],
    ) -> None:
        """Run `work` in the background; `take` shows what comes, if `tissue` is still open."""
        if self._job is not None:
            return

        def done(result: Any) -> None:
            if self.session.tissue is tissue:  # else it belongs to nothing on the canvas
                self.run_bar.set_running(False, take(tissue, result))

        self._running_on = tissue
        self.run_bar.set_running(True, "Starting …")
        self._job = job = Job(work)
        job.progressed.connect(self.run_bar.show_progress)
        job.cancelled.connect(self._cancelled)
        job.deliver(done, self.fail, self._ended)
        job.start()

    def cancel(self) -> None:
        """Ask the run to stop; what it has by then is shown."""
        if self._job is not None:
            self._job.cancel()

    def end(self) -> None:
        """End everything that runs, briefly waiting."""
        end(self._job)
        self.cost.end()
        super().end()

    def fail(self, error: Exception) -> None:
        """Say in one sentence what went wrong, with its details in the dock."""
        problem = Problem.of(error)
        self.run_bar.show_problem(problem)
        show_error(problem.sentence)

    def closed(self) -> None:
        """Listen no more, and end what runs; nobody is left to hear of it."""
        end(self._job, mute=True)
        self._job = None
        super().closed()
        if isalive(self):
            self.run_bar.set_running(False)

    def _cancelled(self) -> None:
        self.run_bar.set_running(False, self.nothing_yet)

    def _ended(self) -> None:
        self._job = None
        if self.run_bar.is_running:
            self.run_bar.set_running(False)
