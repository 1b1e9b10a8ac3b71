"""Moving sections by hand with the real dock: buttons, numbers, keys and the mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_stdiff.data.alignment_store import list_alignments
from napari_stdiff.data.reading import read
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.adjust import Hand
from napari_stdiff.viewer.layers import camera_of
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.show import settle
from napari_stdiff.viewer.widgets.stack import StackWidget

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(make_napari_viewer: Callable[..., Any], small_tissue: Tissue) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    dock = StackWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Stack")
    session_of(viewer).set_tissue(small_tissue, None)
    settle()
    dock.moving_fold.unfold()
    settle()
    yield dock
    QThreadPool.globalInstance().waitForDone(20_000)


def keys(dock: Any) -> dict[str, Any]:
    return {str(key): act for key, act in dock.session.viewer.keymap.items()}


def mouse(dock: Any, *places: np.ndarray, shift: bool = False) -> None:
    """Press at the first place (world), move over the others, let go at the last."""
    viewer = dock.session.viewer
    ray = np.array([-1.0, 0.0, 0.0]) if viewer.dims.ndisplay == 3 else None
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        position=places[0],
        view_direction=ray,
        modifiers=("Shift",) if shift else (),
    )
    drag = dock.moving.canvas._on_mouse(viewer, event)
    next(drag, None)
    for place in places[1:]:
        event.type, event.position = "mouse_move", place
        next(drag, None)
    event.type = "mouse_release"
    next(drag, None)


def on_canvas(dock: Any, name: str) -> np.ndarray:
    """Return where a cell of a section is on the canvas, seen from above."""
    section = dock.session.stack.section(name)
    return np.array(section.points.data_to_world(tuple(section.points.data[3])))


def test_nothing_is_taken_until_the_panel_is_unfolded(dock: Any) -> None:
    viewer, panel = dock.session.viewer, dock.moving
    assert {"Left", "Up", "PageUp", "Shift+Left"} <= set(keys(dock))
    assert panel.canvas._on_mouse in viewer.mouse_drag_callbacks
    assert not panel.left_right.isEnabled()  # no section is chosen
    assert not panel.save_as_button.isVisible()
    dock.moving_fold.unfold(False)
    assert "Left" not in keys(dock)
    assert panel.canvas._on_mouse not in viewer.mouse_drag_callbacks
    own = lambda viewer: None  # noqa: E731
    viewer.bind_key("Left", own)
    dock.moving_fold.unfold()
    assert keys(dock)["Left"] is own  # the user's stays the user's
    assert "Right" in keys(dock)


def test_buttons_and_numbers_move_the_section_that_is_chosen(
    dock: Any, small_tissue: Tissue
) -> None:
    panel, session = dock.moving, dock.session
    item = dock.sections.topLevelItem(1)
    dock.sections.itemClicked.emit(item, 0)
    assert panel.adjust.chosen == panel.section.currentData() == "second"
    panel.left_right.click()
    panel.rotation.box.setValue(30.0)
    panel.shift_x.setValue(4.0)
    panel.shift_y.setValue(-3.0)
    panel.deep.setValue(60.0)
    panel.adjust.rest()
    assert panel.adjust.hand("second") == Hand(True, 30.0, -3.0, 4.0, 10.0)
    rows = small_tissue.section == "second"
    assert session.tissue.section_z["second"] == pytest.approx(60.0)
    np.testing.assert_array_equal(session.tissue.coords[~rows], small_tissue.coords[~rows])
    panel.undo.click()
    assert panel.adjust.hand("second") == Hand(True)
    assert panel.rotation.value() == panel.shift_x.value() == 0.0
    panel.redo.click()
    assert panel.rotation.value() == 30.0
    panel.up.click()
    assert [s.name for s in session.stack.sections] == ["first", "third", "second"]
    assert dock.sections.topLevelItem(0).text(0) == "second"
    panel.reset.click()
    assert session.tissue.section_z["second"] == 50.0
    panel.reset_all.click()
    assert session.tissue is small_tissue
    panel.reverse.click()
    panel.adjust.rest()
    assert session.tissue.sections == ["third", "second", "first"]


def test_a_click_chooses_and_dragging_moves(dock: Any) -> None:
    session, panel = dock.session, dock.moving
    session.stack.set_ndisplay(2)
    session.stack.go_to(session.stack.section("second"))
    at = on_canvas(dock, "second")
    camera = camera_of(session.viewer)
    before = (camera.center, camera.zoom)
    mouse(dock, at)
    assert panel.adjust.chosen == "second"
    mouse(dock, at, at + np.array([0, 4, 5]), at + np.array([0, 8, 10]))
    hand = panel.adjust.hand("second")
    assert (hand.y, hand.x) == pytest.approx((8.0, 10.0), abs=panel.canvas.step / 10)
    assert session.moved  # the tissue followed when the mouse was let go
    centre = np.array([0, *session.stack.section("second").coords[:, 1:].mean(axis=0)])
    at = on_canvas(dock, "second")
    arm = at - centre
    end = centre + np.array([arm[0], arm[2], -arm[1]])  # a quarter to the right, then down
    mouse(dock, at, end, shift=True)
    assert panel.adjust.hand("second").rotation == pytest.approx(90.0, abs=0.11)
    assert (camera.center, camera.zoom) == before
    assert camera.mouse_pan
    hands = dict(panel.adjust.hands)
    mouse(dock, at + np.array([0, 1e4, 1e4]), at)  # beside: the camera's
    assert panel.adjust.hands == hands


def test_keys_move_and_turn(dock: Any) -> None:
    viewer, panel = dock.session.viewer, dock.moving
    act = keys(dock)
    act["Right"](viewer)
    assert panel.adjust.hands == {}  # nothing is chosen
    panel.adjust.choose("third")
    step = panel.canvas.step
    act["Right"](viewer)
    act["Shift+Up"](viewer)
    act["."](viewer)
    act["PageDown"](viewer)
    assert panel.adjust.hand("third") == Hand(False, 1.0, -10 * step, step, -step)
    assert not dock.session.moved
    panel.adjust.rest()
    assert dock.session.moved


def test_exploded_sections_lie_side_by_side_and_come_back(dock: Any) -> None:
    session, stack = dock.session, dock.session.stack
    camera = camera_of(session.viewer)
    before = (camera.center, camera.zoom)
    places = {s.name: on_canvas(dock, s.name) for s in stack.sections}
    dock.view.explode.box.setValue(1.0)
    boxes = [np.array([on_canvas(dock, s.name), s.at], float) for s in stack.sections]
    assert len({tuple(np.round(box[1][1:], 3)) for box in boxes}) == 3
    stack.toggle_ndisplay()
    assert session.viewer.dims.ndisplay == 2
    level = session.viewer.dims.point[0]
    assert all(on_canvas(dock, s.name)[0] == pytest.approx(level) for s in stack.sections)
    stack.toggle_ndisplay()
    dock.view.explode.box.setValue(0.0)
    assert (camera.center, camera.zoom) == before
    for name, place in places.items():
        np.testing.assert_allclose(on_canvas(dock, name), place, atol=1e-6)
    stack.set_explosion(0.5)
    stack.set_ndisplay(2)
    stack.set_explosion(0.0)  # in the other view
    stack.set_ndisplay(3)
    assert (camera.center, camera.zoom) == before
    stack.set_ndisplay(2)
    stack.set_explosion(0.5)
    stack.go_to(stack.section("third"))  # one is asked for
    assert stack.explosion == 0.0


def test_the_key_of_2d_and_3d(dock: Any) -> None:
    viewer = dock.session.viewer
    assert "key h" in dock.view.two.toolTip()
    keys(dock)["H"](viewer)
    assert viewer.dims.ndisplay == 2
    keys(dock)["H"](viewer)
    assert viewer.dims.ndisplay == 3


def test_saved_as_a_new_store_where_there_is_none(
    dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    path = tmp_path / "moved.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    panel, session = dock.moving, dock.session
    panel.adjust.choose("second")
    panel.top_bottom.click()
    assert "writes a new SpatialData store" in panel.kept.text()
    assert not panel.save_button.isVisible()
    panel.save_as_button.click()
    qtbot.waitUntil(lambda: panel._job is None, timeout=60_000)
    assert "'moved_by_hand'" in panel.kept.text()
    assert list(list_alignments(path)) == ["moved_by_hand"]
    again = read(path, coordinate_system="moved_by_hand")
    now = session.tissue
    for name in now.sections:
        a = again.coords[again.section == name].mean(axis=0)
        np.testing.assert_allclose(a, now.coords[now.section == name].mean(axis=0), atol=1e-6)
    session.set_tissue(read(path), path)  # opened again: offered, shown, and moved on
    dock.moving_fold.unfold(False)
    dock.moving_fold.unfold()
    assert panel.stored.systems == ["moved_by_hand"]
    assert panel.stored.isVisible()
    panel.stored.chosen.emit("moved_by_hand")
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=60_000)
    assert session.tissue.origin.coordinate_system == "moved_by_hand"
    panel.adjust.choose("third")
    panel.down.click()
    assert session.tissue.sections == ["first", "third", "second"]
    assert not panel.stored.isVisible()
    panel.save_button.click()
    qtbot.waitUntil(lambda: panel._job is None, timeout=60_000)
    assert sorted(list_alignments(path)) == ["moved_by_hand", "moved_by_hand_2"]
    assert read(path, coordinate_system="moved_by_hand_2").sections == ["first", "third", "second"]
