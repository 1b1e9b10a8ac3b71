"""The commands; their options come from the configs that Python and the docks use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from ..compute.errors import StdiffError
from ..data.read_config import ReadConfig
from ..data.simulate import SimulateConfig
from ..evaluation.config import EvaluateInterpolateConfig
from ..tasks.config import InterpolateConfig
from . import text
from .bar import monitored, say_cost
from .options import (
    check_outputs,
    keep_model,
    need_display,
    prepare,
    said_of,
    with_lambda,
    write_json,
)

_OUT = Group("Output", sort_key=1)
_TASK = Group("Settings", sort_key=2)
_READ = Group("Reading the data", sort_key=3)
_EMPTY = Parameter(show_default=False)

# What the options say when nobody says them: the configs' own defaults.
_INTERPOLATE, _EVALUATE = InterpolateConfig(), EvaluateInterpolateConfig()
_READING, _SAMPLE = ReadConfig(), SimulateConfig()

Data = Annotated[str, Parameter(help="An .h5ad file or a SpatialData store (.zarr).")]
Store = Annotated[str, Parameter(help="A SpatialData store (.zarr).")]
Reading = Annotated[ReadConfig, Parameter(name="*", group=_READ)]
Out = Annotated[
    str,
    _EMPTY,
    Parameter(group=_OUT, help="Store for the result: the input's own (it only gains), or new."),
]
Screenshot = Annotated[
    str, _EMPTY, Parameter(group=_OUT, help="Write a picture of the 3D stack to this PNG.")
]
Show = Annotated[
    bool, _EMPTY, Parameter(group=_OUT, negative="", help="Open napari on the result.")
]
Model = Annotated[
    str,
    _EMPTY,
    Parameter(group=_OUT, help="Folder of a saved model to use instead of fitting one."),
]
SaveModel = Annotated[
    str, _EMPTY, Parameter(group=_OUT, help="Folder to keep the fitted model in.")
]
Json = Annotated[
    str,
    _EMPTY,
    Parameter(group=_OUT, help="Write what is known about the run here."),
]
Lambda = Annotated[
    str,
    Parameter(
        name="--lambda",
        group=_TASK,
        show_default=False,
        help="Weight of the two parent sections in a draw: 'geometric' (from the distances to "
        "them), a number from 0 (the section with the lower z) to 1, or 'chosen' (by leaving out "
        "a training section).",
    ),
]

app = App(
    name="napari-stdiff",
    help="Virtual sections of spatial transcriptomics: from a shell.",
    version=lambda: __import__("napari_stdiff").__version__,
    suppress_keyboard_interrupt=False,  # it gets its sentence in run()
)
evaluate = App(name="evaluate", help="Hide something measured, predict it, and score methods.")
app.command(evaluate)


@app.command
def interpolate(
    data: Data,
    /,
    *,
    out: Out = "",
    screenshot: Screenshot = "",
    show: Show = False,
    json: Json = "",
    model: Model = "",
    save_model: SaveModel = "",
    lambda_: Lambda = "",
    config: Annotated[InterpolateConfig, Parameter(name="*", group=_TASK)] = _INTERPOLATE,
    read: Reading = _READING,
) -> int:
    """Cut a virtual section between measured ones, at a depth or in place of a hidden section."""
    config = with_lambda(config, lambda_)
    if config.at != "middle" and config.hide:
        raise StdiffError("Say either --at or --hide, not both.")
    if not (out or json or screenshot or show or save_model):
        raise StdiffError("Say where the result goes, for example --out result.zarr.")
    if config.positions and config.cells != "given":
        raise StdiffError("A positions file is used with --cells given only; say both.")
    if screenshot or show:
        need_display()
    check_outputs(out, files=(json, screenshot), folder=save_model)

    from ..data.reading import read as read_tissue
    from ..data.results import save
    from ..tasks.interpolate import interpolate as run

    prepare(config.device, config.method)
    tissue = read_tissue(data, read)
    if not model:
        say_cost(tissue, config, read)
    with monitored() as monitor:
        section = run(tissue, read=read, config=config, monitor=monitor, model=model or None)
    if json:
        write_json(section.record.model_dump(mode="json"), json)
    sys.stdout.write(text.of_section(section) + "\n")
    if save_model:
        keep_model(tissue, read, config, model, save_model)
        sys.stdout.write(f"The fitted model is in {save_model}.\n")
    if out:
        saved = save(section, out, tissue)
        sys.stdout.write(f"Saved as '{saved.table}' in {saved.path}.\n")
    if screenshot or show:
        from ..viewer.show import show as show_tissue

        show_tissue(tissue, results=[section], screenshot=screenshot or None)
    if not section.prediction.complete:
        sys.stderr.write("Cancelled; what was done by then is kept.\n")
        return 130
    return 0


@evaluate.command(name="interpolate")
def evaluate_interpolate(
    data: Data,
    /,
    *,
    json: Json = "",
    lambda_: Lambda = "",
    config: Annotated[EvaluateInterpolateConfig, Parameter(name="*", group=_TASK)] = _EVALUATE,
    read: Reading = _READING,
) -> None:
    """Hide a measured section, predict it by each method, and compare."""
    if not config.hide:
        raise StdiffError("Name the section to hide with --hide.")
    config = with_lambda(config, lambda_)

    check_outputs("", files=(json,))

    from ..data.reading import read as read_tissue
    from ..evaluation.interpolate import default_methods
    from ..evaluation.interpolate import evaluate_interpolate as run
    from ..evaluation.report import format_report

    names = [name.strip() for name in config.methods.split(",") if name.strip()]
    prepare(config.device, *names)
    tissue = read_tissue(data, read)
    settings = InterpolateConfig.of(**said_of(config, InterpolateConfig))
    for name in names or default_methods():
        say_cost(tissue, settings.but(method=name), read)
    with monitored() as monitor:
        result = run(
            tissue,
            hide=config.hide,
            methods=names or None,
            tier=config.tier,
            seed=config.seed,
            n_draws=config.draws,
            read=read,
            config=settings,
            monitor=monitor,
        )
    if json:
        write_json(result, json)
    sys.stdout.write(format_report(result) + "\n")


@app.command
def sample(
    out: Annotated[str, Parameter(help="Where the store goes; nothing may be there yet.")],
    /,
    *,
    config: Annotated[SimulateConfig, Parameter(name="*", group=_TASK)] = _SAMPLE,
) -> None:
    """Write the simulated tissue, with its reference and its truth beside it."""
    from ..data.simulate import write_sample

    path = write_sample(Path(out), config)
    sys.stdout.write(f"Written to {path}.\n")


@app.command
def info(
    store: Data,
    /,
    *,
    json: Annotated[
        bool,
        _EMPTY,
        Parameter(group=_OUT, negative="", help="Print JSON, with the whole records."),
    ] = False,
    read: Reading = _READING,
) -> None:
    """List sections, tables, genes and results with their records."""
    import json as to_json

    described = text.describe_any(store, read)
    out = to_json.dumps(described, indent=1) if json else text.of_store(described)
    sys.stdout.write(out + "\n")


@app.command
def remove(
    store: Store,
    result: Annotated[str, Parameter(help="Name of the result, as `info` lists it.")],
    /,
) -> None:
    """Remove one result of ours from a store, and nothing else."""
    from ..data.results import remove_result

    remove_result(store, result)
    sys.stdout.write(f"Removed '{result}' from {store}.\n")


@app.command
def show(
    store: Data,
    /,
    *,
    screenshot: Annotated[
        str, _EMPTY, Parameter(group=_OUT, help="Write a picture to this PNG and leave.")
    ] = "",
    read: Reading = _READING,
) -> None:
    """Open a store, with the results in it, in napari's 3D stack."""
    need_display()
    from ..viewer.show import show as show_store

    show_store(store, read=read, screenshot=screenshot or None)


from . import align as _align  # noqa: E402, F401  (its commands join those above)
from . import evaluate_impute as _evaluate_impute  # noqa: E402, F401  (its command joins, too)
from . import generate as _generate  # noqa: E402, F401  (its commands join those above)
from . import impute as _impute  # noqa: E402, F401  (its command joins those above)
from . import predict_genes as _predict_genes  # noqa: E402, F401  (its commands join those above)
from . import sweep as _sweep  # noqa: E402, F401  (its commands join those above)
