from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spatialdata
from hypothesis import given
from hypothesis import strategies as st
from spatialdata import SpatialData

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.results import (
    describe,
    list_results,
    load_result,
    remove_result,
    save,
)
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.store import element_name, free_name
from napari_stdiff.data.tissue import Histology, Origin, Tissue
from napari_stdiff.data.virtual import VirtualSection

_ROOT = {"zarr.json", ".zattrs", ".zgroup", ".zmetadata"}


def hashes(path: Path) -> dict[str, str]:
    """Return the content of every file but the root's metadata, which lists the elements."""
    return {
        str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in path.rglob("*")
        if f.is_file() and str(f.relative_to(path)) not in _ROOT
    }


def a_section(name: str = "virtual z 60.0", n: int = 30, **parts: Any) -> VirtualSection:
    rng = np.random.default_rng(0)
    values = rng.random((4, n, 3)).astype(np.float32)
    prediction = {"mean": values[0], "std": values[1], "draws": values[2:], "notes": ("Said.",)}
    kinds = np.array(["b", "a", "c"] * n, object)[:n]
    return VirtualSection(
        name=name,
        query=Query(rng.random((n, 3)) * [1, 500, 800] + [60, 0, 0], kinds),
        prediction=Prediction(np.array(["g2", "g1", "g3"]), **{**prediction, **parts}),
        unit="um",
        record=RunRecord(
            task="interpolate",
            method="knn",
            parameters={"k": 5, "nested": {"a": [1, 2]}},
            scores={"pcc": 0.5, "crps": None},
            input={"coordinate_system": "global"},
        ),
    )


@pytest.fixture(scope="module")
def sample() -> SpatialData:
    return simulate(
        n_sections=3, cells_per_section=60, n_genes=10, n_extra_genes=0, image_size=60
    ).sdata


@pytest.fixture(scope="module")
def written(sample, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("written") / "tissue.zarr"
    SpatialData.init_from_elements({name: e for _, name, e in sample.gen_elements()}).write(path)
    return path


@pytest.fixture
def store(written, tmp_path) -> Path:
    return shutil.copytree(written, tmp_path / "tissue.zarr")


@pytest.fixture
def in_memory(sample) -> SpatialData:
    return SpatialData.init_from_elements({name: e for _, name, e in sample.gen_elements()})


def same(one: VirtualSection, two: VirtualSection) -> None:
    np.testing.assert_array_equal(one.query.coords, two.query.coords)
    np.testing.assert_array_equal(one.prediction.mean, two.prediction.mean)
    for part in ("std", "draws"):
        a, b = getattr(one.prediction, part), getattr(two.prediction, part)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)
    assert (one.query.cell_type is None) == (two.query.cell_type is None)
    if one.query.cell_type is not None:
        assert list(one.query.cell_type) == list(two.query.cell_type)
    assert list(one.prediction.genes) == list(two.prediction.genes)
    assert one.prediction.notes == two.prediction.notes
    assert one.prediction.complete == two.prediction.complete
    assert one.record == two.record
    assert one.unit == two.unit


def test_a_saved_section_comes_back_as_it_went(store) -> None:
    section = a_section(complete=False)
    saved = save(section, store)
    assert saved.path == str(store)
    same(load_result(store, saved.table), section)
    same(load_result(spatialdata.read_zarr(store), saved.table), section)


def test_more_than_nine_draws_keep_their_order(store) -> None:
    draws = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((12, 30, 3), np.float32)
    saved = save(a_section(draws=draws), store)
    found = load_result(store, saved.table).prediction.draws
    assert found is not None
    assert list(found[:, 0, 0]) == list(range(12))


def test_what_was_not_asked_for_is_not_there(store) -> None:
    section = a_section(std=None, draws=None)
    bare = VirtualSection(
        "bare", Query(section.query.coords), section.prediction, "unit", section.record
    )
    saved = save(bare, store)
    same(load_result(store, saved.table), bare)
    table = spatialdata.read_zarr(store)[saved.table]
    assert list(table.layers) == []
    assert "cell_type" not in table.obs


def test_saving_adds_one_points_element_and_one_table_and_touches_nothing_else(store) -> None:
    before = hashes(store)
    elements = {name for _, name, _ in spatialdata.read_zarr(store).gen_elements()}
    saved = save(a_section(), store)
    after = hashes(store)
    assert {k: after[k] for k in before} == before
    now = {name for _, name, _ in spatialdata.read_zarr(store).gen_elements()}
    assert now - elements == {saved.table, saved.element}
    assert saved.element == f"{saved.table}_points"


def test_removing_takes_out_exactly_what_saving_put_in(store) -> None:
    save(a_section("kept"), store)
    before = hashes(store)
    saved = save(a_section(), store)
    remove_result(store, saved.table)
    assert hashes(store) == before
    sdata = spatialdata.read_zarr(store)
    assert saved.table not in sdata
    assert saved.element not in sdata
    assert [r.name for r in list_results(store)] == ["kept"]


def test_the_table_annotates_its_points_for_whoever_joins_them(store) -> None:
    section = a_section()
    saved = save(section, store)
    sdata = spatialdata.read_zarr(store)
    assert spatialdata.get_element_annotators(sdata, saved.element) == {saved.table}
    elements, table = spatialdata.join_spatialelement_table(
        sdata=sdata, spatial_element_names=[saved.element], table_name=saved.table, how="left"
    )
    points = elements[saved.element].compute()
    np.testing.assert_array_equal(points[["z", "y", "x"]].to_numpy(), section.query.coords)
    assert list(points["cell_type"]) == list(table.obs["cell_type"]) == list("bac" * 10)
    np.testing.assert_array_equal(np.asarray(table.X), section.prediction.mean)
    np.testing.assert_array_equal(table.obsm["spatial3d"], section.query.coords[:, ::-1])
    assert table.X.dtype == np.float32


def test_the_record_is_one_json_string_in_the_table(store) -> None:
    saved = save(a_section(), store)
    value = spatialdata.read_zarr(store)[saved.table].uns["stdiff"]
    assert isinstance(value, str)
    assert json.loads(value)["parameters"] == {"k": 5, "nested": {"a": [1, 2]}}


def test_names_never_collide(store) -> None:
    names = [save(a_section("virtual"), store).table for _ in range(3)]
    assert names == ["virtual", "virtual_2", "virtual_3"]
    assert save(a_section("TABLE"), store).table == "TABLE_2"
    sdata = spatialdata.read_zarr(store)
    sdata["other_points"] = sdata["virtual_points"]
    assert save(a_section("other"), sdata).table == "other_2"


@given(
    st.text(max_size=12),
    st.lists(st.from_regex(r"[A-Za-z_]{1,4}(_points|_2)?", fullmatch=True), max_size=8),
)
def test_a_free_name_is_valid_and_free(wish: str, taken: list[str]) -> None:
    from spatialdata._core.validation import check_valid_name

    name = free_name(wish, taken, ("", "_points"))
    used = {t.casefold() for t in taken}
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
    for found in (name, f"{name}_points"):
        check_valid_name(found)
        assert found.casefold() not in used


def test_a_name_that_is_fine_is_kept() -> None:
    assert free_name("virtual_z60.0-a", ["table"]) == "virtual_z60.0-a"
    assert free_name("z = 60 µm", []) == "z_60_m"
    assert free_name("", []) == "virtual"
    assert element_name("virtual_Layer 2/3_typed-knn") == "virtual_Layer_2_3_typed-knn"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
@pytest.mark.parametrize("had_points", [False, True])
def test_a_save_that_fails_half_way_leaves_the_store_as_it_was(
    store, monkeypatch, error, had_points
) -> None:
    if had_points:
        save(a_section("first"), store)
    before, root = hashes(store), (store / "zarr.json").read_bytes()
    folders = sorted(p for p in store.rglob("*") if p.is_dir())
    write = SpatialData.write_element

    def failing(self: SpatialData, name: str, **kwargs: Any) -> None:
        write(self, name, **kwargs)
        if not name.endswith("_points"):
            raise error

    monkeypatch.setattr(SpatialData, "write_element", failing)
    with pytest.raises(type(error)):
        save(a_section(), store)
    assert hashes(store) == before
    assert (store / "zarr.json").read_bytes() == root
    assert sorted(p for p in store.rglob("*") if p.is_dir()) == folders
    spatialdata.read_zarr(store)


def test_an_object_is_as_it_was_when_its_store_could_not_take_the_result(
    store, monkeypatch
) -> None:
    sdata = spatialdata.read_zarr(store)
    names = {name for _, name, _ in sdata.gen_elements()}

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(SpatialData, "write_element", failing)
    with pytest.raises(RuntimeError, match="bug"):
        save(a_section(), sdata)
    assert {name for _, name, _ in sdata.gen_elements()} == names


def read_only(monkeypatch) -> None:
    """Make every place read-only (a test may run as root, whom no permission stops)."""
    real = os.access

    def access(path: Any, mode: int, **kwargs: Any) -> bool:
        return not mode & os.W_OK and real(path, mode, **kwargs)

    monkeypatch.setattr(os, "access", access)


def test_a_read_only_store_says_so_in_one_sentence_and_stays_as_it_is(store, monkeypatch) -> None:
    kept = save(a_section("kept"), store).table
    before = hashes(store)
    read_only(monkeypatch)
    with pytest.raises(StdiffError, match=r"read-only.*in memory.*new path"):
        save(a_section(), store)
    with pytest.raises(StdiffError, match=r"read-only.*not removed"):
        remove_result(store, kept)
    assert hashes(store) == before


def test_an_object_of_a_read_only_store_holds_the_result_in_memory(store, monkeypatch) -> None:
    sdata = spatialdata.read_zarr(store)
    before = hashes(store)
    read_only(monkeypatch)
    with pytest.raises(StdiffError, match="object in memory"):
        save(a_section("held"), sdata)
    assert [r.name for r in list_results(sdata)] == ["held"]
    assert hashes(store) == before


def test_an_object_whose_store_is_gone_holds_the_result_in_memory(store) -> None:
    sdata = spatialdata.read_zarr(store)
    shutil.rmtree(store)
    with pytest.raises(StdiffError, match="object in memory"):
        save(a_section("held"), sdata)
    assert "held" in sdata
    assert not store.exists()


def test_an_object_in_memory_gains_both_elements(in_memory) -> None:
    section = a_section()
    saved = save(section, in_memory)
    assert saved.path == ""
    assert spatialdata.get_element_annotators(in_memory, saved.element) == {saved.table}
    same(load_result(in_memory, saved.table), section)
    remove_result(in_memory, saved.table)
    assert saved.table not in in_memory
    assert saved.element not in in_memory


def test_a_backed_object_and_its_store_gain_both_and_lose_both(store) -> None:
    before = hashes(store)
    sdata = spatialdata.read_zarr(store)
    saved = save(a_section(), sdata)
    assert saved.path == str(store)
    assert saved.table in sdata
    assert [r.name for r in list_results(store)] == [saved.table]
    fresh = spatialdata.read_zarr(store)
    remove_result(fresh, saved.table)
    assert saved.table not in fresh
    assert list_results(store) == []
    after = hashes(store)
    assert {k: v for k, v in after.items() if k != "points/zarr.json"} == before


def test_a_store_of_the_older_format_takes_a_result_too(in_memory, tmp_path) -> None:
    from spatialdata._io.format import SpatialDataContainerFormatV01

    path = tmp_path / "old.zarr"
    in_memory.write(path, sdata_formats=[SpatialDataContainerFormatV01()])
    assert (path / ".zmetadata").exists()
    assert not (path / "zarr.json").exists()
    before = hashes(path)
    section = a_section()
    saved = save(section, path)
    assert {k: v for k, v in hashes(path).items() if k in before} == before
    same(load_result(spatialdata.read_zarr(path), saved.table), section)
    assert [r.name for r in list_results(path)] == [saved.table]
    remove_result(path, saved.table)
    assert saved.element not in spatialdata.read_zarr(path)


def test_a_new_store_holds_the_tissue_around_the_result(in_memory, tmp_path) -> None:
    tissue = read(in_memory)
    path = tmp_path / "folder" / "out.zarr"
    saved = save(a_section(), path, tissue)
    sdata = spatialdata.read_zarr(path)
    assert set(sdata.tables) == {"measured", saved.table}
    again = read(path)
    order = [list(again.names).index(n) for n in tissue.names]
    again = again.rows(np.array(order))
    np.testing.assert_array_equal(again.coords, tissue.coords)
    assert (again.expression != tissue.expression).nnz == 0
    assert again.unit == "um"
    for part in ("genes", "section", "cell_type", "layer"):
        assert list(getattr(again, part)) == list(getattr(tissue, part))
    assert again.colors["cell_type"] == tissue.colors["cell_type"]
    assert set(again.histology) == set(tissue.histology)
    for name, picture in tissue.histology.items():
        np.testing.assert_array_equal(again.histology[name].image, picture.image)
        np.testing.assert_allclose(again.histology[name].to_tissue, picture.to_tissue)


def test_a_tissue_from_elsewhere_can_be_stored_whatever_its_names(tmp_path) -> None:
    rng = np.random.default_rng(0)
    places = rng.random((24, 2)) * 10 + [30, 70]
    turned = np.array([[0.0, 2.0, 5.0], [-2.0, 0.0, 90.0], [0, 0, 1]])
    tissue = Tissue(
        expression=rng.random((24, 2)).astype(np.float32),
        values="log-normalised",
        genes=np.array(["a", "b"]),
        names=np.array([f"c{i}" for i in range(24)]),
        coords=np.column_stack([np.repeat(np.arange(4) * 5.0, 6), places]),
        unit="um",
        section=np.repeat(["bregma -0.14", "bregma/-0.14", "A", "a"], 6),
        cell_type=np.array(["x", None, "y", "x"] * 6, object),
        colors={"kind": {"x": "#000000", "y": "#ffffff"}},
        histology={"A": Histology(rng.integers(0, 255, (20, 30, 3), np.uint8), turned)},
        origin=Origin(keys={"cell_type": "kind"}, coordinate_system="aligned"),
    )
    save(a_section("measured"), tmp_path / "out.zarr", tissue)
    sdata = spatialdata.read_zarr(tmp_path / "out.zarr")
    assert set(sdata.tables) == {"measured", "measured_2"}
    assert len(sdata.points) == 5
    assert sdata.coordinate_systems == ["aligned"]
    table = sdata["measured_2"]
    assert list(table.obs["section"]) == list(tissue.section)
    assert table.obs["cell_type"].isna().tolist() == [False, True, False, False] * 6
    assert list(table.uns["cell_type_colors"]) == ["#000000", "#ffffff"]
    found = read(sdata).histology["A"]
    np.testing.assert_allclose(found.to_tissue, turned)


def test_a_new_store_without_tissue_holds_the_result_alone(tmp_path) -> None:
    saved = save(a_section(), tmp_path / "alone.zarr")
    sdata = spatialdata.read_zarr(tmp_path / "alone.zarr")
    assert {name for _, name, _ in sdata.gen_elements()} == {saved.table, saved.element}


def test_a_new_store_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SpatialData, "_write_element", full)
    with pytest.raises(StdiffError, match="No space left"):
        save(a_section(), tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "zarr"])
def test_something_else_at_the_path_is_left_alone(tmp_path, kind) -> None:
    path = tmp_path / "out.zarr"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    else:
        import zarr

        zarr.create_group(path).create_array("values", data=np.arange(3))
    before = hashes(tmp_path)
    with pytest.raises(StdiffError, match=r"no SpatialData store.*in memory"):
        save(a_section(), path)
    assert hashes(tmp_path) == before
    for action in (list_results, describe):
        with pytest.raises(StdiffError, match="not a SpatialData store"):
            action(path)


def test_a_store_is_not_called_like_a_file(tmp_path) -> None:
    with pytest.raises(StdiffError, match=r"a SpatialData store is a folder; end it in \.zarr"):
        save(a_section(), tmp_path / "out.h5ad")
    assert not list(tmp_path.iterdir())


def test_only_what_we_made_can_be_removed(store) -> None:
    before = hashes(store)
    with pytest.raises(StdiffError, match="not made by napari-stdiff"):
        remove_result(store, "table")
    with pytest.raises(StdiffError, match="not made by napari-stdiff"):
        remove_result(spatialdata.read_zarr(store), "section_1_image")
    with pytest.raises(StdiffError, match=r"no result 'absent'.*none"):
        remove_result(store, "absent")
    with pytest.raises(StdiffError, match="no result"):
        load_result(store, "absent")
    with pytest.raises(StdiffError, match="nothing at"):
        remove_result(store.with_name("absent.zarr"), "x")
    assert hashes(store) == before


def test_a_foreign_table_under_our_key_is_not_ours(in_memory) -> None:
    for value in ("not json", '{"task": "interpolate"}', 3, {"task": "x"}):
        in_memory["table"].uns["stdiff"] = value
        assert list_results(in_memory) == []
    del in_memory["table"].uns["stdiff"]


def test_removing_a_result_that_annotates_measured_cells_leaves_the_cells(store) -> None:
    sdata = spatialdata.read_zarr(store)
    table = sdata["table"].copy()
    table.uns["stdiff"] = RunRecord(task="impute", method="knn").model_dump_json()
    sdata["imputed"] = table
    sdata.write_element("imputed")
    before = hashes(store)
    remove_result(store, "imputed")
    assert hashes(store) == {k: v for k, v in before.items() if "tables/imputed" not in k}
    assert "section_1_circles" in spatialdata.read_zarr(store)


def test_listing_gives_the_same_from_store_and_object(store) -> None:
    for name in ("second", "first"):
        save(a_section(name), store)
    listed = list_results(store)
    assert [(r.name, r.element, r.n_cells, r.n_genes) for r in listed] == [
        ("first", "first_points", 30, 3),
        ("second", "second_points", 30, 3),
    ]
    assert listed[0].record == a_section().record.model_copy(
        update={"created": listed[0].record.created}
    )
    assert list_results(spatialdata.read_zarr(store)) == listed
    assert list_results(str(store)) == listed


def test_a_description_says_what_is_there_in_plain_values(store) -> None:
    save(a_section("mine"), store)
    said = describe(store)
    assert json.loads(json.dumps(said)) == said
    assert [s["name"] for s in said["sections"]] == ["section_1", "section_2", "section_3"]
    assert [s["z"] for s in said["sections"]] == [0.0, 40.0, 80.0]
    assert sum(s["cells"] for s in said["sections"]) == said["cells"]
    assert said["genes"] == 10
    assert said["unit"] == "um"
    assert said["images"] == [f"section_{k}_image" for k in (1, 2, 3)]
    assert {t["name"]: t["generated"] for t in said["tables"]} == {"table": False, "mine": True}
    assert said["results"][0]["record"]["method"] == "knn"
    assert said["notes"]


def test_a_store_without_measured_tissue_is_described_all_the_same(tmp_path) -> None:
    save(a_section("mine"), tmp_path / "alone.zarr")
    said = describe(tmp_path / "alone.zarr")
    assert said["sections"] == []
    assert [r["name"] for r in said["results"]] == ["mine"]
    assert len(said["notes"]) == 1


def test_distance_and_confidence_come_back(tmp_path: Path) -> None:
    section = replace(
        a_section(), distance=np.linspace(0, 9, 30), confidence=np.linspace(1, 0.1, 30)
    )
    saved = save(section, tmp_path / "new.zarr")
    loaded = load_result(tmp_path / "new.zarr", saved.table)
    np.testing.assert_allclose(loaded.distance, section.distance)
    np.testing.assert_allclose(loaded.confidence, section.confidence)
    plain = save(a_section("plain"), tmp_path / "new.zarr")
    assert load_result(tmp_path / "new.zarr", plain.table).confidence is None
