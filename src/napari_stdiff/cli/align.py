"""The commands that align sections, and that score how well they are aligned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..compute.errors import StdiffError
from ..tasks.config import AlignConfig
from .app import _EMPTY, _OUT, _READING, _TASK, Data, Json, Reading, app, evaluate
from .bar import monitored
from .options import check_outputs, write_json

if TYPE_CHECKING:
    from ..data.alignment import Alignment

_ALIGN = AlignConfig()


@app.command
def align(
    data: Data,
    /,
    *,
    out: Annotated[
        str,
        _EMPTY,
        Parameter(
            group=_OUT, help="New store for the tissue, in its old and in its aligned system."
        ),
    ] = "",
    into_store: Annotated[
        bool,
        _EMPTY,
        Parameter(
            group=_OUT, negative="", help="Add the aligned coordinate system to DATA itself."
        ),
    ] = False,
    system: Annotated[
        str, Parameter(group=_OUT, help="Name of the new coordinate system.")
    ] = "aligned",
    undo: Annotated[
        str,
        _EMPTY,
        Parameter(group=_OUT, help="Take this coordinate system out of DATA again, do no more."),
    ] = "",
    json: Json = "",
    config: Annotated[AlignConfig, Parameter(name="*", group=_TASK)] = _ALIGN,
    read: Reading = _READING,
) -> None:
    """Bring sections that lie in frames of their own into one, as a new coordinate system."""
    if undo:
        _undo(data, undo, other=bool(out or into_store or json or config.model_fields_set))
        return
    if out and into_store:
        raise StdiffError("Say either --out or --into-store, not both.")
    if not (out or into_store or json):
        raise StdiffError(
            "Say where the alignment goes: --out NEW.zarr, or --into-store for a SpatialData "
            "store that has an element for each section."
        )
    if out and Path(out).expanduser().exists():
        raise StdiffError(
            f"There is something at {out} already; choose a free path, or --into-store for the "
            "store that is read."
        )
    from ..data.store import is_store

    if into_store and not is_store(Path(data)):
        raise StdiffError(
            f"--into-store needs a SpatialData store and {data} is none; write a new one with "
            "--out NEW.zarr."
        )
    check_outputs(data if into_store else out, files=(json,))

    from ..data.alignment_store import check_room, save_alignment
    from ..data.reading import read as read_tissue
    from ..tasks.align import align as run

    tissue = read_tissue(data, read)
    if into_store:
        check_room(data, tissue)
    with monitored() as monitor:
        alignment = run(tissue, config=config, monitor=monitor)
    if json:
        write_json(alignment.record.model_dump(mode="json"), json)
    sys.stdout.write(table(alignment) + "\n")
    if out or into_store:
        name = save_alignment(alignment, data if into_store else out, tissue, system)
        sys.stdout.write(
            f"Coordinate system '{name}' is in {data if into_store else out}; read it with "
            f"--coordinate-system {name}.\n"
        )


@evaluate.command(name="align")
def evaluate_align(
    data: Data,
    /,
    *,
    json: Json = "",
    config: Annotated[AlignConfig, Parameter(name="*", group=_TASK)] = _ALIGN,
    read: Reading = _READING,
) -> None:
    """Turn and shift the sections by known amounts, and see how exactly that is found again."""
    check_outputs("", files=(json,))

    from ..data.reading import read as read_tissue
    from ..evaluation.align import evaluate_align as run

    tissue = read_tissue(data, read)
    with monitored() as monitor:
        result = run(tissue, config=config, monitor=monitor)
    if json:
        write_json(result, json)
    lines = [f"{'section':<20}{'put':>8}{'error':>9}{'distance':>11}"]
    for name, found in result["sections"].items():
        mirrored = "" if found["mirror_found"] else "   mirror image not found"
        lines.append(
            f"{name[:19]:<20}{found['rotation_put']:>7.1f}°{found['rotation_error']:>8.2f}°"
            f"{found['distance_error']:>11.3g}{mirrored}"
        )
    lines.append(
        f"distance in {result['unit']}; neighbouring spots lie {result['spacing']:.3g} apart"
    )
    held = result["held_out_genes"]
    lines.append(
        f"neighbour correlation on genes left out: {held['before']:.3f} before, "
        f"{held['after']:.3f} after"
    )
    sys.stdout.write("\n".join(lines) + "\n")


def table(alignment: Alignment) -> str:
    """Return what ``align`` says: a line a section, the whole, and what to know."""
    lines = [
        f"by {alignment.record.method}; '{alignment.fixed}' stays",
        f"{'section':<20}{'rotation':>10}{'shift x':>10}{'shift y':>10}{'before':>9}{'after':>8}",
    ]
    for name, row in alignment.quality["sections"].items():
        lines.append(
            f"{name[:19]:<20}{row['rotation']:>9.1f}°{row['shift_x']:>10.4g}{row['shift_y']:>10.4g}"
            f"{row['before']:>9.3f}{row['after']:>8.3f}" + ("  mirrored" * row["mirrored"])
        )
    lines.append(
        f"{'neighbour correlation':<50}{alignment.quality['before']:>9.3f}"
        f"{alignment.quality['after']:>8.3f}"
    )
    seconds = sum(alignment.record.seconds.values())
    return "\n".join([*lines, f"{seconds:.1f} s", *alignment.record.notes])


def _undo(data: str, system: str, *, other: bool) -> None:
    from ..data.alignment_store import remove_alignment
    from ..data.results import list_results

    if other:
        raise StdiffError("--undo takes an alignment out and does no more; leave the rest away.")
    remove_alignment(data, system)
    sys.stdout.write(f"Coordinate system '{system}' is out of {data} again.\n")
    made = [
        r.name for r in list_results(data) if r.record.input.get("coordinate_system") == system
    ]
    if made:
        sys.stdout.write(f"Results that were made in it stay in it: {', '.join(made)}.\n")
