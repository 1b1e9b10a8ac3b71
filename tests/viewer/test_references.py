"""What is offered as a single-cell reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from napari.components import ViewerModel
from napari.layers import Points

from napari_stdiff.data.reading import read
from napari_stdiff.data.reference import read_reference
from napari_stdiff.data.results import save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.references import Source, candidates, of_file
from napari_stdiff.viewer.session import session_of

pytestmark = pytest.mark.viewer


@pytest.fixture
def cells() -> AnnData:
    return AnnData(np.random.default_rng(0).poisson(2.0, (30, 4)).astype(np.float32))


def test_tables_of_the_open_store_but_its_own_and_results(
    qapp: Any, small_tissue: Tissue, make_virtual: Any, cells: AnnData, tmp_path: Path
) -> None:
    path = tmp_path / "tissue.zarr"
    save(make_virtual("virtual_a", 20.0), path, replace(small_tissue, histology={}))
    from spatialdata import read_zarr

    sdata = read_zarr(path)
    sdata["single_cells"] = cells
    sdata.write_element("single_cells")
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(read(path), str(path))
    (found,) = candidates(session, [])
    assert found.label == "table single_cells of the open store"
    assert found.path == ""  # not a file to be remembered
    assert read_reference(found.readable).n_cells == 30
    session.set_tissue(read(sdata), sdata)  # the same in memory
    (found,) = candidates(session, [])
    assert found.readable is sdata["single_cells"]


def test_the_file_that_lies_beside_the_data(
    qapp: Any, small_tissue: Tissue, cells: AnnData, tmp_path: Path
) -> None:
    cells.write_h5ad(tmp_path / "brain_reference.h5ad")
    (tmp_path / "brain.h5ad").touch()
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(small_tissue, str(tmp_path / "brain.h5ad"))
    (found,) = candidates(session, [])
    assert found.label == "brain_reference.h5ad"
    assert read_reference(found.readable).n_cells == 30


def test_the_samples_own_and_tables_of_layers(
    qapp: Any, small_tissue: Tissue, cells: AnnData
) -> None:
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(small_tissue, None, None, cells)
    other = cells.copy()
    layers = [Points(np.zeros((1, 2)), name=n, metadata={"adata": other}) for n in "ab"]
    found = candidates(session, layers)
    assert [s.label for s in found] == ["reference of the sample", "table of layer a"]
    assert found[0].readable is cells
    assert found[1].readable is other


def test_sources_are_told_apart(cells: AnnData) -> None:
    assert of_file("a/b.h5ad") == Source("b.h5ad", "a/b.h5ad")
    assert of_file("a/b.h5ad").same(Source("again", "a/b.h5ad"))
    assert not of_file("s.zarr").same(Source("t", "s.zarr", "t"))
    assert not Source("x", cells).same(Source("x", cells.copy()))
    assert not of_file("a").same(None)
