"""Fill in what an assay missed of the genes that it measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.device import choose_device
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.gaps import with_mask
from ..data.imputed import TASK, Imputed, flat_scores, reliability_of
from ..data.prediction import Prediction
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.reference import Reference, read_reference
from ..data.store import element_name
from ..data.tissue import Tissue
from ..data.visible import Visible
from ..data.visible_of import visible_of
from ..methods.base import Cost
from ..methods.entries.registry import entry_method_class
from ..scoring.entries import EntryScores
from .entry_check import COMPARED, Checked, compared, hide, sentences
from .entry_choice import EntryChoice, choose_entries
from .entry_model import EntryModel, entry_model, in_chunks, load_entry_model
from .impute_config import ImputeConfig
from .populations import before_and_after

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_APART = ("pcc_nonzeros", "rmse_nonzeros", "rmse_zeros")


def impute(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None = None,
    *,
    read: ReadConfig | None = None,
    config: ImputeConfig | None = None,
    monitor: Monitor | None = None,
    model: str | Path | EntryModel | None = None,
    save_model: str | Path | None = None,
    **settings: Any,
) -> Imputed:
    """Fill in missing values of measured genes, and say how well that goes.

    In every run a small share of the measured values is hidden as well, predicted, and scored
    beside three simple ways to fill in. One fit serves both: what is filled in comes from the
    very model that was scored, which saw all measured values but those. In the result they stand
    as they were measured.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes; NaN are missing values.
    reference
        Dissociated cells that share genes with the tissue: an ``.h5ad`` file, an AnnData, or what
        :func:`napari_stdiff.read_reference` returned. Methods that do not look at one
        (`stmcdi`, most baselines) work without.
    read
        How to read the tissue.
    config
        Which genes, what is missing, and how; see :class:`ImputeConfig`.
    monitor
        Progress and cancel. A run that is cancelled raises :class:`Cancelled`.
    model
        A fitted model, or the folder it was saved to; None fits one, or takes the one that an
        earlier call of this session fitted on the same data with the same settings.
    save_model
        Folder to keep the fitted model in.
    **settings
        Fields of the config, for example ``genes="Gad1,Slc17a7"`` or ``missing="nan"``.

    Returns
    -------
    Imputed
        Measured values as they are, filled-in ones with their spread, which is which, what the
        hidden values reached gene by gene, and the record of the run. Values are on the scale of
        the tissue's measured entries: counts scaled by each cell's library over the genes that
        take part, log1p.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: nothing is missing, no such gene or layer, a model of
        another tissue, unusable data.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=60, n_genes=12, image_size=60)
    >>> found = st.impute(sample.sdata, method="soft-svd", missing="zeros", draws=0)
    >>> bool((found.mean[~found.filled] == found.measured[~found.filled]).all())
    True
    >>> sorted(found.scores)
    ['mean', 'soft-svd', 'spatial-knn']
    """
    monitor = monitor or Monitor()
    config = (config or ImputeConfig()).but(**settings)
    job = prepare(data, reference, read=read, config=config, monitor=monitor)
    return run(job, config, monitor, model=model, save_model=save_model)


def run(
    job: Job,
    config: ImputeConfig,
    monitor: Monitor,
    *,
    model: str | Path | EntryModel | None = None,
    save_model: str | Path | None = None,
) -> Imputed:
    """Do what `prepare` made ready; see :func:`impute`."""
    with monitor.stage("Fitting", 0.75), job.timed("fit"):
        job.fit(config, monitor, model)
    if save_model is not None:
        job.model.save(Path(save_model).expanduser())
    return job.fill(config, monitor)


@dataclass
class Job:
    """One run: what it is about, and what it has come to.

    Attributes
    ----------
    tissue, reference
        What went in (the section that is imputed); None where the method looks at no reference.
    choice
        Genes and entries.
    visible
        Everything that is measured.
    notes
        What was said about the input.
    model
        The fitted method, once there is one.
    kept
        Where that came from: "" this run, "earlier" an earlier one, "given" the user.
    seconds
        Stage -> wall time.
    """

    tissue: Tissue
    reference: Reference | None
    choice: EntryChoice
    visible: Visible
    notes: tuple[str, ...] = ()
    model: EntryModel = field(init=False)
    kept: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note the seconds that a stage takes."""
        start = perf_counter()
        yield
        self.seconds[stage] = round(perf_counter() - start, 3)

    def fit(
        self, config: ImputeConfig, monitor: Monitor, model: str | Path | EntryModel | None
    ) -> None:
        """Fit the method with the checked entries hidden, or take the model that is there."""
        expected = self.expects(config)
        if model is None:
            check = hide(self.visible.seen, config.check_share, config.seed)
            self.model, known = entry_model(self.visible, check, expected, config, monitor)
            self.kept = "earlier" if known else ""
            return
        if isinstance(model, EntryModel):
            model.refuse_misfit(self.visible, expected)
            self.model = model
        else:
            folder = Path(model).expanduser()
            self.model = load_entry_model(folder, self.visible, expected, config)
        self.kept = "given"

    def replaces(self, config: ImputeConfig) -> bool:
        """Return whether measured values are replaced by expected ones."""
        return config.denoise or self.choice.missing == "none"

    def expects(self, config: ImputeConfig) -> bool:
        """Return whether measured values are predicted, too: zeros that are filled in are some."""
        return self.replaces(config) or self.choice.missing == "zeros"

    def fill(self, config: ImputeConfig, monitor: Monitor) -> Imputed:
        """Answer for all cells, in chunks of them, and score what was checked."""
        choice, visible, check = self.choice, self.visible, self.model.check
        fitted = visible.without(check)
        filled = choice.wanted | self.replaces(config)
        known = visible.expression[:, choice.targets]
        mean, std = known.copy(), np.zeros_like(known)
        checked = Checked(visible, fitted, check, choice.targets)
        notes: dict[str, None] = {}
        spread = config.draws > 1
        with self.timed("sample"), monitor.stage("Filling in", 0.5):
            for at, part in in_chunks(self.model.method, fitted, config.draws, monitor):
                checked.take(at, part)
                found, width = _rescaled(part, choice.targets, visible, fitted, at)
                np.copyto(mean[at], found, where=filled[at])
                spread = spread and width is not None
                if width is not None:
                    np.copyto(std[at], width, where=filled[at])
                notes |= dict.fromkeys(part.notes)
        with self.timed("check"), monitor.stage("Checking", 0.9):
            reached = checked.scores(config.seed)
            own = {k: v for k, v in reached.means.items() if k != "ssim"}
            own |= {name: _mean_of(reached, name) for name in _APART}
            others = compared(visible, fitted, check, choice.targets, config, monitor)
        scores = flat_scores(config.method, {config.method: own, **others})
        if config.clusters:
            with self.timed("clusters"):
                scores |= before_and_after(self.tissue, visible, choice.targets, mean, config.seed)
        said = sentences(config.method, own, others, len(checked))
        measured = np.where(visible.seen[:, choice.targets], known, np.float32(np.nan))
        per_gene = reached.per_gene["pcc"].reindex(choice.names.astype(str))
        counts = check[:, choice.targets].sum(axis=0)
        return Imputed(
            name=element_name(f"imputed_{config.method}"),
            prediction=Prediction(
                genes=choice.names,
                mean=mean,
                std=std if spread else None,
                notes=tuple(notes),
            ),
            names=self.tissue.names,
            measured=measured,
            filled=filled,
            reliability=reliability_of(per_gene.to_numpy(float), counts),
            checked=counts,
            record=self._record(config, scores, filled, [*notes, *said]),
        )

    def _record(
        self,
        config: ImputeConfig,
        scores: dict[str, float | None],
        filled: np.ndarray,
        said: list[str],
    ) -> RunRecord:
        choice, known = self.choice, self.reference
        notes = [*self.notes, *choice.notes, *said]
        if self.replaces(config):
            notes.append("Measured values are replaced by what is expected there (denoised).")
        if self.kept == "earlier":
            notes.append("The model was kept from an earlier fit on the same data and settings.")
        elif self.kept == "given":
            notes.append("The model was given, not fitted in this run.")
        target: dict[str, Any] = {
            "n_genes": len(choice.targets),
            "genes_seen": len(choice.genes),
            "n_cells": self.tissue.n_cells,
            "section": "" if config.section == "all" else config.section,
            "missing": choice.missing,
            "filled": int(filled.sum()),
            "filled_share": round(float(filled.mean()), 6),
            "checked": int(self.model.check[:, choice.targets].sum()),
        }
        if known is not None:
            target["reference"] = known.origin.path or known.origin.name
            target["reference_cells"] = known.n_cells
        return RunRecord(
            task=TASK,
            method=config.method,
            parameters=config.model_dump(mode="json"),
            chosen=self.model.method.facts(),
            target=target,
            seed=config.seed,
            device=choose_device(config.device).type,
            input=describe_input(self.tissue),
            scores=scores,
            seconds=dict(self.seconds),
            notes=tuple(dict.fromkeys(notes)),
        )


def prepare(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None,
    *,
    read: ReadConfig | None,
    config: ImputeConfig,
    monitor: Monitor,
    masks: Any = None,
) -> Job:
    """Read tissue and reference, and choose genes and entries.

    Parameters as in :func:`impute`; `masks` is what has the mask layer where `data` is a tissue
    that was read from an object in memory.
    """
    seconds: dict[str, float] = {}
    cls = entry_method_class(config.method)
    notes: list[str] = []
    if reference is None and cls.reference == "needed":
        raise StdiffError(
            f"'{config.method}' learns from a single-cell reference; name one (REF.h5ad), or "
            "choose a method that works without, for example stmcdi."
        )
    with monitor.stage("Reading", 0.03):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig(), gaps=True)
        if config.mask_layer:
            tissue = _masked(tissue, data if masks is None else masks, config.mask_layer)
        if config.section != "all":
            tissue = tissue.split(config.section)[1]
        known = None
        if reference is not None and cls.reference != "none":
            known = read_reference(reference, cells=config.reference_cells, seed=config.seed)
        elif reference is not None:
            notes.append(f"The reference is not looked at: '{config.method}' works without one.")
        choice = choose_entries(tissue, known, config)
        visible, said = visible_of(tissue, choice.genes, choice.hidden, known)
        seconds["read"] = round(perf_counter() - start, 3)
    return Job(tissue, known, choice, visible, (*notes, *said), seconds=seconds)


def _masked(tissue: Tissue, data: Any, layer: str) -> Tissue:
    """Return the tissue with the gaps that a layer of its table marks."""
    source = tissue.origin.path if isinstance(data, Tissue) else data
    if isinstance(source, str) and not source:
        raise StdiffError(
            f"The layer '{layer}' cannot be looked up for a tissue in memory; give the file, the "
            "store or the AnnData that has it."
        )
    return with_mask(tissue, source, layer)


def estimate(job: Job, config: ImputeConfig) -> Cost:
    """Return what fitting, filling in and the check will cost on this machine."""
    told = config.but(denoise=job.expects(config))
    cost = entry_method_class(config.method).cost(job.visible, told)
    beside, told = [name for name in COMPARED if name != config.method], config.but(draws=0)
    check = sum(entry_method_class(name).cost(job.visible, told).seconds for name in beside)
    result = 13 * job.choice.wanted.size / 2**20  # mean, spread, measured and the mask
    return Cost(cost.parameters, cost.seconds + check, cost.memory_mib + result)


def _rescaled(
    part: Prediction, targets: np.ndarray, visible: Visible, fitted: Visible, at: slice
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return mean and spread of the targets on the scale of everything that is measured.

    A method saw a cell's library without the checked entries, which moves the scale of the cell
    a little: log1p(c f) becomes log1p(c f') with f' of all measured entries, and the spread
    follows by the slope of that.
    """
    mean = part.mean[:, targets]
    std = part.std
    if std is None and part.draws is not None and len(part.draws) > 1:
        std = part.draws.std(axis=0, ddof=1)
    std = None if std is None else std[:, targets]
    if visible.values != "counts":
        return mean, std
    ratio = (visible.factor[at] / fitted.factor[at])[:, None]
    scaled = ratio * np.expm1(mean)
    if std is not None:
        std = std * (ratio * np.exp(mean) / (1 + scaled))
    return np.log1p(scaled), std


def _mean_of(scores: EntryScores, name: str) -> float | None:
    known = scores.per_gene[name].dropna()
    return float(known.mean()) if len(known) else None
