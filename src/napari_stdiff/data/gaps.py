"""Values that a table does not hold: NaN, and entries that a boolean layer names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from .checks import in_memory, no_such
from .tissue import Tissue

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

Mask = Any  # (cells, genes) bool, numpy or CSR


def without_nan(x: Any) -> tuple[Any, Mask | None]:
    """Return expression with 0 in place of NaN, and where these were.

    Parameters
    ----------
    x
        (cells, genes) in any form AnnData holds; never changed.

    Returns
    -------
    tuple
        `x` itself and None where there is no NaN; else a copy, and (cells, genes) bool that is
        CSR where `x` is sparse.
    """
    x = in_memory(x)
    if _is_sparse(x):
        if x.dtype.kind != "f" or not np.isnan(x.data).any():
            return x, None
        whole = sparse.csr_matrix(x, copy=True)
        gaps: Any = whole.copy()
        gaps.data = np.isnan(whole.data)
        gaps.eliminate_zeros()
        whole.data = np.nan_to_num(whole.data, nan=0.0, posinf=np.inf, neginf=-np.inf)
        whole.eliminate_zeros()
        return whole, sparse.csr_matrix(gaps, dtype=bool)
    try:
        values = np.asarray(x, dtype=np.float32)
    except (TypeError, ValueError):
        return x, None  # whoever checks the expression says what it is
    gaps = np.isnan(values)
    if not gaps.any():
        return x, None
    return np.where(gaps, np.float32(0), values), gaps


def with_mask(tissue: Tissue, data: str | Path | AnnData | SpatialData, layer: str) -> Tissue:
    """Return `tissue` where the entries that a layer of its table marks count as missing, too.

    Parameters
    ----------
    tissue
        As read from `data`.
    data
        What has the layer: file, store or object.
    layer
        Name of a layer of the tissue's table: True (or 1) where an entry is missing. Cells and
        genes are found by their names.

    Raises
    ------
    StdiffError
        When there is no such layer, or it is no mask.
    """
    mask, cells, genes = _layer(data, tissue.origin.table, layer)
    values = mask.data if _is_sparse(mask) else np.asarray(mask)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise StdiffError(
            f"The layer '{layer}' is no mask; it needs True (or 1) where an entry is missing, and "
            "False (or 0) elsewhere."
        )
    rows = cells.astype(str).get_indexer(pd.Index(tissue.names.astype(str)))
    columns = genes.astype(str).get_indexer(pd.Index(tissue.genes.astype(str)))
    if (rows < 0).any() or (columns < 0).any():
        raise StdiffError(
            f"The layer '{layer}' belongs to other cells or genes than those of the tissue; name "
            "a layer of the table that was read."
        )
    if _is_sparse(mask):
        found: Any = sparse.csr_matrix(mask).astype(bool)[rows][:, columns]
        found.eliminate_zeros()
    else:
        found = np.asarray(mask).astype(bool)[np.ix_(rows, columns)]
    if tissue.missing is not None:
        found = _either(found, tissue.missing)
    return replace(tissue, expression=_cleared(tissue.expression, found), missing=found)


def mask_layers(data: Any, table: str = "") -> list[str]:
    """Return the names of the boolean layers of a table, which can mark missing entries.

    Parameters
    ----------
    data
        What has the table: file, store or object; nothing of its values is read. None, and a
        path where nothing is yet, have none.
    table
        Its name in a store or SpatialData.
    """
    if data is None:
        return []
    if not isinstance(data, str | Path):
        held = data.tables[table] if hasattr(data, "tables") else data
        return _boolean(held.layers)
    path = Path(data).expanduser()
    if not path.exists():
        return []
    if path.is_dir():
        import zarr

        root = zarr.open_group(path, mode="r", use_consolidated=False)
        return _boolean(root.get(f"tables/{table}/layers" if table else "layers"))
    import h5py

    with h5py.File(path, "r") as file:
        return _boolean(file.get("layers"))


def _boolean(layers: Any) -> list[str]:
    """Return which of the stored layers, dense or sparse, are boolean."""
    found = {} if layers is None else {str(name): layers[name] for name in layers}
    arrays = {k: v if hasattr(v, "dtype") else v.get("data") for k, v in found.items()}
    return sorted(k for k, v in arrays.items() if v is not None and v.dtype.kind == "b")


def _either(one: Mask, other: Mask) -> Mask:
    if _is_sparse(one) and _is_sparse(other):
        return sparse.csr_matrix((one + other).astype(bool))
    return np.asarray(_dense(one) | _dense(other))


def _cleared(x: Any, gaps: Mask) -> Any:
    """Return expression that is 0 in the gaps."""
    if not _is_sparse(x):
        return np.where(_dense(gaps), np.float32(0), x)
    out = sparse.csr_matrix(x - x.multiply(sparse.csr_matrix(gaps)))
    out.eliminate_zeros()
    return out


def _is_sparse(x: Any) -> bool:
    return bool(sparse.issparse(x))


def _dense(mask: Mask) -> np.ndarray:
    return np.asarray(mask.toarray() if _is_sparse(mask) else mask, dtype=bool)


def dense_gaps(tissue: Tissue) -> np.ndarray | None:
    """Return (cells, genes) bool of the entries that a tissue lacks, or None."""
    return None if tissue.missing is None else _dense(tissue.missing)


def _layer(data: Any, table: str, layer: str) -> tuple[Any, pd.Index, pd.Index]:
    """Return a layer of a table, and the names of its cells and genes."""
    if isinstance(data, str | Path):
        return _stored(Path(data).expanduser(), table, layer)
    held = data.tables[table] if hasattr(data, "tables") else data
    if layer not in held.layers:
        raise no_such("layer", layer, held.layers)
    return in_memory(held.layers[layer]), held.obs_names, held.var_names


def _stored(path: Path, table: str, layer: str) -> tuple[Any, pd.Index, pd.Index]:
    """Read one layer of a file or store, and nothing of its expression."""
    from anndata.io import read_elem

    def taken(group: Any) -> tuple[Any, pd.Index, pd.Index]:
        layers = group.get("layers", {})
        if layer not in layers:
            raise no_such("layer", layer, list(layers))
        return (
            read_elem(layers[layer]),
            *(pd.Index(read_elem(group[axis]).index) for axis in ("obs", "var")),
        )

    if path.is_dir():
        import zarr

        root = zarr.open_group(path, mode="r", use_consolidated=False)
        return taken(root[f"tables/{table}"] if table else root)
    import h5py

    with h5py.File(path, "r") as file:
        return taken(file)
