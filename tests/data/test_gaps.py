"""Missing values: read where they can be filled in, refused everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spatialdata
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.export import tissue_elements
from napari_stdiff.data.gaps import dense_gaps, with_mask, without_nan
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue

KINDS: dict[str, Callable[[Any], Any]] = {"dense": np.asarray, "csr": sparse.csr_matrix}


def table(x: Any, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    adata = AnnData(x, obsm={"spatial": rng.uniform(0, 9, (x.shape[0], 2))})
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    adata.var_names = [f"gene{i}" for i in range(adata.n_vars)]
    return adata


def counts(seed: int = 0, cells: int = 12, genes: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.5, (cells, genes)).astype(np.float32)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), kind=st.sampled_from(sorted(KINDS)))
def test_nan_becomes_zero_and_is_known(seed: int, share: float, kind: str) -> None:
    x = counts(seed)
    gaps = np.random.default_rng(seed + 1).random(x.shape) < share
    with_nan = KINDS[kind](np.where(gaps, np.nan, x).astype(np.float32))
    before = with_nan.copy()
    found, missing = without_nan(with_nan)
    same = (lambda m: m.toarray()) if kind == "csr" else np.asarray
    assert np.array_equal(same(found), np.where(gaps, 0, x))
    if gaps.any():
        assert sparse.issparse(missing) == (kind == "csr")
        assert missing is not None
        assert np.array_equal(same(missing), gaps)
        assert missing.dtype == bool
    else:
        assert missing is None
    assert np.array_equal(same(with_nan), same(before), equal_nan=True)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_table_with_nan_is_read_for_gaps_alone(kind: str, tmp_path: Path) -> None:
    x = counts()
    x[2, 3] = x[5, 0] = np.nan
    adata = table(KINDS[kind](x))
    with pytest.raises(StdiffError, match=r"holds 2 NaN or infinite value\(s\)"):
        read(adata)
    tissue = read(adata, gaps=True)
    gaps = dense_gaps(tissue)
    assert gaps is not None
    assert np.array_equal(gaps, np.isnan(x))
    assert tissue.values == "counts"  # NaN say nothing about that
    assert any("2 NaN" in note for note in tissue.origin.notes)
    # cut down, it keeps its gaps; they are part of what it is
    part = dense_gaps(tissue.rows(np.array([5, 2])).columns(np.array([0, 3])))
    assert part is not None
    assert part.tolist() == [[True, False], [False, True]]
    filled = replace(tissue, missing=None)
    assert filled.fingerprint() != tissue.fingerprint()
    assert read(adata[:, [1]], gaps=True).missing is None
    # as a file
    path = tmp_path / "gaps.h5ad"
    adata.write_h5ad(path)
    assert read(path, gaps=True).fingerprint() == tissue.fingerprint()


def test_no_other_task_takes_a_tissue_with_gaps(make_tissue: Callable[..., Tissue]) -> None:
    from napari_stdiff.tasks.interpolate import interpolate
    from napari_stdiff.tasks.predict_genes import predict_genes

    tissue = make_tissue(sections=3, n=20)
    gapped = replace(tissue, missing=sparse.csr_matrix(tissue.expression.shape, dtype=bool))
    with pytest.raises(StdiffError, match="has missing values"):
        interpolate(gapped, method="linear")
    with pytest.raises(StdiffError, match="has missing values"):
        predict_genes(gapped, table(counts()), genes="x", method="ridge")
    assert read(gapped, gaps=True) is gapped


def test_infinite_and_negative_values_are_refused_all_the_same() -> None:
    x = counts()
    x[0, 0] = np.nan
    for bad, said in ((np.inf, "1 NaN or infinite"), (-1, "negative")):
        x[1, 1] = bad
        for kind in KINDS.values():
            with pytest.raises(StdiffError, match=said):
                read(table(kind(x)), gaps=True)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("held", ["object", "h5ad", "zarr", "store"])
def test_a_mask_is_found_by_the_names_of_cells_and_genes(
    kind: str, held: str, tmp_path: Path
) -> None:
    sdata = simulate(n_sections=3, cells_per_section=50, n_genes=10, image_size=60).sdata
    own = sdata.tables["table"]
    mask = np.random.default_rng(0).random(own.shape) < 0.2
    own.layers["unknown"] = KINDS[kind](mask)
    data: Any = sdata
    if held in ("h5ad", "zarr"):
        adata = AnnData(own.X, obs=own.obs[["section"]], var=own.var, layers=dict(own.layers))
        adata.obsm["spatial"] = np.asarray(own.obsm["spatial"])
        data = tmp_path / f"table.{held}"
        getattr(adata, {"h5ad": "write_h5ad", "zarr": "write_zarr"}[held])(data)
    elif held == "store":
        data = tmp_path / "tissue.zarr"
        sdata.write(data)
    tissue = read(data)
    some = tissue.rows(np.arange(tissue.n_cells)[::-2]).columns(np.array([7, 2]))
    found = with_mask(some, data, "unknown")
    expected = mask[::-2][:, [7, 2]]
    gaps = dense_gaps(found)
    assert gaps is not None
    assert np.array_equal(gaps, expected)
    left = np.asarray(found.expression.toarray())
    assert not left[expected].any()
    assert np.array_equal(left[~expected], some.expression.toarray()[~expected])
    assert some.missing is None
    with pytest.raises(StdiffError, match=r"There is no layer 'nothing'; there is: .*unknown"):
        with_mask(tissue, data, "nothing")


def test_masks_and_nan_add_up() -> None:
    for kind in KINDS.values():
        x = counts()
        x[0, 0] = np.nan
        adata = table(kind(x))
        mask = np.zeros(x.shape, dtype=int)
        mask[1, 1] = 1
        adata.layers["mask"] = kind(mask)
        gaps = dense_gaps(with_mask(read(adata, gaps=True), adata, "mask"))
        assert gaps is not None
        assert list(zip(*np.nonzero(gaps), strict=True)) == [(0, 0), (1, 1)]


def test_what_is_no_mask_is_refused() -> None:
    adata = table(counts())
    adata.layers["counts"] = counts(1)
    tissue = read(adata)
    with pytest.raises(StdiffError, match="'counts' is no mask"):
        with_mask(tissue, adata, "counts")
    other = adata[:, 1:].copy()
    other.layers["mask"] = np.zeros(other.shape, dtype=bool)
    with pytest.raises(StdiffError, match="belongs to other cells or genes"):
        with_mask(tissue, other, "mask")


def test_a_new_store_keeps_the_gaps(tmp_path: Path) -> None:
    x = counts()
    x[4, 2] = np.nan
    tissue = read(table(x), gaps=True)
    path = tmp_path / "new.zarr"
    spatialdata.SpatialData.init_from_elements(tissue_elements(tissue, set())).write(path)
    again = with_mask(read(path), path, "missing")
    gaps = dense_gaps(again)
    assert gaps is not None
    assert np.array_equal(gaps, np.isnan(x))
