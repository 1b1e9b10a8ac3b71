"""File > Save Selected Layers: the result a layer shows, and nothing that was there is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.predicted import PredictedGenes, Reliability
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.results import list_results, load_predicted, load_result
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.chosen import result_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.writer import NO_RESULT, write_layers

pytestmark = pytest.mark.viewer


def predicted(tissue: Tissue) -> PredictedGenes:
    rng = np.random.default_rng(0)
    mean = rng.random((tissue.n_cells, 2)).astype(np.float32)
    half = np.array([0.5, 0.3])
    return PredictedGenes(
        "genes_ridge",
        Prediction(np.array(["Extra1", "Extra2"], object), mean, 0.1 * mean),
        tissue.names,
        Reliability(half, half - 0.1, half + 0.1),
        RunRecord(task="predict-genes", method="ridge"),
    )


@pytest.fixture
def session(qapp: Any, small_tissue: Tissue, monkeypatch: pytest.MonkeyPatch) -> Session:
    viewer = ViewerModel()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    return session


def of(session: Session, *names: str) -> list[Any]:
    return [session.viewer.layers[name].as_layer_data_tuple() for name in names]


def shown(session: Session) -> dict[str, Any]:
    """Return the layers of the virtual section by role."""
    layers = [x for x in session.viewer.layers if x.metadata["stdiff"]["virtual"]]
    return {layer.metadata["stdiff"]["role"]: layer for layer in layers}


def test_a_virtual_section_becomes_a_store_with_its_record(
    session: Session, make_virtual: Callable[..., VirtualSection], tmp_path: Path
) -> None:
    made = make_virtual("between", 25.0)
    session.add_result(made, persist=False)
    path = tmp_path / "saved.zarr"
    both = [layer.as_layer_data_tuple() for layer in shown(session).values()]
    assert write_layers(str(path), both) == [str(path)]  # points and frame: one result
    (info,) = list_results(path)
    assert info.record == made.record
    again = load_result(path, info.name)
    np.testing.assert_allclose(again.prediction.mean, made.prediction.mean, rtol=1e-6)

    write_layers(str(path), both[:1])  # once more: a store only gains
    assert len(list_results(path)) == 2
    np.testing.assert_array_equal(load_result(path, info.name).query.coords, again.query.coords)


def test_a_virtual_section_becomes_a_table_with_its_record(
    session: Session, make_virtual: Callable[..., VirtualSection], tmp_path: Path
) -> None:
    made = make_virtual("between", 25.0)
    session.add_result(made, persist=False)
    path = tmp_path / "saved.h5ad"
    points = shown(session)["points"].as_layer_data_tuple()
    write_layers(str(path), [points])
    table = anndata.read_h5ad(path)
    assert RunRecord.model_validate_json(table.uns["stdiff"]) == made.record
    np.testing.assert_allclose(table.obsm["spatial3d"][:, ::-1], made.query.coords)
    before = path.read_bytes()
    with pytest.raises(StdiffError, match="not overwritten"):
        write_layers(str(path), [points])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["saved.h5ad"]  # nothing half-written is left


def test_a_predicted_gene_is_saved_with_the_cells_it_is_about(
    session: Session, small_tissue: Tissue, tmp_path: Path
) -> None:
    known = predicted(small_tissue)
    session.predictions.keep(known, persist=False)
    session.stack.colour_by("gene", "Extra1")
    layers = [x for x in session.viewer.layers if x.metadata["stdiff"]["role"] == "predicted"]
    assert len(layers) == 3
    entries = [layer.as_layer_data_tuple() for layer in layers]
    write_layers(str(tmp_path / "genes.h5ad"), entries)  # three layers, one result
    table = anndata.read_h5ad(tmp_path / "genes.h5ad")
    np.testing.assert_allclose(table.obsm["spatial3d"][:, ::-1], small_tissue.coords)
    np.testing.assert_allclose(table.X, known.prediction.mean, rtol=1e-6)
    write_layers(str(tmp_path / "genes.zarr"), entries)
    (info,) = list_results(tmp_path / "genes.zarr")
    again = load_predicted(tmp_path / "genes.zarr", info.name)
    assert list(again.names) == list(small_tissue.names)


def test_what_is_no_result_is_said_in_a_sentence(
    session: Session, make_virtual: Callable[..., VirtualSection], tmp_path: Path
) -> None:
    out = str(tmp_path / "x.zarr")
    strange = Points(np.zeros((2, 2))).as_layer_data_tuple()
    with pytest.raises(StdiffError, match="None of these layers"):
        write_layers(out, [strange])
    with pytest.raises(StdiffError, match="None of these layers"):
        write_layers(out, of(session, "first"))  # measured
    session.add_result(make_virtual("a", 25.0), persist=False)
    session.add_result(make_virtual("b", 90.0), persist=False)
    every = [layer.as_layer_data_tuple() for layer in session.viewer.layers]
    with pytest.raises(StdiffError, match="takes one result, not 'a', 'b'"):
        write_layers(str(tmp_path / "x.h5ad"), every)
    with pytest.raises(StdiffError, match=r"neither \.zarr nor \.h5ad"):
        write_layers(str(tmp_path / "x.tif"), every)
    assert list(tmp_path.iterdir()) == []
    write_layers(out, every)
    assert {info.name for info in list_results(out)} == {"a", "b"}


def test_without_a_viewer_there_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    with pytest.raises(StdiffError) as error:
        write_layers("x.zarr", [])
    assert str(error.value) == NO_RESULT


def test_a_result_that_is_gone_is_no_longer_chosen(
    session: Session, make_virtual: Callable[..., VirtualSection]
) -> None:
    session.add_result(make_virtual("between", 25.0), persist=False)
    held = dict(shown(session)["points"].metadata)
    found = result_of(session, held)
    assert found is not None
    assert found.task == "interpolate"
    session.remove_result("between")
    assert result_of(session, held) is None


def test_napari_offers_it_for_these_layers() -> None:
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager()
    manager.register(PluginManifest.from_distribution("napari-stdiff"))
    for types in (["points"], ["points", "vectors"], ["points", "points", "image"]):
        (writer,) = manager.iter_compatible_writers(types)
        assert writer.filename_extensions == [".zarr", ".h5ad"]
    assert not list(manager.iter_compatible_writers(["labels"]))
    assert not list(manager.iter_compatible_writers(["image"]))  # a picture alone is not ours
