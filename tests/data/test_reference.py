"""References from files, stores and memory: which values, which cells, and within what memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data import stored_rows
from napari_stdiff.data.gene_names import match_genes
from napari_stdiff.data.panel import panel_of
from napari_stdiff.data.reading import read
from napari_stdiff.data.reference import read_reference
from napari_stdiff.data.tissue import Tissue


def make(cells: int = 60, genes: int = 9, **changes: Any) -> AnnData:
    """Return AnnData of counts with cell types and Ensembl ids, and no places."""
    rng = np.random.default_rng(0)
    adata = AnnData(
        sparse.csr_matrix(rng.poisson(1.0, (cells, genes)).astype(np.float32)),
        obs=pd.DataFrame(
            {
                "n_genes": rng.integers(1, 9, cells),
                "cell_type": pd.Categorical(np.array(["neuron", "glia"])[np.arange(cells) % 2]),
                "kind": pd.Categorical(np.array(["x", "y", "z"])[np.arange(cells) % 3]),
            },
            index=[f"cell{i}" for i in range(cells)],
        ),
        var=pd.DataFrame(
            {"gene_ids": [f"ENSG{i:011d}" for i in range(genes)]},
            index=[f"g{i}" for i in range(genes)],
        ),
    )
    for key, value in changes.items():
        setattr(adata, key, value)
    return adata


def logged(adata: AnnData) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.log1p(adata.X.toarray() / 3))


def stored(adata: AnnData, tmp_path: Path, kind: str) -> Any:
    path = tmp_path / f"ref.{kind}"
    if kind == "h5ad":
        adata.write_h5ad(path)
    elif kind == "zarr":
        adata.write_zarr(path)
    elif kind == "backed":
        adata.write_h5ad(tmp_path / "ref.h5ad")
        return anndata.read_h5ad(tmp_path / "ref.h5ad", backed="r")
    else:
        return adata
    return path


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
@pytest.mark.parametrize("kind", ["memory", "h5ad", "zarr", "backed"])
@pytest.mark.parametrize("cells", [0, 20])
def test_the_same_from_everywhere(cells: int, kind: str, form: str, tmp_path: Path) -> None:
    adata = make()
    whole = adata.X.toarray()
    adata.X = {"csr": adata.X, "csc": adata.X.tocsc(), "dense": whole}[form]
    reference = read_reference(stored(adata, tmp_path, kind), cells=cells, seed=4)
    rows = adata.obs_names.get_indexer(reference.names)
    assert len(rows) == (cells or 60)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(reference.expression.toarray(), whole[rows])
    assert reference.expression.dtype == np.float32
    assert reference.values == "counts"
    assert list(reference.genes) == list(adata.var_names)
    assert reference.gene_ids is not None
    assert list(reference.gene_ids) == list(adata.var["gene_ids"])
    assert reference.cell_type is not None
    assert list(reference.cell_type) == list(adata.obs["cell_type"].iloc[rows])
    assert reference.origin.keys == {"cell_type": "cell_type", "expression": "X"}
    again = read_reference(adata, cells=cells, seed=4)
    assert list(again.names) == list(reference.names)
    said = [n for n in reference.origin.notes if "drawn" in n]
    if cells:
        assert said == [
            "Reference: 20 of 60 cells, drawn by cell type, at least 25 of each where there are "
            "(seed 4)."
        ]
        other = read_reference(adata, cells=cells, seed=5)
        assert list(other.names) != list(reference.names)
    else:
        assert not said


@pytest.mark.parametrize("kind", ["memory", "h5ad"])
def test_counts_are_found_wherever_they_are(kind: str, tmp_path: Path) -> None:
    adata = make()
    counts = adata.X.copy()
    adata.X = logged(adata)
    assert read_reference(stored(adata, tmp_path, kind)).values == "log-normalised"
    adata.raw = AnnData(
        sparse.hstack([counts, counts[:, :2]], format="csr"),
        var=pd.DataFrame(index=[*adata.var_names, "more", "most"]),
    )
    reference = read_reference(stored(adata, tmp_path, kind))
    assert reference.values == "counts"
    assert reference.origin.keys["expression"] == "raw"
    assert list(reference.genes[-2:]) == ["more", "most"]
    adata.layers["counts"] = counts * 2
    reference = read_reference(stored(adata, tmp_path, kind))
    assert reference.origin.keys["expression"] == "layers['counts']"
    np.testing.assert_array_equal(reference.expression.toarray(), counts.toarray() * 2)


def test_scaled_values_are_passed_over_for_raw() -> None:
    adata = make()
    adata.raw = AnnData(logged(adata), var=adata.var)
    adata.X = adata.X.toarray() - 1
    reference = read_reference(adata)
    assert reference.origin.keys["expression"] == "raw"
    assert reference.values == "log-normalised"


@pytest.mark.parametrize(
    ("said", "labels"), [("auto", "cell_type"), ("kind", "kind"), ("none", None)]
)
@pytest.mark.parametrize("kind", ["memory", "h5ad"])
def test_cell_types(kind: str, said: str, labels: str | None, tmp_path: Path) -> None:
    adata = make()
    reference = read_reference(stored(adata, tmp_path, kind), cell_type_key=said)
    if labels is None:
        assert reference.cell_type is None
    else:
        assert reference.cell_type is not None
        assert list(reference.cell_type) == list(adata.obs[labels])
    with pytest.raises(StdiffError, match=r"no obs column for the cell type 'nope'; there is: n_"):
        read_reference(stored(adata, tmp_path, kind), cell_type_key="nope")


def test_genes_that_occur_twice_keep_the_one_expressed_most() -> None:
    adata = make()
    adata.var_names = ["a", "b", "a", "c", "d", "b", "e", "f", "a"]
    counts = adata.X.toarray()
    counts[:, 2], counts[:, 5] = 7.0, 0.0
    adata.X = sparse.csr_matrix(counts)
    reference = read_reference(adata)
    assert list(reference.genes) == ["b", "a", "c", "d", "e", "f"]
    np.testing.assert_array_equal(reference.expression[:, 1].toarray().ravel(), np.full(60, 7.0))
    assert reference.gene_ids is not None
    assert reference.gene_ids[1] == "ENSG00000000002"
    assert any("2 gene name(s) occur more than once (a, b)" in n for n in reference.origin.notes)


def test_cells_that_occur_twice_are_told_apart() -> None:
    adata = make()
    adata.obs_names = ["cell"] * 60
    assert len(set(read_reference(adata).names)) == 60


def test_a_tissue_and_a_reference(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue(sections=2, n=50)
    reference = read_reference(tissue, cells=40)
    assert reference.n_cells == 40
    assert reference.n_genes == 8
    assert reference.cell_type is not None
    assert set(reference.cell_type) == {"glia", "neuron", "vessel"}
    assert read_reference(reference) is reference


def test_spatialdata_with_one_table(tmp_path: Path) -> None:
    from spatialdata import SpatialData

    sdata = SpatialData(tables={"cells": make()})
    sdata.write(tmp_path / "ref.zarr")
    for data in (sdata, tmp_path / "ref.zarr"):
        reference = read_reference(data)
        assert reference.n_cells == 60
        assert reference.origin.table == "cells"
    two = SpatialData(tables={"cells": make(), "more": make()})
    with pytest.raises(StdiffError, match=r"2 tables \(cells, more\)"):
        read_reference(two)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a[:, :0].copy(), "has no genes"),
        (lambda a: a[:0].copy(), "has no cells"),
        (lambda a: make(X=a.X - 1), "reference's expression .* negative values"),
        (lambda a: make(X=a.X * np.nan), "reference's expression .* NaN"),
        (lambda a: make(uns={"stdiff": "{}"}), "a result of napari-stdiff"),
    ],
)
def test_unusable_tables(change: Callable[[AnnData], AnnData], sentence: str) -> None:
    adata = make()
    adata.X = adata.X.toarray()
    with pytest.raises(StdiffError, match=sentence):
        read_reference(change(adata))


def test_no_expression_at_all() -> None:
    with pytest.raises(StdiffError, match="has no expression"):
        read_reference(AnnData(obs=make().obs, var=make().var))


def test_unusable_paths(tmp_path: Path) -> None:
    (tmp_path / "empty.h5ad").touch()
    (tmp_path / "text.h5ad").write_text("gene,cell\n")
    (tmp_path / "folder.zarr").mkdir()
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["x"] = 1
    make().write_h5ad(tmp_path / "broken.h5ad")
    with h5py.File(tmp_path / "broken.h5ad", "a") as file:
        del file["X/indices"]
    for name, sentence in (
        ("absent.h5ad", "There is no reference"),
        ("empty.h5ad", "is empty"),
        ("text.h5ad", "not an .h5ad file"),
        ("folder.zarr", "not a .zarr store"),
        ("other.h5ad", "holds no AnnData"),
        ("broken.h5ad", "cannot be read"),
    ):
        with pytest.raises(StdiffError, match=sentence):
            read_reference(tmp_path / name)
    with pytest.raises(StdiffError, match="from a list"):
        read_reference([1, 2])  # type: ignore[arg-type]
    with pytest.raises(StdiffError, match="-1 cells"):
        read_reference(make(), cells=-1)


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_memory_is_that_of_the_drawn_cells(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 64 MB (dense) or 26 MB (sparse) is read within 6 MB: cells drawn, and a block."""
    monkeypatch.setattr(stored_rows, "BLOCK", 200_000)
    rng = np.random.default_rng(0)
    x = sparse.random(
        8000, 2000, 0.2, format="csr", dtype=np.float32, random_state=rng, data_rvs=np.ones
    )
    whole = 8 * x.nnz if form != "dense" else 4 * 8000 * 2000
    held = {"csr": x, "csc": x.tocsc(), "dense": x.toarray()}[form]
    labels = np.where(np.arange(8000) < 30, "rare", "common")
    adata = AnnData(held, obs=pd.DataFrame({"cell_type": pd.Categorical(labels)}))
    adata.write_h5ad(tmp_path / "big.h5ad")
    read_reference(tmp_path / "big.h5ad", cells=5)  # imports are not what is measured
    tracemalloc.start()
    try:
        reference = read_reference(tmp_path / "big.h5ad", cells=200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reference.expression.nnz == pytest.approx(80_000, rel=0.1)
    assert reference.cell_type is not None
    assert (reference.cell_type == "rare").sum() == 25
    assert peak < 6e6 < whole / 4


@pytest.mark.parametrize("pair", ["osmfish_stdiff", "osmfish", "fly_bdtnp", "pdac"])
def test_real_pairs_read_and_match(pair: str, real_data: Callable[[str], Path]) -> None:
    tissue = read(real_data(f"{pair}.h5ad"))
    reference = read_reference(real_data(f"{pair}.sc.h5ad"))
    match = match_genes(tissue, reference)
    shared = {"osmfish_stdiff": 33, "osmfish": 33, "fly_bdtnp": 84, "pdac": 5413}[pair]
    cells = {"osmfish_stdiff": 5000, "osmfish": 550, "fly_bdtnp": 1297, "pdac": 1926}[pair]
    assert (len(match.shared), reference.n_cells) == (shared, cells)
    assert len(match.shared) + len(match.only_reference) == reference.n_genes
    assert reference.values == "counts"
    assert (reference.cell_type is not None) == (pair in ("osmfish", "pdac"))
    hidden = [ours for ours, _ in match.shared[::5]]
    panel = panel_of(tissue, reference, match, hidden)
    assert list(panel.wanted[: len(hidden)]) == hidden
    assert panel.tissue.shape == (tissue.n_cells, shared - len(hidden))
    assert panel.reference.shape == (cells, shared - len(hidden))
    assert np.isfinite(panel.tissue).all()
    assert np.isfinite(panel.reference).all()
    assert panel.profiles(hidden).any(axis=0).mean() > 0.9
