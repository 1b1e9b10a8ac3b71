"""Sections moved along z: in a coordinate system of their own, the old one as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spatialdata import read_zarr
from spatialdata.transformations import get_transformation

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.alignment import Alignment
from napari_stdiff.data.alignment_store import remove_alignment, save_alignment
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


def elements(store: Path) -> Any:
    return list(read_zarr(store).gen_spatial_elements())
