"""The commands that predict genes the panel never measured, and that score how well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..compute.errors import StdiffError
from ..evaluation.config import EvaluateGenesConfig
from ..tasks.gene_config import PredictGenesConfig
from . import text
from .app import (
    _EMPTY,
    _OUT,
    _READING,
    _TASK,
    Data,
    Json,
    Model,
    Reading,
    SaveModel,
    Screenshot,
    Show,
    app,
    evaluate,
)
from .bar import monitored
from .options import check_outputs, earlier, place_of_table, write_json

if TYPE_CHECKING:
    from ..methods.base import Cost
    from ..tasks.predict_genes import Job

_PREDICT, _EVALUATE = PredictGenesConfig(), EvaluateGenesConfig()

_Reference = Annotated[
    str,
    _EMPTY,
    Parameter(
        group=_TASK,
        help="Dissociated cells with the tissue's genes and the wanted ones: an .h5ad file or a "
        "store.",
    ),
]


@app.command
def predict_genes(
    data: Data,
    /,
    *,
    reference: _Reference = "",
    all_missing: Annotated[
        bool,
        _EMPTY,
        Parameter(
            group=_TASK,
            negative="",
            help="Predict every gene of the reference that the tissue lacks.",
        ),
    ] = False,
    hvg: Annotated[
        int,
        _EMPTY,
        Parameter(
            group=_TASK, help="Predict so many of the most variable genes that the tissue lacks."
        ),
    ] = 0,
    out: Annotated[
        str,
        _EMPTY,
        Parameter(
            group=_OUT,
            help="Store for the result, which only gains a table, or a new one; left away, DATA "
            "itself where that is a store.",
        ),
    ] = "",
    name: Annotated[
        str,
        _EMPTY,
        Parameter(group=_OUT, help="Name of the new table; left away, genes_METHOD."),
    ] = "",
    screenshot: Screenshot = "",
    show: Show = False,
    json: Json = "",
    model: Model = "",
    save_model: SaveModel = "",
    config: Annotated[PredictGenesConfig, Parameter(name="*", group=_TASK)] = _PREDICT,
    read: Reading = _READING,
) -> int:
    """Predict genes that the panel never measured, each with a reliability."""
    from dataclasses import replace

    from ..data.store import element_name

    config = _which(config, all_missing, hvg)
    if not reference:
        raise StdiffError("Name the single-cell reference with --reference REF.h5ad.")
    out = place_of_table(data, out, json, screenshot, show, save_model)

    from ..data.results import save
    from ..tasks.predict_genes import prepare, run

    _prepare(config.device, config.method)
    with monitored() as monitor:
        job = prepare(data, reference, read=read, config=config, monitor=monitor)
        for note in job.choice.notes:
            sys.stderr.write(note + "\n")
        if not model:
            _say_cost(job, config)
        found = run(job, config, monitor, model=model or None, save_model=save_model or None)
    if name:
        found = replace(found, name=element_name(name))
    if json:
        write_json(_described(found), json)
    sys.stdout.write(text.of_genes(found) + "\n")
    if save_model:
        sys.stdout.write(f"The fitted model is in {save_model}.\n")
    if out:
        kept = save(found, out, job.tissue)
        sys.stdout.write(f"Saved as '{kept.table}' in {kept.path}.\n")
    if screenshot or show:
        from ..viewer.show import show as show_tissue

        best = str(found.genes[int(found.reliability.expected.argmax())])
        show_tissue(job.tissue, results=[found], color=best, screenshot=screenshot or None)
    return 0


@evaluate.command(name="predict-genes")
def evaluate_predict_genes(
    data: Data,
    /,
    *,
    reference: _Reference = "",
    json: Json = "",
    resume: Annotated[
        bool,
        _EMPTY,
        Parameter(
            group=_OUT, negative="", help="Keep the methods that the JSON file holds already."
        ),
    ] = False,
    config: Annotated[EvaluateGenesConfig, Parameter(name="*", group=_TASK)] = _EVALUATE,
    read: Reading = _READING,
) -> None:
    """Hide shared genes in folds, predict them by each method, and compare."""
    if resume and not json:
        raise StdiffError("--resume needs the file of the earlier run; name it with --json.")
    check_outputs("", files=(json,))

    from ..evaluation.predict_genes import default_gene_methods
    from ..evaluation.predict_genes import evaluate_predict_genes as run
    from ..evaluation.report import format_gene_report

    names = [n.strip() for n in config.methods.split(",") if n.strip()]
    names = names or list(default_gene_methods())
    _prepare(config.device, *names)
    done = earlier(json, "predict-genes", "predicted genes") if resume else None
    with monitored() as monitor:
        result = run(
            data,
            reference or None,
            methods=names,
            folds=config.folds,
            seed=config.seed,
            n_draws=config.draws,
            read=read,
            config=config,
            monitor=monitor,
            done=done,
            after_each=(lambda so_far: write_json(so_far, json)) if json else None,
        )
    if json:
        write_json(result, json)
    sys.stdout.write(format_gene_report(result) + "\n")


def _which(config: PredictGenesConfig, all_missing: bool, hvg: int) -> PredictGenesConfig:
    """Return the config with what ``--all-missing`` and ``--hvg`` say about the genes."""
    if hvg < 0:
        raise StdiffError(f"--hvg takes the number of genes, 1 or more (got {hvg}).")
    said = [
        name
        for name, there in (
            ("--genes", bool(config.genes.strip())),
            ("--all-missing", all_missing),
            ("--hvg", hvg > 0),
        )
        if there
    ]
    if len(said) > 1:
        raise StdiffError(f"Say one of {' and '.join(said)}, not more.")
    if all_missing:
        return config.but(which="all-missing")
    return config.but(which="hvg", n_hvg=hvg) if hvg else config


def _prepare(device: Any, *methods: str) -> None:
    """Refuse a device or method that is not there, before the run."""
    from ..compute.device import choose_device
    from ..methods.genes.registry import gene_method_class

    for method in methods:
        gene_method_class(method)
    choose_device(device)


def _say_cost(job: Job, config: PredictGenesConfig) -> None:
    """Say on stderr what a method with a network will take."""
    from ..tasks.predict_genes import estimate

    cost: Cost = estimate(job, config)
    if cost.parameters:
        sys.stderr.write(text.of_cost(config.method, cost, config.scale_to) + "\n")
        sys.stderr.flush()


def _described(found: Any) -> dict[str, Any]:
    """Return the record, and of each gene what it is expected to reach."""
    trust = found.reliability
    genes = {
        str(gene): {
            "expected_pearson": float(trust.expected[i]),
            "expected_low": float(trust.low[i]),
            "expected_high": float(trust.high[i]),
            "badge": str(trust.badges[i]),
        }
        for i, gene in enumerate(found.genes)
    }
    return {**found.record.model_dump(mode="json"), "genes": genes}
