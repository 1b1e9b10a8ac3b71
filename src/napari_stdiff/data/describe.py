"""What is in a store, in plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute.errors import StdiffError
from .alignment_store import list_alignments
from .read_config import ReadConfig
from .result_list import list_results, regions_of
from .store import check_store

if TYPE_CHECKING:
    from spatialdata import SpatialData


def describe(
    store: str | Path | SpatialData, read_config: ReadConfig | None = None
) -> dict[str, Any]:
    """Return what is in a store, in plain values that JSON can hold.

    Parameters
    ----------
    store
        Path of a store, or a SpatialData object.
    read_config
        Which column means what.

    Returns
    -------
    dict
        ``path``, ``unit``, ``sections`` (name, z, cells), ``genes`` (number), ``cells``,
        ``tables`` (name, cells, genes, regions, generated), ``images``, ``coordinate_system``,
        ``results`` (name, element, cells, genes, record), ``alignments`` (name of the coordinate
        system, record) and ``notes`` of the reader.
    """
    from spatialdata import read_zarr

    from .reading import read

    config = read_config or ReadConfig()
    path = str(store) if isinstance(store, str | Path) else str(store.path or "")
    if isinstance(store, str | Path):
        try:
            sdata = read_zarr(check_store(store))
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, StdiffError):
                raise
            raise StdiffError(f"{store} cannot be read as a SpatialData store: {error}") from error
    else:
        sdata = store
    results = list_results(sdata)
    ours = {info.name for info in results}
    out: dict[str, Any] = {
        "path": path,
        "tables": [
            {
                "name": name,
                "cells": table.n_obs,
                "genes": table.n_vars,
                "regions": regions_of(table),
                "generated": name in ours,
            }
            for name, table in sorted(sdata.tables.items())
        ],
        "images": sorted(sdata.images),
        "results": [
            {
                "name": info.name,
                "element": info.element,
                "cells": info.n_cells,
                "genes": info.n_genes,
                "record": info.record.model_dump(mode="json"),
            }
            for info in results
        ],
        "alignments": [
            {"name": name, "record": record.model_dump(mode="json")}
            for name, record in sorted(list_alignments(sdata).items())
        ],
    }
    try:
        tissue = read(sdata, config)
    except StdiffError as error:
        out |= {"sections": [], "genes": 0, "cells": 0, "unit": "", "notes": [str(error)]}
        return out
    z = tissue.section_z
    out |= {
        "sections": [
            {"name": name, "z": float(z[name]), "cells": int((tissue.section == name).sum())}
            for name in tissue.sections
        ],
        "genes": tissue.n_genes,
        "cells": tissue.n_cells,
        "unit": tissue.unit,
        "coordinate_system": tissue.origin.coordinate_system,
        "notes": list(tissue.origin.notes),
    }
    return out
