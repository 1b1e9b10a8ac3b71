"""File > Open, drag and drop, viewer.open: what is ours, what is not, what a user is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from anndata import AnnData

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.simulate import simulate
from napari_stdiff.viewer import reader
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.reader import NO_LAYERS, get_reader, known_config, open_path
from napari_stdiff.viewer.session import session_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "tissue.zarr"
    simulate(
        n_sections=3, cells_per_section=50, n_genes=10, n_extra_genes=0, n_reference_cells=50,
        image_size=50, seed=3,
    ).sdata.write(path)  # fmt: skip
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 30
    adata = AnnData(
        rng.poisson(2.0, (n, 4)).astype(np.float32),
        obs=pd.DataFrame(
            {"section": np.repeat(["a", "b"], n // 2), "z": np.repeat([0.0, 10.0], n // 2)},
            index=[f"c{i}" for i in range(n)],
        ),
        obsm={"spatial": rng.uniform(0, 100, (n, 2))},
    )
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    return path


def test_stores_and_files_with_cells_are_ours(store: Path, file: Path, tmp_path: Path) -> None:
    assert get_reader(str(store)) is open_path
    assert get_reader(str(file)) is open_path
    assert get_reader([str(file)]) is open_path
    table = tmp_path / "table.zarr"
    AnnData(np.ones((3, 2)), obsm={"spatial": np.zeros((3, 2))}).write_zarr(table)
    assert get_reader(str(table)) is open_path


@pytest.mark.parametrize("extra", [{}, {"ome": {}}, {"multiscales": []}])
def test_pictures_and_arrays_are_left_to_others(tmp_path: Path, extra: dict[str, Any]) -> None:
    array = tmp_path / "array.zarr"
    zarr.save_array(str(array), np.zeros((4, 4)))
    assert get_reader(str(array)) is None
    picture = zarr.open_group(str(tmp_path / "picture.zarr"), mode="w")
    picture.create_array("0", data=np.zeros((4, 4)))
    picture.attrs.update(extra)
    if extra:  # others keep tables beside a picture
        picture.create_group("tables")
    assert get_reader(str(tmp_path / "picture.zarr")) is None


def test_what_is_not_there_is_left_to_others(tmp_path: Path, store: Path) -> None:
    assert get_reader(str(tmp_path / "gone.zarr")) is None
    assert get_reader(str(tmp_path / "gone.h5ad")) is None
    assert get_reader([]) is None
    assert get_reader([str(store), str(tmp_path / "gone.zarr")]) is None
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    assert get_reader(str(tmp_path / "broken.zarr")) is None


def test_without_a_viewer_plain_layers_are_read(
    store: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    from napari.layers import Layer

    made = [Layer.create(*entry) for entry in open_path(str(store))]
    assert [layer._type_string for layer in made] == ["image", "points"] * 3
    cells = made[1]
    assert cells.ndim == 3
    assert "cell_type" in cells.features
    assert "stdiff" not in cells.metadata  # nobody keeps them in step
    picture, inside = made[0].extent.world, cells.extent.world
    assert (picture[0, 1:] <= inside[0, 1:] + 20).all()
    assert (picture[1, 1:] >= inside[1, 1:] - 20).all()
    with pytest.raises(StdiffError, match="One tissue"):
        open_path([str(store), str(file)])


def test_a_viewer_without_a_window_takes_the_layers(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    from napari.components import ViewerModel
    from npe2 import PluginManager

    PluginManager.instance().discover()  # as napari does when it starts
    viewer = ViewerModel()
    viewer.open(str(store), plugin="napari-stdiff")
    assert len(viewer.layers) == 6


def test_what_was_said_about_a_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    assert known_config("x.h5ad").section_key == "auto"
    memory.remember_about_data("x.h5ad", reading={"section_key": "slice"})
    assert known_config("x.h5ad").section_key == "slice"
    memory.remember_about_data("x.h5ad", reading={"of_another_version": 3})
    assert known_config("x.h5ad").section_key == "auto"


@pytest.mark.viewer
def test_opening_makes_a_stack_of_the_session(
    make_napari_viewer: Callable[..., Any], store: Path, file: Path, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    assert viewer.open(str(store), plugin="napari-stdiff") == []
    session = session_of(viewer)
    qtbot.waitUntil(lambda: session.tissue is not None, timeout=20_000)
    assert session.store == str(store)
    assert [section.name for section in session.stack.sections] == session.tissue.sections
    assert all("stdiff" in layer.metadata for layer in viewer.layers)

    viewer.open(str(file), plugin="napari-stdiff")  # another one takes its place
    qtbot.waitUntil(lambda: session.tissue.sections == ["a", "b"], timeout=20_000)
    assert session.store == str(file)


@pytest.mark.viewer
def test_drag_and_drop_opens_what_only_we_read_and_asks_otherwise(
    make_napari_viewer: Callable[..., Any],
    store: Path,
    file: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("napari_spatialdata")
    from napari._qt.dialogs import qt_reader_dialog
    from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    viewer = make_napari_viewer(show=True)
    offered: list[dict[str, str]] = []

    def ask(dialog: Any) -> tuple[str, bool]:
        offered.append({b.text(): b.text() for b in dialog.reader_btn_group.buttons()})
        return "napari-stdiff", False

    monkeypatch.setattr(qt_reader_dialog.QtReaderDialog, "get_user_choices", ask)

    def drop(path: Path) -> None:
        held = QMimeData()
        held.setUrls([QUrl.fromLocalFile(str(path))])
        at = QPointF(QPoint(5, 5))
        copy, left, none = (
            Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        viewer.window._qt_viewer.dropEvent(QDropEvent(at, copy, held, left, none))

    session = session_of(viewer)
    drop(file)  # nobody else reads .h5ad
    qtbot.waitUntil(lambda: session.tissue is not None, timeout=20_000)
    assert offered == []
    drop(store)
    qtbot.waitUntil(lambda: session.store == str(store), timeout=20_000)
    assert {"napari-stdiff", "napari spatialdata"} <= offered[0].keys()


@pytest.mark.viewer
def test_what_cannot_be_read_is_one_sentence(
    make_napari_viewer: Callable[..., Any],
    tmp_path: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = make_napari_viewer(show=True)
    said: list[str] = []
    monkeypatch.setattr(reader, "show_error", said.append)
    broken = tmp_path / "broken.h5ad"
    broken.write_text("not a table")
    assert viewer.open(str(broken), plugin="napari-stdiff") == []
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert said == [
        "The file 'broken.h5ad' is not an .h5ad file (not HDF5); give an .h5ad file or a "
        ".zarr store."
    ]
    assert open_path(["a.h5ad", "b.h5ad"]) == NO_LAYERS
    assert said[1:] == [reader.ONE_AT_A_TIME]
    assert session_of(viewer).tissue is None
