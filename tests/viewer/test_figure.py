"""The figure: the picture as it is seen, a bar of true length, and no file replaced unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.figure import (
    Parts,
    Picture,
    draw,
    length_words,
    nice_length,
    save_figure,
    take,
)
from napari_stdiff.viewer.layers import bar_is_shown, camera_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.show import settle

pytestmark = pytest.mark.viewer
BLANK = Picture(np.zeros((60, 80, 3), np.uint8), 2.5, True)


@pytest.fixture
def session(make_napari_viewer: Callable[..., Any], small_tissue: Tissue) -> Session:
    session = session_of(make_napari_viewer(show=True))
    session.set_tissue(small_tissue, None)
    session.stack.set_ndisplay(2)
    settle()
    return session


def words(figure: Any) -> set[str]:
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}


def test_lengths_are_round() -> None:
    for most in (0.013, 0.9, 1.0, 7.3, 4999.0):
        length = nice_length(most)
        assert 0.4 * most <= length <= most
        assert f"{length:.0e}"[0] in "125"
    assert nice_length(0.0) == nice_length(float("nan")) == 1.0
    assert length_words(1.0, "unit") == "1 unit"
    assert length_words(50.0, "mm") == "50 mm"


def test_the_picture_is_that_of_the_canvas_and_the_canvas_stays(session: Session) -> None:
    stack, viewer = session.stack, session.viewer
    stack.colour_by("gene", "Gad1")
    settle()
    zoom = camera_of(viewer).zoom
    bars = [bar_is_shown(layer) for layer in viewer.layers]
    assert any(bars)
    before = viewer.screenshot(canvas_only=True, flash=False)
    one, three = take(session, 1.0), take(session, 3.0)
    assert one.pixels.shape == (*before.shape[:2], 3)
    assert three.pixels.shape[0] == 3 * one.pixels.shape[0]
    assert three.per_pixel == pytest.approx(one.per_pixel / 3)
    differ = np.abs(three.pixels[1::3, 1::3].astype(int) - one.pixels).max(axis=2) > 60
    assert differ.mean() < 0.03  # the same sight, finer
    assert camera_of(viewer).zoom == zoom
    assert [bar_is_shown(layer) for layer in viewer.layers] == bars
    np.testing.assert_array_equal(viewer.screenshot(canvas_only=True, flash=False), before)


def test_the_length_of_a_pixel_is_measured_on_the_canvas(session: Session) -> None:
    """Two cells alone on the canvas, a known length apart, are so many pixels apart."""
    viewer = session.viewer
    for layer in list(viewer.layers):
        layer.visible = False
    apart = 80.0
    z = float(viewer.dims.point[0])
    viewer.add_points(
        [[z, 100, 60], [z, 100, 60 + apart]], size=8, face_color="white", border_width=0,
        out_of_slice_display=True,
    )  # fmt: skip
    settle()
    picture = take(session, 2.0)
    columns = np.flatnonzero((picture.pixels.min(axis=2) > 200).any(axis=0))
    left, right = np.split(columns, [int(np.diff(columns).argmax()) + 1])
    pixels = right.mean() - left.mean()
    assert pixels * picture.per_pixel == pytest.approx(apart, rel=0.02)


def test_a_tilted_stack_and_perspective_are_not_measured_as_if_straight(session: Session) -> None:
    session.stack.set_ndisplay(3)
    camera = camera_of(session.viewer)
    camera.set_view_direction((-1, 0, 0), (0, -1, 0))  # from straight above
    assert take(session, 1.0).straight
    camera.angles = (20, 30, 40)
    tilted = take(session, 1.0)
    assert not tilted.straight
    assert tilted.per_pixel > 0
    assert any("in the plane of the picture" in text for text in words(draw(session, tilted)))
    camera.perspective = 45
    assert take(session, 1.0).per_pixel == 0


def test_the_frame_says_what_colours_mean(
    session: Session, make_virtual: Callable[..., VirtualSection]
) -> None:
    stack = session.stack
    stack.colour_by("column", "cell_type")
    assert {"cell_type", "neuron", "glia", "50 µm"} <= words(draw(session, BLANK))
    stack.filter.toggle("cell_type", "glia")
    assert "glia" not in words(draw(session, BLANK))
    stack.colour_by("gene", "Gad1")
    told = words(draw(session, BLANK))
    assert "Gad1, log-normalised" in told
    assert not any("virtual" in text for text in told)
    session.add_result(make_virtual("between", 25.0), persist=False)
    assert any("not measured" in text for text in words(draw(session, BLANK)))
    bare = draw(session, BLANK, Parts(title=False, colours=False, scale=False))
    assert "Gad1, log-normalised" not in words(bare)


def test_files_are_written_whole_and_never_replaced_unasked(
    session: Session, tmp_path: Path
) -> None:
    session.stack.colour_by("gene", "Gad1")
    for kind in ("png", "svg", "pdf"):
        save_figure(session, tmp_path / f"figure.{kind}")
    assert b"<svg" in (tmp_path / "figure.svg").read_bytes()
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    from matplotlib.image import imread

    page = imread(tmp_path / "figure.png")
    assert page.shape[1] > take(session, 2.0).pixels.shape[1]  # the bar stands beside it
    before = (tmp_path / "figure.png").read_bytes()
    with pytest.raises(StdiffError, match="not overwritten"):
        save_figure(session, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes() == before
    save_figure(session, tmp_path / "figure.png", 1.0, overwrite=True)
    assert (tmp_path / "figure.png").read_bytes() != before
    with pytest.raises(StdiffError, match=r"end in \.png"):
        save_figure(session, tmp_path / "figure.bmp")
    with pytest.raises(StdiffError, match="1 to 8 times"):
        save_figure(session, tmp_path / "large.png", 20.0)
    assert len(list(tmp_path.iterdir())) == 3
