"""The command that cuts one section at several lambdas."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..compute.errors import StdiffError
from ..tasks.config import InterpolateConfig
from .app import _EMPTY, _INTERPOLATE, _OUT, _READING, _TASK, Data, Json, Reading, app
from .bar import monitored
from .options import check_outputs, need_display, prepare, write_json

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from ..tasks.sweep import Sweep

_VALUES = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"


@app.command
def sweep(
    data: Data,
    /,
    *,
    values: Annotated[
        str, Parameter(group=_TASK, help="Lambdas from 0 to 1, separated by commas.")
    ] = _VALUES,
    json: Json = "",
    screenshot: Annotated[
        str,
        _EMPTY,
        Parameter(group=_OUT, help="Write a picture of the sections side by side to this PNG."),
    ] = "",
    color: Annotated[
        str,
        _EMPTY,
        Parameter(
            group=_OUT,
            help="Gene to colour the picture by; left away, the one that lambda changes most.",
        ),
    ] = "",
    config: Annotated[InterpolateConfig, Parameter(name="*", group=_TASK)] = _INTERPOLATE,
    read: Reading = _READING,
) -> None:
    """Cut one section at several lambdas, and say which predicts a training section best."""
    if not (json or screenshot):
        raise StdiffError("Say where the result goes, for example --json sweep.json.")
    if config.blend != "geometric":
        raise StdiffError("A sweep takes its lambdas from --values; leave --blend away.")
    if screenshot:
        need_display()
    check_outputs("", files=(json, screenshot))
    lambdas = _numbers(values)

    from ..data.reading import read as read_tissue
    from ..tasks.sweep import sweep_lambda

    prepare(config.device, config.method)
    tissue = read_tissue(data, read)
    if color and color not in tissue.genes:
        raise StdiffError(f"There is no gene '{color}'; name one of the data, or leave it away.")
    with monitored() as monitor:
        result = sweep_lambda(tissue, read=read, config=config, values=lambdas, monitor=monitor)
    if json:
        write_json(result.dump(), json)
    sys.stdout.write(_text(result) + "\n")
    if screenshot:
        _picture(tissue, result, screenshot, color)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise StdiffError(
            f"--values takes numbers from 0 to 1, separated by commas (got '{text}')."
        ) from error


def _text(result: Sweep) -> str:
    """Return a line a lambda: what chose it, and what it scores where a section was hidden."""
    target = result.record.target
    lines = [
        f"lambda {result.geometric:.2f} follows from the distances to the two parents.",
        "There are too few sections to choose a lambda."
        if result.chosen is None
        else f"lambda {result.chosen:g} predicts the training section "
        f"'{result.record.chosen['lambda_from']}' best, when that is left out.",
        *result.record.notes,
    ]
    if target["given"]:
        lines += [target["given"], "Scores of the hidden section play no part in the choice."]
    lines.append("")
    heads = ("crps", "pcc", "pcc_binned", "energy_distance")
    shown = [h for h in heads if any(s.record.scores.get(h) for s in result.sections)]
    lines.append("lambda  training crps" + "".join(f"{h:>17}" for h in shown))
    for value, section in zip(result.values, result.sections, strict=True):
        loss = result.training.get(value)
        row = f"{value:<6g}  {'-' if loss is None else f'{loss:.4f}':>13}"
        for head in shown:
            score = section.record.scores.get(head)
            row += f"{'-' if score is None else f'{score:.4f}':>17}"
        lines.append(row)
    return "\n".join(lines)


def _picture(tissue: Tissue, result: Sweep, to: str, color: str) -> None:
    from ..viewer.session import session_of
    from ..viewer.show import settle, take_pictures
    from ..viewer.show import show as show_tissue
    from ..viewer.strip import Strip

    # types and positions are those of every lambda: only a gene shows what lambda does
    viewer = show_tissue(tissue, color=color or telling_gene(result), block=False)
    try:
        Strip(session_of(viewer)).show(result.sections, [f"{v:g}" for v in result.values])
        settle()
        take_pictures(viewer, Path(to))
    finally:
        viewer.close()


def telling_gene(result: Sweep) -> str:
    """Return the gene whose mean over the cells differs most between first and last lambda."""
    first, last = (result.sections[i].prediction for i in (0, -1))
    spread = first.mean.std(axis=0) + last.mean.std(axis=0) + 1e-6
    change = abs((last.mean - first.mean).mean(axis=0)) / spread
    return str(first.genes[int(change.argmax())])
