"""The virtual microtome: the slider cuts, the newest position wins, and a cut can be kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import depth_error
from napari_stdiff.tasks.depth_error import DepthError
from napari_stdiff.tasks.live_cut import LiveCut
from napari_stdiff.viewer import microtome as module
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.layers import camera_of, state_of
from napari_stdiff.viewer.live_layer import LiveLayer
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.widgets.depth_strip import DepthStrip
from napari_stdiff.viewer.widgets.microtome import MicrotomeWidget
from napari_stdiff.viewer.widgets.z_slider import ZSlider

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("no_kept_models")]


@pytest.fixture
def open_dock(
    make_napari_viewer: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> Callable[[Tissue | None], tuple[Any, MicrotomeWidget]]:
    """Return a function that opens a tissue and the dock in a window that is shown."""
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    depth_error._seen.forget()

    def begin(tissue: Tissue | None) -> tuple[Any, MicrotomeWidget]:
        viewer = make_napari_viewer(show=True)
        if tissue is not None:
            session_of(viewer).set_tissue(tissue, None)
            session_of(viewer).stack.colour_by("gene", "Gad1")
        _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Virtual microtome")
        qtbot.waitUntil(lambda: dock.is_open)
        return viewer, dock

    return begin


def live_layers(viewer: Any) -> list[str]:
    return [x.name for x in viewer.layers if (state_of(x) or {}).get("role") == "live"]


def settled(dock: MicrotomeWidget) -> bool:
    """Whether nothing runs, and nothing will without a move."""
    return dock.microtome is not None and not dock.microtome.busy


@pytest.fixture
def without_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out no sections: it takes seconds."""
    monkeypatch.setattr(module, "leave_out", lambda tissue, monitor: [])


def test_nothing_is_cut_while_nothing_is_open(open_dock: Any, small_tissue: Tissue) -> None:
    viewer, dock = open_dock(None)
    assert not dock.cutting.isVisibleTo(dock)
    assert not dock.run_bar.run_button.isVisibleTo(dock)
    one = small_tissue.rows(small_tissue.section == "first")
    dock.session.set_tissue(one, None)
    assert "one depth" in dock.hint.text()
    assert not live_layers(viewer)


@pytest.mark.usefixtures("without_errors")
def test_a_move_cuts_refines_and_leaves_the_camera(
    open_dock: Any, small_tissue: Tissue, qtbot: Any
) -> None:
    viewer, dock = open_dock(small_tissue)
    camera = camera_of(viewer)
    before = (*camera.center, camera.zoom, *camera.angles)
    selected = set(viewer.layers.selection)
    states: list[str] = []
    dock.microtome.told.connect(lambda: states.append(dock.microtome.state))
    dock.slider.slider.setValue(500)
    z = dock.slider.value()
    qtbot.waitUntil(lambda: dock.microtome.state == "refined", timeout=60_000)
    assert "coarse" in states
    points = dock.microtome.layer.points
    cut = LiveCut(small_tissue)
    there = cut.pair(z).lines.there(cut.pair(z).weight(z))
    np.testing.assert_allclose(points.data[:, 1:], cut.query(z).coords[:, 1:])
    np.testing.assert_allclose(points.data[:, 0], z * dock.session.stack.spacing)
    np.testing.assert_allclose(
        points.features["value"], cut.refined(z, "Gad1", Monitor())[there], rtol=1e-5
    )
    assert str(points.symbol[0]) == "diamond"
    assert points.face_contrast_limits == dock.session.stack.limits
    assert (*camera.center, camera.zoom, *camera.angles) == before
    assert set(viewer.layers.selection) == selected
    dock.session.stack.set_spacing(3.0)
    np.testing.assert_allclose(points.data[:, 0], z * 3.0)
    qtbot.waitUntil(lambda: settled(dock), timeout=60_000)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not live_layers(viewer))


@pytest.mark.usefixtures("without_errors")
def test_the_newest_position_wins(
    open_dock: Any, small_tissue: Tissue, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dock = open_dock(small_tissue)
    qtbot.waitUntil(lambda: dock.microtome.layer.is_shown, timeout=60_000)
    real, asked = module.coarse_picture, []

    def slow(cut: LiveCut, z: float, *rest: Any) -> module.Picture:
        asked.append(z)
        time.sleep(0.1)
        return real(cut, z, *rest)

    monkeypatch.setattr(module, "coarse_picture", slow)
    monkeypatch.setattr(module, "refined_picture", lambda cut, z, *_: real(cut, z, colours))
    colours = dock.session.stack.colouring
    for step in range(420, 520):
        dock.slider.slider.setValue(step)
        qtbot.wait(2)
    last = dock.slider.value()
    qtbot.waitUntil(lambda: dock.microtome.state == "refined", timeout=60_000)
    assert asked[-1] == last
    assert asked == sorted(asked)
    assert len(asked) < 40  # what was passed over was never begun
    level = last * dock.session.stack.spacing
    np.testing.assert_allclose(dock.microtome.layer.points.data[:, 0], level)


@pytest.mark.usefixtures("without_errors")
def test_refining_gives_way_to_a_move(
    open_dock: Any, small_tissue: Tissue, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, drawn = threading.Event(), []

    def endless(cut: LiveCut, z: float, gene: str, monitor: Monitor, _: str) -> module.Picture:
        began.set()
        while True:
            monitor.check()
            time.sleep(0.01)

    monkeypatch.setattr(module, "refined_picture", endless)
    _, dock = open_dock(small_tissue)
    qtbot.waitUntil(began.is_set, timeout=60_000)
    first = dock.microtome._back
    dock.microtome.drawn.connect(lambda: drawn.append(dock.microtome.z))
    dock.slider.set_value(20.0)
    qtbot.waitUntil(lambda: drawn == [20.0], timeout=60_000)
    assert first.monitor.cancelled
    assert dock.microtome.state in ("coarse", "refining")  # the old one did not come


@pytest.mark.usefixtures("without_errors")
def test_what_is_measured_is_not_cut(open_dock: Any, small_tissue: Tissue, qtbot: Any) -> None:
    viewer, dock = open_dock(small_tissue)
    qtbot.waitUntil(lambda: dock.microtome.layer.is_shown, timeout=60_000)
    dock.slider.set_value(50.0)
    qtbot.waitUntil(lambda: dock.microtome.state == "measured")
    assert "second" in dock.words.text()
    assert not dock.microtome.layer.is_shown
    assert not dock.run_bar.run_button.isEnabled()
    viewer.dims.ndisplay = 2
    dock.slider.set_value(90.0)
    stack = dock.session.stack
    qtbot.waitUntil(
        lambda: bool(np.isclose(viewer.dims.point[0], 90.0 * stack.spacing)), timeout=60_000
    )
    assert dock.microtome.layer.is_shown


@pytest.mark.usefixtures("without_errors")
def test_colours_are_those_of_the_stack(open_dock: Any, small_tissue: Tissue, qtbot: Any) -> None:
    viewer, dock = open_dock(small_tissue)
    stack = dock.session.stack
    qtbot.waitUntil(lambda: dock.microtome.layer.is_shown, timeout=60_000)
    stack.colour_by("column", "cell_type")
    qtbot.waitUntil(lambda: dock.microtome.state == "rough", timeout=60_000)
    assert "nearest measured cells" in dock.words.text()
    reds = {tuple(c) for c in np.asarray(dock.microtome.layer.points.face_color).round(3).tolist()}
    assert reds == {(1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)}
    qtbot.waitUntil(lambda: dock.microtome.error is not None, timeout=60_000)
    assert "labels are expected to be wrong" in dock.sure.text()
    stack.colour_by("column", "depth")
    qtbot.waitUntil(lambda: "annotations are not predicted" in dock.words.text(), timeout=60_000)
    stack.colour_by("none")
    qtbot.waitUntil(lambda: "colour by a gene" in dock.words.text(), timeout=60_000)
    stack.colour_by("gene", "Gad2")
    qtbot.waitUntil(lambda: dock.microtome.state == "refined", timeout=60_000)
    stack.set_colormap("magma")
    assert "magma" in dock.microtome.layer.points.face_colormap.name
    viewer.layers.remove(dock.microtome.layer.points)
    assert not live_layers(viewer)
    stack.colour_by("gene", "Gad1")
    qtbot.waitUntil(lambda: settled(dock), timeout=60_000)
    assert not live_layers(viewer)  # the user took it away
    dock.slider.set_value(20.0)
    qtbot.waitUntil(lambda: dock.microtome.layer.is_shown, timeout=60_000)


def test_fewer_cells_can_be_shown_after_it_was_hidden(
    make_napari_viewer: Callable[..., Any], small_tissue: Tissue
) -> None:
    session = session_of(make_napari_viewer(show=True))
    session.set_tissue(small_tissue, None)
    session.stack.colour_by("gene", "Gad1")
    session.stack.set_ndisplay(2)
    layer = LiveLayer(session)
    rng = np.random.default_rng(0)
    for n in (30, 40, 10, 35):
        coords = np.column_stack([np.full(n, 80.0), rng.uniform(20, 180, (n, 2))])
        layer.show(coords, rng.random(n))
        assert len(layer.points.data) == len(layer.points.face_color) == n
        assert layer.is_shown
        layer.hide()
        assert not layer.is_shown
    layer.close()
    assert not live_layers(session.viewer)


def test_genes_that_were_not_measured_are_said_to_be(small_tissue: Tissue) -> None:
    picture = module.Picture(np.zeros((3, 3)), np.ones(3), True)
    nothing = module.Picture(np.zeros((3, 3)), np.full(3, np.nan), True)
    predicted = module.Colouring("gene", "New", np.ones(120), result="genes_spadit")
    assert "'genes_spadit'" in module.why_rough(predicted, small_tissue, picture)
    unknown = replace(predicted, result="")
    assert "Nothing is known of New" in module.why_rough(unknown, small_tissue, nothing)
    assert not module.why_rough(replace(unknown, name="Gad1"), small_tissue, picture)


@pytest.mark.usefixtures("without_errors")
def test_sections_that_are_not_aligned_are_said_to_be(
    open_dock: Any, small_tissue: Tissue, qtbot: Any
) -> None:
    apart = np.where(small_tissue.section == "second", 500.0, 0.0)
    coords = small_tissue.coords + apart[:, None] * np.array([0.0, 0.0, 1.0])
    _, dock = open_dock(replace(small_tissue, coords=coords))
    qtbot.waitUntil(lambda: "align them first" in dock.words.text(), timeout=60_000)
    qtbot.waitUntil(lambda: dock.microtome.state == "refined", timeout=60_000)
    assert "align them first" in dock.words.text()


@pytest.mark.usefixtures("without_errors")
def test_a_cut_is_kept_in_the_places_that_were_seen(
    open_dock: Any, small_tissue: Tissue, qtbot: Any
) -> None:
    _, dock = open_dock(small_tissue)
    dock.slider.set_value(80.0)
    qtbot.waitUntil(lambda: dock.microtome.state == "refined", timeout=60_000)
    seen = np.array(dock.microtome.layer.points.data)
    values = np.array(dock.microtome.layer.points.features["value"])
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=60_000)
    (name,) = dock.session.results
    kept = dock.session.results[name]
    np.testing.assert_array_equal(kept.query.coords[:, 1:], seen[:, 1:])
    gene = int(np.flatnonzero(kept.prediction.genes == "Gad1")[0])
    np.testing.assert_allclose(kept.prediction.mean[:, gene], values, rtol=1e-6)
    assert kept.record.parameters["effort"] == "quick"
    assert kept.record.target["cells"] == "lines"
    qtbot.waitUntil(lambda: dock.microtome.state == "kept")
    assert not dock.microtome.layer.is_shown  # the section stands there
    assert not dock.run_bar.run_button.isEnabled()
    dock.session.remove_result(name)
    qtbot.waitUntil(lambda: dock.microtome.layer.is_shown, timeout=60_000)


def test_the_strip_says_how_sure_a_cut_is(
    open_dock: Any, small_tissue: Tissue, qtbot: Any
) -> None:
    _, dock = open_dock(small_tissue)
    qtbot.waitUntil(lambda: dock.microtome.error is not None, timeout=120_000)
    error = dock.microtome.error
    assert set(error.inner) == {"second"}
    assert "Expected error" in dock.sure.text()
    dock.session.stack.colour_by("gene", "Gad2")  # left out with all the others
    qtbot.waitUntil(lambda: dock.microtome.error not in (None, error), timeout=60_000)


def test_the_strip_paints_lines_and_a_curve(qtbot: Any) -> None:
    slider = ZSlider()
    qtbot.addWidget(slider)
    depths = {"a": 0.0, "b": 10.0, "c": 20.0}
    slider.set_sections(depths, "um")
    strip = DepthStrip(slider.slider)
    slider.put_below(strip)
    slider.resize(400, 200)
    slider.show()
    strip.set_sections(depths, "um")
    bare = strip.grab().toImage()
    strip.set_error(DepthError(depths, {"b": (10.0, 0.8)}, 0.5, 1.0))
    full = strip.grab().toImage()
    assert bare != full
    np.testing.assert_allclose(strip.heights(np.array([5.0])), 0.65, rtol=1e-5)
    assert "0.65" in strip.words(5.0)
    assert strip.words(10.0) == ""
    assert "hidden and predicted" in strip.tip(5.0)
    strip.set_error(None)
    assert "not known yet" in strip.tip(5.0)
