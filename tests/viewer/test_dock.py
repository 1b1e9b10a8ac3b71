"""Docks share the side of the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.widgets.dock import frame_of

pytestmark = pytest.mark.viewer


def test_our_docks_are_tabs_of_one_another_and_stay_open(
    make_napari_viewer: Callable[..., Any],
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    viewer = make_napari_viewer(show=True)
    _, stack = viewer.window.add_plugin_dock_widget("napari-stdiff", "Stack")
    _, cut = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    window = viewer.window._qt_window
    first, second = frame_of(stack), frame_of(cut)
    qtbot.waitUntil(lambda: first in window.tabifiedDockWidgets(second))
    assert second is not None
    assert stack.is_open  # behind the other, and it listens on
    assert cut.is_open
    second.setFloating(True)
    second.hide()
    second.show()
    qtbot.wait(50)
    assert second.isFloating()  # where the user put it
