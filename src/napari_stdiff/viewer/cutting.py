"""What the virtual microtome runs in the background, and what it says of what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from ..compute.monitor import Monitor
from ..data.prediction import Quantity
from .colors import Colouring

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from ..tasks.depth_error import DepthError, LeftOut
    from ..tasks.live_cut import LiveCut
    from .cell_filter import CellFilter

NOT_ALIGNED = (
    " The two sections do not lie over each other, so that this cut means little: align them "
    "first (dock Align sections)."
)


@dataclass(frozen=True)
class Picture:
    """A cut: (cells, 3) places and (cells,) values."""

    coords: np.ndarray
    values: np.ndarray
    aligned: bool


def why_rough(
    colouring: Colouring, tissue: Tissue | None, picture: Picture, quantity: Quantity = "mean"
) -> str:
    """Return why a coarse cut is all there is to see of this; "" where it can be refined."""
    if colouring.kind == "none":
        return "Where cells are expected; colour by a gene to see its expression there."
    if colouring.kind == "label":
        return "Labels are those of the nearest measured cells; they are not predicted."
    name = colouring.name
    what = f"the spread of {name}" if quantity == "std" else name
    if colouring.kind == "number":
        return f"Averages of '{name}' over near measured cells; annotations are not predicted."
    if not np.isfinite(picture.values).any():
        return f"Nothing is known of {name} in the measured cells, so there is nothing to cut."
    if colouring.result:
        return (
            f"Averages of {what} over near cells, from '{colouring.result}'; only genes as they "
            "were measured are refined."
        )
    of = "Spread of near cells" if quantity == "std" else "Averages over near cells"
    if colouring.table:
        return f"{of} in {name}, a gene of another table."
    if tissue is None or name not in tissue.genes:
        return f"{of} in {name}; the panel did not measure it."
    return ""


def is_cut(result: Any, z: float) -> bool:
    """Return whether a result is a section that was cut between others at depth `z`."""
    record = result.record
    if record.task != "interpolate" or record.target.get("hidden"):
        return False
    return abs(float(record.target.get("z", np.nan)) - z) <= 1e-6 * max(abs(z), 1.0)


def make_cut(tissue: Tissue) -> LiveCut:
    """Make a tissue ready to be cut; what that needs is only imported here, in the worker."""
    from ..tasks.live_cut import LiveCut

    return LiveCut(tissue)


def coarse_picture(
    cut: LiveCut, z: float, colouring: Colouring, quantity: Quantity = "mean"
) -> Picture:
    """Cut at once: averages of near cells, or their spread where that is shown of a gene.

    Of a result, the stack has the values of its quantity in the cells already.
    """
    pair = cut.pair(z)
    there = pair.lines.there(pair.weight(z))
    coords = cut.query(z).coords
    if colouring.kind == "none":
        values = np.zeros(len(coords))
    elif colouring.kind == "label":
        values = cut.labels(z, colouring.measured)[there]
    else:
        known = colouring.measured
        own = quantity == "std" and colouring.kind == "gene" and not colouring.result
        of = cut.spread if own else cut.coarse
        values = of(z, known, (colouring.name, crc32(known.tobytes())))[there]
    return Picture(coords, values, pair.aligned)


def seen_of(cut: LiveCut, z: float, labels: np.ndarray, sift: CellFilter) -> np.ndarray | None:
    """Return (cells,) bool, which cells of a cut are in sight by (cells,) labels of the tissue."""
    pair = cut.pair(z)
    there = pair.lines.there(pair.weight(z))
    return sift.mask(sift.column, cut.labels(z, labels)[there])


def refined_picture(
    cut: LiveCut, z: float, gene: str, monitor: Monitor, quantity: Quantity = "mean"
) -> Picture:
    """Predict what was cut coarsely before."""
    values = cut.refined(z, gene, monitor, quantity)
    pair = cut.pair(z)
    there = pair.lines.there(pair.weight(z))
    return Picture(cut.query(z).coords, values[there], pair.aligned)


def leave_out(tissue: Tissue, monitor: Monitor) -> list[LeftOut]:
    """Measure errors on sections that are left out."""
    from ..tasks.depth_error import left_out

    return list(left_out(tissue, monitor))


def gene_error(tissue: Tissue, colouring: Colouring, found: list[LeftOut]) -> DepthError:
    """Return the expected error of a gene by depth."""
    from ..tasks.depth_error import of_gene

    return of_gene(tissue, colouring.name, found, float(np.nanstd(colouring.measured)))


def label_error(tissue: Tissue, colouring: Colouring) -> DepthError:
    """Return the expected share of wrong labels by depth."""
    from ..tasks.depth_error import of_labels

    return of_labels(tissue, colouring.measured)
