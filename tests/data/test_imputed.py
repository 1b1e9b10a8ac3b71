"""Imputed values: what they say of themselves, and their way into a store and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spatialdata
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.imputed import (
    Imputed,
    clusters_of,
    flat_scores,
    reliability_of,
    scores_by_method,
)
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord, describe_input
from napari_stdiff.data.results import (
    list_results,
    load_imputed,
    load_predicted,
    load_result,
    remove_result,
    save,
)
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue

GENES = 4


def imputed(tissue: Tissue, section: str = "", name: str = "imputed_mean") -> Imputed:
    rng = np.random.default_rng(0)
    if section:
        tissue = tissue.split(section)[1]
    measured = rng.gamma(1, 1, (tissue.n_cells, GENES)).astype(np.float32)
    filled = rng.random(measured.shape) < 0.3
    mean = np.where(filled, np.float32(0.5), measured)
    measured[filled & (rng.random(filled.shape) < 0.5)] = np.nan
    pearson = np.array([0.6, 0.3, 0.0, np.nan])
    return Imputed(
        name=name,
        prediction=Prediction(
            np.asarray(tissue.genes[:GENES], dtype=object),
            mean,
            std=np.where(filled, np.float32(0.2), np.float32(0)),
        ),
        names=tissue.names,
        measured=measured,
        filled=filled,
        reliability=reliability_of(pearson, np.full(GENES, 30)),
        checked=np.full(GENES, 30),
        record=RunRecord(
            task="impute",
            method="mean",
            target={"section": section},
            scores={"pcc": 0.1, "soft-svd:pcc": 0.4, "ari_before": 0.2, "ari_after": None},
            input=describe_input(tissue),
        ),
    )


@pytest.fixture
def sdata() -> Any:
    return simulate(n_sections=3, cells_per_section=50, n_genes=10, image_size=60).sdata


def content(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in sorted(path.rglob("*"))
        if p.is_file() and p.parent != path
    }


names = st.sampled_from(["stmcdi", "mean", "spatial-knn", "soft-svd"])
values = st.dictionaries(
    st.sampled_from(["pcc", "rmse", "coverage80"]), st.none() | st.floats(-1, 1), min_size=1
)


@settings(max_examples=50)
@given(method=names, scores=st.dictionaries(names, values))
def test_scores_go_into_a_record_and_back(method: str, scores: dict[str, Any]) -> None:
    clusters = {"ari_before": 0.1, "ari_after": 0.2, "nmi_after": None}
    flat = flat_scores(method, scores)
    record = RunRecord(task="impute", method=method, scores={**flat, **clusters})
    again = RunRecord.model_validate_json(record.model_dump_json())
    assert scores_by_method(again) == scores
    assert clusters_of(again) == {"before": {"ari": 0.1}, "after": {"ari": 0.2, "nmi": None}}


@given(r=st.floats(-1, 1), n=st.integers(0, 10_000))
def test_more_checked_values_leave_a_narrower_interval(r: float, n: int) -> None:
    few, many = (reliability_of(np.array([r]), np.array([k])) for k in (n, 4 * n + 20))
    assert -1 <= few.low[0] <= few.high[0] <= 1
    assert few.low[0] - 1e-6 <= r <= few.high[0] + 1e-6
    assert many.high[0] - many.low[0] <= few.high[0] - few.low[0] + 1e-12


def test_a_gene_that_could_not_be_checked_is_not_trusted() -> None:
    trust = reliability_of(np.array([np.nan, 0.9]), np.array([0, 50]))
    assert np.isnan(trust.low[0])
    assert list(trust.badges) == ["low", "high"]


@pytest.mark.parametrize("section", ["", "section_2"])
def test_a_store_gains_one_table_and_nothing_else_changes(
    sdata: Any, tmp_path: Path, section: str
) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    tissue = read(path)
    before, made = content(path), imputed(tissue, section)
    kept = save(made, path)
    assert kept.table == "imputed_mean"
    after = content(path)
    assert {k: v for k, v in after.items() if not k.startswith("tables/imputed_mean/")} == before
    again = spatialdata.read_zarr(path)
    table = again.tables["imputed_mean"]
    assert set(table.layers) == {"std", "filled", "measured"}
    assert set(table.var["origin"]) == {"imputed"}
    assert table.var["n_filled"].to_numpy().tolist() == made.filled.sum(axis=0).tolist()
    np.testing.assert_allclose(table.obs["filled_share"], made.filled.mean(axis=1), rtol=1e-6)
    expected = {"section_2_circles"} if section else {f"section_{i}_circles" for i in (1, 2, 3)}
    assert set(table.obs["region"].astype(str)) == expected
    own = again.tables["table"].obs.loc[table.obs_names]
    assert (own["cell_id"].to_numpy() == table.obs["cell_id"].to_numpy()).all()
    assert read(path).n_genes == 10  # never read as measurements


def test_what_was_saved_comes_back(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    made = imputed(read(path))
    loaded = load_imputed(path, save(made, path).table)
    for part in ("mean", "std", "measured", "filled", "checked"):
        np.testing.assert_array_equal(getattr(loaded, part), getattr(made, part))
        assert getattr(loaded, part).dtype == getattr(made, part).dtype
    for part in ("expected", "low", "high"):
        one, other = (getattr(x.reliability, part) for x in (loaded, made))
        np.testing.assert_allclose(one, other)
    assert list(loaded.genes) == list(made.genes)
    assert list(loaded.names) == list(made.names)
    assert loaded.record == made.record
    assert loaded.scores == {"mean": {"pcc": 0.1}, "soft-svd": {"pcc": 0.4}}
    for other in (load_result, load_predicted):
        with pytest.raises(StdiffError, match="imputed values; load it with load_imputed"):
            other(path, "imputed_mean")
    with pytest.raises(StdiffError, match="no gene 'nothing'"):
        loaded.column("nothing")


def test_a_second_run_overwrites_nothing_and_one_can_be_removed(
    sdata: Any, tmp_path: Path
) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    made = imputed(read(path))
    assert [save(made, path).table for _ in range(2)] == ["imputed_mean", "imputed_mean_2"]
    before = content(path)
    remove_result(path, "imputed_mean_2")
    assert [info.name for info in list_results(path)] == ["imputed_mean"]
    assert content(path) == {
        k: v for k, v in before.items() if not k.startswith("tables/imputed_mean_2/")
    }


@pytest.mark.parametrize("section", ["", "section_1"])
def test_a_new_store_holds_the_tissue_too(sdata: Any, tmp_path: Path, section: str) -> None:
    tissue = read(sdata)
    made, path = imputed(tissue, section), tmp_path / "new.zarr"
    with pytest.raises(StdiffError, match="give the tissue too"):
        save(made, path)
    save(made, path, tissue)
    again = spatialdata.read_zarr(path)
    assert set(again.tables) == {"measured", "imputed_mean"}
    assert again.tables["measured"].n_obs == tissue.n_cells
    with pytest.raises(StdiffError, match="predicted for other cells"):
        save(made, tmp_path / "other.zarr", tissue.split("section_3")[1])
