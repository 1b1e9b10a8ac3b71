"""Sections as smooth heat maps: the values of cells spread over pixels, clear where none are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from psygnal import Signal

from ..data.tissue import Histology
from . import layers as build
from .cover import hand_over
from .heat_grid import REACH, Grid, alpha_of, check_pixel, default_pixel, grid_of
from .heat_tell import let_tell, meets, nearest_cell, spread_of, words_of
from .placing import transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .arrange import Section
    from .painting import Painting
    from .session import Session

_OF_SIZE = 0.75  # diameter of a cell over the distance to its neighbour, as `point_size` has it


class HeatMaps:
    """Draws sections as heat maps in the place of their points. Main thread only.

    They need numbers: while the stack shows labels or one colour, its sections are points.

    Parameters
    ----------
    stack
        Whose sections they are; what it shows is followed.
    session
        Has the viewer and the tissue.

    Attributes
    ----------
    shown
        Whether sections are to be heat maps.

    Signals
    -------
    changed
        Cells show in another way, and their layers are to be painted.
    seen
        The user showed or hid the heat map of a section.
    """

    changed = Signal()
    seen = Signal()

    def __init__(self, stack: Painting, session: Session) -> None:
        self._stack, self._session = stack, session
        self._grids: dict[tuple[bool, str], tuple[np.ndarray, Grid]] = {}
        self._pixel = 0.0
        # section -> gene or column -> (y, x) what its pixels show
        self._told: dict[tuple[bool, str], dict[str, np.ndarray]] = {}
        self.shown = False

    @property
    def near(self) -> float:
        """Distance from cell to neighbour, in the unit of the tissue."""
        return self._stack.cell_diameter / _OF_SIZE

    @property
    def pixel(self) -> float:
        """Side of a pixel in the unit of the tissue."""
        return self._pixel or default_pixel(self._planes, self.near)

    @property
    def drawn(self) -> bool:
        """Whether sections are heat maps now."""
        return self.shown and self._stack.colouring.continuous

    @property
    def _planes(self) -> list[np.ndarray]:
        return [section.coords[:, 1:] for section in self._stack.sections]

    def forget(self) -> None:
        """Start anew: other data is open."""
        self._grids.clear()
        self._told.clear()
        self.shown, self._pixel = False, 0.0

    def show(self, shown: bool) -> None:
        """Show sections as heat maps, or their cells again."""
        if shown != self.shown:
            self.shown = shown
            self.changed.emit()

    def set_pixel(self, side: float) -> None:
        """Use pixels of this side, in the unit of the tissue; 0 for half the neighbour distance.

        Raises
        ------
        StdiffError
            Where it is too small or too large for the tissue; the heat maps stay as they were.
        """
        tissue = self._session.tissue
        if side:
            unit = "" if tissue is None else tissue.unit
            check_pixel(side, self._planes, self.near, unit)
        if side == self._pixel:
            return
        self._pixel = side
        self._grids.clear()
        if self.drawn:
            self.changed.emit()

    def lay_out(self) -> None:
        """Bring the heat maps that are missing, and take away those that are not wanted."""
        viewer = self._session.viewer
        for section in self._stack.sections:
            if self.drawn and section.visible and section.heat is None:
                self._make(section)
            elif not self.drawn and section.heat is not None:
                layer, section.heat = section.heat, None
                section.set_visible(section.visible)
                hand_over(viewer, layer, section.front)
                if layer in viewer.layers:
                    viewer.layers.remove(layer)

    def grid(self, section: Section) -> Grid:
        """Return the grid of a section; made once for its cells and the size of a pixel."""
        key = (section.virtual, section.name)
        held = self._grids.get(key)
        if held is None or held[0] is not section.coords:
            made = grid_of(section.coords[:, 1:], self.near, self.pixel)
            held = self._grids[key] = (section.coords, made)
        return held[1]

    def _make(self, section: Section) -> None:
        """Put the heat map of `section` onto the canvas, below its points."""
        viewer, points = self._session.viewer, section.points
        if points is None or not len(section.coords):
            return
        section.heat = layer = make_heat(self.grid(section), f"{section.title} heat map", section)
        layer.visible = section.visible
        follow(layer, section, self.grid(section))
        selected = set(viewer.layers.selection)
        at = viewer.layers.index(points) if points in viewer.layers else len(viewer.layers)
        viewer.layers.insert(at, layer)
        viewer.layers.selection = selected
        for below in (points, section.cover):
            hand_over(viewer, below, layer)
        let_tell(layer, self.words_at)
        section.set_visible(section.visible)
        heard = points.events
        for event in (heard.translate, heard.affine, heard.opacity):
            event.connect(lambda _=None: self._follow(section))
        layer.events.visible.connect(lambda _=None: self.seen.emit())

    def _follow(self, section: Section) -> None:
        """Put the heat map of `section` where its points are."""
        if section.heat is not None:
            follow(section.heat, section, self.grid(section))

    def paint(self, section: Section, values: np.ndarray, shown: np.ndarray | None) -> None:
        """Draw the heat map of `section` from (cells,) values of the present choice.

        Cells that are not `shown`, and those without a value, count for nothing.
        """
        if section.heat is None:
            return
        stack, second = self._stack, self._stack.second
        grid = self.grid(section)
        name = stack.colouring.name
        told = self._told[section.virtual, section.name] = {}
        if second.is_on:
            other = second.values_of(section)
            both = np.isfinite(values) & np.isfinite(other)
            both = both if shown is None else both & shown
            mean, evidence = grid.smooth(values, both)
            told[second.name] = grid.mean(other, both)
            colours = second.blend(mean.ravel(), told[second.name].ravel())
        else:
            mean, evidence = grid.smooth(values, shown)
            colours = build.colours_of(mean.ravel(), stack.limits, stack.colormap)
        told[name] = mean
        put(section.heat, grid, colours, evidence, stack.confidence_of(section))
        follow(section.heat, section, grid)

    # -- the place under the mouse ------------------------------------------------------------

    def words_at(self, position: np.ndarray, direction: np.ndarray | None) -> str:
        """Say what the heat map under the mouse shows there, the nearest to the eye; "" for none.

        Parameters
        ----------
        position, direction
            Where the mouse is on the canvas, and in 3D along which way the eye looks.
        """
        hits = []
        for section in self._stack.sections:
            layer = section.heat
            found = None if layer is None else meets(layer, position, direction)
            if layer is None or found is None or not layer.visible:
                continue
            at = tuple(np.round(found[0]).astype(int))
            told = self._told.get((section.virtual, section.name), {})
            if any(np.isfinite(means[at]) for means in told.values()):
                hits.append((found[1], section, at))
        if not hits:
            return ""
        _, section, at = min(hits, key=lambda hit: hit[0])
        return f"{section.title}: {self._words(section, at)}; mean of near cells"

    def _words(self, section: Section, at: tuple[int, ...]) -> str:
        """Say what a pixel of a section shows."""
        stack, grid = self._stack, self.grid(section)
        told = self._told[section.virtual, section.name]
        parts = []
        for colouring in [stack.colouring, stack.second.colouring][: 1 + stack.second.is_on]:
            is_spread = stack.quantity == "std" and (section.virtual or bool(colouring.result))
            spread = None if is_spread else spread_of(self._session, colouring, section)
            sure = section.trust if section.virtual else None
            if not section.virtual and colouring.confidence is not None:
                sure = colouring.confidence[section.rows]
            name = f"{colouring.name} (spread)" if is_spread else colouring.name
            values = [None if v is None else float(grid.value(v, at)) for v in (spread, sure)]
            parts.append(words_of(name, float(told[colouring.name][at]), *values))
        return "; ".join(parts)

    def cell_at(
        self, section: Section, position: np.ndarray, direction: np.ndarray | None
    ) -> int | None:
        """Return the cell of a section that is nearest to the mouse on its heat map, or None."""
        found = None if section.heat is None else meets(section.heat, position, direction)
        if found is None:
            return None
        grid = self.grid(section)
        place = np.asarray(grid.origin) + grid.pixel * found[0]
        reach = max(REACH * self.near, grid.pixel)
        return nearest_cell(section.coords[:, 1:], place, self._stack.in_sight(section), reach)


def make_heat(grid: Grid, name: str, section: Section, role: str = "heat") -> Image:
    """Return a clear picture of the size of a grid."""
    state = build.State(role=role, section=section.name, virtual=section.virtual)
    return Image(
        np.zeros((1, *grid.shape, 4), np.float32),
        rgb=True,
        name=name,
        interpolation2d="linear",
        axis_labels=("z", "y", "x"),
        metadata={build.KEY: state},
    )


def put(
    layer: Image,
    grid: Grid,
    colours: np.ndarray,
    evidence: np.ndarray,
    confidence: np.ndarray | None,
) -> None:
    """Show a heat map.

    Parameters
    ----------
    layer
        Made by :func:`make_heat`.
    grid
        Its pixels.
    colours
        (pixels, 4) of each.
    evidence
        (y, x) as :meth:`Grid.smooth` returns it.
    confidence
        (cells,) in 0 to 1, or None where all were measured.
    """
    sure = None if confidence is None else grid.mean(confidence)
    picture = np.array(colours, np.float32).reshape(*grid.shape, 4)
    picture[..., 3] = alpha_of(evidence, sure)
    if layer.data.shape[1:] == picture.shape:
        layer.data[0] = picture
        layer.refresh(extent=False)  # new data would have napari cut all its layers anew
    else:
        layer.data = picture[np.newaxis]


def follow(
    layer: Image, section: Section, grid: Grid, aside: Sequence[float] | np.ndarray = (0.0, 0.0)
) -> None:
    """Put a picture where the points of its section are, `aside` (y, x in world units) of them."""
    points = section.points
    if points is None:
        return
    shift, beside = np.eye(4), np.eye(4)
    shift[:3, 3], beside[1:3, 3] = points.translate, aside
    plane = build.plane_affine(Histology(np.zeros((1, 1, 3)), grid.affine), section.z)
    transform(layer, beside @ points.affine.affine_matrix @ shift @ plane)
    if layer.opacity != points.opacity:
        layer.opacity = points.opacity
