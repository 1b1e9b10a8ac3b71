"""What a hand does to a section: the arithmetic, and what the session and a store make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from spatialdata import read_zarr
from spatialdata.transformations import get_transformation

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.alignment_store import list_alignments
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.registration.frames import moved
from napari_stdiff.viewer.adjust import STILL, Adjust, Hand, adjust_of, by_hand, centre_of
from napari_stdiff.viewer.adjust_canvas import on_plane, pick
from napari_stdiff.viewer.arrange import contact_sheet
from napari_stdiff.viewer.session import Session, session_of

lengths = st.floats(-1e4, 1e4)
hands = st.builds(Hand, st.booleans(), st.floats(-179.9, 180.0), lengths, lengths, lengths)
centres = st.tuples(lengths, lengths).map(np.array)
PLACES = np.array([[0.0, 0.0], [30.0, -20.0], [5.0, 70.0]])


@given(hands, centres)
def test_what_a_hand_did_can_be_undone(hand: Hand, centre: np.ndarray) -> None:
    matrix = hand.matrix(centre)
    back = moved(moved(PLACES, matrix), np.linalg.inv(matrix))
    np.testing.assert_allclose(back, PLACES, atol=1e-6)
    assert abs(abs(np.linalg.det(matrix[:2, :2])) - 1) < 1e-9  # nothing is stretched
    np.testing.assert_allclose(
        moved(centre[None], matrix)[0], centre + np.array([hand.y, hand.x]), atol=1e-6
    )


@given(hands, centres, st.booleans())
def test_mirrored_twice_is_as_before(hand: Hand, centre: np.ndarray, upside_down: bool) -> None:
    twice = hand.flipped(upside_down).flipped(upside_down)
    np.testing.assert_allclose(twice.matrix(centre), hand.matrix(centre), atol=1e-6)


@given(hands, centres, st.booleans())
def test_what_is_seen_is_mirrored(hand: Hand, centre: np.ndarray, upside_down: bool) -> None:
    before = moved(PLACES, hand.matrix(centre))
    after = moved(PLACES, hand.flipped(upside_down).matrix(centre))
    axis, middle = (0, 1)[not upside_down], centre + np.array([hand.y, hand.x])
    before[:, axis] = 2 * middle[axis] - before[:, axis]
    np.testing.assert_allclose(after, before, atol=1e-6)


@given(hands, centres, st.floats(-360, 360))
def test_turns_add_up(hand: Hand, centre: np.ndarray, degrees: float) -> None:
    there = hand.turned(degrees).turned(-degrees)
    np.testing.assert_allclose(there.matrix(centre), hand.matrix(centre), atol=1e-6)
    assert -180 < hand.turned(degrees).rotation <= 180


@given(st.integers(1, 60), st.floats(1, 1e4), st.floats(1, 1e4))
def test_a_contact_sheet_has_a_place_for_each(n: int, height: float, width: float) -> None:
    places = contact_sheet(n, height, width)
    assert places.shape == (n, 2)
    gaps = np.abs(places[:, None] - places[None])
    apart = (gaps[..., 0] >= height) | (gaps[..., 1] >= width)
    assert apart[~np.eye(n, dtype=bool)].all()


def test_an_alignment_by_hand_starts_from_another(small_tissue: Tissue) -> None:
    centre = {name: centre_of(small_tissue, name) for name in small_tissue.sections}
    first = by_hand({"second": Hand(True, 40.0, 3.0, 4.0, 5.0)}, centre, None, "um")
    then = first.apply(small_tissue)
    centre = {name: centre_of(then, name) for name in then.sections}
    again = by_hand({"second": Hand(z=1.0), "third": Hand(x=7.0)}, centre, first, "um")
    found, wanted = again.apply(small_tissue), then.coords.copy()
    wanted[small_tissue.section == "second", 0] += 1.0
    wanted[small_tissue.section == "third", 2] += 7.0
    np.testing.assert_allclose(found.coords, wanted)
    assert again.record.chosen["start"]["method"] == "by hand"
    assert again.changed == ["second", "third"]
    told = again.quality["sections"]["second"]
    assert told["mirrored"]
    assert (told["shift_y"], told["shift_x"]) == pytest.approx((3.0, 4.0))
    assert first.record.chosen["hands"] == {"second": vars(Hand(True, 40.0, 3.0, 4.0, 5.0))}


@pytest.fixture
def session(small_tissue: Tissue, qapp: Any) -> Any:
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    yield session
    adjust_of(session)._rest.stop()
    del viewer


def worlds(session: Session, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where the cells of a section, and a corner of its picture, are on the canvas."""
    section = session.stack.section(name)
    points, image = section.points, section.image
    assert points is not None
    assert image is not None
    cells = np.array([points.data_to_world(tuple(p)) for p in points.data])
    return cells, np.array(image.data_to_world((0, 10, 20)))


@pytest.mark.parametrize(("spacing", "explosion"), [(1.0, 0.0), (7.0, 0.0), (3.0, 0.6)])
def test_cells_end_where_they_were_shown(
    session: Session, small_tissue: Tissue, spacing: float, explosion: float
) -> None:
    stack, adjust = session.stack, adjust_of(session)
    stack.set_ndisplay(3)
    stack.set_spacing(spacing)
    stack.set_explosion(explosion)
    data = stack.section("second").points.data
    hand = Hand(True, 33.0, 12.0, -8.0, 4.0)
    adjust.move({"second": hand})
    assert session.tissue is small_tissue  # only shown
    assert stack.section("second").points.data is data or np.array_equal(
        stack.section("second").points.data, data
    )
    shown = worlds(session, "second")
    adjust.rest()
    for a, b in zip(worlds(session, "second"), shown, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    rows = small_tissue.section == "second"
    matrix = hand.matrix(centre_of(small_tissue, "second"))
    assert session.tissue is not None
    np.testing.assert_allclose(
        session.tissue.coords[rows, 1:], moved(small_tissue.coords[rows, 1:], matrix)
    )
    np.testing.assert_allclose(session.tissue.coords[rows, 0], 54.0)
    np.testing.assert_array_equal(session.tissue.coords[~rows], small_tissue.coords[~rows])
    assert session.moved
    adjust.move({"second": hand.turned(5.0)})  # from there
    shown = worlds(session, "second")
    adjust.rest()
    for a, b in zip(worlds(session, "second"), shown, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_undo_redo_and_reset(session: Session, small_tissue: Tissue) -> None:
    adjust = adjust_of(session)
    start = worlds(session, "third")
    adjust.move({"third": Hand(x=5.0)})
    adjust.undo()  # not done yet: only shown
    np.testing.assert_allclose(worlds(session, "third")[0], start[0])
    assert session.tissue is small_tissue
    adjust.move({"third": Hand(x=5.0)})
    adjust.rest()
    adjust.move({"first": Hand(rotation=90.0)})
    adjust.rest()
    after = session.tissue
    assert after is not None
    adjust.undo()
    assert adjust.hands == {"third": Hand(x=5.0)}
    adjust.redo()
    np.testing.assert_allclose(session.tissue.coords, after.coords)
    adjust.reset("third")
    assert adjust.hands == {"first": Hand(rotation=90.0)}
    adjust.reset()
    assert session.tissue is small_tissue
    assert not session.moved
    assert not adjust.can_redo
    adjust.undo()
    assert adjust.hands == {"first": Hand(rotation=90.0)}
    assert session.moved


def test_results_stay_with_the_places_they_were_made_in(
    session: Session, make_virtual: Callable[..., VirtualSection]
) -> None:
    adjust = adjust_of(session)
    session.add_result(make_virtual("old", 25.0), persist=False)
    adjust.move({"second": Hand(x=5.0)})
    adjust.rest()
    assert session.results == {}
    session.add_result(make_virtual("new", 25.0), persist=False)
    adjust.move({"second": Hand(x=9.0)})
    adjust.rest()
    assert session.results == {}
    adjust.undo()
    assert list(session.results) == ["new"]
    assert session.stack.section("new", virtual=True).points in session.viewer.layers
    adjust.undo()
    assert list(session.results) == ["old"]
    adjust.redo()
    assert list(session.results) == ["new"]
    adjust.reset()
    assert list(session.results) == ["old"]
    adjust.undo()
    assert list(session.results) == ["new"]


def test_order_is_a_matter_of_depth(session: Session, small_tissue: Tissue) -> None:
    adjust = adjust_of(session)
    adjust.swap("first", up=True)
    adjust.rest()
    assert session.tissue.section_z == {"first": 50.0, "second": 0.0, "third": 130.0}
    assert [s.name for s in session.stack.sections] == ["second", "first", "third"]
    adjust.reverse()
    adjust.rest()
    assert session.tissue.section_z == {"first": 50.0, "second": 130.0, "third": 0.0}
    assert adjust.aligned.alignment.record.chosen["depths"]["second"] == 80.0
    with pytest.raises(StdiffError, match="top section already"):
        adjust.swap("second", up=True)
    adjust.move({"first": adjust.hand("first").shifted(z=-50.0)})
    with pytest.raises(StdiffError, match="same depth"):
        adjust.swap("first", up=True)


def test_what_moves_the_sections_otherwise_begins_anew(
    session: Session, small_tissue: Tissue
) -> None:
    adjust = adjust_of(session)
    adjust.move({"second": Hand(x=5.0)})
    adjust.rest()
    adjust.aligned.show(after=False)
    assert not adjust.can_move
    with pytest.raises(StdiffError, match="After"):
        adjust.move({"second": Hand(x=6.0)})
    adjust.aligned.show(after=True)
    assert adjust.can_move
    adjust.aligned.undone()
    assert adjust.hands == {}
    assert not adjust.can_undo
    assert session.tissue is small_tissue
    centre = {name: centre_of(small_tissue, name) for name in small_tissue.sections}
    adjust.aligned.take(by_hand({"third": Hand(y=3.0)}, centre, None, "um"))
    adjust.move({"third": Hand(y=2.0)})
    adjust.rest()
    rows = small_tissue.section == "third"
    np.testing.assert_allclose(session.tissue.coords[rows, 1], small_tissue.coords[rows, 1] + 5)
    adjust.reset()
    np.testing.assert_allclose(session.tissue.coords[rows, 1], small_tissue.coords[rows, 1] + 3)
    session.set_tissue(replace(small_tissue), None)
    assert adjust.hands == {}
    assert not adjust.can_undo


def test_a_place_on_the_canvas_means_a_section(session: Session) -> None:
    stack = session.stack
    stack.set_ndisplay(3)
    stack.set_spacing(4.0)
    section = stack.section("second")
    cell = section.coords[7]
    world = np.array(section.points.data_to_world(tuple(cell)))
    for ray in (np.array([-1.0, 0.0, 0.0]), np.array([-0.7, 0.5, -0.5])):
        eye = world - 1e4 * ray
        np.testing.assert_allclose(on_plane(section, stack, eye, ray), cell[1:], atol=1e-6)
    near = pick(stack, world + np.array([1e4, 0, 0]), np.array([-1.0, 0.0, 0.0]))
    assert near is not None
    stack.set_visible(stack.section("third"), False)  # else it may stand before it
    assert pick(stack, world + np.array([1e4, 0, 0]), np.array([-1.0, 0.0, 0.0])) is section
    assert on_plane(section, stack, world, np.array([0.0, 1.0, 0.0])) is None
    stack.set_ndisplay(2)
    world = np.array(section.points.data_to_world(tuple(cell)))
    assert pick(stack, world, None) is section
    assert pick(stack, world + np.array([0.0, 1e5, 0.0]), None) is None


def test_saved_as_a_system_of_its_own_and_shown_again(tmp_path: Path, qapp: Any) -> None:
    path = tmp_path / "a.zarr"
    simulate(n_sections=3, cells_per_section=50, n_genes=10, image_size=50).sdata.write(path)
    before = {n: get_transformation(e, "global") for _, n, e in elements(path)}
    tissue = read(path)
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(tissue, path)
    adjust = adjust_of(session)
    adjust.move({"section_2": Hand(True, 20.0, 5.0, 6.0)})
    adjust.reverse()
    adjust.rest()
    system = adjust.aligned.saver()()
    adjust.aligned.saved(system)
    shown = session.tissue
    assert shown is not None
    assert session.moved_system == system == "moved_by_hand"
    record = list_alignments(path)[system]
    assert record.method == "by hand"
    assert record.chosen["hands"]["section_2"]["mirrored"]
    assert record.input["fingerprint"] == tissue.fingerprint()
    again = read(path, coordinate_system=system)
    a, b = np.argsort(again.names), np.argsort(shown.names)
    np.testing.assert_allclose(again.coords[a], shown.coords[b], atol=1e-6)
    assert again.sections == ["section_3", "section_2", "section_1"]
    np.testing.assert_array_equal(read(path).coords, tissue.coords)  # to the bit
    assert {n: get_transformation(e, "global") for _, n, e in elements(path)} == before
    adjust.move({"section_1": Hand(x=3.0)})  # moved on: not saved any more
    adjust.rest()
    assert session.moved_system == ""
    assert session.read_config.coordinate_system == "auto"
    adjust.undo()
    assert session.moved_system == system
    assert session.read_config.coordinate_system == system
    assert session.tissue.origin.coordinate_system == system
    del viewer


def elements(path: Path) -> Any:
    return list(read_zarr(path).gen_spatial_elements())


def test_nothing_is_done_where_nothing_is_open(qapp: Any) -> None:
    viewer = ViewerModel()
    adjust: Adjust = adjust_of(session_of(viewer))
    assert adjust.names == []
    assert not adjust.can_move
    assert adjust.hand("any") == STILL
    adjust.rest()
    adjust.undo()
    del viewer
