"""What a figure says its colours mean: two genes, maps side by side, what is faint or left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.figure import Picture, draw
from napari_stdiff.viewer.figure_key import notes, role_of, scales, title, words_of
from napari_stdiff.viewer.layers import UNKNOWN
from napari_stdiff.viewer.quad import above
from napari_stdiff.viewer.session import Session

pytestmark = pytest.mark.viewer
BLANK = Picture(np.zeros((60, 80, 3), np.uint8), 2.5, True)
Make = Callable[..., VirtualSection]


@pytest.fixture
def session(session: Session) -> Session:
    session.stack.colour_by("gene", "Gad1")
    return session


def told(session: Session) -> set[str]:
    from matplotlib.text import Text

    return {text.get_text() for text in draw(session, BLANK).findobj(Text)}


def marks(session: Session) -> dict[str, Any]:
    """Return what is said of each mark, and its colour."""
    (legend,) = draw(session, BLANK).legends
    names = [text.get_text() for text in legend.get_texts()]
    lines = [line.get_markerfacecolor() for line in legend.get_lines()]
    return dict(zip(names, lines, strict=True))


def test_two_genes_have_a_square_with_both_names_and_the_mixture(session: Session) -> None:
    second = session.stack.second
    second.choose("Tac1")
    figure = draw(session, BLANK)
    (square,) = [a for axes in figure.axes for a in axes.child_axes]
    assert square.get_xlabel() == "Gad1, log-normalised"
    assert square.get_ylabel() == "Tac1, log-normalised"
    assert square.get_xlim() == pytest.approx(session.stack.limits)
    assert square.get_ylim() == pytest.approx(second.limits)
    mixtures = np.asarray(square.images[0].get_array())
    np.testing.assert_allclose(mixtures[0, -1, :3], [1.0, 0.577, 0.06], atol=0.01)  # orange
    np.testing.assert_allclose(mixtures[-1, 0, :3], [0.06, 0.483, 1.0], atol=0.01)  # blue
    assert mixtures[-1, -1, :3].min() == 1.0
    dots = marks(session)
    assert list(dots) == ["Gad1: orange", "Tac1: blue", "both: white", "neither: dark"]
    np.testing.assert_allclose(dots["both: white"], 1.0)


def test_grey_is_explained_where_it_is_seen(session: Session, make_virtual: Make) -> None:
    session.stack.second.choose("Tac1")
    assert UNKNOWN not in marks(session).values()
    made = make_virtual("between", 25.0)
    genes = made.prediction.genes[:1]
    cut = replace(made.prediction, genes=genes, mean=made.prediction.mean[:, :1], std=None)
    session.add_result(replace(made, prediction=cut), persist=False)  # knows no Tac1
    assert marks(session)["no value here"] == UNKNOWN
    session.stack.second.choose("")
    session.stack.colour_by("column", "mark")  # some have none
    texts = told(session)
    assert "no label" in texts
    session.stack.filter.toggle("mark", "")
    texts = told(session)
    assert "Not shown (mark): cells without a label." in texts
    session.stack.filter.set_everywhere(True)
    session.stack.colour_by("gene", "Gad1")
    assert notes(session) == ["Not shown (mark): cells without a label."]


def test_maps_side_by_side_have_a_bar_each(session: Session, make_virtual: Make) -> None:
    record = RunRecord(task="interpolate", method="knn", target={"z": 50.0, "hidden": "second"})
    session.add_result(make_virtual("virtual", 50.0, record=record), persist=False)
    assert [scale.title for scale in scales(session)] == ["Gad1, log-normalised"]
    session.stack.quad.show(True)
    assert title(session) == "Gad1: measured | virtual | virtual − measured | uncertainty (std)"
    every = scales(session)
    assert [scale.title for scale in every] == [
        "Gad1, measured and virtual, log-normalised", "virtual − measured", "uncertainty (std)",
    ]  # fmt: skip
    assert every[0].limits == session.stack.limits
    assert every[1].limits[0] == -every[1].limits[1]
    figure = draw(session, BLANK)
    assert len(figure.axes[0].child_axes) == 3
    assert {"virtual − measured", "uncertainty (std)"} <= told(session)


def test_faint_is_said_to_be_unsure_only_where_it_is(session: Session, make_virtual: Make) -> None:
    stack = session.stack
    assert notes(session) == []
    stack.set_drawing("heat")
    assert notes(session) == ["Heat map: averages of near cells, clear where there are none."]
    unsure = make_virtual("unsure", 90.0, confidence=np.full(30, 0.2))
    name = session.add_result(unsure, persist=False)
    assert notes(session)[-1] == "Faint: less certain."
    stack.set_visible(stack.section(name, True), False)
    assert len(notes(session)) == 1
    stack.set_visible(stack.section(name, True), True)
    stack.set_drawing("points")
    assert notes(session) == ["Faint: less certain."]


def test_a_spread_is_called_so(session: Session, make_virtual: Make) -> None:
    session.add_result(make_virtual("v", 90.0), persist=False)
    session.stack.set_quantity("std")
    words = words_of(session, session.stack.colouring)
    assert words == "Gad1, log-normalised; virtual: spread (std)"


def test_words_stand_above_a_box_from_wherever_it_is_seen() -> None:
    box = np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 5.0]])
    rng = np.random.default_rng(0)
    for _ in range(5):
        eye, up, _ = np.linalg.qr(rng.normal(size=(3, 3)))[0].T
        place = above(box, up, eye, 1.0)
        corners = np.array([[z, y, x] for z in (0, 3) for y in (0, 4) for x in (0, 5)], float)
        assert place @ up == pytest.approx((corners @ up).max() + 1.0)
        assert place @ eye <= (corners @ eye).min() + 1e-9  # nothing is before it
        side = np.cross(eye, up)
        assert place @ side == pytest.approx(box.mean(axis=0) @ side)


def test_names_of_maps_follow_the_camera(
    session: Session, viewer: ViewerModel, make_virtual: Make
) -> None:
    record = RunRecord(task="interpolate", method="knn", target={"z": 50.0, "hidden": "second"})
    session.add_result(make_virtual("virtual", 50.0, record=record), persist=False)
    session.stack.set_ndisplay(3)
    session.stack.quad.show(True)
    from napari_stdiff.viewer.layers import camera_of

    camera = camera_of(viewer)
    (names,) = [layer for layer in viewer.layers if layer.name == "names of the maps"]
    for angles in ((0, 0, 90), (20, 40, 130)):
        camera.angles = angles
        up = np.array(camera.up_direction)
        every = [x for x in viewer.layers if role_of(x) == "points" and x.visible]
        corners = np.concatenate(
            [
                np.array([[z, y, x] for z in b[:, 0] for y in b[:, 1] for x in b[:, 2]])
                for b in (layer.extent.world for layer in every)
            ]
        )
        assert names.data[0] @ up > (corners @ up).max()
