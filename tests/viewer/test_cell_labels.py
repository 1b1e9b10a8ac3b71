"""Cells in their own outlines: each pixel has the value of its cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.tissue import Segmentation, Tissue
from napari_stdiff.viewer.cell_labels import (
    coded,
    labels_and_rows,
    paint_labels,
    scale_of,
    scaled,
)
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.show import settle

NAMES = np.array(["a", "b", "c"])


def held(image: np.ndarray, ids: list[int]) -> Segmentation:
    return Segmentation(image, np.eye(3), pd.Series(ids, NAMES[: len(ids)]))


@pytest.mark.parametrize("far", [3, 4_000_000_000])
def test_every_pixel_gets_the_value_of_its_cell(far: int) -> None:
    image = np.array([[0, 1, 1], [far, far, 2]], np.int64)
    plane, rows = labels_and_rows(held(image, [far, 1]), NAMES)  # "c" has no label, 2 no cell
    out = paint_labels(plane, rows, np.array([5.0, 6.0, 7.0]))
    np.testing.assert_array_equal(out, [[np.nan, 6, 6], [5, 5, np.nan]])
    assert out.dtype == np.float32


def test_a_cell_that_is_not_in_the_picture_changes_nothing() -> None:
    plane, rows = labels_and_rows(held(np.array([[0, 2]]), [9, 2, 0]), NAMES)
    out = paint_labels(plane, rows, np.array([5.0, 6.0, 7.0]))
    np.testing.assert_array_equal(out, [[np.nan, 6]])


def test_no_value_is_grey_and_the_lowest_is_drawn() -> None:
    numbers, limits = scaled(np.array([-1.0, 0.0, 2.0, 9.0, np.nan]), (0.0, 2.0))
    part = (numbers - limits[0]) / (limits[1] - limits[0])
    assert (part[:4] > 0).all()  # nothing is drawn at the lower end in 3D
    assert (part[:4] < 1).all()
    assert part[4] > 1
    colours = np.asarray(scale_of("viridis", True).map(part))
    np.testing.assert_allclose(colours[4, :3], colours[4, 0])
    assert colours[3, 0] > 0.8  # yellow
    assert np.asarray(scale_of("viridis", True).map(np.array([np.nan])))[0, 3] == 0


def test_labels_have_the_colours_of_their_palette() -> None:
    palette = {"x": "#ff0000", "y": "#00ff00", "z": "#0000ff"}
    numbers, colormap = coded(np.array(["y", "", "z", "x"], dtype=object), palette)
    assert (numbers > 0).all()
    colours = np.asarray(colormap.map(numbers / (len(colormap.colors) - 1)))[:, :3]
    np.testing.assert_allclose(colours[[0, 2, 3]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(colours[1], colours[1, 0])  # grey
    _, plain = coded(np.zeros(4), {})
    assert np.ptp(np.asarray(plain.colors), axis=0).max() == 0


@pytest.fixture
def outlined(small_tissue: Tissue) -> Tissue:
    """Return the tissue with labels under the first two sections, two units a pixel."""
    found = {}
    for section in ("first", "second"):
        rows = np.flatnonzero(small_tissue.section == section)
        image = np.zeros((100, 100), np.int32)
        for i, (y, x) in enumerate((small_tissue.coords[rows, 1:] / 2).astype(int)):
            image[y, x] = i + 1
        ids = pd.Series(np.arange(1, len(rows) + 1), small_tissue.names[rows])
        found[section] = Segmentation(image, np.diag([2.0, 2.0, 1.0]), ids)
    return replace(small_tissue, segmentation=found, histology={})


@pytest.fixture
def session(make_napari_viewer: Callable[..., Any], outlined: Tissue) -> Session:
    session = session_of(make_napari_viewer(show=True))
    session.set_tissue(outlined, None)
    settle()
    return session


@pytest.mark.viewer
def test_cells_show_in_their_outlines_and_as_points_again(session: Session) -> None:
    stack = session.stack
    stack.colour_by("gene", "Gad1")
    stack.cells.show(True)
    settle()
    first, third = stack.section("first"), stack.section("third")
    assert first.cells is not None
    assert first.points is not None
    assert third.points is not None
    assert first.cells.visible
    assert not first.points.visible
    assert third.cells is None
    assert third.points.visible
    assert first.visible
    stack.colour_by("gene", "Tac1")
    values = stack.colouring.measured[first.rows]
    image = np.asarray(session.tissue.segmentation["first"].image)
    shown = first.cells.data[0]
    assert np.isnan(shown[image == 0]).all()
    for label in np.unique(image[image > 0]):
        np.testing.assert_allclose(shown[image == label], values[label - 1], rtol=1e-6)
    stack.cells.show(False)
    settle()
    assert first.cells is None
    assert first.points.visible
    np.testing.assert_allclose(first.points.features["value"], values)  # painted meanwhile
    assert not any("cells" in layer.name for layer in session.viewer.layers)


@pytest.mark.viewer
def test_outlines_go_where_their_points_go(session: Session) -> None:
    stack = session.stack
    stack.cells.show(True)
    stack.set_spacing(7.0)
    for name in ("first", "second"):
        section = stack.section(name)
        cells, points = section.cells, section.points
        image = np.asarray(session.tissue.segmentation[name].image)
        label = image.max()
        pixel = np.argwhere(image == label)[0]
        world = np.asarray(cells.data_to_world((0, *pixel)))
        cell = np.asarray(points.data_to_world(section.coords[label - 1]))
        assert world[0] == pytest.approx(cell[0])
        assert np.abs(world - cell).max() <= 2.0  # a pixel


@pytest.mark.viewer
def test_hiding_outlines_hides_the_section(session: Session) -> None:
    stack = session.stack
    stack.cells.show(True)
    section = stack.section("first")
    section.cells.visible = False
    assert not section.visible
    stack.set_visible(section, True)
    assert section.cells.visible
    assert not section.points.visible
    session.viewer.layers.remove(section.cells)
    assert section.cells is None
    assert not section.visible
    stack.set_visible(section, True)
    assert section.points.visible


@pytest.mark.viewer
def test_a_tissue_of_points_has_no_outlines(
    make_napari_viewer: Callable[..., Any], small_tissue: Tissue
) -> None:
    session = session_of(make_napari_viewer(show=True))
    session.set_tissue(small_tissue, None)
    assert not session.stack.cells.available
    with pytest.raises(StdiffError, match="labels element"):
        session.stack.cells.show(True)
