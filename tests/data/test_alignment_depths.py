"""Sections moved along z: in a coordinate system of their own, the old one as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from spatialdata import read_zarr, transform
from spatialdata.models import TableModel
from spatialdata.transformations import Affine, get_transformation, set_transformation

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.alignment import Alignment
from napari_stdiff.data.alignment_store import depths_of, remove_alignment, save_alignment
from napari_stdiff.data.elements import to_xyz
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord, describe_input
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.registration.frames import about

SWAPPED = {"section_1": 80.0, "section_3": -80.0}


def alignment_of(tissue: Tissue, depths: Mapping[str, float]) -> Alignment:
    transforms = {
        name: about(25.0 * i, np.array([400.0, 700.0]), mirrored=i == 1)
        for i, name in enumerate(tissue.sections)
    }
    record = RunRecord(
        task="align", method="by hand", generated=False, input=describe_input(tissue)
    )
    return Alignment(transforms, "section_1", {}, tissue.unit, record, depths)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    simulate(n_sections=3, cells_per_section=60, n_genes=10, image_size=60).sdata.write(path)
    return path


def same(found: Tissue, wanted: Tissue) -> None:
    a, b = np.argsort(found.names), np.argsort(wanted.names)
    np.testing.assert_allclose(found.coords[a], wanted.coords[b], atol=1e-6)
    np.testing.assert_array_equal(found.section[a], wanted.section[b])
    for name, picture in found.histology.items():
        np.testing.assert_allclose(picture.to_tissue, wanted.histology[name].to_tissue, atol=1e-6)


def test_depths_are_read_back_and_the_old_system_is_as_it_was(store: Path) -> None:
    tissue = read(store)
    assert tissue.origin.keys["z"] == "z"  # a column of the table: the elements are flat
    held = {n: get_transformation(e, "global") for _, n, e in elements(store)}
    alignment = alignment_of(tissue, SWAPPED)
    assert alignment.changed == ["section_1", "section_2", "section_3"]
    system = save_alignment(alignment, store, tissue)
    again = read(store, coordinate_system=system)
    same(again, alignment.apply(tissue))
    assert again.sections == ["section_3", "section_2", "section_1"]
    assert again.unit == tissue.unit
    before = read(store)
    np.testing.assert_array_equal(before.coords, tissue.coords)  # to the bit
    assert {n: get_transformation(e, "global") for _, n, e in elements(store)} == held
    remove_alignment(store, system)
    np.testing.assert_array_equal(read(store).coords, tissue.coords)


def test_moved_once_more_from_the_new_system(store: Path) -> None:
    tissue = read(store)
    first = save_alignment(alignment_of(tissue, SWAPPED), store, tissue)
    moved = read(store, coordinate_system=first)
    for depths in ({}, {"section_2": 5.0}):
        alignment = alignment_of(moved, depths)
        second = save_alignment(alignment, store, moved)
        again = read(store, coordinate_system=second)
        same(again, alignment.apply(moved))
        assert again.unit == "um"


def test_a_depth_column_that_was_named_gives_way_to_what_was_moved(store: Path) -> None:
    tissue = read(store)
    alignment = alignment_of(tissue, SWAPPED)
    system = save_alignment(alignment, store, tissue)
    said = ReadConfig(coordinate_system=system, z_key="z", z_unit="mm")
    same(read(store, said), alignment.apply(tissue))


def test_a_new_store_has_both_depths(store: Path, tmp_path: Path) -> None:
    tissue = read(store)
    tissue = replace(tissue, coords=tissue.coords + np.linspace(0, 3, tissue.n_cells)[:, None])
    alignment = alignment_of(tissue, SWAPPED)
    out = tmp_path / "b.zarr"
    system = save_alignment(alignment, out, tissue)
    same(read(out, coordinate_system=system), alignment.apply(tissue))
    same(read(out), tissue)


def test_cells_of_many_depths_in_a_flat_element_are_refused(store: Path) -> None:
    tissue = read(store)
    tissue = replace(tissue, coords=tissue.coords + np.linspace(0, 3, tissue.n_cells)[:, None])
    files = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    with pytest.raises(StdiffError, match="write a new store"):
        save_alignment(alignment_of(tissue, SWAPPED), store, tissue)
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == files


def with_labels(path: Path) -> Path:
    """Return a store whose table annotates labels: outlines of cells."""
    sdata = simulate(n_sections=3, cells_per_section=60, n_genes=10, image_size=60).sdata
    name, table = next(iter(sdata.tables.items()))
    keys = table.uns.pop("spatialdata_attrs")
    regions = table.obs[keys["region_key"]].astype(str).str.replace("_circles", "_cells")
    table.obs[keys["region_key"]] = pd.Categorical(regions)
    del sdata.tables[name]
    sdata[name] = TableModel.parse(
        table,
        region=sorted(set(regions)),
        region_key=keys["region_key"],
        instance_key=keys["instance_key"],
    )
    sdata.write(path)
    return path


def test_outlines_and_pictures_come_back_at_the_depth_of_their_section(tmp_path: Path) -> None:
    store = with_labels(tmp_path / "labels.zarr")
    tissue = read(store)
    assert set(tissue.segmentation) == set(tissue.histology) == set(tissue.sections)
    first = save_alignment(alignment_of(tissue, SWAPPED), store, tissue)
    moved = read(store, coordinate_system=first)
    same(moved, alignment_of(tissue, SWAPPED).apply(tissue))
    assert set(moved.segmentation) == set(moved.histology) == set(tissue.sections)
    for depths in ({}, {"section_2": 5.0}):  # and once more, from there
        alignment = alignment_of(moved, depths)
        second = save_alignment(alignment, store, moved)
        same(read(store, coordinate_system=second), alignment.apply(moved))
    sdata = read_zarr(store)
    wanted = alignment.apply(moved).section_z
    told = depths_of(sdata, second)
    for section in tissue.sections:
        for element in (f"{section}_cells", f"{section}_image"):
            assert told[element] == pytest.approx(wanted[section])
            transform(sdata[element], to_coordinate_system=second)  # as other tools do
        circles = to_xyz(sdata[f"{section}_circles"], second)  # the table is not about these
        assert circles[2, 3] == pytest.approx(wanted[section])
    assert depths_of(sdata, "global") == {}
    remove_alignment(store, second)
    assert depths_of(read_zarr(store), second) == {}


def test_labels_that_an_older_version_lifted_are_flat_again_in_a_new_system(
    tmp_path: Path,
) -> None:
    store = with_labels(tmp_path / "labels.zarr")
    sdata = read_zarr(store)
    for i in (1, 2, 3):
        element = sdata[f"section_{i}_cells"]
        matrix = np.vstack([to_xyz(element, "global")[:, [0, 1, 3]]])
        matrix[2, 2] = 10.0 * i
        lifted = Affine(matrix, input_axes=("x", "y"), output_axes=("x", "y", "z"))
        set_transformation(element, lifted, "old")
    tissue = read(sdata, coordinate_system="old", z_key="auto")
    alignment = alignment_of(tissue, {"section_2": 5.0})
    system = save_alignment(alignment, sdata, tissue)
    same(read(sdata, coordinate_system=system), alignment.apply(tissue))
    transform(sdata["section_2_cells"], to_coordinate_system=system)


@pytest.mark.viewer
def test_the_stack_draws_them_there(tmp_path: Path, qapp: Any) -> None:
    from napari.components import ViewerModel

    from napari_stdiff.viewer.session import session_of

    store = with_labels(tmp_path / "labels.zarr")
    tissue = read(store)
    system = save_alignment(alignment_of(tissue, SWAPPED), store, tissue)
    moved = read(store, coordinate_system=system)
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(moved, str(store))
    stack = session.stack
    stack.set_drawing("outlines")
    assert [section.name for section in stack.sections] == ["section_3", "section_2", "section_1"]
    for section in stack.sections:
        wanted = moved.section_z[section.name] * stack.spacing
        for layer in (section.image, section.cells):
            depth = layer.extent.world[:, 0].mean()
            assert depth == pytest.approx(wanted, abs=stack.point_diameter), layer.name


def elements(store: Path) -> Any:
    return list(read_zarr(store).gen_spatial_elements())
