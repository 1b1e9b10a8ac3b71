"""Held-out evaluation of methods that fill in what an assay missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.read_config import ReadConfig
from ..data.reference import Reference
from ..data.tissue import Tissue
from ..methods.entries.base import EntryMethod
from ..methods.entries.registry import entry_method_class, entry_methods
from ..scoring.entries import SCORES, EntryScores, score_answers
from .filled import Filled, Populations, fill
from .hidden_entries import EntryCase, open_entries
from .impute_config import EvaluateImputeConfig, Pattern
from .resume import differences, plain, taken_over

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

DIFFUSION = ("stmcdi", "spotdiff")
WITHOUT = ("stack", "stack-network")
_GAINS = ("pcc", "rmse", "crps")
Makers = Mapping[str, Callable[[], EntryMethod]]


def default_entry_methods() -> tuple[str, ...]:
    """Return the ids that are compared when none are named: no paper's configuration."""
    return tuple(name for name in entry_methods() if not name.endswith("-paper"))


def evaluate_impute(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None = None,
    *,
    hide: float = 0.3,
    pattern: Pattern = "entries",
    methods: Sequence[str] | Makers | None = None,
    seed: int = 0,
    n_draws: int = 32,
    section: str = "all",
    genes: str | Sequence[str] = "",
    read: ReadConfig | None = None,
    config: EvaluateImputeConfig | None = None,
    monitor: Monitor | None = None,
    done: Mapping[str, Any] | None = None,
    after_each: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Hide measured entries, fill them in by each method, and score what was filled in.

    Every method sees the visible entries alone; scales, z-scores and the choice of genes are
    taken from these. Scores are per gene over its hidden entries, then the mean over genes: see
    :mod:`napari_stdiff.scoring.entries` for which is on which scale.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes.
    reference
        Anything that :func:`napari_stdiff.read_reference` takes, or None.
    hide
        Share of entries (pattern ``"genes"``: of shared genes) that is hidden.
    pattern
        ``"entries"``: any, with the same chance. ``"nonzero"``: of those above zero. ``"genes"``:
        whole genes, those that mark the reference's cell types best (or those named by `genes`).
        ``"thinning"``: each molecule is visible with a chance of one half, and what the visible
        half says about the expression is scored against the other half; for counts.
    methods
        Ids; None takes stmcdi, spotdiff and every baseline that can do it. A mapping from name to
        a function that makes an unfitted method compares others as well.
    seed, n_draws
        Of the protocol and of the methods; CRPS and coverage need at least 16 draws.
    section
        Section that takes part, or "all".
    genes
        Names (or one text, separated by commas) of the genes whose entries are hidden and
        scored; "all": every one; "": every one, of a table with over 2000 genes of the 1000 that
        vary most over what is visible. The others are listed as ``protocol["untouched"]``.
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
        Fields of the config, for example ``reference_cells=2000``.

    Returns
    -------
    dict
        ``{"task", "dataset", "protocol", "methods": {id: {score: value, "zeros": {...},
        "nonzeros": {...}, "clusters": {...}, "per_gene": {gene: pcc}}}}``, ready for JSON; a score
        that a method does not have is None. ``protocol["diffusion_adds"]`` says what the
        diffusion models gain over the stack alone and over the stack with a plain network.

    Raises
    ------
    StdiffError
        When a method, section or gene does not exist, whole genes are to be hidden and there is
        no reference, or values that are no counts are to be thinned.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=60, n_genes=20, image_size=60)
    >>> report = st.evaluate_impute(sample.sdata, methods=["mean", "soft-svd"])
    >>> report["methods"]["soft-svd"]["pcc"] > report["methods"]["mean"]["pcc"]
    True
    """
    monitor = monitor or Monitor()
    names = genes if isinstance(genes, str) else ",".join(genes)
    config = (config or EvaluateImputeConfig()).but(
        hide=hide, pattern=pattern, seed=seed, draws=n_draws, section=section, genes=names
    )
    config = config.but(**settings)
    with monitor.stage("Reading", 0.02):
        case = open_entries(data, reference, read, config)
        makers, left_out = _makers(methods, case, config)
        groups = Populations.of(case, config.seed) if config.clusters else None
    protocol = {**_protocol(case, config, groups), "left_out": left_out}
    rows, notes = taken_over(done, protocol, ("read", "left_out", "clusters"))
    for i, (name, make) in enumerate(makers.items()):
        if name in rows:
            continue
        with monitor.stage(name, 1 / (len(makers) - i)):
            found = fill(make, case, config, monitor)
        scores = score_answers(found.answers, case.visible, seed=config.seed)
        rows[name] = row_of(found, scores, groups)
        if found.notes:
            notes[name] = list(found.notes)
        if after_each is not None:
            after_each(_report(case, protocol, rows, notes))
    return _report(case, protocol, {n: rows[n] for n in (*makers, *rows)}, notes)


def row_of(found: Filled, scores: EntryScores, groups: Populations | None) -> dict[str, Any]:
    """Return the scores of one method as the report has them."""
    row: dict[str, Any] = dict.fromkeys(SCORES)
    row |= {name: plain(value) for name, value in scores.means.items()}
    row |= found.took
    row |= scores.parts
    row["clusters"] = None if groups is None else groups.scores(found.mean)
    row["scored_genes"] = len(scores.per_gene)
    row["facts"] = found.facts
    row["per_gene"] = {str(g): plain(v) for g, v in scores.per_gene["pcc"].items()}
    return row


def cannot(method: type[EntryMethod], case: EntryCase) -> str:
    """Return why a method cannot take part in a case, or ""."""
    if case.said["pattern"] == "genes" and method.reference == "none":
        return "makes no use of a reference, so that it knows nothing of a gene hidden whole"
    if method.reference == "needed" and case.visible.reference_raw is None:
        return "needs a reference"
    return ""


def _makers(
    methods: Sequence[str] | Makers | None, case: EntryCase, config: EvaluateImputeConfig
) -> tuple[dict[str, Callable[[], EntryMethod]], dict[str, str]]:
    """Return what is run, and why others are left out."""
    if isinstance(methods, Mapping):
        return dict(methods), {}
    said = [part.strip() for part in config.methods.split(",") if part.strip()]
    chosen = list(methods or said)
    found: dict[str, Callable[[], EntryMethod]] = {}
    left_out = {}
    for name in chosen or default_entry_methods():
        method = entry_method_class(name)
        problem = cannot(method, case)
        if problem and chosen:
            raise StdiffError(f"'{name}' {problem}; choose another method.")
        if problem:
            left_out[name] = problem
        else:
            found[name] = method
    if not found:
        raise StdiffError("No method can do this: " + "; ".join(left_out.values()) + ".")
    return found, left_out


def _protocol(
    case: EntryCase, config: EvaluateImputeConfig, groups: Populations | None
) -> dict[str, Any]:
    own = ("methods", "hide", "pattern", "genes", "section", "seed", "draws", "device")
    return {
        **case.said,
        "scores": "per gene over its hidden entries, then the mean; cosine, rmse, mae and crps of "
        "z-scores by visible entries, ssim of expression",
        "clusters": None if groups is None else groups.said,
        "settings": {
            name: value
            for name, value in config.model_dump(mode="json").items()
            if name in config.model_fields_set and name not in own
        },
    }


def _report(
    case: EntryCase,
    protocol: Mapping[str, Any],
    rows: Mapping[str, dict[str, Any]],
    notes: Mapping[str, list[str]],
) -> dict[str, Any]:
    """Return the report; what diffusion adds is of the methods that are in it."""
    origin = case.tissue.origin
    added = {own: differences(rows, own, WITHOUT, _GAINS) for own in DIFFUSION if own in rows}
    return {
        "task": "impute",
        "dataset": Path(origin.path).stem or origin.kind,
        "protocol": {**protocol, "notes": dict(notes), "diffusion_adds": added},
        "methods": dict(rows),
    }
