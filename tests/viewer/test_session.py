"""The session: one a viewer, results kept or saved, told to whoever listens."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.results import list_results, save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.widgets.stack import StackWidget

pytestmark = pytest.mark.viewer

Make = Callable[..., VirtualSection]


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    return make_napari_viewer()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what sessions tell the user."""
    sentences: list[str] = []
    monkeypatch.setattr(Session, "notice", lambda self, sentence: sentences.append(sentence))
    return sentences


def names_of(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_one_session_a_viewer_whoever_asks(viewer: Any) -> None:
    assert session_of(viewer) is session_of(PublicOnlyProxy(viewer))


def test_a_session_does_not_keep_its_viewer_alive(qapp: Any) -> None:
    from napari.components import ViewerModel

    model = ViewerModel()
    session = session_of(model)
    gone: list[int] = []
    session.closed.connect(lambda: gone.append(1))
    watch = weakref.ref(model)
    del model
    gc.collect()
    assert watch() is None
    assert gone == [1]
    with pytest.raises(StdiffError, match="closed"):
        _ = session.viewer


def test_opening_tells_and_draws(viewer: Any, small_tissue: Tissue) -> None:
    session = session_of(viewer)
    heard: list[str] = []
    session.tissue_changed.connect(lambda: heard.append("tissue"))
    session.set_tissue(small_tissue, None)
    assert heard == ["tissue"]
    assert {"first", "second", "third", "first histology"} <= set(names_of(viewer))


def test_opening_another_tissue_replaces_the_first(viewer: Any, small_tissue: Tissue) -> None:
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    mine = viewer.add_image(np.zeros((10, 10)), name="mine")
    session.set_tissue(small_tissue.rows(small_tissue.section != "third"), None)
    assert "third" not in names_of(viewer)
    assert mine in viewer.layers


def test_a_result_without_a_store_stays_in_memory_and_says_so(
    viewer: Any, small_tissue: Tissue, make_virtual: Make, said: list[str]
) -> None:
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    heard: list[int] = []
    session.results_changed.connect(lambda: heard.append(1))
    assert session.add_result(make_virtual("v", 25.0)) == "v"
    assert heard == [1]
    assert "virtual · v" in names_of(viewer)
    assert len(said) == 1
    assert "memory" in said[0]
    session.remove_result("v")
    assert session.results == {}
    assert "virtual · v" not in names_of(viewer)
    session.remove_result("v")  # twice is harmless
    assert len(said) == 1


def test_names_stay_unique(
    viewer: Any, small_tissue: Tissue, make_virtual: Make, said: list[str]
) -> None:
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    session.add_result(make_virtual("virtual_z10", 10.0), persist=False)
    assert "virtual · z10" in names_of(viewer)  # the word once
    session.remove_result("virtual_z10")
    given = [session.add_result(make_virtual("v", z), persist=False) for z in (20.0, 30.0, 40.0)]
    assert given == ["v", "v_2", "v_3"]
    assert [section.name for section in session.results.values()] == given
    assert said == []


def test_an_h5ad_file_takes_no_results_and_keeps_its_bytes(
    viewer: Any, small_tissue: Tissue, make_virtual: Make, said: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "data.h5ad"
    path.write_bytes(b"as it was")
    session = session_of(viewer)
    session.set_tissue(small_tissue, path)
    session.add_result(make_virtual("v", 25.0))
    assert "SpatialData" in said[0]
    assert path.read_bytes() == b"as it was"


def test_results_go_to_the_store_and_come_back(
    viewer: Any, small_tissue: Tissue, make_virtual: Make, said: list[str], tmp_path: Path
) -> None:
    store = tmp_path / "tissue.zarr"
    tissue = replace(small_tissue, histology={})
    save(make_virtual("old", 25.0), store, tissue)
    session = session_of(viewer)
    session.set_tissue(tissue, store)
    assert list(session.results) == ["old"]
    assert "virtual · old" in names_of(viewer)
    # the same name again: the store gives it another one
    name = session.add_result(make_virtual("old", 75.0))
    assert name != "old"
    assert {info.name for info in list_results(store)} == {"old", name}
    session.set_tissue(tissue, store)
    assert set(session.results) == {"old", name}
    session.remove_result("old")
    assert {info.name for info in list_results(store)} == {name}
    assert said == []


def test_a_result_is_drawn_before_it_is_saved(
    viewer: Any,
    small_tissue: Tissue,
    make_virtual: Make,
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    store = tmp_path / "tissue.zarr"
    tissue = replace(small_tissue, histology={})
    save(make_virtual("old", 25.0), store, tissue)
    go, threads = threading.Event(), []

    def slow(*args: Any) -> Any:
        threads.append(threading.current_thread())
        assert go.wait(10)
        return save(*args)

    monkeypatch.setattr("napari_stdiff.data.results.save", slow)
    session = session_of(viewer)
    session.set_tissue(tissue, store)
    heard: list[str] = []
    session.saved.connect(heard.append)
    assert session.keep_result(make_virtual("v", 75.0)) == "v"
    assert "virtual · v" in names_of(viewer)
    qtbot.waitUntil(lambda: len(threads) == 1)
    assert threads[0] is not threading.main_thread()
    assert session.saved_names == ["old"]
    go.set()
    qtbot.waitUntil(lambda: heard == ["v"], timeout=10_000)
    assert {info.name for info in list_results(store)} == {"old", "v"}
    go.clear()
    session.keep_result(make_virtual("w", 85.0))
    qtbot.waitUntil(lambda: len(threads) == 2)
    threading.Timer(0.1, go.set).start()
    session.remove_result("w")  # while it is on its way: it leaves the store as well
    assert {info.name for info in list_results(store)} == {"old", "v"}
    assert said == []


def test_a_store_that_refuses_later_is_told_as_well(
    viewer: Any,
    small_tissue: Tissue,
    make_virtual: Make,
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("The store is read-only.")

    store = tmp_path / "tissue.zarr"
    save(make_virtual("old", 25.0), store, replace(small_tissue, histology={}))
    monkeypatch.setattr("napari_stdiff.data.results.save", refuse)
    session = session_of(viewer)
    session.set_tissue(small_tissue, store)
    session.keep_result(make_virtual("v", 75.0))
    qtbot.waitUntil(lambda: said == ["'v' is kept in memory: The store is read-only."])
    assert session.notes == {"v": "The store is read-only"}


def test_a_store_that_refuses_leaves_the_result_in_memory(
    viewer: Any,
    small_tissue: Tissue,
    make_virtual: Make,
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise StdiffError("The store is read-only.")

    store = tmp_path / "tissue.zarr"
    save(make_virtual("old", 25.0), store, replace(small_tissue, histology={}))
    monkeypatch.setattr("napari_stdiff.data.results.save", refuse)
    session = session_of(viewer)
    session.set_tissue(small_tissue, store)
    assert session.add_result(make_virtual("v", 75.0)) == "v"
    assert said == ["'v' is kept in memory: The store is read-only."]
    assert "v" in session.notes


def test_closing_the_window_is_told(viewer: Any, small_tissue: Tissue, qtbot: Any) -> None:
    session = session_of(viewer)
    dock = StackWidget(viewer)
    viewer.window.add_dock_widget(dock)
    session.set_tissue(small_tissue, None)
    session.watch(dock)
    heard: list[int] = []
    session.closed.connect(lambda: heard.append(1))
    viewer.close()
    qtbot.waitUntil(lambda: heard == [1], timeout=5000)
