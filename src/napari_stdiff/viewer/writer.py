"""File > Save Selected Layers: the result that a layer shows, with its record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from ..compute.errors import StdiffError
from .chosen import Chosen, results_of
from .session import Session, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTENSIONS = (".zarr", ".h5ad")
NO_RESULT = (
    "None of these layers shows a result of napari-stdiff; select a virtual section, or cells "
    "coloured by a predicted or imputed gene."
)


def write_layers(path: str, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Save the result that `layers` show to `path`, for napari.

    Parameters
    ----------
    path
        A new ``.h5ad`` file, a new ``.zarr`` store, or one that is there, which only gains.
    layers
        Data, keyword arguments and type of each layer.

    Returns
    -------
    list of str
        The path that was written.

    Raises
    ------
    StdiffError
        One sentence, which napari shows: no result is among them, several are but one file
        takes one, or the path cannot be written. Nothing that was there is changed.
    """
    viewer = napari.current_viewer()
    if viewer is None:
        raise StdiffError(NO_RESULT)
    session = session_of(viewer)
    chosen = results_of(session, [facts.get("metadata", {}) for _, facts, _ in layers])
    return [str(save_as(session, chosen, path))]


def save_as(session: Session, results: Sequence[Chosen], path: str | Path) -> Path:
    """Save results to `path`: a new file or store, or a store that is there.

    Raises
    ------
    StdiffError
        As :func:`write_layers` does.
    """
    tissue = session.tissue
    if not results or tissue is None:
        raise StdiffError(NO_RESULT)
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    if kind not in EXTENSIONS:
        raise StdiffError(
            f"'{path.name}' ends in neither .zarr nor .h5ad; add one of them to the name."
        )
    if kind == ".h5ad":
        if len(results) > 1:
            names = ", ".join(f"'{chosen.name}'" for chosen in results)
            raise StdiffError(f"One .h5ad file takes one result, not {names}; save to a .zarr.")
        from ..data.table_file import save_table

        return save_table(results[0].result, path, tissue)
    from ..data.results import save

    with session.writing:  # it may be the store that is open
        for chosen in results:
            save(chosen.result, path, tissue)
    return path
