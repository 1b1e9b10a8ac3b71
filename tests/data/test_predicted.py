"""Predicted genes: what they say of themselves, and their way into a store and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spatialdata

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.predicted import (
    BADGE_FROM,
    PredictedGenes,
    Reliability,
    badge_of,
    confidence_of,
)
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord, describe_input
from napari_stdiff.data.results import (
    list_results,
    load_predicted,
    load_result,
    remove_result,
    save,
)
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue


def predicted(tissue: Tissue, genes: int = 3, name: str = "genes_ridge") -> PredictedGenes:
    rng = np.random.default_rng(0)
    mean = rng.gamma(1, 1, (tissue.n_cells, genes)).astype(np.float32)
    expected = np.linspace(0.1, 0.6, genes)
    return PredictedGenes(
        name=name,
        prediction=Prediction(
            np.array([f"new{i}" for i in range(genes)], dtype=object), mean, std=mean / 2
        ),
        names=tissue.names,
        reliability=Reliability(expected, expected - 0.2, expected + 0.2),
        record=RunRecord(task="predict-genes", method="ridge", input=describe_input(tissue)),
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


def test_badges_begin_where_they_are_said_to() -> None:
    assert badge_of(BADGE_FROM["high"]) == "high"
    assert badge_of(np.nextafter(BADGE_FROM["high"], 0)) == "medium"
    assert badge_of(np.nextafter(BADGE_FROM["medium"], 0)) == "low"
    assert badge_of(-1) == "low"


def test_confidence_falls_with_the_spread_and_not_with_the_level_alone() -> None:
    mean = np.array([1.0, 1.0, 4.0])
    first, second, third = confidence_of(mean, np.array([0.5, 1.0, 2.0]))
    assert first > second
    assert third > second  # a larger spread of a larger value
    assert (confidence_of(np.zeros(4), np.zeros(4)) == 1).all()


def test_a_store_gains_one_table_and_nothing_else_changes(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    tissue = read(path)
    before, made = content(path), predicted(tissue)
    saved = save(made, path)
    assert saved.table == "genes_ridge"
    after = content(path)
    assert {k: v for k, v in after.items() if not k.startswith("tables/genes_ridge/")} == before
    again = spatialdata.read_zarr(path)
    assert spatialdata.get_element_annotators(again, "section_1_circles") == {
        "table",
        "genes_ridge",
    }
    table = again.tables["genes_ridge"]
    joined, rows = spatialdata.join_spatialelement_table(
        sdata=again, spatial_element_names=["section_2_circles"], table_name="genes_ridge"
    )
    assert len(joined["section_2_circles"]) == rows.n_obs == (tissue.section == "section_2").sum()
    assert list(table.var.columns) == [
        *("expected_pearson", "expected_low", "expected_high", "badge", "origin")
    ]
    assert set(table.var["origin"]) == {"predicted"}
    assert table.obs["confidence"].between(0, 1).all()
    # a row is the cell it says, whatever the order
    own = again.tables["table"].obs.loc[table.obs_names]
    assert (own["cell_id"].to_numpy() == table.obs["cell_id"].to_numpy()).all()
    assert (own["region"].astype(str) == table.obs["region"].astype(str)).all()


def test_what_was_saved_comes_back(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    made = predicted(read(path))
    loaded = load_predicted(path, save(made, path).table)
    np.testing.assert_array_equal(loaded.mean, made.mean)
    np.testing.assert_array_equal(loaded.std, made.std)
    np.testing.assert_allclose(loaded.reliability.expected, made.reliability.expected)
    np.testing.assert_allclose(loaded.reliability.low, made.reliability.low)
    assert list(loaded.reliability.badges) == list(made.reliability.badges)
    assert list(loaded.genes) == list(made.genes)
    assert list(loaded.names) == list(made.names)
    assert loaded.record == made.record
    with pytest.raises(StdiffError, match="predicted genes; load it with load_predicted"):
        load_result(path, "genes_ridge")


def test_a_second_run_overwrites_nothing_and_one_can_be_removed(
    sdata: Any, tmp_path: Path
) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    made = predicted(read(path))
    assert [save(made, path).table for _ in range(2)] == ["genes_ridge", "genes_ridge_2"]
    before = content(path)
    remove_result(path, "genes_ridge_2")
    assert [info.name for info in list_results(path)] == ["genes_ridge"]
    assert content(path) == {
        k: v for k, v in before.items() if not k.startswith("tables/genes_ridge_2/")
    }
    assert read(path).n_genes == 10  # predictions are never read as measurements


def test_a_new_store_holds_the_tissue_too(
    make_tissue: Callable[..., Tissue], tmp_path: Path
) -> None:
    tissue = make_tissue(sections=2, n=20)
    made, path = predicted(tissue, name="measured"), tmp_path / "new.zarr"
    saved = save(made, path, tissue)
    sdata = spatialdata.read_zarr(path)
    assert set(sdata.tables) == {saved.table, "measured_2"}
    assert set(sdata.tables[saved.table].obs["region"]) == {"s0_points", "s1_points"}
    # the same cells are found again in that store
    assert save(replace(made, name="more"), path).table == "more"
    with pytest.raises(StdiffError, match="give the tissue too"):
        save(made, tmp_path / "other.zarr")


def test_other_cells_are_refused(
    sdata: Any, make_tissue: Callable[..., Tissue], tmp_path: Path
) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    tissue = make_tissue(sections=2, n=20)
    before = content(path)
    with pytest.raises(StdiffError, match="No table of the store holds the cells"):
        save(predicted(tissue), path)
    assert content(path) == before
    with pytest.raises(StdiffError, match="predicted for other cells"):
        save(predicted(tissue), tmp_path / "new.zarr", make_tissue(sections=2, n=30))
    assert not (tmp_path / "new.zarr").exists()


def test_a_crash_while_writing_leaves_the_store_as_it_was(
    sdata: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tissue.zarr"
    sdata.write(path)
    made, before = predicted(read(path)), content(path)
    write = spatialdata.SpatialData.write_element

    def broken(self: Any, name: str, **options: Any) -> None:
        write(self, name, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(spatialdata.SpatialData, "write_element", broken)
    with pytest.raises(KeyboardInterrupt):
        save(made, path)
    assert content(path) == before


def test_an_object_in_memory_gains_the_table(sdata: Any) -> None:
    made = predicted(read(sdata))
    saved = save(made, sdata)
    assert saved.path == ""
    assert saved.element == "section_1_circles, section_2_circles, section_3_circles"
    assert load_predicted(sdata, saved.table).record == made.record
