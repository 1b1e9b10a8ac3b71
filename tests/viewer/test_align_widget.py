"""The dock that aligns sections: before and after, landmarks, save and undo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_stdiff.data.alignment_store import list_alignments
from napari_stdiff.data.reading import read
from napari_stdiff.data.results import list_results
from napari_stdiff.data.tissue import Histology, Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.forms import Folded
from napari_stdiff.viewer.layers import camera_of
from napari_stdiff.viewer.session import session_of

pytestmark = pytest.mark.viewer

TURN = np.array([[0.0, -1.0, 300.0], [1.0, 0.0, 20.0], [0.0, 0.0, 1.0]])  # y, x -> 300 - x, 20 + y
MARKS = np.array([[40.0, 50.0], [150.0, 60.0], [90.0, 160.0]])


@pytest.fixture
def turned(small_tissue: Tissue) -> Tissue:
    """Return the small tissue with its third section, and its picture, in another frame."""
    coords = small_tissue.coords.copy()
    rows = small_tissue.section == "third"
    coords[rows, 1:] = coords[rows, 1:] @ TURN[:2, :2].T + TURN[:2, 2]
    picture = small_tissue.histology["third"]
    moved = Histology(picture.image, TURN @ picture.to_tissue)
    return replace(small_tissue, coords=coords, histology={"third": moved})


@pytest.fixture
def dock(
    make_napari_viewer: Callable[..., Any],
    turned: Tissue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Align sections")
    session_of(viewer).set_tissue(turned, None)
    dock.form.fields["method"].value = "landmarks"
    yield dock
    QThreadPool.globalInstance().waitForDone(5000)


def ended(qtbot: Any, dock: Any) -> None:
    qtbot.waitUntil(lambda: dock._job is None, timeout=60_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()


def mark(dock: Any, section: str, yx: np.ndarray) -> Any:
    """Add a landmark layer by the button and click `yx` into it."""
    dock.landmarks.section.setCurrentText(section)
    dock.landmarks.add.click()
    layer = dock.landmarks.landmarks.layers[section]
    z = dock.session.tissue.section_z[section]
    for y, x in yx:
        layer.add([z, y, x])
    return layer


def align(qtbot: Any, dock: Any) -> None:
    mark(dock, "first", MARKS)
    mark(dock, "second", MARKS)
    mark(dock, "third", MARKS @ TURN[:2, :2].T + TURN[:2, 2])
    dock.run_bar.run_button.click()
    ended(qtbot, dock)


def test_landmarks_are_numbered_and_counted(dock: Any) -> None:
    layer = mark(dock, "second", MARKS)
    assert layer.name == "landmarks · second"
    assert layer.mode == "add"
    assert list(layer.features["number"]) == [1, 2, 3]
    assert "second: 3" in dock.landmarks.counts.text()
    layer.selected_data = {0}
    layer.remove_selected()
    assert list(layer.features["number"]) == [1, 2]
    mark(dock, "first", MARKS[:1])
    assert "one section has" in dock.landmarks.counts.text()
    points = dock.landmarks.landmarks.points()
    np.testing.assert_allclose(points["second"], MARKS[1:])
    assert np.isnan(points["first"][1]).all()
    viewer = dock.session.viewer
    assert viewer.dims.ndisplay == 2
    assert viewer.dims.point[0] == pytest.approx(0.0)  # the section that was marked last
    viewer.layers.remove(layer)
    assert "second" not in dock.landmarks.counts.text()


def test_without_landmarks_a_sentence_says_so(dock: Any, qtbot: Any) -> None:
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=20_000)
    assert "unfold Landmarks" in dock.run_bar.problem.sentence.text()
    assert not dock.panel.isVisible()


def test_before_and_after_move_sections_pictures_and_landmarks(
    dock: Any, turned: Tissue, small_tissue: Tissue, qtbot: Any
) -> None:
    align(qtbot, dock)
    session = dock.session
    stack = session.stack
    third = stack.section("third")
    there = small_tissue.coords[small_tissue.section == "third"]
    # landmarks fix rigid motions up to rounding; the first two sections were aligned already
    np.testing.assert_allclose(third.points.data, there, atol=1e-6)
    row, column, _ = np.linalg.inv(third.histology.to_tissue) @ (*there[0, 1:], 1.0)
    assert not third.image.data[0, int(row), int(column)].any()  # black below every cell
    world = third.image.data_to_world((0, row, column))
    np.testing.assert_allclose(world[1:], there[0, 1:], atol=1e-6)
    np.testing.assert_allclose(session.tissue.coords, small_tissue.coords, atol=1e-6)
    marks = dock.landmarks.landmarks
    np.testing.assert_allclose(marks.layers["third"].data[:, 1:], MARKS, atol=1e-6)
    before = MARKS @ TURN[:2, :2].T + TURN[:2, 2]
    np.testing.assert_allclose(marks.points()["third"], before, atol=1e-6)
    assert "agree" in dock.panel.summary.text()
    assert dock.panel.after.isChecked()
    zoom = camera_of(session.viewer).zoom
    heard: list[int] = []
    session.tissue_changed.connect(lambda: heard.append(1))
    colours = stack.colouring
    dock.panel.before.click()
    assert heard == [1]
    assert session.tissue is turned
    assert camera_of(session.viewer).zoom == zoom
    stack.look()
    assert camera_of(session.viewer).zoom >= zoom  # all was in sight before, too
    assert stack.colouring.name == colours.name
    rows = turned.section == "third"
    np.testing.assert_allclose(third.points.data, turned.coords[rows])
    np.testing.assert_allclose(marks.layers["third"].data[:, 1:], before, atol=1e-6)
    dock.panel.after.click()
    np.testing.assert_allclose(third.points.data, there, atol=1e-6)
    dock.panel.undo_button.click()
    ended(qtbot, dock)
    assert session.tissue is turned
    assert not dock.panel.isVisible()
    np.testing.assert_allclose(third.points.data, turned.coords[rows])
    np.testing.assert_allclose(marks.layers["third"].data[:, 1:], before, atol=1e-6)


def test_results_belong_to_where_the_sections_were(
    dock: Any, make_virtual: Callable[..., VirtualSection], qtbot: Any
) -> None:
    session = dock.session
    session.add_result(make_virtual("old", 25.0), persist=False)
    align(qtbot, dock)
    assert session.results == {}
    session.keep_result(make_virtual("new", 25.0))
    assert "not saved" in session.notes["new"]
    names = {layer.name for layer in session.viewer.layers}
    assert "virtual · new" in names
    assert "virtual · old" not in names
    dock.panel.before.click()
    assert list(session.results) == ["old"]
    names = {layer.name for layer in session.viewer.layers}
    assert "virtual · old" in names
    assert "virtual · new" not in names


def test_save_writes_a_store_with_the_results_and_undo_takes_it_out(
    dock: Any,
    turned: Tissue,
    make_virtual: Callable[..., VirtualSection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    path = tmp_path / "aligned.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *a, **k: QMessageBox.StandardButton.Yes)
    align(qtbot, dock)
    session = dock.session
    session.keep_result(make_virtual("v", 25.0))
    assert not dock.panel.save_button.isVisible()  # there is no store to save to
    dock.panel.save_as_button.click()
    ended(qtbot, dock)
    assert "'aligned'" in dock.panel.kept.text()
    assert list(list_alignments(path)) == ["aligned"]
    qtbot.waitUntil(lambda: session.saved_names == ["v"], timeout=20_000)
    (info,) = list_results(path)
    assert info.record.input["coordinate_system"] == "aligned"
    again = read(path, coordinate_system="aligned")
    there = {s: again.coords[again.section == s].mean(axis=0) for s in again.sections}
    now = session.tissue
    for section in now.sections:
        mean = now.coords[now.section == section].mean(axis=0)
        np.testing.assert_allclose(there[section], mean, atol=1e-3)
    assert session.read_config.coordinate_system == "aligned"
    dock.run_bar.run_button.click()  # saved: undo comes first
    assert "undo" in dock.run_bar.problem.sentence.text()
    dock.panel.undo_button.click()
    ended(qtbot, dock)
    assert list_alignments(path) == {}
    assert session.tissue is turned
    assert session.store is None


def test_a_stored_alignment_is_offered_shown_and_removed(
    dock: Any, turned: Tissue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    path = tmp_path / "aligned.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *a, **k: QMessageBox.StandardButton.Yes)
    assert not dock.stored.isVisible()
    align(qtbot, dock)
    aligned = dock.session.tissue.coords
    dock.panel.save_as_button.click()
    ended(qtbot, dock)
    dock.data.open_data(str(path))  # as if in another session
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=20_000)
    assert not dock.panel.isVisible()
    assert dock.stored.systems == ["aligned"]
    assert dock.stored.isVisible()
    assert not dock.stored.remove_button.isEnabled()

    np.testing.assert_allclose(dock.session.tissue.coords, turned.coords, atol=1e-3)
    dock.stored.choice.setCurrentIndex(1)
    dock.stored.choice.activated.emit(1)
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=20_000)
    np.testing.assert_allclose(dock.session.tissue.coords, aligned, atol=1e-3)
    assert dock.stored.choice.currentData() == "aligned"
    dock.stored.remove_button.click()
    ended(qtbot, dock)
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=20_000)
    assert list_alignments(path) == {}
    assert not dock.stored.isVisible()
    np.testing.assert_allclose(dock.session.tissue.coords, turned.coords, atol=1e-3)


def test_another_tissue_forgets_the_alignment(dock: Any, small_tissue: Tissue, qtbot: Any) -> None:
    align(qtbot, dock)
    dock.session.set_tissue(small_tissue, None)
    assert not dock.panel.isVisible()
    assert dock.landmarks.landmarks.layers == {}
    assert not dock.session.moved


def test_nothing_is_cut_off_at_300_pixels(dock: Any, qtbot: Any) -> None:
    align(qtbot, dock)
    for fold in dock.findChildren(Folded):
        fold.unfold()
    qtbot.wait(50)
    assert dock.body.minimumSizeHint().width() <= 300 - 14  # less the scroll bar
