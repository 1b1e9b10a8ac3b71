"""Cells in their own outlines: the labels of a section, each filled with the colour of its value.

napari's own way, a colormap with an entry a label, takes seconds at a hundred thousand cells. Here
the values are written into a picture, by one look-up a pixel, and the picture is what is coloured.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from napari.layers import Image
from napari.utils.colormaps import Colormap
from psygnal import Signal

from ..compute.errors import StdiffError
from ..data.tissue import Histology
from . import layers as build
from .colors import PLAIN, UNKNOWN
from .two_genes import colormap_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..data.tissue import Segmentation
    from .arrange import Section
    from .painting import Painting
    from .session import Session

_CLEAR = (0.0, 0.0, 0.0, 0.0)


class CellLabels:
    """Draws the cells of measured sections as they were segmented. Main thread only.

    A section without labels of its own, and every virtual one, stays points; so does what is
    compared side by side.

    Parameters
    ----------
    stack
        Whose sections they are; what it shows is followed.
    session
        Has the tissue and its labels.

    Signals
    -------
    changed
        Cells show in another way, and their layers are to be painted.
    seen
        The user showed or hid the outlines of a section.
    """

    changed = Signal()
    seen = Signal()

    def __init__(self, stack: Painting, session: Session) -> None:
        self._stack, self._session = stack, session
        self._planes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.shown = False

    @property
    def available(self) -> bool:
        """Whether some section has labels of its cells."""
        tissue = self._session.tissue
        return tissue is not None and bool(tissue.segmentation)

    def forget(self) -> None:
        """Start anew: other data is open."""
        self._planes.clear()
        self.shown = False

    def show(self, shown: bool) -> None:
        """Show the cells of measured sections in their outlines, or as points again.

        Raises
        ------
        StdiffError
            When no section has labels of its cells.
        """
        if shown and not self.available:
            raise StdiffError(
                "The cells of this tissue are points or shapes; cell labels need a labels element "
                "that the table annotates."
            )
        if shown == self.shown:
            return
        self.shown = shown
        for section in self._stack.sections:
            if shown:
                self._make(section)
                section.set_visible(section.visible)
            elif section.cells is not None:
                layer, section.cells = section.cells, None
                section.set_visible(section.visible)
                if layer in self._session.viewer.layers:
                    self._session.viewer.layers.remove(layer)
        self.changed.emit()

    def _make(self, section: Section) -> None:
        """Put the outlines of `section` onto the canvas, below its points."""
        tissue, viewer = self._session.tissue, self._session.viewer
        points = section.points
        if tissue is None or points is None or section.name not in tissue.segmentation:
            return
        if section.virtual:
            return
        if section.name not in self._planes:
            held = tissue.segmentation[section.name]
            self._planes[section.name] = labels_and_rows(held, tissue.names[section.rows])
        image, _ = self._planes[section.name]
        section.cells = layer = Image(
            np.full((1, *image.shape), np.nan, np.float32),
            name=f"{section.name} cells",
            contrast_limits=(0.0, 1.0),
            interpolation2d="nearest",
            interpolation3d="nearest",
            opacity=points.opacity,
            visible=section.visible,
            axis_labels=("z", "y", "x"),
            metadata={build.KEY: build.State(role="cells", section=section.name, virtual=False)},
        )
        self._follow(section)
        selected = set(viewer.layers.selection)
        at = viewer.layers.index(points) if points in viewer.layers else len(viewer.layers)
        viewer.layers.insert(at, layer)
        viewer.layers.selection = selected
        heard = points.events
        for event in (heard.translate, heard.affine, heard.opacity, heard.data):
            event.connect(lambda _=None: self._follow(section))
        layer.events.visible.connect(lambda _=None: self.seen.emit())

    def _follow(self, section: Section) -> None:
        """Put the outlines of `section` where its points are."""
        layer, points, tissue = section.cells, section.points, self._session.tissue
        if layer is None or points is None or tissue is None:
            return
        held = tissue.segmentation.get(section.name)
        if held is None:
            return
        shift = np.eye(4)
        shift[:3, 3] = points.translate
        plane = build.plane_affine(Histology(held.image, held.to_tissue), section.z)
        affine = points.affine.affine_matrix @ shift @ plane
        if not np.array_equal(layer.affine.affine_matrix, affine):
            layer.affine = affine
        layer.opacity = points.opacity

    def paint(self, section: Section, values: np.ndarray, shown: np.ndarray | None) -> None:
        """Colour the outlines of `section` by (cells,) values or labels of the present choice.

        Cells that are not `shown` are clear; those without a value are grey.
        """
        layer, colouring, second = section.cells, self._stack.colouring, self._stack.second
        if layer is None:
            return
        if second.is_on:
            numbers, colours = second.table(values, second.values_of(section))
            colormap, limits = colormap_of(colours), (0.0, float(len(colours) - 1))
        elif colouring.continuous:
            numbers, limits = scaled(values, self._stack.limits)
            colormap = scale_of(self._stack.colormap, bool(np.isnan(values).any()))
        else:
            numbers, colormap = coded(values, colouring.palette)
            limits = (0.0, float(len(colormap.colors) - 1))
        if shown is not None:
            numbers = np.where(shown, numbers, np.float32(np.nan))
        image, rows = self._planes[section.name]
        layer.data = paint_labels(image, rows, numbers)[np.newaxis]
        if layer.colormap != colormap:
            layer.colormap = colormap
        if tuple(layer.contrast_limits) != limits:
            layer.contrast_limits_range = limits
            layer.contrast_limits = limits

    def cell_at(
        self, section: Section, position: np.ndarray, direction: np.ndarray | None
    ) -> int | None:
        """Return which cell of `section` is drawn at a place of the canvas; None for none.

        Parameters
        ----------
        section
            Its outlines are shown.
        position
            (3,) world coordinates.
        direction
            (3,) where the eye looks from there, in 3D; None in 2D.
        """
        layer = section.cells
        if layer is None:
            return None
        at = np.asarray(layer.world_to_data(position))
        if direction is not None:  # go on to where the picture's plane is
            way = np.asarray(layer.world_to_data(position + direction)) - at
            if abs(way[0]) < 1e-12:
                return None
            at = at - at[0] / way[0] * way
        y, x = np.round(at[1:]).astype(int)
        image, rows = self._planes[section.name]
        inside = 0 <= y < image.shape[0] and 0 <= x < image.shape[1]
        if not inside or np.isnan(layer.data[0, y, x]):
            return None
        row = int(rows[image[y, x]])
        return row if row >= 0 else None


def labels_and_rows(held: Segmentation, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of a section, renumbered, and which cell each number is.

    Parameters
    ----------
    held
        The labels, as read.
    names
        (cells,) obs names of the section's cells.

    Returns
    -------
    tuple
        (y, x) uint32 image whose numbers run from 0 without gaps over those that occur, and
        (numbers,) the row in `names` of each; -1 for the background and cells not among them.
    """
    image = np.asarray(held.image)
    ids = held.ids.reindex(names)
    known = ids.notna().to_numpy()
    wanted = ids[known].to_numpy(np.int64)
    top = int(max(image.max(), wanted.max(initial=0))) if image.size else 0
    if image.size and image.min() >= 0 and top < 4 * image.size + 1_000_000:
        rows = np.full(top + 1, -1, np.int64)  # labels are small: they are their own numbers
        rows[wanted] = np.flatnonzero(known)
        rows[0] = -1
        return image.astype(np.uint32, copy=False), rows
    found, inverse = np.unique(image, return_inverse=True)
    where = np.searchsorted(found, wanted).clip(0, len(found) - 1)
    hit = found[where] == wanted
    rows = np.full(len(found), -1, np.int64)
    rows[where[hit]] = np.flatnonzero(known)[hit]
    rows[found == 0] = -1
    return inverse.reshape(image.shape).astype(np.uint32), rows


def paint_labels(image: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (y, x) float32, the value of the cell at each pixel; NaN where there is none.

    Parameters
    ----------
    image, rows
        As `labels_and_rows` returns them.
    values
        (cells,) value of each cell.
    """
    held = np.append(np.asarray(values, np.float32), np.float32(np.nan))
    return np.take(held[rows], image)  # -1 is the last: nobody's


def scaled(
    values: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return (cells,) numbers on a scale, and its ends.

    The lower end is a little lower than any number: in 3D, napari draws nothing at it. Where some
    cell has no value, it is beyond the upper end, and no other number reaches that.
    """
    low, high = limits
    little = 1e-3 * (high - low)
    numbers = np.maximum(np.asarray(values, np.float32), np.float32(low))
    unknown = np.isnan(numbers)
    if unknown.any():
        numbers = np.minimum(numbers, np.float32(high - little))
        numbers[unknown] = np.float32(high + (high - low))
    return numbers, (low - little, high)


def coded(labels: np.ndarray, palette: Mapping[str, str]) -> tuple[np.ndarray, Colormap]:
    """Return (cells,) float32 number of each label, and the map from 0 to the most to its colours.

    1 is a cell without a label, in grey (0 is drawn in 2D alone); without a palette all cells are
    plain.
    """
    if not palette:
        return np.ones(len(labels), np.float32), _steps((PLAIN, PLAIN))
    codes, found = pd.factorize(labels)
    order = {label: i + 2 for i, label in enumerate(palette)}
    numbers = np.array([order.get(str(label), 1) for label in found], np.float32)
    return numbers[codes], _steps((UNKNOWN, UNKNOWN, *palette.values()))


@cache
def _steps(colours: tuple[str, ...]) -> Colormap:
    """Return a map of n colours in which the numbers 0 to n - 1 on a scale have one each."""
    n = len(colours)
    between = (np.arange(1, n) - 0.5) / (n - 1)
    return Colormap(
        list(colours),
        name=f"{n} colours of cells",
        interpolation="zero",
        controls=np.concatenate([[0.0], between, [1.0]]),
        nan_color=_CLEAR,
    )


@cache
def scale_of(name: str, gaps: bool) -> Colormap:
    """Return the scale `name`, clear where no cell is; with `gaps`, grey beyond its upper end."""
    base = build.scale_map(name)
    return Colormap(
        base.colors,
        name=f"{name}, clear between cells" + (", grey without value" if gaps else ""),
        controls=base.controls,
        nan_color=_CLEAR,
        high_color=UNKNOWN if gaps else None,
    )
