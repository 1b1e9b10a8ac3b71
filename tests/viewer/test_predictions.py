"""Predicted genes over measured cells: layers, colours, trust, and their place in a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QObject, Qt

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.predicted import PredictedGenes, Reliability, confidence_of
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.results import list_results, save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.figure_key import title, words_of
from napari_stdiff.viewer.layers import FAINTEST, PREDICTED, state_of
from napari_stdiff.viewer.session import Session
from napari_stdiff.viewer.widgets.colour_panel import index_of
from napari_stdiff.viewer.widgets.gene_results import GeneResults, describe
from napari_stdiff.viewer.widgets.search_box import _Found
from napari_stdiff.viewer.widgets.status_row import STATUS
from napari_stdiff.viewer.widgets.view_panel import SectionList

pytestmark = pytest.mark.viewer


def predicted(tissue: Tissue, name: str = "genes_ridge", seed: int = 0) -> PredictedGenes:
    rng = np.random.default_rng(seed)
    mean = rng.random((tissue.n_cells, 2)).astype(np.float32)
    std = rng.uniform(0.1, 0.5, mean.shape).astype(np.float32)
    trust = Reliability(np.array([0.7, 0.1]), np.array([0.6, 0.0]), np.array([0.8, 0.2]))
    record = RunRecord(task="predict-genes", method="ridge", scores={"coverage80": 0.8})
    prediction = Prediction(np.array(["Cux2", "Vip"], object), mean, std)
    return PredictedGenes(name, prediction, tissue.names, trust, record)


def layers(viewer: ViewerModel, role: str) -> list[Any]:
    return [layer for layer in viewer.layers if (state_of(layer) or {}).get("role") == role]


def test_a_predicted_gene_has_layers_of_its_own_over_the_same_cells(
    viewer: ViewerModel, session: Session, small_tissue: Tissue
) -> None:
    known = predicted(small_tissue)
    viewer.layers.selection = {layers(viewer, "points")[0]}
    session.predictions.keep(known)
    assert "Vip" in session.stack.genes
    assert layers(viewer, "predicted") == []  # types are shown still
    session.stack.colour_by("gene", "Cux2")
    covers = layers(viewer, "predicted")
    assert [layer.name for layer in covers] == [f"predicted · {s}" for s in small_tissue.sections]
    assert not any(layer.visible for layer in layers(viewer, "points"))
    assert viewer.layers.selection == {covers[0]}
    for layer, section in zip(covers, small_tissue.sections, strict=True):
        rows = small_tissue.section == section
        np.testing.assert_array_equal(layer.data, small_tissue.coords[rows])
        np.testing.assert_allclose(layer.features["value"], known.mean[rows, 0])
        np.testing.assert_allclose(layer.features["mean"], known.mean[rows, 0], atol=6e-4)
        np.testing.assert_allclose(layer.features["spread"], known.std[rows, 0], atol=6e-4)
        assert {str(s) for s in layer.symbol} == {PREDICTED.symbol}
        histology = session.stack.section(section).image
        assert list(viewer.layers).index(layer) > list(viewer.layers).index(histology)
    assert session.stack.title == ("Cux2 · predicted by ridge\nhigh reliability, expected r 0.70")
    session.stack.colour_by("gene", "Gad1")  # measured
    assert layers(viewer, "predicted") == []
    assert all(layer.visible for layer in layers(viewer, "points"))
    assert viewer.layers.selection == {layers(viewer, "points")[0]}


def test_of_a_gene_that_was_measured_too_it_is_said_which_is_shown(
    session: Session, small_tissue: Tissue
) -> None:
    known = predicted(small_tissue)
    genes = np.array(["Gad1", "Vip"], object)
    session.predictions.keep(
        replace(known, prediction=replace(known.prediction, genes=genes)), persist=False
    )
    stack = session.stack
    stack.colour_by("gene", "Gad1")
    np.testing.assert_array_equal(stack.colouring.measured, stack.measured("Gad1"))
    assert stack.title == (
        "Gad1 · as measured, log-normalised expression\n"
        "also predicted by ridge: Maps side by side shows both"
    )
    assert title(session) == "Gad1 · as measured, log-normalised expression"  # of a figure
    assert words_of(session, stack.colouring) == "Gad1, measured, log-normalised"
    stack.quad.show(True)
    assert [m.kind for m in stack.quad.maps] == [
        "measured", "predicted", "difference", "uncertainty",
    ]  # fmt: skip
    stack.quad.show(False)
    stack.colour_by("gene", "Gad2")
    assert stack.title == "Gad2 · log-normalised expression"
    stack.colour_by("gene", "Vip")
    assert stack.title.startswith("Vip · predicted by ridge")
    owner = QObject()
    found = _Found(owner)
    found.show_hits(index_of(session).search("gad1", 1) + index_of(session).search("vip", 1))
    assert [found.index(i).data(STATUS) for i in (0, 1)] == [
        "measured, also predicted", "predicted · r 0.10",
    ]  # fmt: skip
    icon, tip = Qt.ItemDataRole.DecorationRole, Qt.ItemDataRole.ToolTipRole
    assert [found.index(i).data(icon) is None for i in (0, 1)] == [True, False]
    assert "which is what is shown" in found.index(0).data(tip)


def test_the_list_of_sections_says_what_is_shown(
    session: Session, small_tissue: Tissue, make_virtual: Callable[..., VirtualSection], qtbot: Any
) -> None:
    listed = SectionList(session)
    qtbot.addWidget(listed)
    session.stack.sections_changed.connect(listed.refresh)
    session.stack.colours_changed.connect(listed.refresh)
    session.predictions.keep(predicted(small_tissue))
    session.add_result(make_virtual("virtual_a", 20.0), persist=False)

    def words() -> list[str]:
        rows = [listed.topLevelItem(i) for i in range(listed.topLevelItemCount())]
        return sorted(row.text(2) for row in rows)

    n = len(small_tissue.sections)
    assert words() == ["measured"] * n + ["virtual"]
    session.stack.colour_by("gene", "Vip")
    assert words() == ["predicted"] * n + ["virtual"]
    tips = [listed.topLevelItem(i).toolTip(0) for i in range(listed.topLevelItemCount())]
    assert sum("measured cells, showing a predicted gene" in tip for tip in tips) == n
    session.stack.colour_by("gene", "Gad1")
    assert words() == ["measured"] * n + ["virtual"]
    assert not any("predicted gene" in listed.topLevelItem(i).toolTip(0) for i in range(n + 1))


def test_all_sections_share_one_scale_with_virtual_ones(
    viewer: ViewerModel,
    session: Session,
    small_tissue: Tissue,
    make_virtual: Callable[..., VirtualSection],
) -> None:
    known = predicted(small_tissue)
    session.predictions.keep(known)
    session.add_result(make_virtual("virtual_a", 20.0), persist=False)
    session.stack.colour_by("gene", "Vip")
    wanted = tuple(np.percentile(known.mean[:, 1], (1, 99)))
    np.testing.assert_allclose(session.stack.limits, wanted, rtol=1e-5)
    limits = {layer.face_contrast_limits for layer in layers(viewer, "predicted")}
    limits |= {session.stack.section("virtual_a", True).points.face_contrast_limits}
    assert limits == {session.stack.limits}
    assert np.isnan(session.stack.colouring.virtual["virtual_a"]).all()  # it does not know Vip


def test_the_spread_is_a_colouring_of_its_own(session: Session, small_tissue: Tissue) -> None:
    known = predicted(small_tissue)
    session.predictions.keep(known)
    session.stack.colour_by("gene", "Cux2")
    session.stack.set_quantity("std")
    np.testing.assert_array_equal(session.stack.colouring.measured, known.std[:, 0])
    assert session.stack.limits[1] == pytest.approx(np.percentile(known.std[:, 0], 99))
    assert "spread" in session.stack.title
    session.stack.set_quantity("mean")
    np.testing.assert_array_equal(session.stack.colouring.measured, known.mean[:, 0])


def test_the_least_sure_cells_fade(
    viewer: ViewerModel, session: Session, small_tissue: Tissue
) -> None:
    known = predicted(small_tissue)
    session.predictions.keep(known)
    session.stack.colour_by("gene", "Cux2")
    session.stack.set_fade(0.25)
    alpha = np.concatenate([layer.face_color[:, 3] for layer in layers(viewer, "predicted")])
    order = np.concatenate(
        [np.flatnonzero(small_tissue.section == name) for name in small_tissue.sections]
    )
    sure = confidence_of(known.mean[:, 0], known.std[:, 0])[order]
    faded = sure < np.quantile(sure, 0.24)
    assert (alpha[faded] < 1).all()
    assert (alpha[sure > np.quantile(sure, 0.26)] == 1).all()
    assert alpha.min() < FAINTEST + 0.1
    assert (np.diff(alpha[np.argsort(sure)]) >= -1e-6).all()  # surer is never fainter
    session.stack.set_fade(0.0)
    assert all((layer.face_color[:, 3] == 1).all() for layer in layers(viewer, "predicted"))
    session.stack.set_fade(1.0)
    session.stack.colour_by("gene", "Gad1")  # measured: nothing to doubt
    assert all((layer.face_color[:, 3] == 1).all() for layer in layers(viewer, "points"))


def test_sections_are_shown_and_hidden_as_ever(
    viewer: ViewerModel, session: Session, small_tissue: Tissue
) -> None:
    session.predictions.keep(predicted(small_tissue))
    session.stack.colour_by("gene", "Cux2")
    stack, section = session.stack, session.stack.section("second")
    stack.set_visible(section, False)
    assert not section.cover.visible
    stack.set_visible(section, True)
    assert section.cover.visible
    assert not section.points.visible
    assert section.image.visible
    section.image.visible = False  # by hand
    viewer.layers.remove(section.cover)
    assert not section.visible
    stack.set_visible(section, True)
    assert section.cover in viewer.layers
    section.cover.visible = False  # its eye in the layer list
    assert not section.visible
    stack.colour_by("gene", "Gad1")
    assert not section.points.visible
    viewer.layers.remove(stack.section("first").points)
    stack.colour_by("gene", "Vip")
    stack.set_size(2.0)
    cover = stack.section("third").cover
    np.testing.assert_allclose(cover.size, stack.point_diameter * PREDICTED.scale)


def test_moved_sections_keep_their_predicted_genes(session: Session, small_tissue: Tissue) -> None:
    known = predicted(small_tissue)
    session.predictions.keep(known)
    session.stack.colour_by("gene", "Cux2")
    session.move_tissue(replace(small_tissue, coords=small_tissue.coords + 5.0), True)
    section = session.stack.section("second")
    np.testing.assert_array_equal(section.cover.data, section.coords)
    np.testing.assert_array_equal(session.stack.colouring.measured, known.mean[:, 0])


def test_the_newest_result_counts_unless_another_is_chosen(
    session: Session, small_tissue: Tissue
) -> None:
    first, second = predicted(small_tissue, seed=1), predicted(small_tissue, seed=2)
    known = session.predictions
    assert [known.keep(first), known.keep(second)] == ["genes_ridge", "genes_ridge_2"]
    np.testing.assert_array_equal(known.values("Vip"), second.mean[:, 1])
    known.prefer("genes_ridge")
    np.testing.assert_array_equal(known.values("Vip"), first.mean[:, 1])
    known.remove("genes_ridge")
    np.testing.assert_array_equal(known.values("Vip"), second.mean[:, 1])
    session.stack.colour_by("gene", "Vip")
    known.remove("genes_ridge_2")
    assert session.stack.colouring.kind == "none"
    assert "Vip" not in session.stack.genes
    with pytest.raises(StdiffError, match="no gene 'Vip'"):
        session.stack.colour_by("gene", "Vip")


def test_cells_are_found_by_name(session: Session, small_tissue: Tissue) -> None:
    backwards = predicted(small_tissue.rows(np.arange(100)[::-1]))
    session.predictions.keep(backwards)
    values = session.predictions.values("Cux2")
    np.testing.assert_array_equal(values[:100], backwards.mean[::-1, 0])
    assert np.isnan(values[100:]).all()
    others = replace(backwards, names=np.array([f"other{i}" for i in range(100)]))
    with pytest.raises(StdiffError, match="other cells"):
        session.predictions.keep(others)


def test_predicted_genes_are_saved_found_again_and_removed(
    viewer: ViewerModel,
    session: Session,
    small_tissue: Tissue,
    make_virtual: Callable[..., VirtualSection],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    store = tmp_path / "tissue.zarr"
    save(make_virtual("virtual_a", 20.0), store, replace(small_tissue, histology={}))
    tissue = read(store)
    session.set_tissue(tissue, store)
    known = predicted(tissue)
    listed = GeneResults(session.predictions)
    qtbot.addWidget(listed)
    with qtbot.waitSignal(session.predictions.saved, timeout=30_000):
        session.predictions.keep(known)
        listed.refresh()
        assert "Saved in the store" not in listed.summary.text()
    assert "Saved in the store as 'genes_ridge'" in listed.summary.text()
    assert session.predictions.notes == {}
    assert {i.name for i in list_results(store)} == {"virtual_a", "genes_ridge"}
    session.set_tissue(tissue, store)  # opened once more
    assert list(session.results) == ["virtual_a"]
    found = session.predictions.results["genes_ridge"]
    np.testing.assert_array_equal(found.mean, known.mean)
    assert session.predictions.expected("Vip") == ("low", 0.1, 0.0, 0.2)
    session.stack.colour_by("gene", "Vip")
    session.predictions.remove("genes_ridge")
    assert [i.name for i in list_results(store)] == ["virtual_a"]
    assert layers(viewer, "predicted") == []


def test_a_file_takes_no_results(
    session: Session,
    small_tissue: Tissue,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: Any,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Session, "notice", lambda self, sentence: said.append(sentence))
    path = tmp_path / "tissue.h5ad"
    path.touch()
    session.set_tissue(small_tissue, path)
    listed = GeneResults(session.predictions)
    qtbot.addWidget(listed)
    session.predictions.keep(predicted(small_tissue))
    assert "takes no results" in session.predictions.notes["genes_ridge"]
    assert "kept in memory" in said[0]
    listed.refresh()
    assert "Not saved: an .h5ad file" in listed.summary.text()


def test_a_result_in_words(small_tissue: Tissue) -> None:
    text = describe(predicted(small_tissue))
    assert "2 genes in 120 cells, predicted by ridge" in text
    assert "1 high, 0 medium, 1 low" in text
    assert "80 % interval covers" in text
