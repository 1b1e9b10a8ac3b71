"""Cells that are picked: clicked on the canvas, or chosen in a table; ringed on every section."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points
from psygnal import Signal

from .cells import Cells
from .layers import KEY, State, camera_of

if TYPE_CHECKING:
    from .arrange import Section
    from .session import Session
    from .stack import Stack

_RING = 2.2  # of the diameter of a cell
COLOUR = "#ff00ff"  # in none of the scales, seen on dark and on light
_PIXELS = 15  # at least, however far away
_SEEN_THROUGH = 0.5  # opacity of pictures up to which cells behind them are seen
_SLIP = 4  # pixels that a hand slips in a click
_NAME = "picked cells"


class CellPick:
    """Follows clicks on the canvas, and rings the cells that are picked.

    Parameters
    ----------
    session
        Whose cells; held weakly.

    Attributes
    ----------
    cells
        The cells that can be picked; None while nothing is open.
    rows
        (picked,) rows of `cells`.

    Signals
    -------
    changed
        Other cells are picked.
    cells_changed
        Sections came or went: `cells` is another table, `rows` are those in it.
    """

    changed = Signal()
    cells_changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.cells: Cells | None = None
        self.rows = np.zeros(0, np.int64)
        self._rings: Points | None = None
        self._listening = False

    def listen(self, on: bool) -> None:
        """Follow clicks, or leave them; what is ringed goes with that."""
        session = self._session()
        if session is None or on == self._listening:
            return
        self._listening = on
        viewer, stack = session.viewer, session.stack
        slots = (
            (session.opened, self._forget),
            (stack.sections_changed, self._on_sections),
            (stack.view_changed, self._ring),
            (stack.colours_changed, self._on_colours),
            (viewer.layers.events.removed, self._on_removed),
            (camera_of(viewer).events.zoom, self._on_zoom),
        )
        for signal, slot in slots:
            (signal.connect if on else signal.disconnect)(slot)
        if on:
            viewer.mouse_drag_callbacks.append(self._on_mouse)
            self._on_sections()
        else:
            viewer.mouse_drag_callbacks.remove(self._on_mouse)
            self._drop()

    def pick(self, rows: np.ndarray) -> None:
        """Pick these cells and no others."""
        rows = np.asarray(rows, np.int64)
        if np.array_equal(rows, self.rows):
            return
        self.rows = rows
        self._ring()
        self.changed.emit()

    def _forget(self) -> None:
        """Other data is opened: nothing of it is picked."""
        self.cells, self.rows = None, np.zeros(0, np.int64)
        self._drop()

    def _on_sections(self) -> None:
        """Take in sections that came or went; the picked cells that are left stay picked."""
        session = self._session()
        tissue = None if session is None else session.tissue
        if session is None or tissue is None:
            self._forget()
            self.cells_changed.emit()
            return
        sections, before = session.stack.sections, self.cells
        if before is not None and same(before.sections, sections):
            self._ring()  # one was shown or hidden
            return
        kept = before.by_section(self.rows) if before is not None else []
        self.cells = cells = Cells(tissue, sections)
        here = {(s.virtual, s.name): s for s in sections}
        rows = [
            cells.rows_of(here[s.virtual, s.name])[indices]
            for s, indices in kept
            if len(s.coords) == len(getattr(here.get((s.virtual, s.name)), "coords", ()))
        ]
        self.rows = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        self._ring()
        self.cells_changed.emit()

    # -- the canvas -----------------------------------------------------------------------------

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        """Pick the cell that is clicked; with Shift add it, or take it out. A drag is no click."""
        active = viewer.layers.selection.active
        if event.button != 1 or str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
            return
        session = self._session()
        found = None if session is None else cell_at(session.stack, event)
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos) - start).max() > _SLIP:
                found = None
            yield
        if found is None or self.cells is None:
            return
        section, index = found
        row = int(self.cells.rows_of(section)[index])
        if "Shift" not in event.modifiers:
            self.pick(np.array([row]))
        elif row in self.rows:
            self.pick(self.rows[self.rows != row])
        else:
            self.pick(np.append(self.rows, row))

    def _on_colours(self) -> None:
        """Ring what is in sight now; sections that came or went are told of next."""
        session = self._session()
        if session is None or self.cells is None or not len(self.rows):
            return
        if same(self.cells.sections, session.stack.sections):
            self._ring()

    def _ring(self) -> None:
        """Draw rings around the picked cells that are in sight."""
        session = self._session()
        if session is None or not self._listening:
            return
        places = []
        for section, indices in self.cells.by_section(self.rows) if self.cells else ():
            layer, front = section.painted, section.front
            if layer is not None and front is not None and front.visible:
                shown = session.stack.in_sight(section)
                seen = indices if shown is None else indices[shown[indices]]
                places.append(to_world(layer, section.coords[seen]))
        where = np.concatenate([np.zeros((0, 3)), *places])
        if not len(where):
            self._drop()
            return
        size = self._size(session)
        if self._rings is None:
            self._rings = rings(where, size)
            viewer = session.viewer
            selected = set(viewer.layers.selection)
            viewer.add_layer(self._rings)
            viewer.layers.selection = selected
        elif not np.array_equal(where, self._rings.data):
            self._rings.data = where
            self._rings.size = size
        else:
            self._rings.size = size

    def _size(self, session: Session) -> float:
        """Return the diameter of a ring in world units.

        Rings that napari kept from shrinking would be discs in the colour of their borders.
        """
        zoom = max(float(camera_of(session.viewer).zoom), 1e-12)
        return max(_RING * session.stack.point_diameter, _PIXELS / zoom)

    def _on_zoom(self, _: object = None) -> None:
        """Keep rings large enough to be seen."""
        session = self._session()
        if session is None or self._rings is None:
            return
        size = self._size(session)
        if abs(size - float(self._rings.size[0])) > 0.02 * size:
            self._rings.size = size

    def _drop(self) -> None:
        session, layer = self._session(), self._rings
        self._rings = None
        if session is not None and layer is not None and layer in session.viewer.layers:
            session.viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """Pick nothing any longer where the user took the rings away."""
        if self._rings is not None and event.value is self._rings:
            self._rings = None
            self.pick(np.zeros(0, np.int64))


def same(before: list[Section], now: list[Section]) -> bool:
    """Say whether these are the same sections with the same cells."""
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


def cell_at(stack: Stack, event: Any) -> tuple[Section, int] | None:
    """Return the section and the index of the cell under the mouse, the nearest to the eye."""
    found: list[tuple[float, Section, int]] = []
    dims = list(event.dims_displayed)
    position = np.asarray(event.position, float)
    direction = None if len(dims) < 3 else np.asarray(event.view_direction, float)
    seen = [
        (section, section.painted)
        for section in stack.sections
        if section.painted is not None and section.front is not None and section.front.visible
    ]
    if direction is None:  # a picture does not know that another section is shown
        away = [abs(to_world(x, np.array([[s.z, 0.0, 0.0]]))[0, 0] - position[0]) for s, x in seen]
        near = 1.01 * min(away, default=0.0) + 1e-9
        seen = [
            pair
            for pair, off in zip(seen, away, strict=True)
            if off <= near or not (pair[0].outlined or pair[0].heated)
        ]
    for section, layer in seen:
        if section.outlined:
            index = stack.cells.cell_at(section, position, direction)
        elif section.heated:
            index = stack.heat.cell_at(section, position, direction)
        else:
            index = layer.get_value(
                position, view_direction=direction, dims_displayed=dims, world=True
            )
        if index is None:
            continue
        where = to_world(layer, section.coords[[int(index)]])[0]
        away_from_eye = (
            np.linalg.norm(where - position) if direction is None else where @ direction
        )
        found.append((float(away_from_eye), section, int(index)))
    if not found:
        return None
    if direction is not None and stack.histology_opacity > _SEEN_THROUGH:
        glass = [depth_of(s.image, position, direction) for s in stack.sections if s.image]
        front = min(glass, default=np.inf) + stack.point_diameter  # cells stand above their own
        found = [hit for hit in found if hit[0] <= front]
        if not found:
            return None
    _, section, index = min(found, key=lambda hit: hit[0])
    return section, index


def depth_of(picture: Image, position: np.ndarray, direction: np.ndarray) -> float:
    """Return how far away the eye meets a section's picture; infinite where it does not."""
    if not picture.visible:
        return np.inf
    at = np.asarray(picture.world_to_data(position))
    way = np.asarray(picture.world_to_data(position + direction)) - at
    if abs(way[0]) < 1e-12:
        return np.inf
    at = at - at[0] / way[0] * way
    _, height, width = picture.data.shape[:3]
    if not (-0.5 <= at[1] <= height - 0.5 and -0.5 <= at[2] <= width - 0.5):
        return np.inf
    return float(np.asarray(picture.data_to_world(at)) @ direction)


def to_world(layer: Layer, coords: np.ndarray) -> np.ndarray:
    """Return where (cells, 3) `coords` of a layer's data are on the canvas."""
    origin = np.asarray(layer.data_to_world((0.0, 0.0, 0.0)))
    axes = [np.asarray(layer.data_to_world(axis)) - origin for axis in np.eye(3)]
    return np.asarray(coords @ np.array(axes) + origin)


def rings(where: np.ndarray, size: float) -> Points:
    """Return a layer of rings at (cells, 3) world coordinates, seen through whatever is there."""
    layer = Points(
        where,
        name=_NAME,
        size=size,
        symbol="ring",
        face_color=COLOUR,
        border_width=0.0,
        blending="translucent_no_depth",
        axis_labels=("z", "y", "x"),
        projection_mode="all",
        metadata={KEY: State(role="picked", section="", virtual=False)},
    )
    layer.editable = False
    return layer
