from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse
from spatialdata import SpatialData
from spatialdata.models import TableModel

from napari_stdiff.data import other_tables as module
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.other_tables import other_tables
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate


@pytest.fixture(scope="module")
def sample() -> SpatialData:
    return simulate(
        n_sections=3, cells_per_section=50, n_genes=10, n_extra_genes=0, image_size=50
    ).sdata


@pytest.fixture
def sdata(sample: SpatialData) -> SpatialData:
    """Return an object of its own with the same elements."""
    return SpatialData.init_from_elements({name: e for _, name, e in sample.gen_elements()})


def beside(sdata: SpatialData, x: Any, genes: list[str], rows: np.ndarray, **var: Any) -> AnnData:
    """Return a table about these rows of the measured table, in another order."""
    own = next(iter(sdata.tables.values()))
    keys = own.uns["spatialdata_attrs"]
    obs = own.obs.iloc[rows][[keys["region_key"], keys["instance_key"]]].reset_index(drop=True)
    obs.index = [f"other{i}" for i in range(len(obs))]  # another tool calls cells differently
    obs[keys["region_key"]] = obs[keys["region_key"]].cat.remove_unused_categories()
    table = AnnData(x, obs=obs, var=pd.DataFrame(var, index=genes))
    return TableModel.parse(
        table,
        region=list(obs[keys["region_key"]].cat.categories),
        region_key=keys["region_key"],
        instance_key=keys["instance_key"],
    )


def rows_of(sdata: SpatialData) -> np.ndarray:
    n = next(iter(sdata.tables.values())).n_obs
    return np.random.default_rng(0).permutation(n)[: n - 5]


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("form", ["csr", "csc", "dense", "too many to hold"])
def test_a_gene_of_another_table_comes_to_its_cells(
    sdata: SpatialData, tmp_path: Path, where: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(sdata)
    values = np.random.default_rng(1).random((len(rows), 3)).astype(np.float32)
    x: Any = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(
        form, sparse.csr_matrix if form.startswith("too") else np.asarray
    )(values)
    if form.startswith("too"):
        monkeypatch.setattr(module, "_MOST_LOADED", 0)
    sdata["tangram"] = beside(sdata, x, ["Vip", "Sst", "Vip2"], rows)
    store: Any = sdata
    if where == "disk":
        store = str(tmp_path / "tissue.zarr")
        sdata.write(store)
    tissue = read(store)
    (table,), notes = other_tables(store, tissue)
    assert (table.name, table.genes, notes) == ("tangram", ["Vip", "Sst", "Vip2"], [])
    assert not table.counts
    expected = np.full(tissue.n_cells, np.nan, np.float32)
    expected[rows] = values[:, 1]
    np.testing.assert_array_equal(table.gene("Sst"), expected)


def test_counts_are_log_normalised_by_the_rule_of_the_tissue(sdata: SpatialData) -> None:
    name, own = next(iter(sdata.tables.items()))
    rows = np.arange(own.n_obs)[::-1]
    sdata["again"] = beside(sdata, own.X[rows], [f"{g}_again" for g in own.var_names], rows)
    tissue = read(sdata, table=name)
    (table,), _ = other_tables(sdata, tissue)
    assert table.counts
    expected = Normaliser.fit(tissue)(tissue)[:, 2]
    np.testing.assert_allclose(table.gene(f"{tissue.genes[2]}_again"), expected, rtol=1e-5)


def test_negative_whole_numbers_are_no_counts(sdata: SpatialData) -> None:
    rows = rows_of(sdata)
    x = np.arange(-3.0, len(rows) - 3.0, dtype=np.float32)[:, None]
    sdata["change"] = beside(sdata, x, ["Vip"], rows)
    (table,), _ = other_tables(sdata, read(sdata))
    assert not table.counts
    assert np.nanmin(table.gene("Vip")) == -3.0


def test_ids_and_reliability_of_genes_are_read(sdata: SpatialData) -> None:
    rows = rows_of(sdata)
    ids = ["ENSMUSG00000019772", "ENSMUSG00000004366"]
    x = np.ones((len(rows), 2), np.float32)
    var = {"expected_pearson": [0.6, 0.1], "gene_id": ids}
    sdata["guess"] = beside(sdata, x, ["Vip", "Sst"], rows, **var)
    (table,), _ = other_tables(sdata, read(sdata))
    assert table.expected("Vip") == 0.6
    assert table.ids[1] == "ENSMUSG00000004366"
    assert "Vip" in table
    assert "Gad1" not in table


def test_tables_of_other_elements_or_open_already_are_left_out(sdata: SpatialData) -> None:
    rows = rows_of(sdata)
    x = np.ones((len(rows), 1), np.float32)
    sdata["open"] = beside(sdata, x, ["Vip"], rows)
    sdata["cells"] = beside(sdata, x, ["Vip"], rows)
    loose = AnnData(x)
    sdata["loose"] = loose  # annotates nothing
    tissue = read(sdata)
    found, _ = other_tables(sdata, tissue, known=["open"])
    assert [table.name for table in found] == ["cells"]


def test_a_table_with_a_cell_twice_is_left_out_and_named(sdata: SpatialData) -> None:
    table = beside(sdata, np.ones((3, 1), np.float32), ["Vip"], np.arange(3))
    instance = table.uns["spatialdata_attrs"]["instance_key"]
    table.obs[instance] = table.obs[instance].to_numpy()[[0, 1, 1]]
    sdata["twice"] = table
    found, notes = other_tables(sdata, read(sdata))
    assert found == []
    assert "'twice' has several rows" in notes[0]


def test_instances_are_matched_as_numbers_and_as_words(sdata: SpatialData) -> None:
    rows = rows_of(sdata)
    values = np.arange(float(len(rows)), dtype=np.float32)[:, None] + 0.5
    sdata["words"] = beside(sdata, values, ["Vip"], rows)
    keys = sdata["words"].uns["spatialdata_attrs"]
    ids = sdata["words"].obs[keys["instance_key"]]
    assert pd.api.types.is_integer_dtype(ids)
    sdata["words"].obs[keys["instance_key"]] = ids.astype(str)
    (table,), _ = other_tables(sdata, read(sdata))
    expected = np.full(len(table.rows), np.nan, np.float32)
    expected[rows] = values[:, 0]
    np.testing.assert_array_equal(table.gene("Vip"), expected)
