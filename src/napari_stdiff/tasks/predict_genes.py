"""Predict genes that the panel never measured, from a dissociated reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.device import choose_device
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.checks import listing
from ..data.gene_names import GeneMatch, match_genes
from ..data.panel import Panel, panel_of
from ..data.predicted import PredictedGenes, Reliability
from ..data.predicted_store import TASK
from ..data.prediction import Prediction
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.reference import Reference, read_reference
from ..data.store import element_name
from ..data.telling import most_telling
from ..data.tissue import Tissue
from ..methods.base import Cost
from ..methods.genes.registry import gene_method_class
from .gene_choice import Choice, choose_genes
from .gene_config import PredictGenesConfig
from .gene_model import GeneModel, chunk_size, gene_model, in_chunks, load_gene_model
from .memory import refuse_too_large
from .reliability import Assessor

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_SHARED = 4  # fewest shared genes: one is hidden at a time, and predicted from three
_REFERENCE = 10  # fewest reference cells


def predict_genes(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference,
    *,
    read: ReadConfig | None = None,
    config: PredictGenesConfig | None = None,
    monitor: Monitor | None = None,
    model: str | Path | GeneModel | None = None,
    save_model: str | Path | None = None,
    **settings: Any,
) -> PredictedGenes:
    """Predict genes that were never measured in a tissue.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes.
    reference
        Dissociated cells that have the tissue's genes and the wanted ones: an ``.h5ad`` file, an
        AnnData, or what :func:`napari_stdiff.read_reference` returned.
    read
        How to read the tissue.
    config
        Which genes and how; see :class:`PredictGenesConfig`.
    monitor
        Progress and cancel. A run that is cancelled raises :class:`Cancelled`.
    model
        A fitted model, or the folder it was saved to; None fits one, or takes the one that an
        earlier call of this session fitted on the same data with the same settings.
    save_model
        Folder to keep the fitted model in, its reliability folds included.
    **settings
        Fields of the config, for example ``genes="Gad1,Slc17a7"`` or ``which="all-missing"``.

    Returns
    -------
    PredictedGenes
        For every gene the mean and the spread in each cell, the Pearson correlation that it is
        expected to reach, and the record of the run. Values are on the scale of the tissue's
        visible genes: counts scaled by each cell's library over the shared genes, log1p.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: no gene can be predicted, too few genes are shared, a model
        of another tissue, unusable data.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=80, n_extra_genes=30, image_size=60)
    >>> gene = sample.hidden_genes[0]
    >>> found = st.predict_genes(sample.sdata, sample.reference, genes=gene, method="ridge")
    >>> found.mean.shape == (found.names.size, 1)
    True
    >>> found.reliability.badges[0] in ("high", "medium", "low")
    True
    """
    monitor = monitor or Monitor()
    config = (config or PredictGenesConfig()).but(**settings)
    job = prepare(data, reference, read=read, config=config, monitor=monitor)
    return run(job, config, monitor, model=model, save_model=save_model)


def run(
    job: Job,
    config: PredictGenesConfig,
    monitor: Monitor,
    *,
    model: str | Path | GeneModel | None = None,
    save_model: str | Path | None = None,
) -> PredictedGenes:
    """Do what `prepare` made ready; see :func:`predict_genes`."""
    refuse_too_large(job.panel.n_cells, len(job.choice.genes))
    with monitor.stage("Fitting", 0.75), job.timed("fit"):
        job.fit(config, monitor, model)
    if save_model is not None:
        job.model.save(Path(save_model).expanduser())
    start = perf_counter()
    with monitor.stage("Predicting"):
        return job.predict(config, monitor, start)


@dataclass
class Job:
    """One run: what it is about, and what it has come to.

    Attributes
    ----------
    tissue, reference, match
        What went in, and which genes of the two belong together.
    panel
        What a method sees.
    choice
        The genes to predict.
    model
        The fitted method with its reliability folds, once there is one.
    kept
        Where that came from: "" this run, "earlier" an earlier one, "given" the user.
    seconds
        Stage -> wall time.
    """

    tissue: Tissue
    reference: Reference
    match: GeneMatch
    panel: Panel
    choice: Choice
    model: GeneModel = field(init=False)
    kept: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note the seconds that a stage takes."""
        start = perf_counter()
        yield
        self.seconds[stage] = round(perf_counter() - start, 3)

    def fit(
        self, config: PredictGenesConfig, monitor: Monitor, model: str | Path | GeneModel | None
    ) -> None:
        """Fit the method and run its reliability folds, or take the model that is there."""
        if model is None:
            self.model, known = gene_model(self.panel, config, monitor)
            self.kept = "earlier" if known else ""
            return
        if isinstance(model, GeneModel):
            model.refuse_misfit(self.panel)
            self.model = model
        else:
            self.model = load_gene_model(Path(model).expanduser(), self.panel, config, monitor)
        self.kept = "given"

    def predict(
        self, config: PredictGenesConfig, monitor: Monitor, start: float
    ) -> PredictedGenes:
        """Predict the chosen genes, in chunks of them, and say how far to trust each.

        `start` is when that began, for the record.
        """
        genes, panel = self.choice.genes, self.panel
        with monitor.stage("Reliability", 0.15):
            assessor = Assessor.fit(panel, self.model.held)
        mean = np.empty((panel.n_cells, len(genes)), dtype=np.float32)
        std = np.empty_like(mean)
        expected, low, high = np.empty((3, len(genes)))
        notes: dict[str, None] = {}
        with monitor.stage("Predicting"):
            for at, part in in_chunks(self.model.method, panel, genes, config.draws, monitor):
                found = assessor.assess(genes[at], part.mean)
                mean[:, at] = part.mean
                std[:, at] = assessor.spread(genes[at], part.mean, part.std, found)
                expected[at], low[at], high[at] = found.expected, found.low, found.high
                notes |= dict.fromkeys(part.notes)
        flat = genes[np.ptp(mean, axis=0) <= 1e-9]
        if len(flat):
            said = f"{listing(flat[:3])}{', ...' if len(flat) > 3 else ''}"
            notes[
                f"{len(flat)} gene(s) got the same value in every cell ({said}): the reference "
                "does not tell cells apart by them."
            ] = None
        reliability = Reliability(expected, low, high)
        self.seconds["sample"] = round(perf_counter() - start, 3)
        return PredictedGenes(
            name=element_name(f"genes_{config.method}"),
            prediction=Prediction(genes=genes, mean=mean, std=std, notes=tuple(notes)),
            names=self.tissue.names,
            reliability=reliability,
            record=self._record(config, assessor, reliability, list(notes)),
        )

    def _record(
        self,
        config: PredictGenesConfig,
        assessor: Assessor,
        reliability: Reliability,
        notes: list[str],
    ) -> RunRecord:
        panel, reference = self.panel, self.reference
        badges = reliability.badges
        counted = ", ".join(f"{int((badges == b).sum())} {b}" for b in ("high", "medium", "low"))
        said = [*reference.origin.notes, *self.match.notes, *self.choice.notes, *notes]
        said += assessor.notes
        said.append(f"Reliability of the predicted genes: {counted}.")
        if self.kept == "earlier":
            said.append("The model was kept from an earlier fit on the same data and settings.")
        elif self.kept == "given":
            said.append("The model was given, not fitted in this run.")
        return RunRecord(
            task=TASK,
            method=config.method,
            parameters=config.model_dump(mode="json"),
            chosen=self.model.method.facts() | {"spread_factor": assessor.factors},
            target={
                "n_genes": len(self.choice.genes),
                "which": config.which,
                "n_cells": panel.n_cells,
                "shared_genes": len(panel.genes),
                "reference": reference.origin.path or reference.origin.name,
                "reference_cells": reference.n_cells,
            },
            seed=config.seed,
            device=choose_device(config.device).type,
            input=describe_input(self.tissue),
            scores=assessor.scores,
            seconds=dict(self.seconds),
            notes=tuple(said),
        )


def prepare(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference,
    *,
    read: ReadConfig | None,
    config: PredictGenesConfig,
    monitor: Monitor,
) -> Job:
    """Read tissue and reference, match their genes and choose those to predict."""
    seconds = {}
    with monitor.stage("Reading", 0.05):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig())
        known = read_reference(reference, cells=config.reference_cells, seed=config.seed)
        match = match_genes(tissue, known)
        _refuse_too_little(known, match)
        telling = most_telling(known, match.shared)
        if len(telling) < len(match.shared):
            told = (
                f"Genes: the {len(telling):,} of these that vary most in the reference are used."
            )
            match = replace(match, notes=(*match.notes, told))
        panel = panel_of(tissue, known, replace(match, shared=telling))
        choice = choose_genes(tissue, known, match, panel, config)
        seconds["read"] = round(perf_counter() - start, 3)
    return Job(tissue, known, match, panel, choice, seconds=seconds)


def _refuse_too_little(reference: Reference, match: GeneMatch) -> None:
    """Refuse what nothing can be learned from."""
    if len(match.shared) < _SHARED:
        raise StdiffError(
            f"Tissue and reference share {len(match.shared)} gene(s); at least {_SHARED} are "
            "needed. Are the gene names of the same species and kind?"
        )
    if reference.n_cells < _REFERENCE:
        raise StdiffError(
            f"The reference has {reference.n_cells} cell(s); at least {_REFERENCE} are needed to "
            "see which genes go together."
        )


def estimate(job: Job, config: PredictGenesConfig) -> Cost:
    """Return what fitting and predicting will cost on this machine, reliability folds included."""
    cls = gene_method_class(config.method)
    n_genes = len(job.choice.genes)
    cost = cls.cost(job.panel, config, n_genes)
    # genes are predicted some at a time, and their draws are gone before the next
    at_once = cls.cost(job.panel, config, min(n_genes, chunk_size(job.panel, config.draws)))
    result = 8 * job.panel.n_cells * n_genes / 2**20
    return Cost(cost.parameters, cost.seconds, at_once.memory_mib + result)
