"""The dock that generates cells: its button, what it shows, and how the cells are told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_stdiff.data.results import list_results, save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.forms import Folded
from napari_stdiff.viewer.layers import GENERATED, MEASURED
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.widgets.generate import GenerateWidget

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(
    make_napari_viewer: Callable[..., Any],
    small_tissue: Tissue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Generate cells")
    session_of(viewer).set_tissue(replace(small_tissue, histology={}), None)
    dock.form.fields["method"].value = "typed-knn"
    dock.form.fields["draws"].value = 1
    yield dock
    QThreadPool.globalInstance().waitForDone(5000)


def press(qtbot: Any, dock: GenerateWidget) -> None:
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=60_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()


def test_cells_appear_as_a_layer_that_says_what_they_are(dock: Any, qtbot: Any) -> None:
    dock.form.fields["section"].value = "second"
    dock.form.fields["n_cells"].value = 25
    press(qtbot, dock)
    assert dock.run_bar.words.text().startswith("Done: generated_second")
    (name,) = dock.session.results
    section = dock.session.stack.section(name, True)
    assert section.points.name == "generated · second_typed-knn"
    assert {str(s) for s in section.points.symbol} == {GENERATED.symbol}
    assert GENERATED.symbol != MEASURED.symbol
    assert len(section.points.data) == 25
    np.testing.assert_allclose(section.points.data[:, 0], 50.0)  # the depth of its section
    assert "nobody measured" in dock.results.summary.text()
    assert dock.results.selected() == name


def test_a_number_said_for_new_cells_is_not_in_the_way_of_others(dock: Any, qtbot: Any) -> None:
    dock.form.fields["n_cells"].value = 25
    dock.form.fields["cells"].value = "denser"
    press(qtbot, dock)
    (name,) = dock.session.results
    assert name.startswith("generated_denser_")
    assert len(dock.session.stack.section(name, True).points.data) == 40


def test_only_what_the_kind_of_cells_needs_is_shown(dock: Any, qtbot: Any) -> None:
    fields = dock.form.fields
    for kind, shown in (("new", "n_cells"), ("denser", "factor"), ("given", "positions")):
        fields["cells"].value = kind
        for name in ("n_cells", "factor", "positions"):
            assert fields[name].native.isVisible() == (name == shown)
    assert "file" in dock.what.text()
    fields["cells"].value = "denser"
    qtbot.waitUntil(lambda: "About 40 cells in 'second'" in dock.cost.text(), timeout=10_000)
    for fold in dock.findChildren(Folded):
        fold.unfold()
    qtbot.wait(50)
    assert dock.body.minimumSizeHint().width() <= 300 - 14  # nothing is cut off


def test_a_missing_file_is_one_sentence(dock: Any, qtbot: Any) -> None:
    dock.form.fields["cells"].value = "given"
    dock.form.fields["positions"].value = "nowhere.csv"
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=20_000)
    assert "nowhere.csv" in dock.run_bar.problem.sentence.text()
    assert dock.session.results == {}


def test_generated_cells_come_back_from_the_store(
    dock: Any, small_tissue: Tissue, make_virtual: Callable[..., VirtualSection], tmp_path: Path
) -> None:
    tissue = replace(small_tissue, histology={})
    made = make_virtual("generated_second", 50.0)
    target = {"z": 50.0, "section": "second", "cells": "new"}
    record = made.record.model_copy(update={"task": "generate", "target": target})
    store = tmp_path / "tissue.zarr"
    save(replace(made, record=record), store, tissue)
    assert [info.name for info in list_results(store)] == ["generated_second"]
    dock.session.set_tissue(tissue, store)
    section = dock.session.stack.section("generated_second", True)
    assert section.generated
    assert section.look is GENERATED
    assert dock.results.selected() == "generated_second"
