"""Layers of one section: where pictures and points lie, how they are placed and sized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.data.tissue import Histology, Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.arrange import Section, nice_spacing, place_section, stand_apart
from napari_stdiff.viewer.layers import (
    MEASURED,
    VIRTUAL,
    crop,
    make_frame,
    make_histology,
    make_points,
    paint_colours,
    paint_values,
    point_size,
    state_of,
)
from napari_stdiff.viewer.placing import place
from napari_stdiff.viewer.scrub import snap


@pytest.mark.parametrize("turn", [0.0, 30.0, 200.0])
def test_a_cropped_picture_still_lies_below_its_cells(small_tissue: Tissue, turn: float) -> None:
    angle = np.deg2rad(turn)
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 5.0], [np.sin(angle), np.cos(angle), -7.0], [0, 0, 1.0]]
    )
    picture = small_tissue.histology["first"]
    coords = small_tissue.coords[small_tissue.section == "first"][:12]
    moved = np.column_stack([coords[:, 1:], np.ones(12)]) @ rotation.T
    turned = Histology(picture.image, rotation @ picture.to_tissue)
    part = crop(turned, np.column_stack([coords[:, 0], moved[:, :2]]))
    pixels = moved @ np.linalg.inv(part.to_tissue).T
    for row, column in np.floor(pixels[:, :2] + 1e-9).astype(int):
        assert part.image[row, column].max() == 0  # the black pixel that was below this cell


def test_cropping_makes_the_picture_smaller_or_leaves_it() -> None:
    image = np.zeros((200, 100, 3), np.uint8)
    whole = Histology(image, np.eye(3))
    small = crop(whole, np.array([[0, 50.0, 40.0], [0, 70.0, 60.0]]))
    assert small.image.shape[0] < 60
    outside = crop(whole, np.array([[0, 900.0, 900.0], [0, 950.0, 950.0]]))
    assert outside.image.shape == image.shape
    one = crop(whole, np.array([[0, 50.0, 40.0]]))  # one cell alone
    assert min(one.image.shape[:2]) > 1


def test_a_histology_layer_is_a_plane_at_its_depth(small_tissue: Tissue) -> None:
    layer = make_histology(small_tissue.histology["second"], 50.0, "second histology", "second")
    assert layer.data.shape == (1, 100, 100, 3)
    np.testing.assert_allclose(layer.data_to_world((0, 10, 20)), (50.0, 20.0, 40.0))
    assert state_of(layer) == {"role": "histology", "section": "second", "virtual": False}


def test_points_keep_their_coordinates_when_placed(small_tissue: Tissue) -> None:
    coords = small_tissue.coords[:40]
    layer = make_points(coords, "first", "first", MEASURED, 3.0)
    place(layer, 100.0, 7.0)
    np.testing.assert_array_equal(layer.data, coords)
    np.testing.assert_allclose(layer.data_to_world(coords[0]), coords[0] + [100.0, 0.0, 7.0])


def test_virtual_cells_look_different(small_tissue: Tissue) -> None:
    coords = small_tissue.coords[:40]
    measured = make_points(coords, "a", "a", MEASURED, 3.0)
    virtual = make_points(coords, "b", "b", VIRTUAL, 3.0)
    assert set(measured.symbol) != set(virtual.symbol)
    frame = make_frame(coords, "b frame", "b", 4.0)
    low, high = coords.min(axis=0) - 4.0, coords.max(axis=0) + 4.0
    starts = frame.data[:, 0]
    np.testing.assert_allclose(starts[:, 1:].min(axis=0), low[1:])
    np.testing.assert_allclose(starts[:, 1:].max(axis=0), high[1:])


def test_values_are_painted_on_the_shared_scale(small_tissue: Tissue) -> None:
    layer = make_points(small_tissue.coords[:3], "a", "a", MEASURED, 3.0)
    paint_values(layer, np.array([0.0, 5.0, np.nan]), (0.0, 5.0), "viridis")
    assert layer.face_contrast_limits == (0.0, 5.0)
    low, high, missing = layer.face_color
    assert high[0] > low[0]  # yellow against purple
    np.testing.assert_allclose(missing[:3], missing[0])  # grey
    paint_values(layer, np.array([5.0, 5.0, 0.0]), (0.0, 5.0), "magma")
    assert not np.allclose(layer.face_color[0], high)


def test_what_is_trusted_less_fades(small_tissue: Tissue) -> None:
    coords = small_tissue.coords[:3]
    full, faded = (make_points(coords, "a", "a", VIRTUAL, 3.0) for _ in range(2))
    values = np.array([0.0, 2.5, np.nan])
    paint_values(full, values, (0.0, 5.0), "viridis")
    paint_values(faded, values, (0.0, 5.0), "viridis", np.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(faded.face_color[:, :3], full.face_color[:, :3], atol=0.01)
    assert faded.face_color[0, 3] == pytest.approx(1.0)
    assert faded.face_color[0, 3] > faded.face_color[1, 3] > faded.face_color[2, 3] > 0
    paint_colours(faded, "#ff0000", np.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(faded.face_color[:, 0], 1.0)
    assert faded.face_color[2, 3] < 0.5


def test_point_size_follows_the_distance_between_neighbours() -> None:
    y, x = np.meshgrid(np.arange(20.0), np.arange(20.0))
    grid = np.column_stack([np.zeros(400), y.ravel(), x.ravel()])
    assert point_size([grid]) == pytest.approx(0.75)
    assert point_size([10 * grid]) == pytest.approx(7.5)
    assert point_size([grid[:1]]) == 1.0
    assert point_size([np.zeros((5, 3))]) == 1.0  # all in one place


def test_stretch_is_round_and_tells_sections_apart() -> None:
    wide = np.array([[0, 0.0, 0.0], [0, 1000.0, 1000.0]])
    assert nice_spacing([0.0, 50.0, 100.0], wide) in (10.0, 15.0)
    assert nice_spacing([0.0, 600.0], wide) == 1.0
    assert nice_spacing([0.0], wide) == 1.0
    assert nice_spacing([0.0, 10_000.0], wide) == 0.1


def test_a_virtual_section_stands_beside_the_one_at_its_depth(
    small_tissue: Tissue, make_virtual: Callable[..., VirtualSection]
) -> None:
    def section(name: str, z: float, virtual: bool) -> Section:
        return Section(name, virtual, z, np.zeros((1, 3)), np.zeros(0, int))

    sections = [
        section("a", 0.0, False),
        section("b", 50.0, False),
        section("v", 50.0, True),
        section("w", 50.0, True),
        section("free", 75.0, True),
    ]
    stand_apart(sections)
    assert [s.beside for s in sections] == [0, 0, 1, 2, 0]


def test_placing_moves_points_off_their_picture_and_nothing_else(small_tissue: Tissue) -> None:
    coords = small_tissue.coords[small_tissue.section == "second"]
    picture = small_tissue.histology["second"]
    section = Section("second", False, 50.0, coords, np.arange(40), picture)
    section.points = make_points(coords, "second", "second", MEASURED, 4.0)
    section.image = make_histology(picture, 50.0, "picture", "second")
    place_section(section, stretch=3.0, offset=-2.0, aside=0.0)
    assert section.points.data_to_world(coords[0])[0] == pytest.approx(148.0)
    assert section.image.data_to_world((0, 0, 0))[0] == pytest.approx(150.0)
    bare = replace(section, image=None)
    place_section(bare, stretch=3.0, offset=-2.0, aside=0.0)
    assert section.points.data_to_world(coords[0])[0] == pytest.approx(150.0)


levels = st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True).map(
    lambda xs: np.array(sorted(xs), dtype=float)
)


@given(levels, st.floats(-2000, 2000))
def test_the_slider_always_stops_at_a_section(levels: np.ndarray, point: float) -> None:
    step = float(np.diff(levels).min()) if len(levels) > 1 else 1.0
    for last in (np.nan, *levels):
        assert snap(point, last, levels, step) in levels


@given(levels)
def test_single_steps_reach_every_section(levels: np.ndarray) -> None:
    step = float(np.diff(levels).min()) if len(levels) > 1 else 1.0
    at, seen = levels[0], [levels[0]]
    for _ in range(len(levels) - 1):
        at = snap(at + step, at, levels, step)
        seen.append(at)
    np.testing.assert_array_equal(seen, levels)
    for _ in range(len(levels) - 1):
        at = snap(at - step, at, levels, step)
    assert at == levels[0]
