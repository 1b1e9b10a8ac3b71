"""What a heat map says of the place under the mouse, and which cell a click on it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .colors import Colouring, predicted

if TYPE_CHECKING:
    from napari.layers import Image

    from .arrange import Section
    from .session import Session

Say = Callable[[np.ndarray, "np.ndarray | None"], str]
_HALF = 0.5  # of a plane's thickness, in its own data


def meets(
    layer: Image, position: np.ndarray, direction: np.ndarray | None
) -> tuple[np.ndarray, float] | None:
    """Return the pixel (y, x) of a picture under the mouse, and how far away it is; None for none.

    Parameters
    ----------
    layer
        A picture of one plane.
    position, direction
        Where the mouse is on the canvas, and in 3D along which way the eye looks.
    """
    place = np.asarray(position, float)[-3:]
    at = np.asarray(layer.world_to_data(place), float)
    away = 0.0
    if direction is None:
        if abs(at[0]) > _HALF:
            return None  # another depth is shown
    else:
        eye = np.asarray(direction, float)[-3:]
        way = np.asarray(layer.world_to_data(place + eye), float) - at
        if abs(way[0]) < 1e-12:
            return None
        at = at - at[0] / way[0] * way
        away = float(np.asarray(layer.data_to_world(at)) @ eye)
    height, width = layer.data.shape[1:3]
    if not (-0.5 <= at[1] <= height - 0.5 and -0.5 <= at[2] <= width - 0.5):
        return None
    return at[1:], away


def nearest_cell(
    plane: np.ndarray, place: np.ndarray, shown: np.ndarray | None, reach: float
) -> int | None:
    """Return which of (cells, 2) y, x is nearest to a place, within `reach`; None for none.

    Parameters
    ----------
    plane, place
        Cells, and (2,) the place.
    shown
        (cells,) bool, which cells count; None for all.
    reach
        How far a cell reaches, in the unit of both.
    """
    far = np.linalg.norm(plane - place, axis=1)
    if shown is not None:
        far = np.where(shown, far, np.inf)
    at = int(far.argmin()) if len(far) else -1
    return at if at >= 0 and far[at] <= reach else None


def spread_of(session: Session, colouring: Colouring, section: Section) -> np.ndarray | None:
    """Return (cells,) the spread of what is shown of a gene; None where it was measured.

    Parameters
    ----------
    session
        Has the results.
    colouring
        What is shown; its values are means.
    section
        Which cells.
    """
    if colouring.kind != "gene":
        return None
    gene, values = colouring.name, None
    if section.virtual:
        values = predicted(session.results[section.name], gene, "std")
    elif colouring.result:
        known: Any = session.predictions if colouring.filled is None else session.imputations
        values = known.values(gene, "std")[section.rows]
    return values if values is not None and np.isfinite(values).any() else None


def words_of(name: str, mean: float, spread: float | None, confidence: float | None) -> str:
    """Say what is at one place.

    >>> words_of("Gad1", 1.234, 0.5, None)
    'Gad1 1.23, spread 0.5'
    """
    parts = [f"{name} {mean:.3g}"]
    if spread is not None and np.isfinite(spread):
        parts.append(f"spread {spread:.3g}")
    if confidence is not None and np.isfinite(confidence):
        parts.append(f"confidence {confidence:.2g}")
    return ", ".join(parts)


def let_tell(layer: Any, say: Say) -> None:
    """Have napari's status line say what `say` does of the place under the mouse.

    An Image has no features that napari would tell; of its colours nobody reads off a value.

    Parameters
    ----------
    layer
        Its method is replaced on this object alone.
    say
        Returns what is at a position, looked at along a direction (None in 2D); "" for nothing.
        It is called from napari's own thread.
    """
    plain = layer.get_status

    def get_status(position: Any = None, **view: Any) -> Any:
        status = plain(position, **view)
        if position is None or not view.get("world"):
            return status
        flat = len(view.get("dims_displayed") or ()) < 3
        words = say(np.asarray(position), None if flat else view.get("view_direction"))
        place = str(status.get("coords", "")) or str(status["coordinates"]).split(": ")[0]
        status.update(coordinates=f"{place}: {words}" if words else place, value=words)
        return status

    layer.get_status = get_status
