"""The layers of the live cut: its cells and the dashed frame around them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer, Points, Vectors
from psygnal import Signal

from .layers import KEY, VIRTUAL, State, make_frame, make_points, set_size, show_bar

if TYPE_CHECKING:
    from .session import Session

NAME = "virtual · live cut"
_OWNER = "live cut"  # of the depth that the 2D slider also stops at


class LiveLayer:
    """Draws one section that comes and goes, in step with colours, sizes and spacing.

    Parameters
    ----------
    session
        The session; held weakly.
    """

    removed = Signal()  # the user took it off the canvas

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._coords = np.zeros((0, 3))
        self._spot = np.zeros(3)  # on the canvas: the stretched depth, the shift y, x
        self._ring = np.zeros((0, 2, 3))  # the frame, at no such place
        self._busy = False
        self._where = _where(session)
        self.points: Points | None = None
        self.frame: Vectors | None = None
        session.stack.view_changed.connect(self._place)
        session.viewer.layers.events.removed.connect(self._on_removed)
        session.viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    @property
    def is_shown(self) -> bool:
        """Whether there is a live cut in sight."""
        return self.points is not None and bool(self.points.visible)

    def show(
        self, coords: np.ndarray, values: np.ndarray, shown: np.ndarray | None = None
    ) -> None:
        """Draw a cut.

        Its layers hold the depth at which they stand on the canvas: an own transform that changes
        with every move would have napari cut all other layers anew each time. For the same
        reason a 2D view of the cut stays at its level while the cut changes, until `settle`.

        Parameters
        ----------
        coords
            (cells, 3) z, y, x, all at one depth.
        values
            (cells,) of what the stack is coloured by: numbers, or labels.
        shown
            (cells,) bool, which cells are in sight; None for all.
        """
        session = self._session()
        if session is None or not len(coords):
            self.hide()
            return
        self._coords = coords
        session.stack.make_place(self._depth)
        spot = session.stack.place_at(self._depth)
        if self._is_looked_at(session):
            spot[0] = self._spot[0]
        self._spot = spot
        for layer in self._layers:
            if not layer.visible:  # first: napari does not look at new data of hidden layers
                layer.visible = True
        with self._alone():
            if self.points is None:
                self._make(session)
            else:
                self._move()
        self.paint(values, shown)
        if not self._is_looked_at(session):
            self._go_there(session)

    def settle(self) -> None:
        """Bring the cut, and a 2D view of it, to where it belongs."""
        session = self._session()
        if session is None or not self.is_shown:
            return
        spot = session.stack.place_at(self._depth)
        if not np.array_equal(self._spot, spot):
            self._spot = spot
            with self._alone():
                self._move()
            self._go_there(session)

    def paint(self, values: np.ndarray, shown: np.ndarray | None = None) -> None:
        """Colour the cells that are drawn by (cells,) `values`; `shown` ones are in sight."""
        session = self._session()
        if session is None or self.points is None:
            return
        session.stack.paint(self.points, values, shown=shown)
        show_bar(self.points, False)

    def hide(self) -> None:
        """Keep the cut out of sight, where something measured or kept is in its place."""
        for layer in self._layers:
            if layer.visible:
                layer.visible = False
        session = self._session()
        if session is not None and self.points is not None:
            session.stack.set_extra_depths([], _OWNER)

    def clear(self) -> None:
        """Take the layers off the canvas."""
        session, layers = self._session(), self._layers
        self.points = self.frame = None
        if session is None or not layers:
            return
        with self._alone():
            for layer in layers:
                if layer in session.viewer.layers:
                    session.viewer.layers.remove(layer)
        session.stack.set_extra_depths([], _OWNER)
        session.stack.make_place(None)

    def close(self) -> None:
        """Take the layers away and listen no more."""
        session = self._session()
        if session is None or session.is_closed:  # with the window and all that is in it
            return
        self.clear()
        session.stack.view_changed.disconnect(self._place, missing_ok=True)
        session.viewer.layers.events.removed.disconnect(self._on_removed)
        session.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    @property
    def _layers(self) -> list[Layer]:
        return [layer for layer in (self.frame, self.points) if layer is not None]

    @property
    def _framed(self) -> np.ndarray:
        """(dashes, 2, 3) the frame where it is now."""
        ring = self._ring.copy()
        ring[:, 0] += self._spot
        return ring

    @property
    def _depth(self) -> float:
        return float(self._coords[0, 0])

    def _make(self, session: Session) -> None:
        stack, viewer = session.stack, session.viewer
        tissue = session.tissue
        around = self._coords if tissue is None else tissue.coords
        size = stack.point_diameter
        self.frame = make_frame(_at(around, np.zeros(3)), f"{NAME} frame", "", 2 * size)
        self._ring = np.array(self.frame.data)
        self.frame.data = self._framed
        self.points = make_points(_at(self._coords, self._spot), NAME, "", VIRTUAL, size)
        self.points.opacity = stack.points_opacity
        selected = set(viewer.layers.selection)
        for layer in self._layers:
            layer.metadata[KEY] = State(role="live", section="", virtual=True)
            viewer.add_layer(layer)
        if selected:
            viewer.layers.selection = selected

    def _move(self) -> None:
        """Put the cells, and the frame around them, where they are now."""
        if self.points is None or self.frame is None:
            return
        coords = _at(self._coords, self._spot)
        # heard of new data, napari takes the range of its sliders from all layers and cuts all of
        # them anew; the cut lies within that range
        with self.points.events.data.blocker(), self.frame.events.data.blocker():
            if not np.array_equal(self.points.data, coords):
                self.points.data = coords
                self.points.selected_data = set()
            if not np.array_equal(self.frame.data[0], self._framed[0]):
                self.frame.data = self._framed

    def _place(self) -> None:
        """Follow the stack's spacing, sizes and opacity."""
        session = self._session()
        if session is None or self.points is None or self._busy:
            return
        stack = session.stack
        # a 2D view of the cut stays at its level while it is dragged, until it rests
        moved = self._spot != stack.place_at(self._depth)
        if moved[1:].any() or (moved[0] and self._where != _where(session)):
            self.settle()
        self._where = _where(session)
        size = stack.point_diameter * VIRTUAL.scale
        if not np.isclose(self.points.current_size, size):
            set_size(self.points, size)
        if self.points.opacity != stack.points_opacity:
            self.points.opacity = stack.points_opacity

    def _is_looked_at(self, session: Session) -> bool:
        """Whether a 2D view shows the depth at which the cut stands.

        Where sections are spread, all of them are at one depth.
        """
        dims = session.viewer.dims
        if not self.is_shown or dims.ndisplay != 2 or dims.ndim < 3:
            return False
        return bool(np.isclose(dims.point[dims.ndim - 3], self._spot[0], rtol=0, atol=1e-6))

    def _on_ndisplay(self, _: object = None) -> None:
        self._place()
        session = self._session()
        if session is not None and self.is_shown:
            self._go_there(session)

    def _go_there(self, session: Session) -> None:
        """Let a 2D view stop at the cut, and go there."""
        stack = session.stack
        if session.viewer.dims.ndisplay != 2 or stack.explosion:  # spread, all are in sight
            return
        depth = float(self._spot[0]) / stack.spacing
        stack.set_extra_depths([depth], _OWNER)
        stack.go_to(depth)

    def _on_removed(self, event: object) -> None:
        if self._busy or getattr(event, "value", None) not in (self.points, self.frame):
            return
        self.clear()
        self.removed.emit()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Change our own layers without taking it for the user's doing."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


def _at(coords: np.ndarray, spot: np.ndarray) -> np.ndarray:
    """Return (cells, 3) places at one depth of the canvas, shifted along y and x."""
    return np.column_stack([np.full(len(coords), spot[0]), coords[:, 1:] + spot[1:]])


def _where(session: Session) -> tuple[float, float, int]:
    """Return what the depths of a stack on the canvas depend on."""
    return session.stack.spacing, session.stack.explosion, session.viewer.dims.ndisplay
