"""An alignment is one more coordinate system, and nothing else of a store changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spatialdata import read_zarr
from spatialdata.transformations import Identity, Scale, get_transformation, set_transformation

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.alignment import Alignment
from napari_stdiff.data.alignment_store import (
    check_room,
    list_alignments,
    remove_alignment,
    save_alignment,
    section_elements,
)
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord, describe_input
from napari_stdiff.data.results import save
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.registration.frames import about


def alignment_of(tissue: Tissue) -> Alignment:
    """Return an alignment that turns every section but the first, each otherwise."""
    first, *rest = tissue.sections
    transforms = {first: np.eye(3)}
    for i, name in enumerate(rest):
        transforms[name] = about(
            30.0 * (i + 1), np.array([400.0, 700.0]), np.array([410.0, 650.0])
        )
    record = RunRecord(task="align", method="given", generated=False, input=describe_input(tissue))
    return Alignment(transforms, first, {"before": 0.1, "after": 0.5}, tissue.unit, record)


def files_of(path: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture
def sdata() -> Any:
    return simulate(n_sections=3, cells_per_section=60, n_genes=10, image_size=60).sdata


def same(found: Tissue, wanted: Tissue) -> None:
    a, b = np.argsort(found.names), np.argsort(wanted.names)
    np.testing.assert_allclose(found.coords[a], wanted.coords[b], atol=1e-6)
    assert sorted(found.histology) == sorted(wanted.histology) == sorted(wanted.sections)
    for name, picture in found.histology.items():
        np.testing.assert_allclose(picture.to_tissue, wanted.histology[name].to_tissue, atol=1e-6)


def test_apply_moves_coordinates_and_pictures_alone(sdata: Any) -> None:
    tissue = read(sdata)
    alignment = alignment_of(tissue)
    moved = alignment.apply(tissue)
    rows = tissue.section == "section_2"
    matrix = alignment.transforms["section_2"]
    own = np.c_[tissue.coords[rows, 1:], np.ones(rows.sum())]
    np.testing.assert_allclose(moved.coords[rows, 1:], (own @ matrix.T)[:, :2])
    np.testing.assert_array_equal(moved.coords[:, 0], tissue.coords[:, 0])
    np.testing.assert_array_equal(
        moved.coords[tissue.section == "section_1"], tissue.coords[tissue.section == "section_1"]
    )
    picture = moved.histology["section_2"].to_tissue
    np.testing.assert_allclose(picture, matrix @ tissue.histology["section_2"].to_tissue)
    assert moved.origin == tissue.origin
    assert moved.expression is tissue.expression
    assert alignment.changed == ["section_2", "section_3"]
    fewer = Alignment({"section_1": np.eye(3)}, "section_1", {}, "um", alignment.record)
    with pytest.raises(StdiffError, match="does not know section"):
        fewer.apply(tissue)


def test_an_object_and_the_store_behind_it(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    sdata.write(path)
    before = files_of(path)
    tissue = read(path)
    alignment = alignment_of(tissue)
    name = save_alignment(alignment, path, tissue)
    assert name == "aligned"
    same(read(path, coordinate_system="aligned"), alignment.apply(tissue))
    same(read(path), tissue)
    changed = {p for p, content in files_of(path).items() if before.get(p) != content}
    assert {p.name for p in changed} == {"zarr.json"}
    assert not any("tables" in p.parts for p in changed)
    assert list_alignments(path)["aligned"] == alignment.record

    again = read_zarr(path)
    assert save_alignment(alignment, again, tissue) == "aligned_2"
    same(read(again, coordinate_system="aligned_2"), alignment.apply(tissue))
    remove_alignment(again, "aligned_2")
    remove_alignment(path, "aligned")
    assert read_zarr(path).coordinate_systems == ["global"]
    assert list_alignments(path) == {}
    left = files_of(path)
    assert set(left) == set(before)
    for file, content in before.items():  # all data to the byte, metadata in meaning
        same_text = left[file] == content
        assert same_text or json.loads(left[file]) == json.loads(content), file


def test_consolidated_metadata_stays(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    sdata.write(path)
    tissue = read(path)
    save_alignment(alignment_of(tissue), path, tissue)
    root = json.loads((path / "zarr.json").read_bytes())
    held = root["consolidated_metadata"]["metadata"]["shapes/section_2_circles"]["attributes"]
    systems = [t["output"]["name"] for t in held["coordinateTransformations"]]
    assert sorted(systems) == ["aligned", "global"]


def test_a_new_store_has_both_systems(sdata: Any, tmp_path: Path) -> None:
    tissue = read(sdata)
    alignment = alignment_of(tissue)
    path = tmp_path / "new" / "b.zarr"
    assert save_alignment(alignment, path, tissue, "turned") == "turned"
    same(read(path, coordinate_system="turned"), alignment.apply(tissue))
    same(read(path), tissue)
    assert list_alignments(path)["turned"] == alignment.record
    remove_alignment(path, "turned")
    same(read(path), tissue)


def test_a_result_of_the_aligned_system_stays_in_it(sdata: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    sdata.write(path)
    tissue = read(path)
    save_alignment(alignment_of(tissue), path, tissue)
    moved = read(path, coordinate_system="aligned")
    record = RunRecord(task="interpolate", method="knn", input=describe_input(moved))
    made = VirtualSection(
        "virtual",
        Query(np.zeros((3, 3))),
        Prediction(tissue.genes, np.zeros((3, tissue.n_genes), np.float32)),
        "um",
        record,
    )
    save(made, path, moved)
    remove_alignment(path, "aligned")
    left = read_zarr(path)
    assert list(get_transformation(left["virtual_points"], get_all=True)) == ["aligned"]
    assert list(get_transformation(left["section_2_circles"], get_all=True)) == ["global"]
    assert list_alignments(path) == {}
    assert save_alignment(alignment_of(tissue), path, tissue) == "aligned_2"


def test_elements_already_in_a_frame_of_their_own(sdata: Any) -> None:
    for _, name, element in list(sdata.gen_spatial_elements()):
        held = get_transformation(element, "global")
        factor = Scale([2.0, 3.0], axes=("x", "y"))
        set_transformation(element, factor if isinstance(held, Identity) else held, "global")
        assert name
    tissue = read(sdata)
    alignment = alignment_of(tissue)
    name = save_alignment(alignment, sdata, tissue)
    moved = read(sdata, coordinate_system=name)
    np.testing.assert_allclose(
        moved.coords[np.argsort(moved.names)],
        alignment.apply(tissue).coords[np.argsort(tissue.names)],
    )


def test_what_belongs_to_a_section(sdata: Any) -> None:
    tissue = read(sdata)
    record = RunRecord(task="interpolate", method="knn")
    made = VirtualSection(
        "virtual_section_2",
        Query(np.zeros((3, 3))),
        Prediction(tissue.genes, np.zeros((3, tissue.n_genes), np.float32)),
        "um",
        record,
    )
    save(made, sdata, tissue)
    found = section_elements(sdata, tissue)
    assert found["section_2_cells"] == found["section_2_image"] == "section_2"
    assert found["section_2_circles"] == "section_2"
    assert "virtual_section_2_points" not in found
    assert len(found) == 9


def test_failure_leaves_everything_as_it_was(
    sdata: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    sdata.write(path)
    tissue = read(path)
    alignment = alignment_of(tissue)
    before = files_of(path)
    write = type(sdata).write_transformations
    done: list[str] = []

    def fails(self: Any, name: str) -> None:
        if len(done) == 4:
            raise OSError(28, "no space left")
        done.append(name)
        write(self, name)

    monkeypatch.setattr(type(sdata), "write_transformations", fails)
    opened = read_zarr(path)
    with pytest.raises(StdiffError, match="no space left"):
        save_alignment(alignment, opened, tissue)
    assert len(done) == 4
    assert files_of(path) == before
    assert opened.coordinate_systems == ["global"]
    assert "stdiff_alignments" not in opened.attrs


def test_what_is_refused(
    sdata: Any, tmp_path: Path, make_adata: Callable[..., Any], make_sdata: Callable[..., Any]
) -> None:
    tissue = read(sdata)
    alignment = alignment_of(tissue)
    with pytest.raises(StdiffError, match="moved already"):
        save_alignment(alignment, sdata, alignment.apply(tissue))
    other = tmp_path / "other.zarr"
    sdata.write(other)
    with pytest.raises(StdiffError, match="not the store"):
        save_alignment(alignment, other, tissue)
    with pytest.raises(StdiffError, match="no alignment 'global'"):
        remove_alignment(sdata, "global")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StdiffError, match="cannot be written"):
        save_alignment(alignment, tmp_path / "file" / "new.zarr", tissue)
    assert sdata.coordinate_systems == ["global"]


def test_sections_that_share_an_element(tmp_path: Path, make_sdata: Callable[..., Any]) -> None:
    import pandas as pd
    from spatialdata.models import PointsModel

    frame = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) ** 2})
    points = PointsModel.parse(frame, npartitions=1, transformations={"global": Identity()})
    half = {i: "a" if i < 4 else "b" for i in range(8)}
    shared = make_sdata({"spots": points}, {"spots": list(range(8))}, {"slice": half})
    tissue = read(shared)
    assert tissue.sections == ["a", "b"]
    with pytest.raises(StdiffError, match="share the element spots"):
        check_room(shared, tissue)
    with pytest.raises(StdiffError, match="share the element spots"):
        save_alignment(alignment_of(tissue), shared, tissue)
    path = tmp_path / "apart.zarr"
    alignment = alignment_of(tissue)
    save_alignment(alignment, path, tissue)
    found = read(path, coordinate_system="aligned")
    np.testing.assert_allclose(
        found.coords[np.argsort(found.names)],
        alignment.apply(tissue).coords[np.argsort(tissue.names)],
    )


def test_coordinates_from_elsewhere_are_refused(sdata: Any) -> None:
    tissue = read(sdata, spatial_key="spatial")
    with pytest.raises(StdiffError, match="not read from the store's elements"):
        save_alignment(alignment_of(tissue), sdata, tissue)
