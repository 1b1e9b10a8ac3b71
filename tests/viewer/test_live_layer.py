"""Where the live cut lies among sections that are spread, what of it is in sight, its spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.tasks.live_cut import LiveCut
from napari_stdiff.viewer import microtome as module
from napari_stdiff.viewer.cutting import coarse_picture, why_rough
from napari_stdiff.viewer.live_layer import LiveLayer
from napari_stdiff.viewer.microtome import Microtome
from napari_stdiff.viewer.session import Session

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("no_kept_models")]


@pytest.fixture
def session(session: Session) -> Session:
    session.stack.colour_by("gene", "Gad1")
    return session


def boxes(session: Session, layer: LiveLayer) -> dict[str, np.ndarray]:
    """Return what shows -> its lowest and highest z, y, x on the canvas, by depth."""
    assert layer.points is not None
    every = {s.name: s.points for s in session.stack.sections}
    every["cut"] = layer.points
    return {name: points.extent.world for name, points in every.items() if points is not None}


def cut_at(session: Session, z: float) -> np.ndarray:
    assert session.tissue is not None
    return LiveCut(session.tissue).query(z).coords


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_cut_has_a_place_of_its_own_between_its_spread_neighbours(
    session: Session, viewer: ViewerModel, ndisplay: int
) -> None:
    stack = session.stack
    stack.set_ndisplay(ndisplay)
    layer = LiveLayer(session)
    for z, order in (
        (25.0, ["first", "cut", "second", "third"]),
        (90.0, ["first", "second", "cut", "third"]),
    ):
        coords = cut_at(session, z)
        layer.show(coords, np.zeros(len(coords)))
        stack.set_explosion(1.0)
        found = boxes(session, layer)
        middles = {name: box.mean(axis=0) for name, box in found.items()}
        rows = sorted(found, key=lambda name: (round(middles[name][1] / 50), middles[name][2]))
        assert rows == order  # row by row, as one reads
        for name, box in found.items():
            if name != "cut":
                apart = (box[1] < found["cut"][0]) | (found["cut"][1] < box[0])
                assert apart[1:].any(), name  # none lies on another
        level = np.ptp([m[0] for m in middles.values()])
        assert level <= stack.point_diameter  # at one depth; cells stand above their pictures
        assert layer.frame is not None
        frame = layer.frame.extent.world
        assert (frame[0, 1:] <= found["cut"][0, 1:]).all()
        assert (frame[1, 1:] >= found["cut"][1, 1:]).all()
        assert stack.explosion == 1.0  # looking at a cut does not gather them
    stack.set_explosion(0.0)
    layer.settle()
    expected = np.column_stack([np.full(len(coords), 90.0 * stack.spacing), coords[:, 1:]])
    np.testing.assert_allclose(layer.points.data, expected)
    layer.close()


def test_half_spread_it_lies_between_in_depth_too(session: Session) -> None:
    stack = session.stack
    stack.set_ndisplay(3)
    layer = LiveLayer(session)
    coords = cut_at(session, 25.0)
    stack.set_explosion(0.4)
    layer.show(coords, np.zeros(len(coords)))
    depth = {name: box[:, 0].mean() for name, box in boxes(session, layer).items()}
    assert depth["first"] < depth["cut"] < depth["second"]
    stack.set_spacing(3.0)
    again = {name: box[:, 0].mean() for name, box in boxes(session, layer).items()}
    middle = (again["first"] + again["second"]) / 2
    assert again["cut"] == pytest.approx(middle, abs=stack.point_diameter)
    slot = stack.section("third").slot
    layer.clear()  # the sections close the gap
    assert stack.section("third").slot != slot
    layer.close()


@pytest.fixture
def cutter(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Microtome]:
    monkeypatch.setattr(module, "leave_out", lambda tissue, monitor: [])
    cutter = Microtome(session)
    yield cutter
    cutter.close()


def test_labels_that_are_hidden_are_hidden_in_the_cut(
    session: Session, cutter: Microtome, qtbot: Any
) -> None:
    stack = session.stack
    cutter.move(25.0)
    qtbot.waitUntil(lambda: cutter.layer.is_shown, timeout=60_000)
    points = cutter.layer.points
    types = LiveCut(session.tissue).query(25.0).cell_type
    assert {"neuron", "glia"} == set(types)
    stack.filter.toggle("cell_type", "glia")
    assert points.shown.all()  # another colouring, and not to be hidden everywhere
    stack.filter.set_everywhere(True)
    np.testing.assert_array_equal(points.shown, types == "neuron")
    assert (points.size[~points.shown] < 0).all()  # in 3D napari draws what is not shown
    cutter.move(30.0)
    qtbot.waitUntil(lambda: bool(points.data[0, 0] == 30.0 * stack.spacing), timeout=60_000)
    types = LiveCut(session.tissue).query(30.0).cell_type
    np.testing.assert_array_equal(points.shown, types == "neuron")
    stack.filter.show_all("cell_type")
    assert points.shown.all()
    qtbot.waitUntil(lambda: not cutter.busy, timeout=60_000)


def test_where_the_stack_shows_the_spread_the_cut_shows_its_own(
    session: Session, cutter: Microtome, qtbot: Any
) -> None:
    stack = session.stack
    cutter.move(25.0)
    qtbot.waitUntil(lambda: cutter.state == "refined", timeout=60_000)
    mean = np.array(cutter.layer.points.features["value"])
    told: list[str] = []
    cutter.told.connect(lambda: told.append(cutter.words))
    stack.set_quantity("std")
    qtbot.waitUntil(lambda: cutter.state == "refined" and "spread" in cutter.words, timeout=60_000)
    assert any("spread of near cells" in words for words in told)
    spread = np.array(cutter.layer.points.features["value"])
    cut = LiveCut(session.tissue)
    there = cut.pair(25.0).lines.there(cut.pair(25.0).weight(25.0))
    wanted = cut.refined(25.0, "Gad1", Monitor(), "std")[there]
    np.testing.assert_allclose(spread, wanted, rtol=1e-5)
    assert np.abs(spread - mean).max() > 0.1
    stack.set_quantity("mean")
    qtbot.waitUntil(lambda: cutter.words.startswith("Refined: predicted"), timeout=60_000)
    np.testing.assert_allclose(cutter.layer.points.features["value"], mean, rtol=1e-5)
    qtbot.waitUntil(lambda: not cutter.busy, timeout=60_000)


def test_annotations_have_no_spread(session: Session) -> None:
    cut = LiveCut(session.tissue)
    session.stack.colour_by("column", "depth")
    colouring = session.stack.colouring
    picture = coarse_picture(cut, 25.0, colouring, "std")
    np.testing.assert_array_equal(picture.values, coarse_picture(cut, 25.0, colouring).values)
    assert "Averages" in why_rough(colouring, session.tissue, picture, "std")
