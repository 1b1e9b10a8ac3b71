"""The list of genes: what is marked how, what a search leaves, and all of it with the keys."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_stdiff.viewer.cover import two_digits
from napari_stdiff.viewer.gene_entries import split_names
from napari_stdiff.viewer.widgets.gene_list import GeneList
from napari_stdiff.viewer.widgets.gene_model import GeneModel, Trust
from napari_stdiff.viewer.widgets.status_row import STATUS

pytestmark = pytest.mark.viewer

MEASURED = ["Gad1", "Sst"]
REFERENCE = ["Gad2", "Cux2", "Cux1", "Acux2", "Vip"]


@pytest.fixture
def model(qapp: Any) -> GeneModel:
    model = GeneModel()
    model.set_genes(MEASURED, REFERENCE)
    return model


@pytest.fixture
def genes(qtbot: Any) -> GeneList:
    genes = GeneList()
    qtbot.addWidget(genes)
    genes.set_genes(MEASURED, REFERENCE)
    genes.show()
    return genes


def statuses(model: GeneModel) -> dict[str, str]:
    return {gene: model.index(i).data(STATUS) for i, gene in enumerate(model.shown)}


def test_every_gene_is_marked(model: GeneModel) -> None:
    assert statuses(model) == dict.fromkeys(MEASURED, "measured") | dict.fromkeys(
        REFERENCE, "in reference"
    )
    model.search("Foxp3")
    assert statuses(model) == {"Foxp3": "in neither"}
    assert model.flags(model.index(0)) == Qt.ItemFlag.NoItemFlags
    model.set_genes(MEASURED, None)  # nobody knows yet what a reference would have
    assert statuses(model) == {"Foxp3": "not measured"}


def test_a_search_shows_the_gene_itself_first(model: GeneModel) -> None:
    model.search("cux2")
    assert model.shown == ["Cux2", "Acux2"]
    model.search("cux")
    assert model.shown == ["Cux1", "Cux2", "Acux2"]
    model.search("", "measured")
    assert model.shown == MEASURED


def test_what_was_not_measured_stands_before_what_was(model: GeneModel) -> None:
    assert model.shown == ["Acux2", "Cux1", "Cux2", "Gad2", "Vip", "Gad1", "Sst"]
    model.search("gad")
    assert model.shown == ["Gad2", "Gad1"]
    model.search("gad1")  # it was typed in full
    assert model.shown == ["Gad1"]


def test_only_what_the_reference_alone_has_can_be_ticked(model: GeneModel) -> None:
    assert model.set_ticked("Vip")
    assert not model.set_ticked("Gad1")
    assert not model.set_ticked("Foxp3")
    box = Qt.ItemDataRole.CheckStateRole
    where = model.index(model.shown.index("Cux2"))
    assert model.setData(where, Qt.CheckState.Checked.value, box)
    assert model.ticked == ["Vip", "Cux2"]
    assert model.index(model.shown.index("Gad1")).data(box) is None
    model.set_genes(MEASURED, ["Cux2", "Foxp3"])  # another reference
    assert model.ticked == ["Cux2"]


def test_predicted_genes_come_first_the_most_reliable_on_top(model: GeneModel) -> None:
    trust = {"Vip": Trust("low", 0.1, 0.0, 0.3), "Cux1": Trust("high", 0.7, 0.6, 0.8)}
    model.set_trust(trust)
    assert model.shown[:2] == ["Cux1", "Vip"]
    assert statuses(model)["Cux1"] == "high · r 0.70"
    assert not model.index(0).data(Qt.ItemDataRole.DecorationRole).isNull()
    model.search("", "predicted")
    assert model.shown == ["Cux1", "Vip"]
    model.set_genes(MEASURED, None)  # a store that is opened again has no reference
    assert model.shown == ["Cux1", "Vip"]
    assert model.flags(model.index(0)) & Qt.ItemFlag.ItemIsEnabled


def test_a_number_does_not_pass_the_bar_of_a_better_badge() -> None:
    assert [two_digits(r) for r in (0.4999, 0.25, -0.004, 0.57)] == [
        "0.49",
        "0.25",
        "-0.01",
        "0.57",
    ]


def test_names_are_told_apart() -> None:
    assert split_names(" A, B;C\nA\t D ,,") == ["A", "B", "C", "D"]


def test_enter_ticks_and_the_next_name_replaces_the_last(genes: GeneList, qtbot: Any) -> None:
    qtbot.keyClicks(genes.search, "cux2")
    qtbot.keyClick(genes.search, Qt.Key.Key_Return)
    qtbot.keyClicks(genes.search, "vi")
    qtbot.keyClick(genes.search, Qt.Key.Key_Return)
    assert genes.genes == ["Cux2", "Vip"]
    assert genes.ticked.text() == "2 genes ticked: Cux2, Vip"
    qtbot.keyClick(genes.search, Qt.Key.Key_Return)
    assert genes.genes == ["Cux2"]  # once more: not any longer


def test_several_names_at_once(genes: GeneList, qtbot: Any) -> None:
    qtbot.keyClicks(genes.search, "GAD2, vip, gad1, Foxp3")
    qtbot.keyClick(genes.search, Qt.Key.Key_Return)
    assert genes.genes == ["Gad2", "Vip"]
    assert "the tissue has it: Gad1." in genes.message.text()
    assert "In neither the tissue nor the reference: Foxp3." in genes.message.text()
    assert genes.search.text() == ""
    assert len(genes.model.shown) > 1  # not what the last of the names leaves


def test_a_list_of_measured_genes_to_tick(qtbot: Any) -> None:
    genes = GeneList(tickable="measured", tips={"measured": "<p>Tick it.</p>"})
    qtbot.addWidget(genes)
    genes.set_genes(MEASURED, REFERENCE)
    genes.tick(["gad1", "vip"])
    assert genes.genes == ["Gad1"]
    assert "since the reference alone has it: Vip." in genes.message.text()
    where = genes.model.index(genes.model.shown.index("Gad1"))
    assert where.data(Qt.ItemDataRole.ToolTipRole) == "<p>Tick it.</p>"
    assert where.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    genes.set_trust({"Gad1": Trust("low", float("nan"), float("nan"), float("nan"))})
    assert genes.model.index(0).data(STATUS) == "low · r unknown"


def test_keys_lead_into_the_list_and_back(genes: GeneList, qtbot: Any) -> None:
    looked: list[str] = []
    genes.shown.connect(looked.append)
    qtbot.keyClicks(genes.search, "u")
    qtbot.keyClick(genes.search, Qt.Key.Key_Down)
    qtbot.keyClick(genes.view, Qt.Key.Key_Down)
    qtbot.keyClick(genes.view, Qt.Key.Key_Space)
    assert genes.genes == [genes.model.shown[1]]
    qtbot.keyClick(genes.view, Qt.Key.Key_S)
    assert genes.search.text() == "s"
    qtbot.keyClicks(genes.search, "st")
    qtbot.keyClick(genes.search, Qt.Key.Key_Return)
    assert looked == ["Sst"]  # measured: it is shown, not ticked
    assert "measured already" in genes.message.text()
