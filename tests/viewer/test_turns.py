"""A stack whose first section is seen at once, and the others in the turns that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.layers import Points

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.arrange import Section
from napari_stdiff.viewer.layers import camera_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.turns import Turns


def sections(*names: str) -> list[Section]:
    return [Section(name, False, 0.0, np.zeros((1, 3)), np.zeros(1, int)) for name in names]


def test_sections_are_drawn_one_a_turn_in_their_order(qtbot: Any) -> None:
    drawn: list[str] = []
    turns = Turns(lambda s: drawn.append(s.name), lambda: drawn.append("done"))
    turns.wait(*sections("b", "c"))
    assert turns.waiting
    assert not drawn
    turns.begin()
    assert not drawn  # not before the window has had its turn
    qtbot.waitUntil(lambda: "done" in drawn)
    assert drawn == ["b", "c", "done"]


def test_whoever_cannot_wait_gets_all_and_no_turn_comes_after(qtbot: Any) -> None:
    drawn: list[str] = []
    turns = Turns(lambda s: drawn.append(s.name), lambda: drawn.append("done"))
    turns.wait(*sections("b", "c"))
    turns.finish()
    assert not drawn  # what waits is only drawn once it has begun
    turns.begin()
    turns.finish()
    turns.finish()
    qtbot.wait(20)
    assert drawn == ["b", "c", "done"]


def test_what_waited_is_forgotten_with_its_turns(qtbot: Any) -> None:
    drawn: list[str] = []
    turns = Turns(lambda s: drawn.append(s.name), lambda: drawn.append("done"))
    turns.wait(*sections("old"))
    turns.begin()
    turns.forget()
    turns.wait(*sections("new", "newer"))
    turns.begin()
    qtbot.waitUntil(lambda: "done" in drawn)
    assert drawn == ["new", "newer", "done"]


def points(session: Session) -> list[Points]:
    return [layer for layer in session.viewer.layers if isinstance(layer, Points)]


def look(viewer: Any) -> np.ndarray:
    camera = camera_of(viewer)
    return np.array([*camera.center, camera.zoom, *camera.angles])


@pytest.mark.viewer
def test_later_sections_do_not_move_the_camera_and_are_all_alike(
    make_napari_viewer: Any, small_tissue: Tissue, make_virtual: Callable[..., Any]
) -> None:
    viewer = make_napari_viewer()
    session = session_of(viewer)
    bare = small_tissue.but(histology={})
    session.set_tissue(bare, None)
    together = look(viewer)
    names = [layer.name for layer in viewer.layers]
    session.set_tissue(bare, None, in_turns=True)
    assert [layer.name for layer in viewer.layers] == names[:1]
    first = look(viewer)
    assert first == pytest.approx(together, rel=0.01)
    assert all(section.points is not None for section in session.stack.sections)
    assert [layer.name for layer in viewer.layers] == names
    assert np.array_equal(look(viewer), first)
    assert all(layer.visible for layer in viewer.layers)
    assert set(viewer.layers.selection) == {viewer.layers[0]}


@pytest.mark.viewer
def test_a_gene_chosen_meanwhile_colours_all_sections(
    make_napari_viewer: Any, small_tissue: Tissue
) -> None:
    session = session_of(make_napari_viewer())
    session.set_tissue(small_tissue, None, in_turns=True)
    assert len(points(session)) == 1
    session.stack.colour_by("gene", "Gad1")
    assert len(points(session)) == 3
    scale = {tuple(layer.face_contrast_limits) for layer in points(session)}
    assert scale == {tuple(session.stack.limits)}
    assert all(len(np.unique(layer.face_color, axis=0)) > 2 for layer in points(session))


@pytest.mark.viewer
def test_another_tissue_is_opened_before_all_are_drawn(
    make_napari_viewer: Any, small_tissue: Tissue, qtbot: Any
) -> None:
    session = session_of(make_napari_viewer())
    session.set_tissue(small_tissue, None, in_turns=True)
    half = small_tissue.rows(small_tissue.section != "third")
    session.set_tissue(half, None, in_turns=True)
    qtbot.waitUntil(lambda: len(points(session)) == 2)
    qtbot.wait(20)
    assert {layer.name for layer in points(session)} == {"first", "second"}


@pytest.mark.viewer
def test_results_of_the_store_come_after_the_sections(
    make_napari_viewer: Any, small_tissue: Tissue, make_virtual: Callable[..., Any]
) -> None:
    session = session_of(make_napari_viewer())
    session.set_tissue(small_tissue, None, in_turns=True)
    name = session.add_result(replace(make_virtual("cut", 25.0)), persist=False)
    titles = [layer.name for layer in points(session)]
    assert titles[:3] == ["first", "second", "third"]
    assert titles[3] == session.stack.section(name, True).title
