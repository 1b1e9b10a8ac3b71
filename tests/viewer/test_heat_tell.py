"""What a heat map tells of the place under the mouse, and which cell a click on it picks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_stdiff.data.predicted import PredictedGenes, Reliability
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.arrange import Section
from napari_stdiff.viewer.cell_pick import cell_at
from napari_stdiff.viewer.heat_grid import grid_of
from napari_stdiff.viewer.heat_tell import nearest_cell
from napari_stdiff.viewer.session import Session

pytestmark = pytest.mark.viewer
STRAIGHT = np.array([-1.0, 0.0, 0.0])
TILTED = np.array([-0.8, 0.36, 0.48])


@pytest.fixture
def session(session: Session) -> Session:
    session.stack.colour_by("gene", "Gad1")
    session.stack.set_drawing("heat")
    return session


def over(section: Section, cell: int) -> np.ndarray:
    """Return where on the canvas a cell is."""
    assert section.points is not None
    return np.asarray(section.points.data_to_world(section.coords[cell]))


def status(section: Section, place: np.ndarray, direction: np.ndarray | None = None) -> str:
    """Return what napari's status line says while the heat map is the selected layer."""
    assert section.heat is not None
    shown = [1, 2] if direction is None else [0, 1, 2]
    found = section.heat.get_status(
        place, view_direction=direction, dims_displayed=shown, world=True
    )
    return str(found["value"])


def smoothed(session: Session, section: Section, values: np.ndarray, cell: int) -> float:
    """Return the mean around the pixel of a cell, by the formula, without the grid's weights."""
    heat = session.stack.heat
    grid = heat.grid(section)
    pixel = np.round((section.coords[cell, 1:] - grid.origin) / grid.pixel)
    centre = np.asarray(grid.origin) + grid.pixel * pixel
    far = np.linalg.norm(section.coords[:, 1:] - centre, axis=1)
    width = max(heat.near, grid.pixel)
    weights = np.where(far <= 2 * heat.near, np.exp(-2 * (far / width) ** 2), 0.0)
    return float(weights @ values / weights.sum())


def test_one_pixel_is_that_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    plane, values = rng.uniform(0, 50, (200, 2)), rng.normal(size=200)
    values[:20] = np.nan
    grid = grid_of(plane, 3.0, 1.5)
    mean = grid.mean(values)
    for at in [(0, 0), (10, 7), (20, 20)]:
        np.testing.assert_allclose(grid.value(values, at), mean[at], rtol=1e-5)


def test_the_nearest_cell_in_reach_and_in_sight_is_meant() -> None:
    plane = np.array([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    assert nearest_cell(plane, np.array([2.0, 0.0]), None, 4.0) == 1
    assert nearest_cell(plane, np.array([2.0, 0.0]), np.array([True, False, True]), 4.0) == 0
    assert nearest_cell(plane, np.array([50.0, 0.0]), None, 4.0) is None
    assert nearest_cell(np.zeros((0, 2)), np.zeros(2), None, 4.0) is None


def test_the_status_line_tells_gene_and_mean(session: Session) -> None:
    section = session.stack.section("second")
    values = session.stack.measured("Gad1")[section.rows]
    words = status(section, over(section, 4))
    wanted = smoothed(session, section, values, 4)
    assert words == f"second: Gad1 {wanted:.3g}; mean of near cells"
    place = over(section, 4)
    assert status(section, place + np.array([0.0, 5000.0, 0.0])) == ""  # beside it
    assert status(section, place + np.array([3.0, 0.0, 0.0])) == ""  # at another depth
    session.stack.set_visible(session.stack.section("third"), False)
    assert status(section, place - 40 * TILTED, TILTED) == words  # along the eye's way in 3D
    session.stack.colour_by("gene", "Tac1")
    assert "Tac1" in status(section, place)
    session.stack.second.choose("Gad2")
    assert "Tac1" in status(section, place)
    assert "; Gad2" in status(section, place)


def test_the_map_nearest_to_the_eye_is_told(session: Session) -> None:
    below, top = session.stack.section("first"), session.stack.section("third")
    place = over(below, 3)
    eye = place - 1000 * STRAIGHT
    told = status(below, eye, STRAIGHT)
    grid = session.stack.heat.grid(top)
    pixel = np.round((below.coords[3, 1:] - grid.origin) / grid.pixel).astype(int)
    known = np.isfinite(grid.mean(np.ones(len(top.coords)))[tuple(pixel)])
    assert told.startswith("third" if known else "second" if "second" in told else "first")
    session.stack.set_visible(top, False)
    session.stack.set_visible(session.stack.section("second"), False)
    assert status(below, eye, STRAIGHT).startswith("first: Gad1")


def test_predictions_tell_their_spread_too(
    session: Session, small_tissue: Tissue, make_virtual: Callable[..., VirtualSection]
) -> None:
    n = small_tissue.n_cells
    values = np.full((n, 1), 2.0, np.float32)
    trust = Reliability(np.array([0.7]), np.array([0.6]), np.array([0.8]))
    genes = Prediction(np.array(["Cux2"], object), values, 0.25 * values)
    record = RunRecord(task="predict-genes", method="ridge")
    result = PredictedGenes("genes", genes, small_tissue.names, trust, record)
    session.predictions.keep(result, persist=False)
    session.stack.colour_by("gene", "Cux2")
    section = session.stack.section("first")
    words = status(section, over(section, 2))
    assert words.startswith("first: Cux2 2, spread 0.5, confidence 0.94")
    session.stack.set_quantity("std")
    assert status(section, over(section, 2)).startswith("first: Cux2 (spread) 0.5, confidence")
    session.stack.set_quantity("mean")
    made = make_virtual("v", 90.0, confidence=np.full(30, 0.5))
    mean = np.full_like(made.prediction.mean, 3.0)
    made = replace(made, prediction=replace(made.prediction, mean=mean, std=0.1 * mean))
    name = session.add_result(made, persist=False)
    session.stack.colour_by("gene", "Gad1")
    virtual = session.stack.section(name, True)
    told = status(virtual, over(virtual, 2))
    assert told.startswith("virtual · v: Gad1 3, spread 0.3, confidence 0.5")


def test_a_click_picks_the_nearest_cell(session: Session) -> None:
    stack = session.stack
    section = stack.section("second")
    for direction in (None, TILTED):
        place = over(section, 7)
        event = SimpleNamespace(
            dims_displayed=[1, 2] if direction is None else [0, 1, 2],
            position=place if direction is None else place - 20 * TILTED,
            view_direction=direction,
        )
        if direction is not None:
            stack.set_opacity(histology=0.3)  # pictures are seen through
            stack.set_visible(stack.section("third"), False)  # it is nearer to the eye
        hit = cell_at(stack, event)
        assert hit is not None
        assert (hit[0].name, hit[1]) == ("second", 7)
    section.heat.visible = False
    event = SimpleNamespace(dims_displayed=[1, 2], position=place, view_direction=None)
    hit = cell_at(stack, event)
    assert hit is None or hit[0] is not section


def test_the_selected_layer_is_the_one_that_tells(session: Session, viewer: ViewerModel) -> None:
    stack = session.stack
    section = stack.section("first")
    stack.set_drawing("points")
    viewer.layers.selection = {section.points}
    stack.set_drawing("heat")
    assert viewer.layers.selection == {section.heat}
    stack.set_drawing("points")
    assert viewer.layers.selection == {section.points}


def told_of(section: Section, cell: int) -> str:
    """Return what napari's status line says of a cell that is drawn as a point."""
    assert section.painted is not None
    place = section.painted.data_to_world(section.coords[cell])
    found = section.painted.get_status(place, dims_displayed=[1, 2], world=True)
    return str(found["value"])


def test_points_tell_what_their_colours_show(
    session: Session, make_virtual: Callable[..., VirtualSection]
) -> None:
    stack = session.stack
    stack.set_drawing("points")
    section = stack.section("second")
    stack.colour_by("column", "cell_type")
    assert f"value: {stack.colouring.measured[section.rows[3]]}" in told_of(section, 3)
    stack.colour_by("gene", "Gad2")
    value = float(stack.measured("Gad2")[section.rows[3]])
    assert f"value: {value:.4g}"[:9] in told_of(section, 3)
    stack.second.choose("Tac1")  # and the first gene, while there are two
    stack.colour_by("gene", "Gad1")
    assert float(section.points.features["value"][3]) == pytest.approx(
        float(stack.measured("Gad1")[section.rows[3]])
    )
    stack.second.choose("")
    faint = make_virtual("v", 90.0, confidence=np.full(30, 0.3))
    name = session.add_result(faint, persist=False)
    stack.colour_by("gene", "Tac1")  # cells that fade have colours of their own
    virtual = stack.section(name, True)
    np.testing.assert_allclose(virtual.points.features["value"], stack.colouring.virtual[name])


def test_points_of_maps_tell_their_values(
    session: Session, viewer: ViewerModel, make_virtual: Callable[..., VirtualSection]
) -> None:
    session.stack.set_drawing("points")
    record = RunRecord(task="interpolate", method="knn", target={"z": 50.0, "hidden": "second"})
    session.add_result(make_virtual("virtual", 50.0, record=record), persist=False)
    session.stack.quad.show(True)
    for shown in session.stack.quad.maps[1:]:
        layer = viewer.layers[f"second · {shown.title}"]
        np.testing.assert_allclose(layer.features["value"], shown.values["second"])
