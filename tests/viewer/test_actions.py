"""Commands of the palette and the menus do what they say, or say why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.data.results import list_results
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer import actions, context_menu
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.context_menu import ENTRIES, MENU
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.widgets import ask

pytestmark = pytest.mark.viewer


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(actions, "show_info", sentences.append)
    monkeypatch.setattr(actions, "show_error", sentences.append)
    return sentences


@pytest.fixture
def viewer(
    make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    from napari._app_model import get_app_model  # the fixture gives it another name than "napari"

    monkeypatch.setattr(context_menu, "_application", get_app_model)
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    return make_napari_viewer(show=True)


@pytest.fixture
def session(viewer: Any, small_tissue: Tissue) -> Session:
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    return session


def select(session: Session, name: str) -> None:
    session.viewer.layers.selection = {session.viewer.layers[name]}


def commands() -> dict[str, Any]:
    """Return command -> function, of all commands of the manifest that are acts."""
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-stdiff")
    found = manifest.contributions.commands or []
    acts = [c for c in found if "viewer.actions:" in (c.python_name or "")]
    return {c.id: getattr(actions, str(c.python_name).split(":")[1]) for c in acts}


def test_with_nothing_open_every_command_says_so(viewer: Any, said: list[str]) -> None:
    for name, act in commands().items():
        said.clear()
        act(viewer)
        assert said == [actions.NOTHING_OPEN], name


def test_palette_and_menus_reach_the_commands(viewer: Any, session: Session) -> None:
    app = context_menu._application()
    in_menu = {item.command.id for item in app.menus.get_menu(MENU) if hasattr(item, "command")}
    assert {f"napari-stdiff.context.{name}" for name, _, _ in ENTRIES} <= in_menu
    acts = {name for name, _, _ in ENTRIES}
    assert acts <= {name.split(".")[-1] for name in commands()}  # in the palette as well


def test_the_context_menu_shows_what_the_selected_layer_has(
    viewer: Any, session: Session, make_virtual: Callable[..., VirtualSection]
) -> None:
    from app_model.expressions import get_context
    from napari.components import ViewerModel

    app = context_menu._application()

    def shown(held: Any) -> list[str]:
        context = get_context(held.layers)
        items = [i for i in app.menus.get_menu(MENU) if hasattr(i, "command")]
        items = [i for i in items if "stdiff" in i.command.id]
        return [i.command.title for i in items if i.when.eval(context)]

    session.add_result(make_virtual("between", 25.0), persist=False)
    points = next(
        layer for layer in viewer.layers
        if layer.metadata["stdiff"]["virtual"] and layer.metadata["stdiff"]["role"] == "points"
    )  # fmt: skip
    viewer.layers.selection = {points}
    assert len(shown(viewer)) == len(ENTRIES)
    select(session, "first")
    assert shown(viewer) == ["Show its cells in the table"]
    viewer.layers.selection = {viewer.add_points(np.zeros((1, 3)))}
    assert shown(viewer) == []
    assert shown(ViewerModel()) == []  # a viewer that never had a tissue


def test_the_stack_obeys(viewer: Any, session: Session, said: list[str]) -> None:
    stack = session.stack
    before = viewer.dims.ndisplay
    actions.toggle_2d_3d(viewer)
    assert viewer.dims.ndisplay == 5 - before
    actions.explode(viewer)
    assert stack.explosion == 1
    actions.explode(viewer)
    assert stack.explosion == 0
    actions.one_colour(viewer)
    assert stack.colouring.kind == "none"
    viewer.layers.selection = set()
    actions.hide_or_show(viewer)
    assert said == [actions.NO_SECTION]
    select(session, "first")
    actions.hide_or_show(viewer)
    assert [s.visible for s in stack.sections] == [False, True, True]
    actions.hide_or_show(viewer)
    assert all(s.visible for s in stack.sections)
    actions.hide_or_show(viewer)
    actions.show_all(viewer)
    assert all(s.visible for s in stack.sections)


def test_genes_are_searched_and_walked_through(
    viewer: Any, session: Session, said: list[str], qtbot: Any
) -> None:
    actions.next_gene(viewer)
    assert said == [actions.NO_LIST]
    actions.colour_by_gene(viewer)
    dock = actions._stack_dock(viewer)
    assert dock is actions._stack_dock(viewer)  # one dock, brought to the front
    qtbot.waitUntil(lambda: dock.isVisible())


def test_cells_of_a_section_are_picked_in_the_table(viewer: Any, session: Session) -> None:
    select(session, "second")
    actions.cells_in_table(viewer)
    from napari_stdiff.viewer.widgets.cell_table import CellsWidget

    dock = actions.dock_of(viewer, CellsWidget, "Cells")
    tissue = session.tissue
    assert tissue is not None
    expected = np.flatnonzero(tissue.section == "second")
    np.testing.assert_array_equal(np.sort(dock.pick.rows), expected)


def test_a_result_is_saved_explained_and_removed(
    viewer: Any,
    session: Session,
    said: list[str],
    make_virtual: Callable[..., VirtualSection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    select(session, "first")
    actions.save_result(viewer)
    assert said == [actions.NO_RESULT]
    session.add_result(make_virtual("between", 25.0), persist=False)
    viewer.layers.selection = {
        layer for layer in viewer.layers if layer.metadata["stdiff"]["virtual"]
    }
    out = tmp_path / "saved.zarr"
    monkeypatch.setattr(ask, "where_to_save", lambda chosen: str(out))
    said.clear()
    actions.save_result(viewer)
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    assert said == [f"'between' saved to {out}."]
    assert [info.name for info in list_results(out)] == ["between"]

    boxes: list[Any] = []
    monkeypatch.setattr(ask, "show_record", lambda one: boxes.append(ask.record_box(one)))
    actions.what_made_this(viewer)
    (box,) = boxes
    assert "between" in box.text()
    assert '"method": "knn"' in box.detailedText()

    monkeypatch.setattr(ask, "may_remove", lambda one: False)
    actions.remove_result(viewer)
    assert "between" in session.results
    monkeypatch.setattr(ask, "may_remove", lambda one: True)
    actions.remove_result(viewer)
    assert session.results == {}
    assert [info.name for info in list_results(out)] == ["between"]  # the copy is the user's
