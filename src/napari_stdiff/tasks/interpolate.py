"""Cut a virtual section between measured ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.device import choose_device
from ..compute.monitor import Monitor
from ..data.normalise import Normaliser
from ..data.prediction import Prediction, Query
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.store import element_name
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from ..methods.base import Cost, Method
from ..methods.registry import method_class
from ..scoring.section import score_section
from .cells import Cells, cells_of
from .config import InterpolateConfig
from .fitted import Kept, fitted, run_notes, saved
from .lambdas import with_lambda
from .target import TIERS, Target, target_of

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def interpolate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: InterpolateConfig | None = None,
    monitor: Monitor | None = None,
    model: str | Path | Method | None = None,
    query: Query | None = None,
    **settings: Any,
) -> VirtualSection:
    """Predict the expression of a section that lies between measured ones.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes, with at least two sections.
    read
        How to read it.
    config
        What to cut and how; see :class:`InterpolateConfig`.
    monitor
        Progress and cancel. A run that is cancelled while it draws returns what is done, with
        ``prediction.complete`` False; before that it raises :class:`Cancelled`.
    model
        A fitted method, or the folder it was saved to; None fits one, or takes the one that an
        earlier run fitted on the same data with the same settings.
    query
        Cells to predict; None makes them up as ``config.cells`` says.
    **settings
        Fields of the config, for example ``hide="section_3"`` or ``at=120.0``.

    Returns
    -------
    VirtualSection
        Cells, expression (mean, std, draws) and the record of the run. Where a section was
        hidden, ``record.scores`` compares with it.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: no such section, a depth that is not between two measured
        sections, too few sections, unusable data.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=150, seed=1)
    >>> section = st.interpolate(sample.sdata, at=60.0, method="typed-knn", draws=0)
    >>> section.prediction.mean.shape[0] == section.query.n_cells
    True
    """
    monitor = monitor or Monitor()
    config = (config or InterpolateConfig()).but(**settings)
    job = prepare(data, read, config, monitor, query)
    with monitor.stage("Fitting", 0.8), job.timed("fit"):
        job.fit(config, monitor, model)
    with monitor.stage("Drawing"), job.timed("sample"):
        prediction = job.method.sample(job.cells.query, config.draws, monitor)
    return job.answer(prediction, config)


@dataclass
class Job:
    """One run: what it is about, and what it has come to.

    Attributes
    ----------
    tissue
        Everything measured.
    target
        What is asked for.
    cells
        The cells to predict.
    method
        The fitted method, once there is one.
    kept
        Where it came from: this run, an earlier one, or the user.
    facts
        What was chosen beside what the method chose.
    seconds
        Stage -> wall time.
    """

    tissue: Tissue
    target: Target
    cells: Cells
    method: Method = field(init=False)
    kept: Kept = ""
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note the seconds that a stage takes."""
        start = perf_counter()
        yield
        self.seconds[stage] = round(perf_counter() - start, 3)

    def fit(
        self, config: InterpolateConfig, monitor: Monitor, model: str | Path | Method | None
    ) -> None:
        """Fit the method, or take the one that is there; choose lambda where that is asked for."""
        visible = self.target.visible
        settings, self.facts = with_lambda(visible, config, monitor)
        if model is None:
            self.method, kept = fitted(visible, settings, monitor)
            self.kept = "earlier" if kept else ""
            return
        if isinstance(model, Method):
            self.method = model
            self.method.configure(settings)
        else:
            self.method = saved(model, visible, settings, self.target.hidden)
        self.kept = "given"

    def answer(self, prediction: Prediction, config: InterpolateConfig) -> VirtualSection:
        """Return what was predicted, with its record."""
        target, cells = self.target, self.cells
        shown = target.restore(cells.query)
        distance, confidence = target.trust(shown)
        record = RunRecord(
            task="interpolate",
            method=config.method,
            parameters=config.model_dump(mode="json"),
            chosen=self.method.facts() | self.facts,
            target=target.describe(config.hide) | cells.describe(),
            seed=config.seed,
            device=choose_device(config.device).type,
            input=describe_input(self.tissue),
            scores=_scores(target, prediction, cells),
            seconds=dict(self.seconds),
            notes=self._notes(prediction, config),
        )
        where = config.hide or f"z{target.z:.4g}"
        name = element_name(f"virtual_{where}_{config.method}")
        return VirtualSection(
            name, shown, prediction, self.tissue.unit, record, distance, confidence
        )

    def _notes(self, prediction: Prediction, config: InterpolateConfig) -> tuple[str, ...]:
        notes = [*self.target.notes, *prediction.notes]
        if self.cells.tier:
            notes.append(TIERS[self.cells.tier])
        return (*notes, *run_notes(prediction, config.draws, self.kept))


def prepare(
    data: str | Path | AnnData | SpatialData | Tissue,
    read: ReadConfig | None,
    config: InterpolateConfig,
    monitor: Monitor,
    query: Query | None = None,
) -> Job:
    """Read, hide what is to be hidden, and place the cells."""
    seconds: dict[str, float] = {}
    with monitor.stage("Reading", 0.02):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig())
        target = target_of(tissue, config, read)
        seconds["read"] = round(perf_counter() - start, 3)
    with monitor.stage("Placing cells", 0.03):
        start = perf_counter()
        cells = cells_of(target, config, query)
        seconds["place"] = round(perf_counter() - start, 3)
    return Job(tissue, target, cells, seconds=seconds)


def estimate(tissue: Tissue, config: InterpolateConfig, read: ReadConfig | None = None) -> Cost:
    """Return what :func:`interpolate` will cost on this machine, without doing it.

    Raises
    ------
    StdiffError
        When the section or layer to hide does not exist, or too few remain.
    """
    target = target_of(tissue, config, read)
    visible, hidden = target.visible, target.hidden
    n_cells = hidden.n_cells if hidden is not None else visible.n_cells // len(visible.sections)
    return method_class(config.method).cost(visible, config, n_cells)


def _scores(target: Target, prediction: Prediction, cells: Cells) -> dict[str, float | None]:
    """Compare with what was hidden, on the scale of what is visible; {} where nothing was.

    Cell by cell where the cells are the hidden section's own, as clouds of cells otherwise.
    """
    hidden, query = target.hidden, cells.query
    if hidden is None:
        return {}
    if not prediction.complete:  # cancelled: answer at once, with what the mean alone can say
        prediction = replace(prediction, draws=None)
    own = cells.tier != "C" and np.array_equal(query.coords[:, 1:], hidden.coords[:, 1:])
    normaliser = Normaliser.fit(target.visible)
    return score_section(
        normaliser(hidden),
        hidden.coords,
        hidden.cell_type,
        prediction,
        query=None if own else query,
        scale=normaliser(target.visible).std(axis=0),
    )
