"""The canvas as a figure: the picture as it is seen, with title, colour bar or legend, scale bar.

The picture is taken from the canvas at a chosen resolution; what stands around it is drawn anew by
matplotlib, so that it is sharp in PDF and SVG, where it stays text and lines.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.files import refuse_taken, write_whole
from . import layers as build
from .figure_key import FONT, draw_key, notes, role_of, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .session import Session

KINDS = (".png", ".svg", ".pdf")
_WIDTH = 6.0  # inches of the picture on the page
_LINE = 95  # letters below the picture
_STRAIGHT = 0.999  # cosine between the view and the z axis


@dataclass(frozen=True)
class Picture:
    """The canvas.

    Attributes
    ----------
    pixels
        (height, width, 3) uint8.
    per_pixel
        Length of a pixel in the unit of the tissue; 0 where that differs over the picture.
    straight
        Whether sections are seen from straight above or below, so that lengths in them are true.
    """

    pixels: np.ndarray
    per_pixel: float
    straight: bool


@dataclass(frozen=True)
class Parts:
    """What is drawn around the picture."""

    title: bool = True
    colours: bool = True
    scale: bool = True


def save_figure(
    session: Session,
    path: str | Path,
    resolution: float = 2.0,
    parts: Parts = Parts(),
    overwrite: bool = False,
) -> Path:
    """Save what the canvas shows as a figure.

    Parameters
    ----------
    session
        The session of the viewer.
    path
        A ``.png``, ``.svg`` or ``.pdf``.
    resolution
        Pixels of the figure's picture for one of the canvas, 1 to 8.
    parts
        What is drawn around it.
    overwrite
        Whether a file that is there may go; the user was asked.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StdiffError
        When it cannot be written, or something is there and may not go.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise StdiffError(f"'{path.name}' is no figure; let it end in .png, .svg or .pdf.")
    if not overwrite:
        refuse_taken(path)
    picture = take(session, resolution)
    figure = draw(session, picture, parts)
    dots = picture.pixels.shape[1] / _WIDTH
    look = {"dpi": dots, "bbox_inches": "tight", "facecolor": "white"}
    write_whole(path, lambda part: figure.savefig(part, **look))
    return path


def take(session: Session, resolution: float) -> Picture:
    """Return the canvas without what is written on it, at `resolution` times its size."""
    if not 1.0 <= resolution <= 8.0:
        raise StdiffError("The resolution is 1 to 8 times that of the window.")
    viewer = session.viewer
    camera = build.camera_of(viewer)
    flat, width, zoom = viewer.dims.ndisplay == 2, _canvas_width(viewer), float(camera.zoom)
    with session.stack.crowd.lifted(), _bare(session), _written(viewer, resolution):
        camera.zoom = zoom * resolution  # napari makes the canvas larger, not what is on it
        try:
            pixels = np.asarray(viewer.screenshot(canvas_only=True, scale=resolution, flash=False))
        finally:
            camera.zoom = zoom
    true = bool(width) and (flat or float(getattr(camera, "perspective", 0.0)) == 0.0)
    per_pixel = width / zoom / pixels.shape[1] if true else 0.0
    straight = flat or abs(float(camera.view_direction[0])) > _STRAIGHT
    return Picture(pixels[..., :3], per_pixel, straight)


def draw(session: Session, picture: Picture, parts: Parts = Parts()) -> Figure:
    """Return the figure: the picture, and around it what `parts` says."""
    from matplotlib.figure import Figure

    height, width = picture.pixels.shape[:2]
    page = (_WIDTH, _WIDTH * height / width)
    figure = Figure(figsize=page, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(picture.pixels, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    if parts.title and title(session):
        axes.set_title(title(session), fontsize=FONT + 1, loc="left", parse_math=False)
    scaled = parts.scale and picture.per_pixel > 0
    if parts.colours:
        draw_key(session, figure, axes)
        _draw_notes(axes, session, scaled)
    if scaled:
        tissue = session.tissue
        _draw_scale(axes, picture, "unit" if tissue is None else tissue.unit)
    return figure


def nice_length(most: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, … (and of .5, .2, …) that is at most `most`.

    >>> nice_length(430.0), nice_length(0.07), nice_length(10.0)
    (200.0, 0.05, 10.0)
    """
    if not (most > 0 and math.isfinite(most)):
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    steps = [s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power <= most * (1 + 1e-9)]
    return float(f"{max(steps):.12g}")


def length_words(length: float, unit: str) -> str:
    """Return a length as a scale bar says it.

    >>> length_words(200.0, "um"), length_words(2000.0, "um"), length_words(5.0, "unit")
    ('200 µm', '2 mm', '5 units')
    """
    if unit == "um":
        return f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    if unit == "unit":
        return f"{length:g} unit{'s' * (length != 1)}"
    return f"{length:g} {unit}"


def _draw_scale(axes: Axes, picture: Picture, unit: str) -> None:
    """Draw a bar below the picture, from its left edge."""
    width = picture.pixels.shape[1]
    length = nice_length(0.25 * width * picture.per_pixel)
    part = length / picture.per_pixel / width
    low = -0.025
    axes.plot(
        [0.0, part], [low, low], color="black", linewidth=2.5, solid_capstyle="butt",
        transform=axes.transAxes, clip_on=False, gid="scale bar",
    )  # fmt: skip
    words = length_words(length, unit)
    if not picture.straight:
        words += " in the plane of the picture"
    axes.text(0.0, low - 0.02, words, transform=axes.transAxes, fontsize=FONT, va="top", ha="left")


def _draw_notes(axes: Axes, session: Session, scaled: bool) -> None:
    """Write what has to be said in words below the picture, and below the scale bar."""
    words = "\n".join(textwrap.wrap(" ".join(notes(session)), _LINE))
    if words:
        axes.annotate(
            words, (0.0, -0.045 if scaled else -0.025), xycoords="axes fraction",
            xytext=(0.0, -1.5 * FONT if scaled else 0.0), textcoords="offset points",
            fontsize=FONT, va="top", ha="left", parse_math=False, annotation_clip=False,
        )  # fmt: skip


@contextmanager
def _bare(session: Session) -> Iterator[None]:
    """Take what the stack writes on the canvas away in the block; the user's own writing stays."""
    viewer = session.viewer
    canvas: Any = getattr(viewer, "canvas", None)
    caption = canvas.overlays.text if canvas is not None else viewer.text_overlay
    ours = caption.visible and caption.text == session.stack.title
    bars = [
        layer
        for section in session.stack.sections
        for layer in section.layers
        if build.bar_is_shown(layer)
    ]
    if ours:
        caption.visible = False
    for layer in bars:
        build.show_bar(layer, False)
    try:
        yield
    finally:
        if ours:
            caption.visible = True
        for layer in bars:
            build.show_bar(layer, True)


@contextmanager
def _written(viewer: Any, resolution: float) -> Iterator[None]:
    """Write names of maps and strips larger in the block, as the canvas is."""
    names = [
        layer.text
        for layer in viewer.layers
        if role_of(layer) in ("compare", "strip")
        and getattr(layer, "text", None) is not None
        and layer.visible
    ]
    sizes = [text.size for text in names]
    for text, size in zip(names, sizes, strict=True):
        text.size = size * resolution
    try:
        yield
    finally:
        for text, size in zip(names, sizes, strict=True):
            text.size = size


def _canvas_width(viewer: Any) -> float:
    """Return the width of the canvas in its own pixels; 0 where this version does not say."""
    canvas = getattr(viewer, "canvas", None)
    size = getattr(canvas, "size", None)
    if size is None:
        size = getattr(viewer, "_canvas_size", None)  # before 0.9
    return float(size[1]) if size is not None else 0.0
