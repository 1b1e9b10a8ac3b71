"""The dock under a real window: its buttons, its errors, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.methods.base import Cost
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer import sample_data
from napari_stdiff.viewer.forms import Folded
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.widgets import interpolate as dock_module
from napari_stdiff.viewer.widgets.cost_line import Estimate, words_of
from napari_stdiff.viewer.widgets.interpolate import InterpolateWidget
from napari_stdiff.viewer.widgets.run_bar import TimeLeft, duration

pytestmark = pytest.mark.viewer


@pytest.fixture(scope="module")
def small() -> Any:
    return simulate(
        n_sections=3,
        cells_per_section=60,
        n_genes=10,
        n_extra_genes=0,
        n_reference_cells=50,
        image_size=60,
        seed=3,
    )


class FakeTask:
    """Stands in for the task: steps the monitor until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.left = threading.Event()
        self.error: Exception | None = None
        self.partial = False
        self.configs: list[InterpolateConfig] = []

    def __call__(
        self, tissue: Tissue, read_config: ReadConfig, config: InterpolateConfig, monitor: Monitor
    ) -> VirtualSection:
        self.configs.append(config)
        self.started.set()
        complete = True
        try:
            with monitor.stage("Fitting"):
                step = 0
                while not self.go.wait(0.01):
                    step = min(step + 1, 99)
                    monitor.step(step, 100, "loss 0.5")
            if self.error is not None:
                raise self.error
        except Cancelled:
            if not self.partial:
                raise
            complete = False
        finally:
            self.left.set()
        return a_section(tissue, config, complete)


def a_section(tissue: Tissue, config: InterpolateConfig, complete: bool = True) -> VirtualSection:
    name = config.hide or tissue.sections[1]
    _, cells = tissue.split(name)
    mean = np.random.default_rng(0).random((cells.n_cells, tissue.n_genes)).astype(np.float32)
    mean[:, 0] = 0  # an all-zero gene must not upset the drawing
    coords = cells.coords.copy()
    if not config.hide:
        coords[:, 0] = config.at
    record = RunRecord(
        task="interpolate",
        method=config.method,
        target={"hidden": config.hide, "tier": "A" if config.hide else "", "cells": "transport"},
        scores={"pcc": 0.5, "crps": 0.25, "coexpression": None} if config.hide else {},
        seconds={"fit": 2.0},
        notes=() if complete else ("Cancelled after 1 of 16 draws; the mean is complete.",),
    )
    prediction = Prediction(tissue.genes, mean, complete=complete)
    return VirtualSection(
        f"virtual_{name}", Query(coords, cells.cell_type), prediction, tissue.unit, record
    )


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTask]:
    fake = FakeTask()
    monkeypatch.setattr(dock_module, "interpolate", fake)
    monkeypatch.setattr(
        dock_module,
        "estimate_cost",
        lambda *_: Estimate("Copies cells.", Cost(512_000, 40.0, 200.0)),
    )
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    notification_manager.records.clear()
    yield fake
    fake.go.set()
    QThreadPool.globalInstance().waitForDone(5000)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)  # software rendering: fewer pixels, less waiting
    return viewer


@pytest.fixture
def dock(viewer: Any, task: FakeTask) -> InterpolateWidget:
    _, widget = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    return widget


@pytest.fixture(scope="module")
def tissue(small: Any) -> Tissue:
    """Return the small tissue, without its pictures: fewer layers to draw."""
    return replace(read(small.sdata, ReadConfig(z_unit="um")), histology={})


@pytest.fixture
def opened(dock: InterpolateWidget, tissue: Tissue, viewer: Any) -> InterpolateWidget:
    """Return the dock with the small tissue open, kept in memory alone."""
    session_of(viewer).set_tissue(tissue, None)
    return dock


def start(qtbot: Any, dock: InterpolateWidget, task: FakeTask) -> None:
    dock.run_bar.run_button.click()
    qtbot.waitUntil(task.started.is_set)


def finish(qtbot: Any, dock: InterpolateWidget) -> None:
    qtbot.waitUntil(lambda: not dock.run_bar.is_running and dock._job is None, timeout=20_000)


def said() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def virtual_layers(viewer: Any) -> list[Any]:
    states = [(layer, layer.metadata.get("stdiff", {})) for layer in viewer.layers]
    return [layer for layer, s in states if s.get("virtual") and s.get("role") == "points"]


def test_nothing_open_says_what_to_do(dock: InterpolateWidget) -> None:
    assert "Open Sample" in dock.data.about.text()
    assert not dock.run_bar.run_button.isVisible()
    assert not dock.task.isVisible()
    dock.run()  # there is nothing to run on
    assert dock._job is None


def test_one_section_is_too_few(opened: InterpolateWidget, tissue: Tissue) -> None:
    opened.session.set_tissue(tissue.rows(tissue.section == "section_1"), None)
    assert opened.where.hint.isVisible()
    assert not opened.where.slider.isVisible()
    assert opened.where.values() == {"at": "middle"}
    opened.session.set_tissue(tissue, None)
    assert not opened.where.hint.isVisible()
    assert opened.where.slider.isVisible()


def test_sample_opens_as_a_stack(
    dock: InterpolateWidget,
    viewer: Any,
    small: Any,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    monkeypatch.setattr("napari_stdiff.data.simulate.simulate", lambda: small)
    assert viewer.open_sample("napari-stdiff", "simulated") == []
    qtbot.waitUntil(lambda: dock.session.tissue is not None, timeout=20_000)
    assert dock.session.tissue is not None
    qtbot.waitUntil(lambda: len(viewer.layers) >= 3, timeout=20_000)  # drawn turn by turn
    assert dock.data.about.text().startswith("3 sections")
    assert "um" in dock.data.about.text()
    assert len(dock.where.slider.marks.fractions) == 3
    assert dock.run_bar.run_button.isVisible()
    assert viewer.screenshot(canvas_only=True, flash=False).std() > 1


@pytest.mark.parametrize(
    ("sample", "loader"), [("merfish", "squidpy_merfish"), ("visium", "visium_he")]
)
def test_sample_without_network_is_one_sentence(
    dock: InterpolateWidget,
    viewer: Any,
    sample: str,
    loader: str,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline() -> None:
        raise StdiffError("There is no network; connect and open the sample again.")

    monkeypatch.setattr(f"napari_stdiff.data.samples.{loader}", offline)
    assert viewer.open_sample("napari-stdiff", sample) == []
    qtbot.waitUntil(lambda: "There is no network; connect and open the sample again." in said())
    assert len(viewer.layers) == 0


def test_downloaded_sample_opens(
    dock: InterpolateWidget, small: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_stdiff.data.samples.squidpy_merfish", lambda: small.sdata)
    sample_data.merfish()
    qtbot.waitUntil(lambda: dock.session.tissue is not None)


def test_run_shows_progress_then_a_coloured_layer(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    opened.where.slider.set_value(60.0)
    start(qtbot, opened, task)
    bar = opened.run_bar
    qtbot.waitUntil(lambda: "Fitting" in bar.words.text() and "loss 0.5" in bar.words.text())
    assert bar.bar.isVisible()
    assert not bar.run_button.isEnabled()
    task.go.set()
    finish(qtbot, opened)
    assert task.configs[0].at == 60.0
    assert not bar.bar.isVisible()
    assert opened.results.isVisible()
    assert opened.results.selected() in opened.session.results
    assert "optimal transport" in opened.results.summary.text()
    (layer,) = virtual_layers(viewer)
    assert len(layer.data) == opened.session.results[opened.results.selected()].query.n_cells
    assert viewer.screenshot(canvas_only=True, flash=False).std() > 1


def test_hiding_a_section_gives_scores_in_words(
    opened: InterpolateWidget, task: FakeTask, qtbot: Any
) -> None:
    opened.where.hiding.click()
    opened.where.set_values(hide="section_2")
    task.go.set()
    start(qtbot, opened, task)
    finish(qtbot, opened)
    assert (task.configs[0].hide, task.configs[0].at) == ("section_2", "middle")
    text = opened.results.summary.text()
    assert "hidden section 'section_2'" in text
    assert "0.500" in text
    assert "Co-expression" not in text  # a score that the method does not have


def test_time_left_follows_the_slower_of_run_and_stage() -> None:
    left = TimeLeft()
    left.hear(Progress("Fitting", 1, 10, 0.1, None), now=0.0)
    assert left.at(0.0) is None
    left.hear(Progress("Fitting", 9, 10, 0.8, 2.0), now=8.0)
    assert left.at(8.0) == 2.0
    assert left.at(9.5) == 0.5  # counts down between steps
    assert left.at(99.0) == 0.0
    left.hear(Progress("Drawing", 1, 11, 0.81, 2.0), now=10.0)
    left.hear(Progress("Drawing", 2, 11, 0.82, 2.0), now=15.0)
    assert left.at(15.0) == pytest.approx(45.0)  # a draw takes five seconds, nine are left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under a second"), (42.4, "42 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (Cost(0, 0.2, 0.3), "Takes under a second and 1 MiB of memory (no network)."),
        (Cost(512_000, 40.0, 2048.0), "about 40 s and 2.0 GiB of memory (0.51 M parameters)."),
    ],
)
def test_cost_in_words(cost: Cost, words: str) -> None:
    assert words_of(cost).endswith(words)


def test_cancel_before_there_is_anything(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    start(qtbot, opened, task)
    opened.run_bar.cancel_button.click()
    assert "Cancelling" in opened.run_bar.words.text()
    finish(qtbot, opened)
    assert "Cancelled" in opened.run_bar.words.text()
    assert opened.session.results == {}
    assert opened.run_bar.run_button.isEnabled()
    task.started.clear()
    task.go.set()
    start(qtbot, opened, task)  # and it runs again
    finish(qtbot, opened)
    assert len(opened.session.results) == 1


def test_cancel_while_drawing_shows_what_is_done(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    task.partial = True
    start(qtbot, opened, task)
    opened.run_bar.cancel_button.click()
    finish(qtbot, opened)
    assert len(virtual_layers(viewer)) == 1
    assert "Cancelled, with what was done" in opened.run_bar.words.text()
    assert "1 of 16 draws" in opened.results.summary.text()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "ran out of memory"),
        (RuntimeError("something in a tensor"), "something in a tensor"),
        (StdiffError("The section has no cells; choose another."), "The section has no cells"),
    ],
)
def test_errors_reach_the_user(
    opened: InterpolateWidget, task: FakeTask, qtbot: Any, error: Exception, sentence: str
) -> None:
    task.error = error
    task.go.set()
    start(qtbot, opened, task)
    finish(qtbot, opened)
    box = opened.run_bar.problem
    assert box.isVisible()
    assert sentence in box.sentence.text()
    assert any(sentence in line for line in said())
    assert not box.details.isVisible()
    box.show_details.click()
    assert box.details.isVisible()
    box.copy.click()
    copied = QApplication.clipboard().text()
    assert sentence in copied
    assert "Traceback" in copied
    task.error = None
    opened.run_bar.run_button.click()
    assert not box.isVisible()
    finish(qtbot, opened)
    assert len(opened.session.results) == 1


def test_a_setting_that_cannot_be_is_told(opened: InterpolateWidget, task: FakeTask) -> None:
    opened.form.fields["epochs"].native.setMinimum(-5)
    opened.form.fields["epochs"].native.setValue(-1)
    opened.run_bar.run_button.click()
    assert "epochs" in opened.run_bar.problem.sentence.text()
    assert not task.started.is_set()


def test_closing_the_dock_ends_the_run(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    start(qtbot, opened, task)
    viewer.window.remove_dock_widget(opened)
    assert task.left.is_set()
    qtbot.wait(50)
    assert session_of(viewer).results == {}
    session_of(viewer).tissue_changed.emit()  # a closed dock listens no more
    assert opened.cost._timer.isActive() is False


def test_hiding_the_dock_lets_it_run(
    opened: InterpolateWidget, task: FakeTask, qtbot: Any
) -> None:
    start(qtbot, opened, task)
    opened.parent().close()  # the eye in the title bar
    qtbot.wait(50)
    assert not task.left.is_set()
    task.go.set()
    finish(qtbot, opened)
    assert len(opened.session.results) == 1


def test_closing_napari_ends_the_run(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    start(qtbot, opened, task)
    viewer.close()
    assert task.left.wait(5)


def test_removing_the_layers_ends_the_run(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    start(qtbot, opened, task)
    viewer.layers.clear()
    assert task.left.wait(5)
    finish(qtbot, opened)


def test_result_on_data_that_is_gone_is_dropped(
    opened: InterpolateWidget, task: FakeTask, tissue: Tissue, qtbot: Any
) -> None:
    task.partial = True
    start(qtbot, opened, task)
    opened.session.set_tissue(tissue.rows(np.arange(0, tissue.n_cells, 2)), None)
    finish(qtbot, opened)
    assert opened.session.results == {}


def test_cost_is_said_before_the_run(opened: InterpolateWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "40 s" in opened.cost.text(), timeout=5000)
    assert opened.cost.text().startswith("Copies cells.\n")
    assert "0.51 M parameters" in opened.cost.text()
    assert "200 MiB" in opened.cost.text()


def test_cost_that_cannot_be_told_says_why(
    opened: InterpolateWidget, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Estimate:
        raise StdiffError("Two sections are too few.")

    monkeypatch.setattr(dock_module, "estimate_cost", refuse)
    opened.form.fields["draws"].value = 3
    qtbot.waitUntil(lambda: opened.cost.text() == "Two sections are too few.", timeout=5000)


def test_remove_a_result(
    opened: InterpolateWidget,
    viewer: Any,
    task: FakeTask,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task.go.set()
    for _ in range(2):
        task.started.clear()
        start(qtbot, opened, task)
        finish(qtbot, opened)
    assert opened.results.list.count() == 2
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *a, **k: answers.pop(0))
    gone = opened.results.selected()
    opened.results.remove.click()
    assert opened.results.list.count() == 2
    opened.results.remove.click()
    assert gone not in opened.session.results
    assert opened.results.list.count() == 1
    assert len(virtual_layers(viewer)) == 1


def write_h5ad(small: Any, path: Path) -> Path:
    adata = small.sdata["table"].copy()
    adata.uns = {}
    coords = read(small.sdata).coords
    adata.obsm["spatial"] = coords[:, ::-1][:, :2].copy()
    adata.obs = adata.obs.rename(columns={"section": "slab"})
    adata.write_h5ad(path)
    return path


def test_open_a_file_and_read_it_differently(
    dock: InterpolateWidget, small: Any, tmp_path: Path, qtbot: Any
) -> None:
    path = str(write_h5ad(small, tmp_path / "tissue.h5ad"))
    dock.data.source.picked.emit(path)
    dock_says = dock.data.about.text
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=10_000)
    if dock.session.tissue is None:  # the column was not recognised: say it
        assert dock.run_bar.problem.isVisible()
    dock.data.reading.fields["section_key"].value = "slab"
    dock.data.open_data(path) if dock.session.tissue is None else dock.data.read_again.click()
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=10_000)
    assert "3 sections" in dock_says()
    assert "tissue.h5ad" in dock.data.source.choice.itemText(0)
    assert dock.session.store == path
    assert "slab" in dock.data.detected.text()


def test_a_file_that_is_none_is_one_sentence(
    dock: InterpolateWidget, tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "wrong.h5ad").write_text("hello")
    dock.data.source.picked.emit(str(tmp_path / "wrong.h5ad"))
    qtbot.waitUntil(dock.run_bar.problem.isVisible, timeout=10_000)
    assert "wrong.h5ad" in dock.run_bar.problem.sentence.text()
    # the reader says that it failed, and with the next event that it has ended
    qtbot.waitUntil(lambda: "Open Sample" in dock.data.about.text(), timeout=2_000)


def test_values_are_there_next_time(
    opened: InterpolateWidget, viewer: Any, task: FakeTask, qtbot: Any
) -> None:
    opened.form.fields["learning_rate"].value = 3e-5
    opened.form.fields["method"].value = "knn"
    task.go.set()
    start(qtbot, opened, task)
    finish(qtbot, opened)
    again = InterpolateWidget(viewer)
    config = again.config()
    assert (config.learning_rate, config.method) == (3e-5, "knn")
    again.deleteLater()
    qtbot.wait(20)


def test_nothing_is_cut_off_at_300_pixels(
    opened: InterpolateWidget, task: FakeTask, qtbot: Any
) -> None:
    opened.where.hiding.click()
    task.go.set()
    start(qtbot, opened, task)
    finish(qtbot, opened)
    for fold in opened.findChildren(Folded):
        fold.unfold()
    qtbot.wait(50)
    assert opened.body.minimumSizeHint().width() <= 300 - 14  # less the scroll bar


@pytest.mark.parametrize("method", ["typed-knn", "stdiffusion"])
def test_real_run(
    method: str,
    viewer: Any,
    tissue: Tissue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    session_of(viewer).set_tissue(tissue, None)
    dock.form.fields["method"].value = method
    dock.form.fields["draws"].value = 2
    dock.form.fields["epochs"].value = 2
    dock.where.hiding.click()
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=120_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()
    assert "Correlation per gene" in dock.results.summary.text()
    assert len(virtual_layers(viewer)) == 1


def test_from_a_store_and_back_into_it(
    viewer: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    from spatialdata import SpatialData, read_zarr

    path = tmp_path / "tissue.zarr"
    copy = SpatialData(shapes=dict(small.sdata.shapes), tables={"table": small.sdata["table"]})
    copy.write(path)
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.Yes)
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    dock.data.source.picked.emit(str(path))
    qtbot.waitUntil(lambda: dock.session.tissue is not None, timeout=20_000)
    dock.form.fields["method"].value = "knn"
    dock.form.fields["draws"].value = 0
    dock.where.slider.set_value(50.0)
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=60_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()
    (name,) = dock.session.results
    qtbot.waitUntil(lambda: name in dock.session.saved_names, timeout=20_000)
    assert name in read_zarr(path).tables
    assert memory.about_data(str(path))["interpolate"] == {"at": 50.0}

    dock.data.source.picked.emit(str(path))  # opened again: the result is there, and the depth
    qtbot.waitUntil(lambda: dock.data._job is None, timeout=20_000)
    assert dock.results.selected() == name
    assert dock.where.values() == {"at": 50.0}
    dock.results.remove.click()
    assert set(read_zarr(path).tables) == {"table"}
