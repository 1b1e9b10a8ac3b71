"""Expression that stays where it is, in a file or a dask array, and is read a gene at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .checks import as_expression, in_memory

_ROWS = 50_000  # read at a time
_LOOKED_AT = 2_000  # rows that say what the values are


@dataclass(frozen=True)
class ByGene:
    """A (cells, genes) matrix that was not read: of a backed table, or a dask array.

    Attributes
    ----------
    x
        The matrix, as the table has it.
    """

    x: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return int(self.x.shape[0]), int(self.x.shape[1])

    def column(self, gene: int) -> np.ndarray:
        """Return (cells,) float32, the stored values of one gene; nothing else is kept."""
        x = self.x
        if getattr(x, "format", "") == "csr":  # a gene is all over the file: go through it once
            return np.concatenate([_line(part[:, [gene]]) for part in self._parts()])
        return _line(x[:, [gene]] if hasattr(x, "dask") else x[:, gene : gene + 1])

    def totals(self) -> np.ndarray:
        """Return (cells,) float32 sums over genes, read block by block."""
        return np.concatenate(
            [np.asarray(part.sum(axis=1), dtype=np.float32).ravel() for part in self._parts()]
        )

    def sample(self) -> sparse.csr_matrix | np.ndarray:
        """Return the first rows, checked: they stand for all until these are read."""
        return as_expression(self.x[:_LOOKED_AT])

    def load(self) -> sparse.csr_matrix | np.ndarray:
        """Read all of it and check it; sparse stays sparse."""
        return as_expression(self.x)

    def _parts(self) -> Iterator[Any]:
        for start in range(0, max(self.shape[0], 1), _ROWS):
            yield in_memory(self.x[start : start + _ROWS])


def _line(column: Any) -> np.ndarray:
    """Return (cells, 1) in any form as (cells,) float32."""
    column = in_memory(column)
    dense = column.toarray() if hasattr(column, "toarray") else np.asarray(column)
    return dense.ravel().astype(np.float32)


def is_elsewhere(x: Any) -> bool:
    """Whether a matrix is in a file or a dask array rather than in memory."""
    import h5py
    import zarr
    from anndata.abc import CSCDataset, CSRDataset

    return hasattr(x, "dask") or isinstance(x, h5py.Dataset | zarr.Array | CSRDataset | CSCDataset)


def has_nan(x: sparse.csr_matrix | np.ndarray) -> bool:
    """Whether some stored value is NaN."""
    values: Any = x.data if sparse.issparse(x) else x
    return values.dtype.kind == "f" and bool(np.isnan(values).any())
