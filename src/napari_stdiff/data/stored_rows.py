"""Some rows of a matrix, wherever it lies, without ever holding the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError

# Entries read at once; with values and indices about 50 MB.
BLOCK = 4_000_000
# Entries that are read and thrown away rather than asked for in two pieces.
_GAP = 20_000


def rows_of(x: Any, rows: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return the given rows of a matrix as CSR.

    Memory stays within what is returned and one block of `BLOCK` entries (beside the row
    pointers), whatever the size of the matrix.

    Parameters
    ----------
    x
        (cells, genes) numpy array or scipy matrix, or a matrix of an open file: an HDF5 or zarr
        array, or a group of them as AnnData stores CSR and CSC.
    rows
        Increasing row numbers.
    shape
        Shape of `x`.

    Raises
    ------
    StdiffError
        When the file keeps the matrix in a form that is not known.
    """
    if hasattr(x, "compute"):  # dask
        x, rows = x[rows].compute(), np.arange(len(rows))
    if sparse.issparse(x):
        return sparse.csr_matrix(_of_scipy(x, rows))
    if hasattr(x, "shape"):
        return _of_dense(x, rows, shape)
    encoding = str(x.attrs.get("encoding-type", x.attrs.get("h5sparse_format", "")))
    if encoding.startswith("csr"):
        return _of_csr(x, rows, shape)
    if encoding.startswith("csc"):
        return _of_csc(x, rows, shape)
    raise StdiffError(
        f"The matrix is stored in a form that is not known ('{encoding}'); write the file again "
        "with AnnData."
    )


def _of_scipy(x: Any, rows: np.ndarray) -> Any:
    """Take rows of a matrix; one that is not CSR goes block of columns by block of columns."""
    if x.format == "csr":
        return x[rows]
    csc = x.tocsc()
    parts = [csc[:, a:b].tocsr()[rows] for a, b in _spans(np.asarray(csc.indptr))]
    return sparse.hstack(parts, format="csr") if parts else csc.tocsr()[rows]


def _of_dense(x: Any, rows: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    width = max(1, shape[1])
    at_once = max(1, BLOCK // width)
    parts = []
    for start, stop in _runs(rows, max(1, _GAP // width), at_once):
        part = np.asarray(x[int(rows[start]) : int(rows[stop - 1]) + 1])
        parts.append(sparse.csr_matrix(part[rows[start:stop] - rows[start]]))
    return _stacked(parts, shape[1])


def _of_csr(x: Any, rows: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    pointer = np.asarray(x["indptr"][:], dtype=np.int64)
    lengths = pointer[rows + 1] - pointer[rows]
    out = np.concatenate([[0], np.cumsum(lengths)])
    data = np.empty(out[-1], dtype=np.float32)
    indices = np.empty(out[-1], dtype=np.int32)
    start = 0
    while start < len(rows):
        stop = start + 1
        first = pointer[rows[start]]
        while (
            stop < len(rows)
            and pointer[rows[stop]] - pointer[rows[stop - 1] + 1] <= _GAP
            and pointer[rows[stop] + 1] - first <= BLOCK
        ):
            stop += 1
        last = pointer[rows[stop - 1] + 1]
        for array, into in ((x["data"], data), (x["indices"], indices)):
            block = np.asarray(array[int(first) : int(last)])
            for k in range(start, stop):
                a = pointer[rows[k]] - first
                into[out[k] : out[k + 1]] = block[a : a + lengths[k]]
        start = stop
    return sparse.csr_matrix((data, indices, out), shape=(len(rows), shape[1]))


def _of_csc(x: Any, rows: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    pointer = np.asarray(x["indptr"][:], dtype=np.int64)
    place = np.full(shape[0], -1, dtype=np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for a, b in _spans(pointer):
        # a column may itself be longer than a block
        for low in range(int(pointer[a]), int(pointer[b]), BLOCK):
            high = min(low + BLOCK, int(pointer[b]))
            row = place[np.asarray(x["indices"][low:high])]
            keep = np.flatnonzero(row >= 0)
            column = np.searchsorted(pointer, keep + low, side="right") - 1
            values = np.asarray(x["data"][low:high])[keep]
            kept.append((values.astype(np.float32), row[keep], column.astype(np.int32)))
    data, row, column = (
        np.concatenate([np.zeros(0, dtype), *(part[i] for part in kept)])
        for i, dtype in enumerate((np.float32, np.int32, np.int32))
    )
    return sparse.csr_matrix((data, (row, column)), shape=(len(rows), shape[1]))


def _spans(pointer: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of compressed rows that hold at most `BLOCK` entries, or are one row."""
    start = 0
    while start < len(pointer) - 1:
        stop = int(np.searchsorted(pointer, pointer[start] + BLOCK, side="right")) - 1
        stop = min(max(stop, start + 1), len(pointer) - 1)
        yield start, stop
        start = stop


def _runs(rows: np.ndarray, gap: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of `rows` that lie within `at_once` rows, with at most `gap` in between."""
    start = 0
    while start < len(rows):
        stop = start + 1
        while (
            stop < len(rows)
            and rows[stop] - rows[stop - 1] <= gap
            and rows[stop] - rows[start] < at_once
        ):
            stop += 1
        yield start, stop
        start = stop


def _stacked(parts: list[sparse.csr_matrix], width: int) -> sparse.csr_matrix:
    if not parts:
        return sparse.csr_matrix(np.zeros((0, width), dtype=np.float32))
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))
