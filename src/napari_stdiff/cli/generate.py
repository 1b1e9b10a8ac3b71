"""The commands that generate cells, and that score how well they are generated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..compute.errors import StdiffError
from ..evaluation.config import EvaluateGenerateConfig
from ..tasks.config import GenerateConfig
from . import text
from .app import (
    _READING,
    _TASK,
    Data,
    Json,
    Model,
    Out,
    Reading,
    SaveModel,
    Screenshot,
    Show,
    app,
    evaluate,
)
from .bar import monitored, say_cost
from .options import check_outputs, need_display, prepare, said_of, write_json

_GENERATE, _EVALUATE = GenerateConfig(), EvaluateGenerateConfig()


@app.command
def generate(
    data: Data,
    /,
    *,
    out: Out = "",
    screenshot: Screenshot = "",
    show: Show = False,
    json: Json = "",
    model: Model = "",
    save_model: SaveModel = "",
    config: Annotated[GenerateConfig, Parameter(name="*", group=_TASK)] = _GENERATE,
    read: Reading = _READING,
) -> int:
    """Generate cells inside a measured section: new ones, denser ones, or at given positions."""
    if not (out or json or screenshot or show or save_model):
        raise StdiffError("Say where the result goes, for example --out result.zarr.")
    if config.positions and config.cells != "given":
        raise StdiffError("A positions file is used with --cells given only; say both.")
    if screenshot or show:
        need_display()
    check_outputs(out, files=(json, screenshot), folder=save_model)

    from ..compute.monitor import Monitor
    from ..data.reading import read as read_tissue
    from ..data.results import save
    from ..tasks.fitted import fitted, saved
    from ..tasks.generate import generate as run

    prepare(config.device, config.method)
    tissue = read_tissue(data, read)
    given = saved(model, tissue, config) if model else None
    if given is None:
        say_cost(tissue, config, read)
    with monitored() as monitor:
        section = run(tissue, config=config, monitor=monitor, model=given)
    if json:
        write_json(section.record.model_dump(mode="json"), json)
    sys.stdout.write(text.of_section(section) + "\n")
    if save_model:  # the run keeps its fit, so that this finds it
        (given or fitted(tissue, config, Monitor())[0]).save(Path(save_model))
        sys.stdout.write(f"The fitted model is in {save_model}.\n")
    if out:
        kept = save(section, out, tissue)
        sys.stdout.write(f"Saved as '{kept.table}' in {kept.path}.\n")
    if screenshot or show:
        from ..viewer.show import show as show_tissue

        show_tissue(tissue, results=[section], screenshot=screenshot or None)
    if not section.prediction.complete:
        sys.stderr.write("Cancelled; what was done by then is kept.\n")
        return 130
    return 0


@evaluate.command(name="generate")
def evaluate_generate(
    data: Data,
    /,
    *,
    json: Json = "",
    config: Annotated[EvaluateGenerateConfig, Parameter(name="*", group=_TASK)] = _EVALUATE,
    read: Reading = _READING,
) -> None:
    """Hide a share of the measured cells, generate them by each method, and compare."""
    check_outputs("", files=(json,))

    from ..data.reading import read as read_tissue
    from ..evaluation.generate import evaluate_generate as run
    from ..evaluation.interpolate import default_methods
    from ..evaluation.report import format_report

    names = [name.strip() for name in config.methods.split(",") if name.strip()]
    prepare(config.device, *names)
    settings = said_of(config, GenerateConfig)
    settings.pop("section", None)  # here it says whose cells are hidden
    tissue = read_tissue(data, read)
    of_each = GenerateConfig.of(**settings)
    for name in names or default_methods():
        say_cost(tissue, of_each.but(method=name), read)
    with monitored() as monitor:
        result = run(
            tissue,
            hold_out=config.hold_out,
            methods=names or None,
            tier=config.tier,
            seed=config.seed,
            n_draws=config.draws,
            section=config.section,
            enrichment=config.enrichment,
            config=of_each,
            monitor=monitor,
        )
    if json:
        write_json(result, json)
    sys.stdout.write(format_report(result) + "\n")
