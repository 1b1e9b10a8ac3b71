"""Held-out evaluation of methods that predict genes the panel never measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.panel import Panel
from ..data.prediction import Prediction
from ..data.read_config import ReadConfig
from ..data.reference import Reference
from ..data.tissue import Tissue
from ..methods.genes.base import GeneMethod
from ..methods.genes.held_out import HeldOut
from ..methods.genes.registry import gene_method_class, gene_methods
from ..scoring.genes import GeneScores, accuracy_scores, downsample, robustness, score_genes
from ..tasks.reliability import Assessor
from .config import EvaluateGenesConfig
from .gene_pair import GenePair, open_pair
from .memory import peak_memory
from .resume import differences, plain, taken_over

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_DIFFUSION = "spadit"
_WITHOUT = ("stack", "stack-network")
_GAINS = ("pcc", "ssim", "crps")
_DRAWS = 500_000_000  # bytes that draws of some genes may take
_SCORES = (
    *("pcc", "pcc_median", "ssim", "rmse", "rmse_z", "js", "accuracy_score", "crps"),
    *("coverage80", "coverage80_zeros", "coverage80_nonzeros"),
    *("coverage80_zeros_expected", "coverage80_nonzeros_expected"),
    *("interval_coverage80", "reliability_spearman", "fit_seconds", "sample_seconds", "peak_mib"),
)


def default_gene_methods() -> tuple[str, ...]:
    """Return the ids that are compared when none are named: no paper's configuration."""
    return tuple(name for name in gene_methods() if not name.endswith("-paper"))


def evaluate_predict_genes(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None = None,
    *,
    methods: Sequence[str] | Mapping[str, Callable[[], GeneMethod]] | None = None,
    folds: int = 5,
    seed: int = 0,
    n_draws: int = 32,
    read: ReadConfig | None = None,
    config: EvaluateGenesConfig | None = None,
    monitor: Monitor | None = None,
    done: Mapping[str, Any] | None = None,
    after_each: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Hide shared genes fold by fold, predict them by each method, and score the predictions.

    Folds are those of scikit-learn's ``KFold(folds, shuffle=True, random_state=seed)`` over the
    shared genes in the tissue's order. Every method sees the fold's other genes alone, on both
    sides scaled by each cell's library over these; the truth is brought to that scale. The
    reference has the hidden genes: that is the task.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes.
    reference
        Anything that :func:`napari_stdiff.read_reference` takes; None where sections of the data
        serve as one (``reference_sections="a,b"``).
    methods
        Ids; None takes the default model, the stacks and every baseline. A mapping from name to a
        function that makes an unfitted method compares others as well.
    folds, seed, n_draws
        Of the protocol; CRPS and coverage need at least 16 draws.
    read
        How to read `data`.
    config
        Further settings, the same for every method.
    monitor
        Progress and cancel.
    done
        A report of the same protocol: methods that it holds are not run again.
    after_each
        Called with the report so far whenever a method is done.
    **settings
        Fields of the config, for example ``genes=970`` or ``section="bregma_-0.14"``.

    Returns
    -------
    dict
        ``{"task", "dataset", "protocol", "methods": {id: {score: value, "per_gene": {gene:
        pcc}}}}``, ready for JSON; a score that a method does not have is None.
        ``reliability_spearman`` compares the Pearson that is expected of each hidden gene with
        the one it reached; the gene is not among those that the expectation was learned from.
        ``interval_coverage80`` is the share of cells within the calibrated interval when other
        genes decide its width. ``protocol["diffusion_adds"]`` says what the diffusion model gains
        over the stack alone and over the stack with a plain network.

    Raises
    ------
    StdiffError
        When a method or section does not exist, or too few genes are shared.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=60, n_genes=20, image_size=60)
    >>> report = st.evaluate_predict_genes(sample.sdata, sample.reference, methods=["ridge"])
    >>> report["methods"]["ridge"]["pcc"] > 0
    True
    """
    monitor = monitor or Monitor()
    config = (config or EvaluateGenesConfig()).but(folds=folds, seed=seed, draws=n_draws)
    config = config.but(**settings)
    makers = _makers(methods)
    shares = _shares(config.downsample)
    with monitor.stage("Reading", 0.02):
        pair = open_pair(data, reference, read, config)
    if shares and pair.panel.tissue_values != "counts":
        raise StdiffError("Only counts can be downsampled, and this tissue holds none.")
    protocol = _protocol(pair, config, shares)
    rows, notes = taken_over(done, protocol)
    for i, (name, make) in enumerate(makers.items()):
        if name in rows:
            continue
        with monitor.stage(name, 1 / (len(makers) - i)):
            rows[name], said = _evaluate(name, make, pair.panel, config, shares, monitor)
        if said:
            notes[name] = said
        if after_each is not None:
            after_each(_report(pair, protocol, rows, notes))
    return _report(pair, protocol, {n: rows[n] for n in (*makers, *rows)}, notes)


@dataclass
class _Run:
    """One method over all folds."""

    mean: np.ndarray
    std: np.ndarray
    fold: np.ndarray
    scores: list[GeneScores] = field(default_factory=list)
    fit: float = 0.0
    sample: float = 0.0
    peak: float = 0.0
    notes: dict[str, None] = field(default_factory=dict)
    spread: bool = True

    @property
    def pcc(self) -> dict[str, float | None]:
        """Gene -> Pearson, None for a gene that is constant in the truth."""
        table = GeneScores.joined(self.scores).per_gene
        return {str(g): plain(v) for g, v in table["pcc"].items()}


def _evaluate(
    name: str,
    make: Callable[[], GeneMethod],
    panel: Panel,
    config: EvaluateGenesConfig,
    shares: Sequence[float],
    monitor: Monitor,
) -> tuple[dict[str, Any], list[str]]:
    """Return the scores of one method, and what it said."""
    with monitor.stage(name, 1 / (1 + len(shares))):
        run = _over_folds(name, make, panel, config, monitor)
    pcc = run.pcc
    row: dict[str, Any] = dict.fromkeys(_SCORES)
    row |= GeneScores.joined(run.scores).means
    held = HeldOut(run.mean, run.std if run.spread else None, run.fold)
    assessed = Assessor.fit(panel, held).scores
    row["reliability_spearman"] = assessed.get("reliability_spearman")
    row["interval_coverage80"] = assessed.get("coverage80")
    row["fit_seconds"], row["sample_seconds"] = round(run.fit, 3), round(run.sample, 3)
    row["peak_mib"] = round(run.peak, 1)
    row = {key: plain(value) for key, value in row.items()}
    row["per_gene"] = {str(g): pcc.get(str(g)) for g in panel.genes}
    if shares:
        row["downsampled"] = {}
        for k, share in enumerate(shares):
            with monitor.stage(f"{name}: {share:g} removed", 1 / (len(shares) - k)):
                fewer = downsample(panel.tissue_raw, share, config.seed)
                thinned = replace(panel, tissue_raw=np.asarray(fewer, dtype=np.float32))
                few = config.but(draws=0)
                found = _over_folds(name, make, thinned, few, monitor, truth=panel).pcc
            known = [v for v in found.values() if v is not None]
            row["downsampled"][f"{share:g}"] = {
                "robustness": robustness(_finite(pcc), _finite(found)),
                "pcc": float(np.mean(known)) if known else None,
            }
    return row, list(run.notes)


def _over_folds(
    name: str,
    make: Callable[[], GeneMethod],
    panel: Panel,
    config: EvaluateGenesConfig,
    monitor: Monitor,
    truth: Panel | None = None,
) -> _Run:
    """Fit and predict with each fold's genes hidden; `truth` has the measured values."""
    from sklearn.model_selection import KFold

    n = len(panel.genes)
    mean, std = np.zeros((2, panel.n_cells, n), dtype=np.float32)
    run = _Run(mean, std, np.zeros(n, dtype=np.int64))
    parts = KFold(config.folds, shuffle=True, random_state=config.seed).split(panel.genes)
    for i, (_, hidden) in enumerate(parts):
        names = panel.genes[hidden]
        visible = panel.without(names)
        scale = visible if truth is None else truth.without(names)
        measured = scale.scaled((truth or panel).tissue_raw[:, hidden])
        run.fold[hidden] = i
        what = f"{name}, fold {i + 1} of {config.folds}"
        with monitor.stage(what, 1 / (config.folds - i)), peak_memory() as peak:
            start = perf_counter()
            with monitor.stage(what, 0.8):
                method = make().fit(visible, config, monitor)
            run.fit += perf_counter() - start
            size = int(max(1, _DRAWS // (4 * panel.n_cells * max(1, config.draws))))
            for first in range(0, len(hidden), size):
                at = slice(first, first + size)
                start = perf_counter()
                part = method.sample(names[at], config.draws, monitor)
                monitor.check()
                run.sample += perf_counter() - start
                run.scores.append(score_genes(measured[:, at], part, seed=config.seed))
                _keep(run, hidden[at], part)
        run.peak = max(run.peak, peak.mib)
    return run


def _keep(run: _Run, columns: np.ndarray, part: Prediction) -> None:
    run.mean[:, columns] = part.mean
    run.spread = run.spread and part.std is not None
    if part.std is not None:
        run.std[:, columns] = part.std
    run.notes |= dict.fromkeys(part.notes)


def _makers(
    methods: Sequence[str] | Mapping[str, Callable[[], GeneMethod]] | None,
) -> dict[str, Callable[[], GeneMethod]]:
    if isinstance(methods, Mapping):
        return dict(methods)
    return {name: gene_method_class(name) for name in methods or default_gene_methods()}


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise StdiffError(
            f"Shares to downsample are numbers separated by commas, such as .1,.3 (got '{text}')."
        ) from error
    if any(not 0 < share < 1 for share in shares):
        raise StdiffError(f"Shares to downsample lie between 0 and 1 (got '{text}').")
    return shares


def _protocol(
    pair: GenePair, config: EvaluateGenesConfig, shares: Sequence[float]
) -> dict[str, Any]:
    counts = pair.panel.tissue_values == "counts"
    return {
        "folds": config.folds,
        "seed": config.seed,
        "draws": config.draws,
        "split": "KFold(folds, shuffle, random_state=seed) over the shared genes",
        **pair.said,
        "scale": "counts over the fold's visible genes scaled to their median, log1p"
        if counts
        else "values as they are",
        "downsampled": list(shares),
        "settings": {
            name: value
            for name, value in config.model_dump(mode="json").items()
            if name in config.model_fields_set and name != "methods"
        },
        "read": [*pair.tissue.origin.notes, *pair.reference.origin.notes, *pair.match.notes],
        "tissue_fingerprint": pair.panel.tissue_fingerprint(),
        "reference_fingerprint": pair.panel.reference_fingerprint(),
    }


def _report(
    pair: GenePair,
    protocol: Mapping[str, Any],
    rows: Mapping[str, dict[str, Any]],
    notes: Mapping[str, list[str]],
) -> dict[str, Any]:
    """Return the report; ranks and differences are of the methods that are in it."""
    ranked = accuracy_scores(rows)
    methods = {name: {**row, "accuracy_score": ranked[name]} for name, row in rows.items()}
    origin = pair.tissue.origin
    return {
        "task": "predict-genes",
        "dataset": Path(origin.path).stem or origin.kind,
        "protocol": {
            **protocol,
            "notes": dict(notes),
            "diffusion_adds": differences(methods, _DIFFUSION, _WITHOUT, _GAINS),
        },
        "methods": methods,
    }


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
