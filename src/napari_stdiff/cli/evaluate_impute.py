"""The command that hides measured entries and scores how they are filled in."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from ..compute.errors import StdiffError
from ..evaluation.impute_config import EvaluateImputeConfig
from .app import _EMPTY, _OUT, _READING, _TASK, Data, Json, Reading, evaluate
from .bar import monitored
from .options import check_outputs, earlier, write_json

_EVALUATE = EvaluateImputeConfig()


@evaluate.command(name="impute")
def evaluate_impute(
    data: Data,
    /,
    *,
    reference: Annotated[
        str,
        _EMPTY,
        Parameter(
            group=_TASK, help="Dissociated cells of the same tissue: an .h5ad file or a store."
        ),
    ] = "",
    json: Json = "",
    resume: Annotated[
        bool,
        _EMPTY,
        Parameter(
            group=_OUT, negative="", help="Keep the methods that the JSON file holds already."
        ),
    ] = False,
    config: Annotated[EvaluateImputeConfig, Parameter(name="*", group=_TASK)] = _EVALUATE,
    read: Reading = _READING,
) -> None:
    """Hide measured entries, fill them in by each method, and compare."""
    if resume and not json:
        raise StdiffError("--resume needs the file of the earlier run; name it with --json.")
    check_outputs("", files=(json,))

    from ..compute.device import choose_device
    from ..evaluation.impute import evaluate_impute as run
    from ..evaluation.report import format_impute_report
    from ..methods.entries.registry import entry_method_class

    names = [name.strip() for name in config.methods.split(",") if name.strip()]
    for name in names:  # before the run, and Ctrl-C during the slow imports ends them at once
        entry_method_class(name)
    choose_device(config.device)
    done = earlier(json, "impute", "filled-in entries") if resume else None
    with monitored() as monitor:
        result = run(
            data,
            reference or None,
            hide=config.hide,
            pattern=config.pattern,
            methods=names or None,
            seed=config.seed,
            n_draws=config.draws,
            section=config.section,
            genes=config.genes,
            read=read,
            config=config,
            monitor=monitor,
            done=done,
            after_each=(lambda so_far: write_json(so_far, json)) if json else None,
        )
    if json:
        write_json(result, json)
    sys.stdout.write(format_impute_report(result) + "\n")
