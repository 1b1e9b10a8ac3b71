"""What makes a tissue unusable, each said in one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from .tissue import Tissue, Values

_SHOWN = 15
_LOOKED_AT = 5_000_000
_FARTHEST = 1e15  # beyond, distances and their squares lose all meaning


def listing(names: Iterable[Any]) -> str:
    """Return up to 15 names joined by commas, or "none"."""
    names = [str(n) for n in names]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "none"


def need_sections(tissue: Tissue, at_least: int = 2) -> None:
    """Refuse a tissue with too few sections for what is asked.

    Raises
    ------
    StdiffError
        When the tissue has fewer than `at_least` sections.
    """
    n = len(tissue.sections)
    if n < at_least:
        have = "only one section" if n == 1 else f"only {n} sections"
        raise StdiffError(
            f"The tissue has {have} ({listing(tissue.sections)}) and at least {at_least} are "
            "needed; read data with more serial sections, or name the obs column that tells "
            "them apart (section key)."
        )


def check_names(genes: pd.Index, cells: pd.Index) -> None:
    """Refuse an empty table and duplicate gene or obs names."""
    if not len(cells) or not len(genes):
        raise StdiffError(
            f"The table is empty ({len(cells)} cells or spots x {len(genes)} genes); "
            "read data with at least one of each."
        )
    for names, what, mend in ((genes, "gene", "var"), (cells, "obs", "obs")):
        if not names.is_unique:
            twice = names[names.duplicated()].unique()
            raise StdiffError(
                f"{len(twice)} {what} name(s) occur more than once ({listing(twice[:3])}); make "
                f"them unique first, for example with adata.{mend}_names_make_unique()."
            )


def as_expression(x: Any) -> sparse.csr_matrix | np.ndarray:
    """Return `x` as a canonical float32 CSR matrix, or a dense float32 array if it was dense.

    Parameters
    ----------
    x
        (cells, genes) in any form AnnData holds; it is never changed and a sparse one is
        never made dense.

    Raises
    ------
    StdiffError
        When there is no expression, or it has NaN, infinite or negative values.
    """
    out: Any
    values: Any
    if x is None:
        raise StdiffError("The table has no expression (X is empty); put counts into adata.X.")
    x = in_memory(x)
    try:
        if sparse.issparse(x):
            out, values = _csr(x)
        else:
            out = values = np.ascontiguousarray(x, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise StdiffError(
            "The expression (X) does not hold real numbers; put counts or log-normalised values "
            "into adata.X."
        ) from error
    if values.size:
        low, high = float(values.min()), float(values.max())  # NaN passes through both
        if not np.isfinite(low) or not np.isfinite(high):
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise StdiffError(
                f"The expression (X) holds {bad} NaN or infinite value(s); remove or replace them."
            )
        if low < 0:
            raise StdiffError(
                f"The expression (X) holds negative values (down to {low:.3g}), as scaled or "
                "centred data does; put counts or log-normalised values into adata.X."
            )
    return out


def in_memory(x: Any) -> Any:
    """Return a matrix of a file opened in backed mode, or of dask, as numpy or scipy has it."""
    if hasattr(x, "to_memory"):
        return x.to_memory()
    return x.compute() if hasattr(x, "compute") else x


def _csr(x: Any) -> tuple[Any, Any]:
    """Return a canonical CSR copy or view of `x`, and its stored values."""
    out = sparse.csr_matrix(x, dtype=np.float32)
    if not out.has_canonical_format:
        out = out.copy()  # it may share its arrays with the table
        out.sum_duplicates()
    return out, out.data


def values_of(x: sparse.csr_matrix | np.ndarray, hints: Any) -> tuple[Values, str]:
    """Say whether expression is counts or log-normalised.

    Parameters
    ----------
    x
        (cells, genes) checked expression.
    hints
        The table's ``uns``; scanpy leaves "log1p" there.

    Returns
    -------
    tuple
        The kind of the values and a sentence on how it was told.
    """
    data = x.data if sparse.issparse(x) else np.asarray(x).ravel()
    data = data[:: max(1, len(data) // _LOOKED_AT)]
    if bool(np.all(data == np.rint(data))):
        return "counts", "Expression: whole numbers, taken as counts."
    high = float(data.max())
    if "log1p" in hints:
        return "log-normalised", "Expression: log-normalised (uns['log1p'] says so)."
    if high > 30:
        return "log-normalised", (
            f"Expression: not whole numbers, and up to {high:.4g}, which is large for log values; "
            "taken as normalised already and used as it is."
        )
    return "log-normalised", "Expression: not whole numbers, taken as log-normalised."


def as_coordinates(values: Any, n_cells: int, where: str) -> np.ndarray:
    """Return coordinates as (cells, 2 or 3) float64, columns x, y(, z).

    Raises
    ------
    StdiffError
        When they have another shape, are no numbers, or hold NaN or infinite values.
    """
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StdiffError(f"The coordinates in {where} are not numbers.") from error
    if out.ndim != 2 or out.shape[0] != n_cells or out.shape[1] not in (2, 3):
        raise StdiffError(
            f"The coordinates in {where} have shape {out.shape}; they need 2 or 3 columns "
            f"(x, y or x, y, z) and {n_cells} rows."
        )
    bad = int(np.count_nonzero(~np.isfinite(out).all(axis=1)))
    if bad:
        raise StdiffError(
            f"{bad} of {n_cells} cells or spots have NaN or infinite coordinates in {where}; "
            "remove them first."
        )
    return out


def check_reach(coords: np.ndarray) -> None:
    """Refuse (cells, 3) coordinates too large to compute distances with."""
    reach = float(np.abs(coords).max()) if coords.size else 0.0
    if not reach <= _FARTHEST:
        raise StdiffError(
            f"The coordinates reach {reach:.3g}, too far to compute with; check x, y, z and the "
            "spacing, and give them in um."
        )


def no_such(what: str, key: str, there: Iterable[Any]) -> StdiffError:
    """Return the error for a name that is not there; it lists what is."""
    return StdiffError(f"There is no {what} '{key}'; there is: {listing(there)}.")
