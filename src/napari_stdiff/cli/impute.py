"""The command that fills in what an assay missed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..tasks.impute_config import ImputeConfig
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
)
from .bar import monitored
from .options import place_of_table, write_json

if TYPE_CHECKING:
    from ..data.imputed import Imputed
    from ..tasks.impute import Job

_IMPUTE = ImputeConfig()


@app.command
def impute(
    data: Data,
    /,
    *,
    reference: Annotated[
        str,
        _EMPTY,
        Parameter(
            group=_TASK,
            help="Dissociated cells that share genes with the tissue: an .h5ad file or a store. "
            "Needed by spotdiff alone.",
        ),
    ] = "",
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
        Parameter(group=_OUT, help="Name of the new table; left away, imputed_METHOD."),
    ] = "",
    screenshot: Screenshot = "",
    show: Show = False,
    json: Json = "",
    model: Model = "",
    save_model: SaveModel = "",
    config: Annotated[ImputeConfig, Parameter(name="*", group=_TASK)] = _IMPUTE,
    read: Reading = _READING,
) -> int:
    """Fill in what the assay missed, keep what it measured, and say how well that goes."""
    from dataclasses import replace

    from ..data.store import element_name

    out = place_of_table(data, out, json, screenshot, show, save_model)

    from ..compute.device import choose_device
    from ..data.results import save
    from ..tasks.impute import prepare, run

    choose_device(config.device)
    with monitored() as monitor:
        job = prepare(data, reference or None, read=read, config=config, monitor=monitor)
        for note in (*job.notes, *job.choice.notes):
            sys.stderr.write(note + "\n")
        if not model:
            _say_cost(job, config)
        found = run(job, config, monitor, model=model or None, save_model=save_model or None)
    if name:
        found = replace(found, name=element_name(name))
    if json:
        write_json(_described(found), json)
    sys.stdout.write(text.of_imputed(found) + "\n")
    if save_model:
        sys.stdout.write(f"The fitted model is in {save_model}.\n")
    if out:
        kept = save(found, out, job.tissue)
        sys.stdout.write(f"Saved as '{kept.table}' in {kept.path}.\n")
    if screenshot or show:
        from ..viewer.show import show as show_tissue

        most = str(found.genes[int(found.filled.sum(axis=0).argmax())])
        show_tissue(job.tissue, results=[found], color=most, screenshot=screenshot or None)
    return 0


def _say_cost(job: Job, config: ImputeConfig) -> None:
    """Say on stderr what a method with a network will take."""
    from ..tasks.impute import estimate

    cost = estimate(job, config)
    if cost.parameters:
        sys.stderr.write(text.of_cost(config.method, cost, config.scale_to) + "\n")
        sys.stderr.flush()


def _described(found: Imputed) -> dict[str, Any]:
    """Return the record, and of each gene what its hidden values reached."""
    trust, filled = found.reliability, found.filled.sum(axis=0)

    def number(value: float) -> float | None:
        return float(value) if value == value else None  # JSON has no NaN

    genes = {
        str(gene): {
            "held_out_pearson": number(trust.expected[i]),
            "held_out_low": number(trust.low[i]),
            "held_out_high": number(trust.high[i]),
            "checked": int(found.checked[i]),
            "filled": int(filled[i]),
        }
        for i, gene in enumerate(found.genes)
    }
    return {**found.record.model_dump(mode="json"), "genes": genes}
