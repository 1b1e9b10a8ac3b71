"""The dock that fills in what was missed: genes, gaps, Run, the check, and errors in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.results import list_results
from napari_stdiff.data.simulate import simulate, write_sample
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Cost
from napari_stdiff.methods.entries.registry import (
    WITH_REFERENCE,
    entry_method_class,
    entry_methods,
)
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.forms import Folded
from napari_stdiff.viewer.layers import state_of
from napari_stdiff.viewer.widgets import impute as dock_module
from napari_stdiff.viewer.widgets.cost_line import Estimate

pytestmark = pytest.mark.viewer


@pytest.fixture(scope="module")
def sample() -> Any:
    return simulate(n_sections=3, cells_per_section=60, n_genes=12, image_size=60, seed=3)


@pytest.fixture(scope="module")
def tissue(sample: Any) -> Tissue:
    """Return the small tissue, without its pictures: fewer layers to draw."""
    return replace(read(sample.sdata, ReadConfig(z_unit="um")), histology={})


@pytest.fixture
def dock(
    make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Impute")
    yield dock
    QThreadPool.globalInstance().waitForDone(5000)


@pytest.fixture
def ready(dock: Any, tissue: Tissue) -> Any:
    """Return the dock with the tissue open and a quick method chosen."""
    dock.session.set_tissue(tissue, None)
    dock.form.fields["method"].value = "soft-svd"
    dock.form.fields["draws"].value = 4
    return dock


def finish(qtbot: Any, dock: Any) -> None:
    qtbot.waitUntil(lambda: dock._job is None and not dock.run_bar.is_running, timeout=120_000)


def covers(dock: Any) -> list[Any]:
    every = dock.session.viewer.layers
    found = [layer for layer in every if (state_of(layer) or {}).get("role") == "imputed"]
    return [layer for layer in found if layer.visible]


def in_sections(tissue: Tissue, values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[tissue.section == name] for name in tissue.sections])


def test_press_run_see_it_flip_it(ready: Any, tissue: Tissue, qtbot: Any) -> None:
    """Press it through with a real method: the main job of the dock."""
    ready.genes.choose("ticked")
    for name in ("first", "second"):
        gene = str(tissue.genes[0 if name == "first" else 4])
        qtbot.keyClicks(ready.genes.list.search, gene.lower())
        qtbot.keyClick(ready.genes.list.search, Qt.Key.Key_Return)
    wanted = [str(tissue.genes[0]), str(tissue.genes[4])]
    assert ready.genes.genes == wanted
    qtbot.waitUntil(lambda: "of 2 genes" in ready.cost.text(), timeout=60_000)
    assert "Takes" in ready.cost.text()
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    assert not ready.run_bar.problem.isVisible(), ready.run_bar.problem.details.toPlainText()
    (result,) = ready.session.imputations.results.values()
    stack = ready.session.stack
    gene = stack.colouring.name
    assert gene in wanted
    assert f"{int(result.filled.sum()):,} values" in ready.run_bar.words.text()
    # on the canvas: what was measured as it was, squares where something was filled in
    at = result.column(gene)
    shown = np.concatenate([layer.features["value"] for layer in covers(ready)])
    np.testing.assert_allclose(shown, in_sections(tissue, result.mean[:, at]))
    filled = in_sections(tissue, result.filled[:, at])
    symbols = np.concatenate([[str(s) for s in layer.symbol] for layer in covers(ready)])
    assert ((symbols == "square") == filled).all()
    assert 0 < filled.sum() < len(filled)
    assert f"{filled.sum():,} of {len(filled):,} filled in" in ready.panel.words.text()
    assert f"{filled.sum():,} of {len(filled):,} filled in" in stack.title
    # the key flips to what was measured, on the same scale
    limits = stack.limits
    qtbot.keyClick(ready.session.viewer.window._qt_window, Qt.Key.Key_I)
    assert stack.view == "raw"
    assert ready.panel.buttons["raw"].isChecked()
    assert covers(ready) == []
    np.testing.assert_allclose(stack.colouring.measured, result.measured[:, at])
    assert stack.limits == limits
    assert "as measured" in stack.title
    qtbot.keyClick(ready.session.viewer.window._qt_window, Qt.Key.Key_I)
    assert stack.view == "imputed"
    assert stack.limits == limits
    # side by side and back, sections hidden and shown meanwhile
    ready.panel.buttons["both"].click()
    for visible in (False, True):
        stack.set_visible(stack.section(tissue.sections[0]), visible)
        QApplication.processEvents()
    assert len(covers(ready)) == len(tissue.sections)
    assert "on both sides" in stack.title
    for view in ("raw", "both", "imputed"):
        ready.panel.buttons[view].click()
        QApplication.processEvents()
        assert stack.view == view
    assert stack.limits == limits
    # the check, in words and figures
    told = ready.results.summary.text()
    assert "measured values were hidden, and predicted with r" in told
    for words in ("RMSE", "MAE", "cosine", "near spots", "gene's mean"):
        assert words in told


def test_other_genes_stay_as_they_are(ready: Any, tissue: Tissue, qtbot: Any) -> None:
    ready.genes.choose("ticked", [str(tissue.genes[2])])
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    stack = ready.session.stack
    stack.colour_by("gene", str(tissue.genes[3]))
    assert not stack.shows_imputed
    assert covers(ready) == []
    assert not ready.panel.isVisible()
    qtbot.keyClick(ready.session.viewer.window._qt_window, Qt.Key.Key_I)
    assert "none is shown" in ready.session.viewer.status


def test_saved_opened_again_and_removed(
    dock: Any, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tissue.zarr"
    write_sample(path, n_sections=3, cells_per_section=50, n_genes=10, image_size=50, seed=1)
    tissue = read(path)
    dock.session.set_tissue(tissue, path)
    dock.form.fields["method"].value = "soft-svd"
    dock.form.fields["draws"].value = 0
    for _ in range(2):  # a second run overwrites nothing
        with qtbot.waitSignal(dock.session.imputations.saved, timeout=120_000):
            dock.run_bar.run_button.click()
        finish(qtbot, dock)
    names = {"imputed_soft-svd", "imputed_soft-svd_2"}
    assert {info.name for info in list_results(path)} == names
    assert "Saved in the store as 'imputed_soft-svd_2'" in dock.results.summary.text()
    kept = dock.session.imputations.results["imputed_soft-svd"].mean
    dock.session.set_tissue(read(path), path)  # opened once more
    assert set(dock.session.imputations.results) == names
    np.testing.assert_array_equal(dock.session.imputations.results["imputed_soft-svd"].mean, kept)
    gene = str(tissue.genes[0])
    dock.session.stack.colour_by("gene", gene)
    assert dock.session.stack.view == "raw"  # a store opens with what was measured
    assert dock.panel.isVisible()
    dock.panel.buttons["imputed"].click()
    assert len(covers(dock)) == 3
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    for left in (1, 0):
        dock.results.remove.click()
        assert len(list_results(path)) == left
    assert covers(dock) == []
    assert not dock.results.isVisible()
    assert not dock.panel.isVisible()
    assert dock.session.stack.colouring.name == gene  # it was measured


def test_empty_values_of_a_table_and_a_mask_layer(
    dock: Any, sample: Any, tissue: Tissue, tmp_path: Path, qtbot: Any
) -> None:
    table = next(iter(sample.sdata.tables.values())).copy()
    x = np.asarray(table.X.toarray(), np.float32)
    masked = np.random.default_rng(0).random(x.shape) < 0.1
    table.layers["lost"] = masked
    table.X = np.where(np.arange(len(x))[:, None] % 7 == 0, np.float32(np.nan), x)
    table.X[:, 1:] = x[:, 1:]  # one gene has gaps
    path = tmp_path / "gaps.h5ad"
    table.write_h5ad(path)
    dock.data.open_data(str(path))
    qtbot.waitUntil(lambda: dock.session.tissue is not None, timeout=30_000)
    assert "Some values are missing" in dock.data.about.text()
    gene = str(dock.session.tissue.genes[0])
    dock.session.stack.colour_by("gene", gene)
    assert np.isnan(dock.session.stack.colouring.measured).sum() == len(range(0, len(x), 7))
    dock.form.fields["method"].value = "soft-svd"
    dock.form.fields["draws"].value = 0
    dock.run_bar.run_button.click()
    finish(qtbot, dock)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.sentence.text()
    assert np.isfinite(dock.session.stack.colouring.measured).all()
    assert "takes no results" in dock.results.summary.text()  # a file is left as it is
    # a mask layer is offered, and asked for where none is chosen
    missing = dock.form.fields["missing"]
    assert not dock._mask.native.isVisible()
    missing.value = "mask"
    assert dock._mask.native.isVisible()
    assert [dock._mask.native.itemText(i) for i in range(dock._mask.native.count())] == ["lost"]
    dock._mask.value = ""
    dock.run_bar.run_button.click()
    assert dock.run_bar.problem.sentence.text().startswith("Choose the mask layer")
    dock._mask.value = "lost"
    assert not dock.run_bar.problem.isVisible()
    dock.run_bar.run_button.click()
    finish(qtbot, dock)
    result = list(dock.session.imputations.results.values())[-1]
    assert result.record.target["missing"] == "mask"
    assert (result.filled[:, 1:] == masked[:, 1:]).all()


def test_what_cannot_be_is_one_sentence(
    ready: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.genes.choose("ticked")
    ready.run_bar.run_button.click()
    assert ready.run_bar.problem.sentence.text().startswith("Tick the genes to impute")
    ready.genes.choose("")
    assert not ready.run_bar.problem.isVisible()
    ready.form.fields["missing"].value = "nan"
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    assert ready.run_bar.problem.sentence.text().startswith("The table holds no NaN")
    assert ready.session.imputations.results == {}


def test_progress_and_cancel(ready: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(*args: Any) -> None:
        monitor = args[-1]
        with monitor.stage("Fitting"):
            while not go.wait(0.01):
                monitor.step(1, 100, "soft-svd")
        raise StdiffError("Let go.")

    monkeypatch.setattr(dock_module, "impute", slow)
    estimate = Estimate("12 of 40 values.", Cost(0, 4.0, 20.0), "Fills in.")
    monkeypatch.setattr(dock_module, "estimate_cost", lambda *_: estimate)
    ready.run_bar.run_button.click()
    qtbot.waitUntil(lambda: "Fitting 1/100" in ready.run_bar.words.text(), timeout=20_000)
    ready.run_bar.cancel_button.click()
    finish(qtbot, ready)
    go.set()
    assert "Cancelled" in ready.run_bar.words.text()
    assert ready.session.imputations.results == {}


def test_a_reference_is_asked_for_where_it_is_looked_at(ready: Any, qtbot: Any) -> None:
    assert not ready.reference.isVisible()
    assert "soft-svd works without a reference; spotdiff" in ready.without.text()
    ready.form.fields["method"].value = "spotdiff"
    assert ready.reference.isVisible()
    assert not ready.without.isVisible()
    for fold in ready.findChildren(Folded):
        fold.unfold()
    ready.genes.choose("ticked")
    qtbot.wait(50)
    assert ready.body.minimumSizeHint().width() <= 300 - 14  # nothing is cut off


def test_the_dock_knows_which_methods_look_at_a_reference() -> None:
    looks = [name for name in entry_methods() if entry_method_class(name).reference != "none"]
    assert tuple(looks) == WITH_REFERENCE


def test_words_are_readable_on_every_theme(ready: Any) -> None:
    for theme in ("light", "dark"):
        ready.session.viewer.theme = theme
        QApplication.processEvents()
        palette = ready.without.palette()
        ink = palette.color(palette.ColorRole.WindowText).lightness()
        assert abs(ink - palette.color(palette.ColorRole.Window).lightness()) > 100, theme
