"""The dock that cuts a virtual section between the measured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...data.virtual import VirtualSection
from ...tasks.config import InterpolateConfig
from ..fields import PathField
from ..forms import ConfigForm
from .cost_line import Estimate
from .dock import heading
from .results import Results, ended
from .run_dock import RunDock
from .sweep import SweepPanel
from .where import Where

if TYPE_CHECKING:
    import napari

    from ...tasks.sweep import Sweep


class InterpolateWidget(RunDock[InterpolateConfig]):
    """Data, where, how, what it costs, Run, and what came out.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    nothing_yet = "Cancelled before there was anything to show; a model that was fitted is kept."

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        positions = PathField(title="Positions", pattern="CSV (*.csv);;All files (*)")
        form = ConfigForm(
            InterpolateConfig,
            shown=("method", "effort", "device"),
            exclude=("at", "hide", "tier", "extrapolate", "between", "section", "parents"),
            fields={"positions": positions},
        )
        super().__init__(napari_viewer, "interpolate", form)
        self.where = Where()
        self.results = Results(self.session, "interpolate")
        self.sweep = SweepPanel(self.session)
        self.lay_out(
            (heading("Where"), self.where, heading("How"), self.form, self.cost),
            (self.sweep, self.results),
        )
        self.sweep.run.connect(self.run_sweep)
        self.where.changed.connect(self.cost.refresh)
        self.begin()

    def show_tissue(self) -> None:
        """Offer the depths and sections of the tissue."""
        self.where.set_tissue(self.session.tissue)
        self.sweep.setVisible(self.session.tissue is not None)
        self.results.refresh()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to results that come and go."""
        return [
            *super().heard(),
            (self.session.results_changed, self.results.refresh),
            (self.session.opened, self.sweep.clear),
        ]

    def values(self) -> dict[str, Any]:
        """Return where it is cut."""
        return self.where.values()

    def about(self) -> dict[str, Any]:
        """Remember where it was cut."""
        return self.where.values()

    def restore_about(self, values: Mapping[str, Any]) -> None:
        """Show where it was cut the last time."""
        self.where.set_values(**values)

    def estimate(self, tissue: Tissue, config: InterpolateConfig) -> Callable[[], Estimate]:
        """Say what the method does and costs."""
        read_config = self.session.read_config
        return lambda: estimate_cost(tissue, config, read_config)

    def work(self, tissue: Tissue, config: InterpolateConfig) -> Callable[[Monitor], Any]:
        """Cut the section."""
        read_config = self.session.read_config
        return lambda monitor: interpolate(tissue, read_config, config, monitor)

    def take(self, tissue: Tissue, result: VirtualSection) -> str:
        """Draw the section and keep it."""
        name = self.session.keep_result(result)
        self.session.stack.reveal(name)
        self.results.refresh(select=name)
        return ended(result, name)

    def run_sweep(self) -> None:
        """Cut the section at several lambdas in the background."""
        tissue, read_config = self.session.tissue, self.session.read_config
        if tissue is None:
            return
        try:
            config = self.config()
        except StdiffError as error:
            self.fail(error)
            return
        self.start(
            tissue,
            lambda monitor: sweep_lambda(tissue, read_config, config, monitor),
            lambda _, sweep: self.sweep.show_sweep(sweep),
        )


def interpolate(
    tissue: Tissue, read_config: ReadConfig, config: InterpolateConfig, monitor: Monitor
) -> VirtualSection:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.interpolate import interpolate as task

    return task(tissue, read=read_config, config=config, monitor=monitor)


def sweep_lambda(
    tissue: Tissue, read_config: ReadConfig, config: InterpolateConfig, monitor: Monitor
) -> Sweep:
    """Run the sweep; torch is only imported here, in the worker's thread."""
    from ...tasks.sweep import sweep_lambda as task

    return task(tissue, read=read_config, config=config, monitor=monitor)


def estimate_cost(tissue: Tissue, config: InterpolateConfig, read_config: ReadConfig) -> Estimate:
    """Say what the method does and estimate what the task will take."""
    from ...methods.registry import method_class
    from ...tasks.interpolate import estimate

    return Estimate(method_class(config.method).description, estimate(tissue, config, read_config))
