"""Finding genes, walking a list, hiding labels and picking cells, in a real window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_stdiff.data.tissue import Segmentation, Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer import remember as remember_module
from napari_stdiff.viewer.gene_entries import Entry, entries_of
from napari_stdiff.viewer.gene_index import GeneIndex
from napari_stdiff.viewer.layers import camera_of, state_of
from napari_stdiff.viewer.recents import Recents
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.show import settle
from napari_stdiff.viewer.widgets.cell_table import CellsWidget
from napari_stdiff.viewer.widgets.search_box import SearchBox
from napari_stdiff.viewer.widgets.stack import StackWidget
from napari_stdiff.viewer.widgets.status_row import STATUS
from napari_stdiff.viewer.widgets.swatches import Swatches

pytestmark = pytest.mark.viewer

Make = Callable[..., VirtualSection]
KEYS = Qt.Key


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember_module, "remembered_path", lambda: tmp_path / "docks.json")


@pytest.fixture
def box(qtbot: Any) -> SearchBox:
    box = SearchBox(Recents())
    qtbot.addWidget(box)
    entries = entries_of(
        ["Gad1", "Gad2", "Slc17a6", "Vip"],
        ["cell_type"],
        measured=["Gad1", "Gad2", "Slc17a6"],
        predicted={"Vip": ("medium", 0.3)},
    )
    box.offer(lambda: GeneIndex(entries))
    box.resize(280, 24)
    box.show()
    box.show_name("cell_type")
    return box


def rows(box: SearchBox) -> list[str]:
    return [hit.entry.name for hit in box.found.hits]


def test_typing_arrows_and_enter_choose(box: SearchBox, qtbot: Any) -> None:
    picked: list[str] = []
    box.picked.connect(lambda hit, text: picked.append(hit.entry.name))
    box.selectAll()
    qtbot.keyClicks(box, "gad")
    assert rows(box)[:2] == ["Gad1", "Gad2"]
    assert box.list.isVisible()
    qtbot.keyClick(box, KEYS.Key_Down)
    qtbot.keyClick(box, KEYS.Key_Return)
    assert picked == ["Gad2"]
    assert box.text() == "Gad2"
    assert not box.list.isVisible()


def test_escape_leaves_everything_as_it_was(box: SearchBox, qtbot: Any) -> None:
    box.selectAll()
    qtbot.keyClicks(box, "sl")
    qtbot.keyClick(box, KEYS.Key_Escape)
    assert not box.list.isVisible()
    assert box.text() == "cell_type"


def test_a_click_offers_what_was_recent(box: SearchBox, qtbot: Any) -> None:
    box._recents.add(("gene", "Slc17a6"))
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton)
    assert rows(box)[0] == "Slc17a6"
    assert box.selectedText() == "cell_type"  # the first letter replaces it
    at = box.list.visualRect(box.found.index(3)).center()
    name = rows(box)[3]
    qtbot.mouseClick(box.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert box.text() == name


def test_rows_say_where_values_come_from_and_how_far_to_trust_them(box: SearchBox) -> None:
    box.ask()
    at = {name: box.found.index(i) for i, name in enumerate(rows(box))}
    assert at["Gad1"].data(STATUS) == "measured"
    assert at["cell_type"].data(STATUS) == "annotation"
    assert at["Vip"].data(STATUS) == "predicted · r 0.30"
    assert "medium" in at["Vip"].data(Qt.ItemDataRole.ToolTipRole)
    icon = Qt.ItemDataRole.DecorationRole
    assert at["Gad1"].data(icon) is None
    assert not at["Vip"].data(icon).isNull()


def test_a_pasted_list_is_taken_at_once(box: SearchBox, qtbot: Any) -> None:
    lists: list[Any] = []
    box.pasted.connect(lists.append)
    clipboard = QApplication.clipboard()
    clipboard.setText("GAD1\nslc17a6\nFoxp3\n")
    box.selectAll()
    box.paste()
    assert [entry.name for entry in lists[0].found] == ["Gad1", "Slc17a6"]
    assert lists[0].missing == ("Foxp3",)
    clipboard.setText("gad2")  # one name is looked for
    box.selectAll()
    box.paste()
    assert len(lists) == 1
    assert rows(box)[0] == "Gad2"


def test_what_fits_nothing_is_said(box: SearchBox, qtbot: Any) -> None:
    missed: list[str] = []
    box.missed.connect(missed.append)
    box.selectAll()
    qtbot.keyClicks(box, "xyzzy")
    assert not box.list.isVisible()
    qtbot.keyClick(box, KEYS.Key_Return)
    assert missed == ["xyzzy"]


def test_recent_choices_are_kept_for_each_tissue() -> None:
    recents = Recents()
    recents.open("a.zarr")
    for name in "abcdefghij":
        recents.add(("gene", name))
    recents.add(("column", "d"))
    again = Recents()
    again.open("a.zarr")
    assert again.keys[:3] == [("column", "d"), ("gene", "j"), ("gene", "i")]
    assert len(again.keys) == 8
    again.open("b.zarr")
    assert again.keys == []
    remember_module.remember_about_data("c.zarr", recent=[["gene"], "x", ["what", "y"]])
    again.open("c.zarr")
    assert again.keys == []


def test_a_double_click_on_a_swatch_undoes_the_first(qtbot: Any) -> None:
    swatches = Swatches()
    qtbot.addWidget(swatches)
    swatches.show_labels({"a": "#ff0000", "b": "#00ff00"}, set())
    swatches.show()
    told: list[str] = []
    swatches.toggled.connect(lambda label: told.append(f"toggle {label}"))
    swatches.only.connect(lambda label: told.append(f"only {label}"))
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(swatches.of["a"], left)
    qtbot.mouseDClick(swatches.of["a"], left)
    assert told == ["toggle a", "toggle a", "only a"]
    qtbot.mouseClick(swatches.of["b"], left, Qt.KeyboardModifier.AltModifier)
    assert told[3:] in (["only b"], ["toggle b"])  # offscreen keyboards have no Alt


class Desk:
    """A viewer with both docks, and the tissue open in it."""

    def __init__(self, viewer: Any, tissue: Tissue) -> None:
        self.viewer = viewer
        viewer.window.resize(900, 600)
        self.session = session_of(viewer)
        self.dock = StackWidget(viewer)
        viewer.window.add_dock_widget(self.dock, name="Stack")
        self.cells = CellsWidget(viewer)
        viewer.window.add_dock_widget(self.cells, name="Cells")
        self.session.set_tissue(tissue, None)
        settle()

    @property
    def rings(self) -> Any:
        found = [x for x in self.viewer.layers if (state_of(x) or {}).get("role") == "picked"]
        return found[0] if found else None


@pytest.fixture
def desk(make_napari_viewer: Callable[..., Any], small_tissue: Tissue) -> Desk:
    ids = np.array(["ENSMUSG00000070880", "", "", "", ""], dtype=object)
    return Desk(make_napari_viewer(show=True), replace(small_tissue, histology={}, gene_ids=ids))


def pose(viewer: Any) -> tuple[float, ...]:
    camera = camera_of(viewer)
    return (*camera.center, camera.zoom, *camera.angles)


def test_a_list_is_walked_through_and_the_camera_stays(desk: Desk, qtbot: Any) -> None:
    panel, stack = desk.dock.colours, desk.session.stack
    before = pose(desk.viewer)
    panel.search.pasted.emit(panel.search.index.pasted("ensmusg00000070880.3, TAC1, Foo"))
    assert stack.colouring.name == "Gad1"
    assert panel.walk.isVisibleTo(desk.dock)
    assert "Foo" in panel.walk.missing.text()
    panel.walk.next.click()
    assert (stack.colouring.name, panel.search.text()) == ("Tac1", "Tac1")
    qtbot.keyClick(panel.search, KEYS.Key_PageDown)  # from the last to the first
    assert stack.colouring.name == "Gad1"
    key = next(k for k in desk.viewer.keymap if str(k) == "PageUp")
    desk.viewer.keymap[key](desk.viewer)
    assert stack.colouring.name == "Tac1"
    assert panel.recents.keys == []  # walking past a gene does not choose it
    panel.walk.end.click()
    assert not panel.walk.isVisibleTo(desk.dock)
    assert "PageUp" not in map(str, desk.viewer.keymap)
    assert pose(desk.viewer) == pytest.approx(before)


def test_what_was_chosen_is_recent_and_a_guess_is_said(desk: Desk, qtbot: Any) -> None:
    panel = desk.dock.colours
    panel.search.selectAll()
    qtbot.keyClicks(panel.search, "tca1")
    qtbot.keyClick(panel.search, KEYS.Key_Return)
    assert desk.session.stack.colouring.name == "Tac1"
    assert "'tca1'" in panel.message.text()
    assert panel.recents.keys == [("gene", "Tac1")]
    other = desk.session.tissue
    desk.session.set_tissue(replace(other, genes=other.genes.copy()), None)
    assert panel.recents.keys == []  # other data


def test_hidden_labels_are_hidden_on_every_section_and_come_back(
    desk: Desk, make_virtual: Make
) -> None:
    desk.session.add_result(make_virtual("v", 90.0), persist=False)
    stack, legend = desk.session.stack, desk.dock.colours.legend

    def shown(label: str) -> set[bool]:
        kinds = stack.colouring
        parts = [
            s.points.shown[
                (kinds.virtual[s.name] if s.virtual else kinds.measured[s.rows]) == label
            ]
            for s in stack.sections
        ]
        return set(np.concatenate(parts).tolist())

    assert desk.viewer.dims.ndisplay == 3
    full = desk.viewer.screenshot(flash=False)[..., :3]
    legend.swatches.of["neuron"].click()
    settle()
    assert shown("neuron") == {False}
    red = (desk.viewer.screenshot(flash=False)[..., :3] - (255, 0, 0) == 0).all(axis=-1)
    assert (full - (255, 0, 0) == 0).all(axis=-1).sum() > 50
    assert red.sum() == 0  # neither in 3D, where napari shows what is not to be shown
    assert float(stack.section("first").points.size.max()) > 0
    assert shown("glia") == {True}
    assert not stack.section("v", True).points.shown.any()
    assert "1 hidden" in legend.hidden.text()
    stack.colour_by("gene", "Gad1")
    assert all(s.points.shown.all() for s in stack.sections)
    stack.colour_by("column", "cell_type")
    assert shown("neuron") == {False}
    legend.keep.setChecked(True)
    stack.colour_by("gene", "Tac1")
    assert not stack.section("v", True).points.shown.any()
    assert legend.all.isVisibleTo(desk.dock)
    legend.all.click()
    assert all(s.points.shown.all() for s in stack.sections)
    stack.colour_by("column", "mark")  # some cells have no mark
    legend.swatches.only.emit("")
    marks = stack.colouring.measured
    for section in stack.sections:
        if not section.virtual:
            np.testing.assert_array_equal(section.points.shown, marks[section.rows] == "")


def click(
    desk: Desk,
    section: Any,
    index: int,
    slip: int = 0,
    shift: bool = False,
    eye: tuple[float, ...] | None = None,
) -> None:
    """Click a cell, as napari tells its callbacks of it; in 3D along where the `eye` looks."""
    layer = section.points
    place = np.asarray(layer.data_to_world(layer.data[index]))
    if eye is not None:
        eye = tuple(np.array(eye) / np.linalg.norm(eye))
        place = place - 30.0 * np.array(eye)
    event = SimpleNamespace(
        button=1,
        type="mouse_press",
        pos=(100, 100),
        position=tuple(place),
        view_direction=eye,
        dims_displayed=[1, 2] if eye is None else [0, 1, 2],
        modifiers=("Shift",) if shift else (),
    )
    press = desk.cells.pick._on_mouse(desk.viewer, event)
    next(press, None)
    if slip:
        event.type, event.pos = "mouse_move", (100 + slip, 100)
        next(press, None)
    event.type = "mouse_release"
    next(press, None)


def test_cells_are_picked_on_the_canvas_and_in_the_table(desk: Desk, make_virtual: Make) -> None:
    desk.session.add_result(make_virtual("v", 90.0), persist=False)
    stack, pick, table = desk.session.stack, desk.cells.pick, desk.cells.table
    stack.set_ndisplay(2)
    second, virtual = stack.section("second"), stack.section("v", True)
    stack.go_to(second)
    settle()
    before, selected = pose(desk.viewer), set(desk.viewer.layers.selection)
    click(desk, second, 7)
    row = int(second.rows[7])
    assert pick.rows.tolist() == [row]
    assert [i.row() for i in table.selectionModel().selectedRows()] == [row]
    np.testing.assert_allclose(
        desk.rings.data[0], second.points.data_to_world(second.points.data[7])
    )
    click(desk, second, 9, slip=3)  # a hand shakes
    assert pick.rows.tolist() == [int(second.rows[9])]
    click(desk, second, 7, slip=30)  # a drag
    assert pick.rows.tolist() == [int(second.rows[9])]
    click(desk, second, 7, shift=True)
    assert set(pick.rows) == {int(second.rows[9]), row}
    assert "2 cells" in desk.cells.told.text()

    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    chosen = {int(desk.cells.model.order[i.row()]) for i in table.selectionModel().selectedRows()}
    assert chosen == set(pick.rows)  # the rows moved, the cells stay selected
    first = int(desk.cells.model.rows_of(pick.cells.rows_of(virtual)[:1])[0])
    table.selectRow(first)
    desk.cells._soon.timeout.emit()
    assert pick.rows.tolist() == [int(pick.cells.rows_of(virtual)[0])]
    stack.set_spacing(2.0)
    np.testing.assert_allclose(
        desk.rings.data[0], virtual.points.data_to_world(virtual.points.data[0])
    )
    assert pose(desk.viewer) == pytest.approx(before)
    assert set(desk.viewer.layers.selection) == selected
    desk.session.remove_result("v")
    assert pick.rows.tolist() == []
    assert desk.rings is None


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_cells_in_their_outlines_are_picked_too(
    make_napari_viewer: Callable[..., Any], small_tissue: Tissue, ndisplay: int
) -> None:
    rows = np.flatnonzero(small_tissue.section == "second")
    image = np.zeros((100, 100), np.int32)
    for i, (y, x) in enumerate((small_tissue.coords[rows, 1:] / 2).astype(int)):
        image[y, x] = i + 1
    labels = Segmentation(
        image, np.diag([2.0, 2.0, 1.0]), pd.Series(np.arange(1, 41), small_tissue.names[rows])
    )
    tissue = replace(small_tissue, histology={}, segmentation={"second": labels})
    desk = Desk(make_napari_viewer(show=True), tissue)
    stack = desk.session.stack
    second = stack.section("second")
    stack.set_ndisplay(ndisplay)
    stack.go_to(second)
    stack.cells.show(True)
    settle()
    drawn = int(image[tuple((small_tissue.coords[rows[5], 1:] / 2).astype(int))]) - 1
    click(desk, second, 5, eye=(0.9, 0.3, -0.3) if ndisplay == 3 else None)
    assert desk.cells.pick.rows.tolist() == [int(rows[drawn])]
    assert len(desk.rings.data) == 1
    stack.colour_by("column", "cell_type")
    desk.dock.colours.legend.swatches.only.emit(str(stack.colouring.measured[rows[drawn]]))
    at = (small_tissue.coords[rows, 1:] / 2).astype(int)
    alone = image[at[:, 0], at[:, 1]] - 1 == np.arange(40)
    other = int(np.flatnonzero(alone & ~second.points.shown)[0])
    desk.cells.clear.click()
    click(desk, second, other, eye=(0.9, 0.3, -0.3) if ndisplay == 3 else None)
    assert int(rows[other]) not in desk.cells.pick.rows  # it is out of sight
    desk.cells.pick.pick(rows[[drawn, other]])
    assert len(desk.rings.data) == 1  # nor is it ringed


def test_the_table_follows_the_colours(desk: Desk) -> None:
    model, stack = desk.cells.model, desk.session.stack
    assert model.columns == ["cell", "section", "cell_type", "depth", "mark"]
    stack.colour_by("gene", "Gad1")
    assert model.columns[:3] == ["cell", "section", "Gad1"]
    desk.cells.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    for gene in ("Gad1", "Tac1"):  # sorted by whatever is shown
        stack.colour_by("gene", gene)
        values = stack.colouring.measured[model.order]
        assert (np.diff(values) <= 0).all()
    assert model.index(0, 2).data() == f"{values[0]:.4g}"
    desk.session.set_tissue(desk.session.tissue.rows(np.arange(50)), None)
    assert model.rowCount() == 50


def test_rings_go_with_the_dock_or_by_hand(desk: Desk) -> None:
    desk.cells.pick.pick(np.array([1, 2]))
    assert len(desk.rings.data) == 2
    desk.session.stack.set_visible(desk.session.stack.section("first"), False)
    assert desk.rings is None  # what is hidden has no ring
    desk.session.stack.set_visible(desk.session.stack.section("first"), True)
    desk.viewer.layers.remove(desk.rings)
    assert desk.cells.pick.rows.tolist() == []
    desk.cells.pick.pick(np.array([1]))
    desk.viewer.window.remove_dock_widget(desk.cells)
    assert desk.rings is None
    assert desk.cells.pick._on_mouse not in desk.viewer.mouse_drag_callbacks


def test_an_entry_of_another_gene_leaves_the_walk_alone(desk: Desk) -> None:
    walk = desk.dock.colours.walk
    walk.begin(desk.dock.colours.search.index.look_up(["Gad1", "Gad2", "Tac1"]))
    walk.follow(Entry("Gad2"))
    walk.step(1)
    assert desk.session.stack.colouring.name == "Tac1"
