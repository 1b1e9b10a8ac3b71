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
        self._level = 0.0  # on the canvas, stretched
        self._spacing = session.stack.spacing
        self._busy = False
        self.points: Points | None = None
        self.frame: Vectors | None = None
        session.stack.view_changed.connect(self._place)
        session.viewer.layers.events.removed.connect(self._on_removed)
        session.viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    @property
    def is_shown(self) -> bool:
        """Whether there is a live cut in sight."""
        return self.points is not None and bool(self.points.visible)

    def show(self, coords: np.ndarray, values: np.ndarray) -> None:
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
        """
        session = self._session()
        if session is None or not len(coords):
            self.hide()
            return
        self._coords = coords
        if not self._is_looked_at(session):
            self._level = self._depth * session.stack.spacing
        for layer in self._layers:
            if not layer.visible:  # first: napari does not look at new data of hidden layers
                layer.visible = True
        with self._alone():
            if self.points is None:
                self._make(session)
            else:
                self._move()
        self.paint(values)
        if not self._is_looked_at(session):
            self._go_there(session)

    def settle(self) -> None:
        """Bring the cut, and a 2D view of it, to where it belongs."""
        session = self._session()
        if session is None or not self.is_shown:
            return
        level = self._depth * session.stack.spacing
        if self._level != level:
            self._level = level
            with self._alone():
                self._move()
            self._go_there(session)

    def paint(self, values: np.ndarray) -> None:
        """Colour the cells that are drawn by (cells,) `values`."""
        session = self._session()
        if session is None or self.points is None:
            return
        session.stack.paint(self.points, values)
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
    def _depth(self) -> float:
        return float(self._coords[0, 0])

    def _make(self, session: Session) -> None:
        stack, viewer = session.stack, session.viewer
        tissue = session.tissue
        around = self._coords if tissue is None else tissue.coords
        size = stack.point_diameter
        self.frame = make_frame(_at(around, self._level), f"{NAME} frame", "", 2 * size)
        self.points = make_points(_at(self._coords, self._level), NAME, "", VIRTUAL, size)
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
        coords = _at(self._coords, self._level)
        # heard of new data, napari takes the range of its sliders from all layers and cuts all of
        # them anew; the cut lies within that range
        with self.points.events.data.blocker(), self.frame.events.data.blocker():
            if not np.array_equal(self.points.data, coords):
                self.points.data = coords
                self.points.selected_data = set()
            if float(self.frame.data[0, 0, 0]) != self._level:
                ring = np.array(self.frame.data)
                ring[:, 0, 0] = self._level
                self.frame.data = ring

    def _place(self) -> None:
        """Follow the stack's spacing, sizes and opacity."""
        session = self._session()
        if session is None or self.points is None or self._busy:
            return
        stack = session.stack
        if self._spacing != stack.spacing:
            self._spacing = stack.spacing
            self.settle()
        size = stack.point_diameter * VIRTUAL.scale
        if not np.isclose(self.points.current_size, size):
            set_size(self.points, size)
        if self.points.opacity != stack.points_opacity:
            self.points.opacity = stack.points_opacity

    def _is_looked_at(self, session: Session) -> bool:
        """Whether a 2D view shows the depth at which the cut stands."""
        dims = session.viewer.dims
        if not self.is_shown or dims.ndisplay != 2 or dims.ndim < 3:
            return False
        return bool(np.isclose(dims.point[dims.ndim - 3], self._level, rtol=0, atol=1e-6))

    def _on_ndisplay(self, _: object = None) -> None:
        session = self._session()
        if session is not None and self.is_shown:
            self._go_there(session)

    def _go_there(self, session: Session) -> None:
        """Let a 2D view stop at the cut, and go there."""
        if session.viewer.dims.ndisplay != 2:
            return
        session.stack.set_extra_depths([self._level / session.stack.spacing], _OWNER)
        session.stack.go_to(self._level / session.stack.spacing)

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


def _at(coords: np.ndarray, level: float) -> np.ndarray:
    """Return (cells, 3) places at one depth of the canvas."""
    return np.column_stack([np.full(len(coords), level), coords[:, 1:]])
