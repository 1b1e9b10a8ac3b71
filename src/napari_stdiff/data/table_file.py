"""A result as a file of its own: one AnnData table with the record of how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from ..compute.files import refuse_taken, write_whole
from .results import OfCells, save
from .tissue import Tissue
from .virtual import VirtualSection

if TYPE_CHECKING:
    from anndata import AnnData


def save_table(result: VirtualSection | OfCells, path: str | Path, tissue: Tissue) -> Path:
    """Write a result to a new ``.h5ad`` file.

    The table is the one that a store would get: the record is in ``uns["stdiff"]``, spread and
    draws are in ``layers``. Coordinates (x, y and x, y, z) are in ``obsm``, so that scanpy and
    this package can show it by itself.

    Parameters
    ----------
    result
        A virtual section, predicted genes or imputed values.
    path
        Where there is nothing yet.
    tissue
        What it was predicted from.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StdiffError
        When something is there already, or it cannot be written; nothing is left behind then.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".h5ad":
        raise StdiffError(f"'{path.name}' is no name for a table; let it end in .h5ad.")
    refuse_taken(path)
    write_whole(path, table_of(result, tissue).write_h5ad)
    return path


def table_of(result: VirtualSection | OfCells, tissue: Tissue) -> AnnData:
    """Return the table of a result with its record, as :func:`save_table` writes it."""
    from spatialdata import SpatialData

    from .annotated import measured_elements

    if isinstance(result, VirtualSection):
        held = SpatialData()
        return held.tables[save(result, held, tissue).table]
    section = str(result.record.target.get("section") or "")
    around: dict[str, Any] = measured_elements(tissue, result.name, result.names, section)
    held = SpatialData.init_from_elements(around)
    table = held.tables[save(result, held).table]
    rows = pd.Index(tissue.names.astype(str)).get_indexer(result.names.astype(str))
    z, y, x = np.asarray(tissue.coords[rows], float).T
    table.obsm["spatial"] = np.stack([x, y], axis=1)
    table.obsm["spatial3d"] = np.stack([x, y, z], axis=1)
    return table
