"""A strip of small sections: where they stand, how they are coloured, how they go away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.tasks.sweep import Sweep
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.layers import state_of
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.strip import SCALE, laid_out
from napari_stdiff.viewer.widgets import interpolate as dock_module

pytestmark = pytest.mark.viewer

VALUES = (0.1, 0.5, 0.9)


def test_small_sections_stand_apart_below_the_stack() -> None:
    rng = np.random.default_rng(0)
    stack = np.column_stack([np.zeros(50), rng.uniform(0, 100, (50, 2))])
    section = np.column_stack([np.full(20, 40.0), rng.uniform(0, 100, (20, 2))])
    coords, heads = laid_out([section] * 3, stack)
    assert coords[:, 1].min() > stack[:, 1].max()
    parts = coords.reshape(3, 20, 3)
    assert (np.diff([p[:, 2].min() for p in parts]) > np.ptp(section[:, 2]) * SCALE).all()
    np.testing.assert_allclose(np.ptp(parts[0], axis=0), np.ptp(section, axis=0) * SCALE)
    assert (heads[:, 1] < coords[:, 1].min()).all()  # the label above its section
    np.testing.assert_allclose(coords[:, 0], 40.0)


def test_the_button_draws_a_strip_and_another_removes_it(
    make_napari_viewer: Callable[..., Any],
    small_tissue: Tissue,
    make_virtual: Callable[..., VirtualSection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")

    def sweep(tissue: Tissue, read: Any, config: Any, monitor: Monitor) -> Sweep:
        assert config.at == 90.0
        sections = tuple(make_virtual(f"v{value}", 90.0) for value in VALUES)
        record = sections[0].record
        return Sweep(VALUES, sections, 0.4, 0.5, {0.1: 0.3, 0.5: 0.2, 0.9: 0.3}, record)

    monkeypatch.setattr(dock_module, "sweep_lambda", sweep)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    session.stack.colour_by("gene", "Gad1")
    before = set(viewer.layers)
    dock.where.slider.set_value(90.0)
    dock.sweep.unfold()
    dock.sweep.go.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=20_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()
    points, labels = (layer for layer in viewer.layers if layer not in before)
    assert state_of(points)["role"] == "strip"
    assert list(labels.text.values) == ["0.1", "0.5", "0.9"]
    assert labels.canvas_size_limits[0] == 0  # no dot within the letters
    assert points.face_contrast_limits == session.stack.limits
    assert "0.40" in dock.sweep.words.text()
    assert "best at 0.5" in dock.sweep.words.text()
    assert session.results == {}  # nothing is kept
    qtbot.wait(20)
    assert viewer.dims.point[0] == pytest.approx(90.0 * session.stack.spacing)
    colours = points.face_color.copy()
    session.stack.colour_by("gene", "Slc17a6")
    assert not np.allclose(points.face_color, colours)
    session.stack.colour_by("column", "cell_type")
    session.stack.colour_by("none")
    session.stack.colour_by("gene", "Gad1")
    np.testing.assert_allclose(points.face_color, colours)
    dock.sweep.remove.click()
    assert set(viewer.layers) == before
    assert not dock.sweep.remove.isVisible()
