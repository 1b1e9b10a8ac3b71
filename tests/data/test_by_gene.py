"""Expression in a file or a dask array: a gene is read, not the table; sparse stays sparse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from napari_stdiff import read
from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data import by_gene
from napari_stdiff.data.by_gene import ByGene
from napari_stdiff.viewer.colors import Values

CELLS, GENES = 60, 8
KINDS = ["csr", "csc", "dense", "dask", "dask sparse"]


class NeverDense(sparse.csr_matrix):
    """A sparse matrix that is never made dense as a whole."""

    def toarray(self, *args: Any, **kwargs: Any) -> Any:
        assert min(self.shape) <= 1, "the whole matrix was made dense"
        return super().toarray(*args, **kwargs)

    todense = toarray


def table(x: Any) -> AnnData:
    at = np.random.default_rng(1).uniform(0, 100, (CELLS, 2))
    section = pd.Categorical([f"s{i % 2}" for i in range(CELLS)])
    obs = pd.DataFrame({"section": section}, index=[f"cell{i}" for i in range(CELLS)])
    return AnnData(x, obs=obs, obsm={"spatial": at})


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(1.0, (CELLS, GENES)).astype(np.float32)


def elsewhere(kind: str, counts: np.ndarray, folder: Path) -> AnnData:
    if kind == "dask":
        return table(da.from_array(counts, chunks=(17, GENES)))
    if kind == "dask sparse":
        lazy = da.from_array(counts, chunks=(17, GENES))
        return table(lazy.map_blocks(sparse.csr_matrix, meta=sparse.csr_matrix((0, 0))))
    form = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind]
    table(form(counts)).write_h5ad(folder / "table.h5ad")
    return anndata.read_h5ad(folder / "table.h5ad", backed="r")


@pytest.mark.parametrize("kind", KINDS)
def test_a_gene_is_read_and_the_table_is_not(
    kind: str, counts: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_gene, "_ROWS", 13)
    tissue, known = read(elsewhere(kind, counts, tmp_path)), read(table(counts))
    values, expected = Values(tissue), Values(known)
    for gene in known.genes:
        np.testing.assert_allclose(tissue.dense(gene), known.dense(gene))
        np.testing.assert_allclose(values.gene(gene), expected.gene(gene), rtol=1e-6)
    assert values.most_variable() == expected.most_variable()
    assert tissue.values == "counts"
    assert isinstance(tissue.stored, ByGene)  # nobody asked for all of it


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_is_read_once_it_is_needed(
    kind: str, counts: np.ndarray, tmp_path: Path
) -> None:
    tissue = read(elsewhere(kind, counts, tmp_path))
    x = tissue.expression
    assert sparse.issparse(x) == (kind in ("csr", "csc", "dask sparse"))
    np.testing.assert_array_equal(x.toarray() if sparse.issparse(x) else x, counts)
    assert tissue.expression is x
    assert tissue.fingerprint() == tissue.fingerprint()


def test_what_cannot_be_used_is_said_when_it_is_read(counts: np.ndarray) -> None:
    counts[0, 0] = -1
    with pytest.raises(StdiffError, match="negative"):
        read(table(da.from_array(counts)))


def test_missing_values_of_a_dask_table_are_missing(counts: np.ndarray) -> None:
    counts[3, 2] = np.nan
    tissue = read(table(da.from_array(counts)), gaps=True)
    assert tissue.missing is not None
    assert tissue.missing[3, 2]


def test_a_sparse_table_is_never_made_dense(counts: np.ndarray) -> None:
    tissue = read(table(sparse.csr_matrix(counts))).but(expression=NeverDense(counts))
    values = Values(tissue)
    values._columns.__class__ = type("Columns", (sparse.csc_matrix,), {"toarray": _columns_only})
    assert values.most_variable() in tissue.genes
    for gene in tissue.genes:
        assert np.isfinite(values.gene(gene)).all()
        assert tissue.dense(gene).shape == (CELLS,)


def _columns_only(self: Any, *args: Any, **kwargs: Any) -> Any:
    assert self.shape[1] == 1, "more than a gene was made dense"
    return sparse.csc_matrix.toarray(self, *args, **kwargs)
