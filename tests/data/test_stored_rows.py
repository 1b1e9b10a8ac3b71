"""Rows of a matrix, in every form and in blocks of every size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from anndata.io import write_elem
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data import stored_rows
from napari_stdiff.data.stored_rows import rows_of


def matrix(cells: int = 60, genes: int = 17) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.poisson(0.4, (cells, genes)) * rng.integers(1, 9, (cells, genes))).astype("f4")


FORMS: dict[str, Any] = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr array": sparse.csr_array,
}


@pytest.mark.parametrize("block", [5, 40, 10**6])
@pytest.mark.parametrize("gap", [0, 12, 10**6])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", ["memory", "h5", "zarr"])
def test_rows_are_the_rows(
    kept: str, form: str, gap: int, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_rows, "BLOCK", block)
    monkeypatch.setattr(stored_rows, "_GAP", gap)
    dense = matrix()
    held: Any = FORMS[form](dense)
    if kept != "memory":
        store: Any = h5py.File(tmp_path / "x.h5", "w") if kept == "h5" else zarr.open_group()
        write_elem(store, "X", held)
        held = store["X"]
    for rows in (np.arange(60), np.array([0, 1, 2, 9, 30, 31, 59]), np.array([58])):
        found = rows_of(held, rows, dense.shape)
        assert found.format == "csr"
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.toarray(), dense[rows])


@given(st.sets(st.integers(0, 59)), st.integers(1, 200), st.integers(0, 50))
def test_whatever_rows_are_asked_for(rows: set[int], block: int, gap: int) -> None:
    wanted = np.array(sorted(rows), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_rows, "BLOCK", block)
        patch.setattr(stored_rows, "_GAP", gap)
        for form in FORMS.values():
            found = rows_of(form(matrix()), wanted, (60, 17))
            np.testing.assert_array_equal(found.toarray(), matrix()[wanted])


def test_whole_numbers_are_read_as_float32(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_elem(file, "X", sparse.csr_matrix(matrix().astype(np.int64)))
        found = rows_of(file["X"], np.arange(5), (60, 17))
    assert found.dtype == np.float32


def test_dask() -> None:
    dask = pytest.importorskip("dask.array")
    rows = np.array([3, 8, 40])
    lazy = dask.from_array(matrix(), chunks=(7, 17))
    np.testing.assert_array_equal(rows_of(lazy, rows, (60, 17)).toarray(), matrix()[rows])


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("X").attrs["encoding-type"] = "coo_matrix"
        with pytest.raises(StdiffError, match="'coo_matrix'"):
            rows_of(file["X"], np.arange(2), (60, 17))
