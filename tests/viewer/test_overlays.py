"""Heat maps, two genes and maps side by side, by the buttons of the Stack dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.compare import Map, carried, difference_map, limits_of
from napari_stdiff.viewer.layers import FAINTEST, KEY, camera_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.show import settle
from napari_stdiff.viewer.widgets.stack import StackWidget

# -- what the maps say ----------------------------------------------------------------------------


def test_differences_are_centred_on_nothing() -> None:
    apart = Map("difference", "", {"a": np.array([-1.0, 0.5, np.nan]), "b": np.array([0.2])})
    low, high = limits_of(apart, (0.0, 9.0))
    assert low == -high
    assert 0.9 < high <= 1.0
    middle = difference_map().map(np.array([0.5]))[0, :3]
    assert middle.min() > 0.9  # near white
    less, more = difference_map().map(np.array([0.2, 0.8]))[:, :3]
    assert less[2] > less[0]
    assert more[0] > more[2]
    alike = Map("difference", "", {"a": np.zeros(3)})
    assert limits_of(alike, (0.0, 9.0)) == (-1.0, 1.0)


def test_spreads_begin_at_nothing_and_the_others_share_a_scale() -> None:
    spread = Map("uncertainty", "", {"a": np.array([0.5, 1.0])})
    assert limits_of(spread, (0.0, 9.0))[0] == 0.0
    assert limits_of(Map("predicted", "", {"a": np.ones(2)}), (0.0, 9.0)) == (0.0, 9.0)


def test_values_are_carried_to_where_cells_are_near() -> None:
    rng = np.random.default_rng(0)
    there, here = rng.uniform(0, 50, (600, 2)), rng.uniform(5, 45, (100, 2))
    values = 0.1 * there[:, 0]
    got = carried(values, there, np.concatenate([here, [[500.0, 500.0]]]), near=2.2)
    np.testing.assert_allclose(got[:-1], 0.1 * here[:, 0], atol=0.25)
    assert np.isnan(got[-1])
    np.testing.assert_array_equal(carried(values, there, there, 2.2), values.astype(np.float32))


# -- the dock -------------------------------------------------------------------------------------


@pytest.fixture
def opened(
    make_napari_viewer: Callable[..., Any], small_tissue: Tissue
) -> tuple[Session, StackWidget]:
    viewer = make_napari_viewer(show=True)
    session = session_of(viewer)
    dock = StackWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Stack")
    session.set_tissue(small_tissue, None)
    session.stack.colour_by("gene", "Gad1")
    settle()
    return session, dock


@pytest.mark.viewer
def test_a_heat_map_follows_the_gene_and_goes_again(opened: tuple[Session, StackWidget]) -> None:
    session, dock = opened
    stack, section = session.stack, session.stack.section("first")
    camera = camera_of(session.viewer)
    before = (tuple(camera.center), camera.zoom)
    dock.overlay.ways["heat"].click()
    settle()
    assert section.heat is not None
    assert section.heat.visible
    assert not section.points.visible
    layers = list(session.viewer.layers)
    assert layers.index(section.heat) > layers.index(section.image)
    first = np.array(section.heat.data)
    stack.colour_by("gene", "Tac1")
    assert np.abs(section.heat.data[..., :3] - first[..., :3]).max() > 0.1
    np.testing.assert_array_equal(section.heat.data[..., 3], first[..., 3])
    stack.set_limits(0.0, 100.0)
    low = np.asarray(section.heat.data)[..., :3][first[..., 3] > 0.5]
    assert np.ptp(low, axis=0).max() < 0.1  # all near the lower end
    stack.set_opacity(points=0.4)
    assert section.heat.opacity == pytest.approx(0.4)
    assert section.image.opacity == pytest.approx(1.0)
    stack.colour_by("column", "cell_type")  # no numbers: points again
    assert section.heat is None
    assert section.points.visible
    assert "colour the sections by a gene" in dock.overlay.note.text()
    stack.colour_by("gene", "Gad1")
    assert section.heat is not None
    dock.overlay.ways["points"].click()
    assert section.heat is None
    assert section.points.visible
    assert (tuple(camera.center), camera.zoom) == before
    assert not any("heat map" in layer.name for layer in session.viewer.layers)


@pytest.mark.viewer
def test_a_heat_map_lies_where_its_section_is(opened: tuple[Session, StackWidget]) -> None:
    session, dock = opened
    stack, section = session.stack, session.stack.section("second")
    dock.overlay.ways["heat"].click()
    for act in (lambda: stack.set_spacing(3.0), lambda: stack.set_explosion(1.0)):
        act()
        corner = section.coords[section.coords[:, 1].argmax()]
        grid = stack.heat.grid(section)
        pixel = (corner[1:] - grid.origin) / grid.pixel
        there = section.heat.data_to_world((0, *pixel))
        np.testing.assert_allclose(there, section.points.data_to_world(corner), atol=1e-6)


@pytest.mark.viewer
def test_the_size_of_a_pixel_and_what_is_refused(opened: tuple[Session, StackWidget]) -> None:
    session, dock = opened
    section, panel = session.stack.section("first"), dock.overlay
    panel.ways["heat"].click()
    before, size = section.heat.data.shape, panel.pixel.value()
    panel.pixel.setValue(2 * size)
    assert section.heat.data.shape[1] < 0.7 * before[1]
    panel.pixel.setValue(1e6)
    assert "as large as the tissue" in panel.note.text()
    assert panel.pixel.value() == pytest.approx(2 * size)
    panel.auto.click()
    assert section.heat.data.shape == before


@pytest.mark.viewer
def test_what_is_less_sure_is_fainter(
    opened: tuple[Session, StackWidget], make_virtual: Callable[..., Any]
) -> None:
    session, dock = opened
    dock.overlay.ways["heat"].click()
    sure = session.add_result(make_virtual("sure", 20.0), persist=False)
    unsure = make_virtual("unsure", 90.0, confidence=np.full(30, 0.2))
    unsure = session.add_result(unsure, persist=False)
    alpha = {
        name: float(session.stack.section(name, True).heat.data[..., 3].max())
        for name in (sure, unsure)
    }
    assert alpha[sure] == pytest.approx(1.0)
    assert alpha[unsure] == pytest.approx(FAINTEST + (1 - FAINTEST) * 0.2, abs=1e-3)


@pytest.mark.viewer
def test_a_second_gene_by_the_search_box(opened: tuple[Session, StackWidget]) -> None:
    session, dock = opened
    stack, section, panel = session.stack, session.stack.section("first"), dock.overlay
    offered = {entry.name for entry in panel.search.index.entries}
    assert "Tac1" in offered
    assert "cell_type" not in offered
    panel.search.setText("Tac1")
    panel.search._enter()
    assert stack.second.is_on
    assert panel.legend.isVisibleTo(panel)
    first = stack.colouring.measured[section.rows]
    second = stack.measured("Tac1")[section.rows]
    np.testing.assert_allclose(section.points.face_color, stack.second.blend(first, second))
    assert "Tac1 · blue" in stack.title
    panel.ways["heat"].click()
    assert np.ptp(section.heat.data[..., :3]) > 0.3
    stack.colour_by("gene", "Tac1")  # the second one itself: it is alone, and that is said
    assert not stack.second.is_on
    assert "first gene already" in panel.note.text()
    panel.clear.click()
    assert stack.second.name == ""
    panel.ways["points"].click()
    np.testing.assert_allclose(section.points.features["value"], second, rtol=1e-6)


@pytest.mark.viewer
@pytest.mark.parametrize("way", ["points", "heat"])
def test_maps_of_a_hidden_section(
    opened: tuple[Session, StackWidget], make_virtual: Callable[..., Any], way: str
) -> None:
    session, dock = opened
    stack, panel = session.stack, dock.overlay
    assert not panel.several.isEnabled()
    assert "only what was measured" in panel.several.toolTip()
    record = RunRecord(task="interpolate", method="knn", target={"z": 50.0, "hidden": "second"})
    cells = stack.section("second").coords
    made = make_virtual("virtual", 50.0, record=record)
    n = len(cells)
    mean = np.full((n, 5), 2.0, np.float32)
    guess = replace(made.prediction, mean=mean, std=0.5 * mean)
    made = replace(made, query=replace(made.query, coords=cells, cell_type=None), prediction=guess)
    name = session.add_result(made, persist=False)
    panel.ways[way].click()
    count = len(session.viewer.layers)
    panel.several.click()
    settle()
    quad = stack.quad
    kinds = ["measured", "predicted", "difference", "uncertainty"]
    assert [m.kind for m in quad.maps] == kinds
    wanted = 2.0 - stack.measured("Gad1")[stack.section("second").rows]
    np.testing.assert_allclose(quad.maps[2].values["second"], wanted, rtol=1e-6)
    assert not stack.section(name, True).visible  # it is a map of its own meanwhile
    mine = [x for x in session.viewer.layers if x.metadata.get(KEY, {}).get("role") == "compare"]
    assert len(mine) == 3 * 2 + 1  # cells on histology, and the names
    boxes = [x.extent.world[:, 1:] for x in mine if x.name.startswith("second histology")]
    boxes.append(stack.section("second").image.extent.world[:, 1:])
    for i, a in enumerate(boxes):  # none covers another
        assert all(((a[1] <= b[0]) | (b[1] <= a[0])).any() for b in boxes[:i])
    stack.set_ndisplay(2)
    settle()
    stack.set_ndisplay(3)
    stack.colour_by("column", "cell_type")
    assert quad.maps == []
    assert "by a gene first" in panel.note.text()
    stack.colour_by("gene", "Gad2")
    assert len(quad.maps) == 4
    panel.alone.click()
    assert stack.section(name, True).visible
    assert len(session.viewer.layers) == count
    session.remove_result(name)
    settle()


@pytest.mark.viewer
def test_other_data_leaves_the_maps(
    opened: tuple[Session, StackWidget], make_virtual: Callable[..., Any], small_tissue: Tissue
) -> None:
    session, dock = opened
    record = RunRecord(task="interpolate", method="knn", target={"z": 50.0, "hidden": "second"})
    session.add_result(make_virtual("virtual", 50.0, record=record), persist=False)
    dock.overlay.several.click()
    assert session.stack.quad.is_on
    names = np.array([f"s{name}" for name in small_tissue.section], dtype=object)
    other = replace(small_tissue, section=names, histology={})
    session.set_tissue(other, None)
    settle()
    assert not session.stack.quad.is_on
    roles = {x.metadata.get(KEY, {}).get("role") for x in session.viewer.layers}
    assert roles == {"points"}
