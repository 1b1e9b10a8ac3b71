"""Builds and places the layers of one section: its picture and the points above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from napari.layers import Image, Layer, Points, Vectors
from napari.utils.colormaps import Colormap, ensure_colormap
from scipy.spatial import cKDTree

from ..data.tissue import Histology
from .colors import (
    GENERATED_EDGE,
    IMPUTED_EDGE,
    PLAIN,
    PREDICTED_EDGE,
    UNKNOWN,
    VIRTUAL_EDGE,
    rgba,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

KEY = "stdiff"
FAINTEST = 0.15  # of what is not to be trusted at all: still in sight
_DASHES = 24


@dataclass(frozen=True)
class Look:
    """How cells of one kind are drawn, so that nobody takes them for another kind.

    Attributes
    ----------
    word
        What they are called; the name of their layer starts with it.
    symbol
        Shape of the points.
    scale
        Diameter at which the shape is as large as a disc of diameter 1.
    colour
        Of the frame around them, of their row in lists.
    mark
        The shape as a letter, for legends.
    told
        What they are, in a few words.
    """

    word: str
    symbol: str
    scale: float = 1.0
    colour: str = ""
    mark: str = ""
    told: str = ""


MEASURED = Look("measured", "disc")
VIRTUAL = Look("virtual", "diamond", 1.25, VIRTUAL_EDGE, "◈", "virtual: predicted, not measured")
GENERATED = Look(
    "generated", "triangle_up", 1.3, GENERATED_EDGE, "▲", "generated: made up within a section"
)
PREDICTED = Look(
    "predicted", "square", 0.9, PREDICTED_EDGE, "◼", "predicted gene, not measured in these cells"
)
IMPUTED = Look("imputed", "square", 0.95, IMPUTED_EDGE, "◼", "filled in; discs are measured")
COVERS = (PREDICTED, IMPUTED)  # what stands in the place of measured cells


class State(TypedDict):
    """What ``layer.metadata["stdiff"]`` holds on our layers."""

    # "points", "predicted", "imputed", "histology", "frame", "cells", "heat", "compare",
    # "landmarks", "strip", "live", "picked"
    role: str
    section: str
    virtual: bool
    # (cells,) bool of points: which are drawn while there are too many (`crowd`); None for all
    drawn: NotRequired[np.ndarray | None]


def state_of(layer: Layer) -> State | None:
    """Return our own state of `layer`, or None when it is not one of ours."""
    state: State | None = layer.metadata.get(KEY)
    return state


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera of `viewer`, wherever this version of napari keeps it."""
    scene: Any = getattr(viewer, "scene", viewer)
    return scene.camera


def caption(viewer: ViewerModel, text: str, before: str) -> str:
    """Write what colours mean onto the canvas, unless the user wrote something there.

    Parameters
    ----------
    viewer
        The viewer.
    text
        What to write.
    before
        What this function returned last.

    Returns
    -------
    str
        What is written now, or `before` where the text is the user's.
    """
    canvas: Any = getattr(viewer, "canvas", None)
    overlay = canvas.overlays.text if canvas is not None else viewer.text_overlay
    if overlay.text not in ("", before):
        return before
    overlay.text = text
    overlay.position = "top_left"
    overlay.font_size = 11
    overlay.visible = bool(text)
    return text


def point_size(sections: Sequence[np.ndarray]) -> float:
    """Return a diameter that fills a section without hiding neighbours.

    Three quarters of the median distance to the fourth neighbour: spots on a grid stay apart,
    cells scattered at random just touch.

    Parameters
    ----------
    sections
        (cells, 3) coordinates of each section.
    """
    distances = []
    for coords in sections:
        plane = coords[:, 1:]
        if len(plane) < 2:
            continue
        some = plane[:: max(1, len(plane) // 2000)]
        k = min(5, len(plane))
        # a tree that is quickly made: few cells are looked up in it
        tree = cKDTree(plane, balanced_tree=False, compact_nodes=False)
        near = np.asarray(tree.query(some, k=k)[0])[:, -1]
        distances.append(near[near > 0])
    known = np.concatenate(distances) if distances else np.zeros(0)
    return 0.75 * float(np.median(known)) if len(known) else 1.0


@cache
def scale_map(name: str) -> Colormap:
    """Return the colormap called `name`, grey where there is no value.

    One object a name, and a name of its own: napari numbers maps that are called alike.
    """
    base = ensure_colormap(name)
    return Colormap(
        base.colors, name=f"{name}, grey without value", controls=base.controls, nan_color=UNKNOWN
    )


def make_points(
    coords: np.ndarray,
    name: str,
    section: str,
    look: Look,
    size: float,
    facts: Mapping[str, np.ndarray] | None = None,
) -> Points:
    """Return a Points layer of one section, plain coloured.

    Parameters
    ----------
    coords
        (cells, 3) z, y, x.
    name, section
        Layer name and section name.
    look
        Virtual cells are diamonds, generated ones triangles, measured ones discs; squares where
        a gene was predicted in them, or a value was filled in.
    size
        Diameter in the unit of the coordinates.
    facts
        Name -> (cells,) what napari says of the cell under the mouse.
    """
    state = State(role="points", section=section, virtual=look not in (MEASURED, *COVERS))
    if look in COVERS:
        state["role"] = look.word
    layer = Points(
        coords,
        name=name,
        size=size * look.scale,
        symbol=look.symbol,
        border_width=0.0,  # an edge would drown the colour of small points
        face_color=PLAIN,
        features={"value": np.zeros(len(coords), np.float32), **(facts or {})},
        axis_labels=("z", "y", "x"),
        projection_mode="all",
        canvas_size_limits=(0, 10_000),  # points that napari keeps from shrinking are all rim
        metadata={KEY: state},
    )
    layer.editable = False  # a slip of the mouse must not move a measured cell
    return layer


def crop(histology: Histology, coords: np.ndarray, margin: float = 0.06) -> Histology:
    """Return the part of a picture around its cells, so that empty glass hides nothing.

    Parameters
    ----------
    histology
        The whole picture.
    coords
        (cells, 3) z, y, x of the section's cells.
    margin
        Kept around them, as a fraction of their extent. A picture that holds none of the cells
        stays whole.
    """
    picture = np.asarray(histology.image)
    low, high = coords[:, 1:].min(axis=0), coords[:, 1:].max(axis=0)
    pad = margin * float((high - low).max())
    corners = np.array([[y, x, 1.0] for y in (low[0] - pad, high[0] + pad)
                        for x in (low[1] - pad, high[1] + pad)])  # fmt: skip
    pixels = corners @ np.linalg.inv(histology.to_tissue).T
    size = np.array(picture.shape[:2])
    start = np.clip(np.floor(pixels[:, :2].min(axis=0)).astype(int), 0, size)
    stop = np.clip(np.ceil(pixels[:, :2].max(axis=0)).astype(int) + 1, 0, size)
    if np.any(stop - start < 2):
        return Histology(picture, histology.to_tissue)
    shift = np.eye(3)
    shift[:2, 2] = start
    part = picture[start[0] : stop[0], start[1] : stop[1]]
    return Histology(part, histology.to_tissue @ shift)


def make_histology(histology: Histology, z: float, name: str, section: str) -> Image:
    """Return an RGB plane at depth `z`, (1, y, x, 3), placed by its affine."""
    return Image(
        np.asarray(histology.image)[np.newaxis],
        rgb=True,
        name=name,
        affine=plane_affine(histology, z),
        axis_labels=("z", "y", "x"),
        metadata={KEY: State(role="histology", section=section, virtual=False)},
    )


def make_frame(
    coords: np.ndarray, name: str, section: str, margin: float, colour: str = VIRTUAL_EDGE
) -> Vectors:
    """Return a dashed frame around a virtual section: what is inside was not measured.

    Parameters
    ----------
    coords
        (cells, 3) z, y, x.
    name, section
        Layer name and section name.
    margin
        Distance from the outermost cells.
    colour
        Of the dashes.
    """
    low, high = coords.min(axis=0) - margin, coords.max(axis=0) + margin
    z = float(coords[:, 0].mean())
    ring = np.array([[z, y, x] for y, x in (
        (low[1], low[2]), (low[1], high[2]), (high[1], high[2]), (high[1], low[2])
    )])  # fmt: skip
    starts = []
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        at = np.linspace(0, 1, _DASHES, endpoint=False)[:, None]
        dash = np.broadcast_to((b - a) / _DASHES * 0.6, (_DASHES, 3))
        starts.append(np.stack([a + at * (b - a), dash], axis=1))
    return Vectors(
        np.concatenate(starts),
        name=name,
        edge_color=colour,
        edge_width=0.006 * float((high - low).max()),
        vector_style="line",
        axis_labels=("z", "y", "x"),
        metadata={KEY: State(role="frame", section=section, virtual=True)},
    )


def plane_affine(histology: Histology, z: float) -> np.ndarray:
    """Return the (4, 4) transform of a picture at depth `z` into the tissue's frame."""
    affine = np.eye(4)
    affine[1:, 1:] = histology.to_tissue
    affine[0, 3] = z
    return affine


def paint_values(
    layer: Points,
    values: np.ndarray,
    limits: tuple[float, float],
    colormap: str,
    trust: np.ndarray | None = None,
) -> None:
    """Colour `layer` by (cells,) `values` on the shared scale.

    Cells fade with `trust`, (cells,) in 0 to 1; without it they are drawn in full, and napari's
    own colour bar knows the layer.
    """
    layer.features["value"] = np.asarray(values, np.float32)
    if trust is not None:
        paint_colours(layer, colours_of(values, limits, colormap), trust)
        return
    if layer.face_contrast_limits != limits:
        layer.face_contrast_limits = limits
    if layer.face_colormap.name != scale_map(colormap).name:
        layer.face_colormap = scale_map(colormap)
    _colour(layer, colours_of(values, limits, colormap))


def _colour(layer: Points, colours: np.ndarray | str) -> None:
    """Give `layer` its colours and have napari take its points to the screen once.

    napari does that anew for every event of a change of colours: four times where it maps
    `features` itself, twice for colours it is given, of which the second is not needed.
    """
    with layer.events.face_color.blocker():
        layer.face_color = colours


def colours_of(values: np.ndarray, limits: tuple[float, float], colormap: str) -> np.ndarray:
    """Return (cells, 4) colours of (cells,) `values` on a scale; grey where there is none."""
    return mapped(values, limits, scale_map(colormap))


def mapped(values: np.ndarray, limits: tuple[float, float], colormap: Colormap) -> np.ndarray:
    """Return (cells, 4) float32 colours of (cells,) `values` on a map of any kind."""
    low, high = limits
    part = (np.asarray(values, np.float32) - low) / (high - low)
    return np.array(colormap.map(np.clip(part, 0.0, 1.0)), dtype=np.float32)


def paint_colours(
    layer: Points, colours: np.ndarray | str, trust: np.ndarray | None = None
) -> None:
    """Colour `layer` by (cells, 4) colours, or one for all; cells fade with `trust`."""
    show_bar(layer, False)
    if trust is not None:
        if isinstance(colours, str):
            colours = rgba(np.full(len(trust), "one"), {"one": colours})
        colours = np.array(colours, dtype=np.float32)
        colours[:, 3] = FAINTEST + (1.0 - FAINTEST) * np.clip(trust, 0.0, 1.0)
    _colour(layer, colours)


def mark(layer: Points, filled: np.ndarray) -> None:
    """Draw (cells,) values that were `filled` in as squares, and measured ones as discs."""
    shapes = np.where(filled, IMPUTED.symbol, MEASURED.symbol)
    if not np.array_equal(shapes, [str(shape) for shape in layer.symbol]):
        layer.symbol = shapes


def show_cells(layer: Points, shown: np.ndarray | None) -> None:
    """Show the cells of `layer` where (cells,) `shown` is True, or all where it is None.

    Of many cells, some may not be drawn (`crowd`).
    """
    state = state_of(layer)
    drawn = None if state is None else state.get("drawn")
    wanted = np.ones(len(layer.data), bool) if shown is None else shown
    wanted = wanted if drawn is None else wanted & drawn
    if not np.array_equal(layer.shown, wanted):
        diameter = float(np.max(layer.size, initial=0.0)) or float(layer.current_size)
        with layer.events.set_data.blocker():  # it is drawn with its sizes
            layer.shown = wanted
        set_size(layer, diameter)


def set_size(layer: Points, diameter: float) -> None:
    """Draw the cells of `layer` so large, those that are hidden not at all.

    In 3D napari draws what is not shown, so these are less than nothing in size: of size zero they
    would not be seen either, but the width of their rim is divided by it, and software takes four
    times as long for a picture with such cells in it.
    """
    layer.current_size = diameter  # what cells are to be while all are hidden
    layer.size = diameter if layer.shown.all() else np.where(layer.shown, diameter, -diameter)


def show_bar(layer: Layer, visible: bool) -> None:
    """Show or hide napari's own colour bar of `layer`, where this version has one."""
    bar = _bar_of(layer)
    if bar is not None and bar.visible != visible:
        bar.visible = visible


def bar_is_shown(layer: Layer) -> bool:
    """Whether napari's own colour bar of `layer` is on the canvas."""
    return bool(getattr(_bar_of(layer), "visible", False))


def _bar_of(layer: Layer) -> Any:
    return getattr(layer, "face_colorbar" if isinstance(layer, Points) else "colorbar", None)
