"""The dock that predicts genes: reference, list, Run, what comes out, and errors in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.predicted import PredictedGenes, Reliability
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Cost
from napari_stdiff.tasks.gene_config import PredictGenesConfig
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.forms import Folded
from napari_stdiff.viewer.layers import state_of
from napari_stdiff.viewer.references import Source, of_file
from napari_stdiff.viewer.widgets import predict_genes as dock_module
from napari_stdiff.viewer.widgets import reference_dock
from napari_stdiff.viewer.widgets.cost_line import Estimate

pytestmark = pytest.mark.viewer


@pytest.fixture(scope="module")
def sample() -> Any:
    return simulate(
        n_sections=3,
        cells_per_section=60,
        n_genes=12,
        n_extra_genes=6,
        n_reference_cells=120,
        image_size=60,
        seed=3,
    )


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
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Predict genes")
    yield dock
    QThreadPool.globalInstance().waitForDone(5000)


@pytest.fixture
def ready(dock: Any, sample: Any, tissue: Tissue, qtbot: Any) -> Any:
    """Return the dock with the tissue open and the sample's reference chosen."""
    dock.session.set_tissue(tissue, None, None, sample.reference)
    dock.reference.refresh([])
    dock.reference.choice.setCurrentIndex(1)
    dock.reference.choice.activated.emit(1)
    qtbot.waitUntil(lambda: dock.reference.read is not None, timeout=20_000)
    dock.form.fields["method"].value = "ridge"
    dock.form.fields["draws"].value = 2
    return dock


class FakeTask:
    """Stands in for the task: steps the monitor until it is let go, then predicts 0.5."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.configs: list[PredictGenesConfig] = []

    def __call__(
        self,
        tissue: Tissue,
        reference: Any,
        read_config: ReadConfig,
        config: PredictGenesConfig,
        monitor: Monitor,
    ) -> PredictedGenes:
        self.configs.append(config)
        self.started.set()
        with monitor.stage("Hidden genes, fold 1 of 5"):
            while not self.go.wait(0.01):
                monitor.step(1, 100, "ridge")
        genes = np.array([g.strip() for g in config.genes.split(",")] or ["Vip"], object)
        mean = np.full((tissue.n_cells, len(genes)), 0.5, np.float32)
        ones = np.ones(len(genes))
        record = RunRecord(
            task="predict-genes",
            method=config.method,
            parameters=config.model_dump(mode="json"),
        )
        return PredictedGenes(
            "genes_ridge",
            Prediction(genes, mean, 0.1 + 0 * mean),
            tissue.names,
            Reliability(0.3 * ones, 0.1 * ones, 0.5 * ones),
            record,
        )


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTask]:
    fake = FakeTask()
    monkeypatch.setattr(dock_module, "predict_genes", fake)
    monkeypatch.setattr(
        dock_module, "estimate_cost", lambda *_: Estimate("Guesses.", Cost(0, 4.0, 20.0))
    )
    yield fake
    fake.go.set()


def finish(qtbot: Any, dock: Any) -> None:
    qtbot.waitUntil(lambda: dock._job is None and not dock.run_bar.is_running, timeout=60_000)


def covers(dock: Any) -> list[Any]:
    every = dock.session.viewer.layers
    return [layer for layer in every if (state_of(layer) or {}).get("role") == "predicted"]


def test_type_a_gene_run_and_see_it(ready: Any, tissue: Tissue, qtbot: Any) -> None:
    """Press it through with a real method: the main job of the dock."""
    gene = ready.reference.read.match.only_reference[0]
    assert "6 more that can be predicted" in ready.reference.about.text()
    qtbot.keyClicks(ready.genes.search, gene.lower())
    qtbot.keyClick(ready.genes.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "1 gene in 180 cells." in ready.cost.text(), timeout=20_000)
    assert "Takes" in ready.cost.text()
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    assert not ready.run_bar.problem.isVisible(), ready.run_bar.problem.details.toPlainText()
    (result,) = ready.session.predictions.results.values()
    assert ready.run_bar.words.text() == f"Done: {gene} ({result.name})."
    assert ready.session.stack.colouring.name == gene
    shown = np.concatenate([layer.features["value"] for layer in covers(ready)])
    order = np.concatenate([np.flatnonzero(tissue.section == s) for s in tissue.sections])
    np.testing.assert_allclose(shown, result.mean[order, 0])
    badge, *_ = ready.session.predictions.expected(gene)
    assert badge in ready.trust.words.text()
    assert ready.trust.isVisible()
    ready.genes.search.clear()
    assert ready.genes.model.shown[0] == gene  # badged, on top
    assert ready.results.selected() == result.name
    assert "Pearson of hidden genes" in ready.results.summary.text()


def test_what_is_missing_is_one_sentence(dock: Any, sample: Any, tissue: Tissue) -> None:
    assert not dock.task.isVisible()
    assert "list above" not in dock.reference.about.text()
    dock.session.set_tissue(tissue, None, None, sample.reference)
    dock.on_layers()
    assert dock.reference.about.text().endswith("The list above offers one.")
    assert dock.genes.model.count("measured") == 12
    assert dock.genes.model.count("in reference") == 0
    dock.run()
    assert dock.run_bar.problem.sentence.text().startswith("Choose a reference first")
    assert dock._job is None


def test_no_gene_is_one_sentence_until_one_is_ticked(ready: Any, task: FakeTask) -> None:
    ready.run()
    assert ready.run_bar.problem.sentence.text().startswith("Tick the genes to predict")
    assert task.configs == []
    ready.genes.tick(ready.reference.read.match.only_reference[:1])
    assert not ready.run_bar.problem.isVisible()


def test_a_sentence_is_readable_on_every_theme(dock: Any, tissue: Tissue) -> None:
    dock.session.set_tissue(tissue, None)
    dock.run()
    told, viewer = dock.run_bar.problem.sentence, dock.session.viewer
    for theme in ("light", "dark"):
        viewer.theme = theme
        QApplication.processEvents()
        palette = told.palette()
        text, ground = (
            palette.color(role).lightness()
            for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Window)
        )
        assert abs(text - ground) > 100, theme


def test_a_missing_reference_is_no_problem_once_it_is_chosen(
    dock: Any, sample: Any, tissue: Tissue, qtbot: Any
) -> None:
    dock.session.set_tissue(tissue, None, None, sample.reference)
    dock.run()
    assert dock.run_bar.problem.isVisible()
    dock.reference.choose(Source("reference", sample.reference))
    qtbot.waitUntil(lambda: dock.reference.read is not None, timeout=20_000)
    assert not dock.run_bar.problem.isVisible()


def test_a_file_that_is_no_reference_is_one_sentence(
    ready: Any, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(reference_dock, "show_error", told.append)
    bad = tmp_path / "notes.h5ad"
    bad.write_text("not a table")
    ready.reference.choose(of_file(str(bad)))
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    assert "notes.h5ad" in told[0]
    assert ready.reference.about.text() == told[0]
    assert ready.reference.source is None
    assert ready.genes.model.count("in reference") == 0


def test_progress_cancel_and_another_run(ready: Any, task: FakeTask, qtbot: Any) -> None:
    ready.genes.tick(ready.reference.read.match.only_reference[:2])
    ready.run_bar.run_button.click()
    qtbot.waitUntil(lambda: "ridge" in ready.run_bar.words.text(), timeout=20_000)
    assert ready.run_bar.words.text().startswith("Hidden genes, fold 1 of 5, step 1/100")
    ready.run_bar.cancel_button.click()
    finish(qtbot, ready)
    assert "Cancelled" in ready.run_bar.words.text()
    assert ready.session.predictions.results == {}
    task.go.set()
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    assert task.configs[1].genes.split(", ") == ready.genes.genes
    assert "and 1 more" in ready.run_bar.words.text()


def test_fade_spread_and_removing(
    ready: Any, task: FakeTask, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gene = ready.reference.read.match.only_reference[0]
    ready.genes.tick([gene])
    task.go.set()
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    ready.trust.fade.box.setValue(100.0)
    assert ready.session.stack.fade == 1.0
    assert ready.session.stack.section("section_1").trust is not None
    ready.trust.quantity.setCurrentIndex(1)
    ready.trust.quantity.activated.emit(1)
    assert ready.session.stack.quantity == "std"
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    ready.results.remove.click()
    assert ready.session.predictions.results == {}
    assert covers(ready) == []
    assert not ready.results.isVisible()
    assert not ready.trust.isVisible()
    assert not ready.genes.model.is_predicted(gene)


def test_which_genes_other_than_ticked_ones(ready: Any, task: FakeTask, qtbot: Any) -> None:
    fields = ready.form.fields
    assert not fields["n_hvg"].native.isVisible()
    shown = fields["which"].native
    assert shown.currentText() == "those ticked above"
    shown.setCurrentIndex(shown.findText("most variable ones"))
    assert fields["which"].value == ready.config().which == "hvg"
    assert fields["n_hvg"].native.isVisible()
    assert ready.config().genes == ""
    ready.genes.tick(ready.reference.read.match.only_reference[:1])
    assert fields["which"].value == "listed"  # who ticks means these
    for fold in ready.findChildren(Folded):
        fold.unfold()
    qtbot.wait(50)
    assert ready.body.minimumSizeHint().width() <= 300 - 14  # nothing is cut off


def test_reference_and_genes_are_remembered(
    dock: Any, sample: Any, tissue: Tissue, task: FakeTask, tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "reference.h5ad"
    sample.reference.write_h5ad(path)
    here = replace(tissue, origin=replace(tissue.origin, path=str(tmp_path / "tissue.h5ad")))
    dock.session.set_tissue(here, None)
    dock.reference.choose(of_file(str(path)))
    qtbot.waitUntil(lambda: dock.reference.read is not None, timeout=20_000)
    ticked = list(dock.reference.read.match.only_reference[:2])
    dock.genes.tick(ticked)
    task.go.set()
    dock.run_bar.run_button.click()
    finish(qtbot, dock)
    dock.session.set_tissue(tissue, None)  # other data: nothing is known of it
    assert dock.reference.source is None
    assert dock.genes.genes == []
    dock.session.set_tissue(here, None)
    qtbot.waitUntil(lambda: dock.genes.genes == ticked, timeout=20_000)


def test_a_run_that_fails_is_told(ready: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise StdiffError("Tissue and reference share 2 genes; at least 3 are needed.")

    monkeypatch.setattr(dock_module, "predict_genes", fails)
    ready.genes.tick(ready.reference.read.match.only_reference[:1])
    ready.run_bar.run_button.click()
    finish(qtbot, ready)
    assert "share 2 genes" in ready.run_bar.problem.sentence.text()
