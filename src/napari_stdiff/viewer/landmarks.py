"""Landmarks: numbered points of the user, one layer a section; a number is the same place."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from psygnal import Signal

from ..registration.frames import moved
from .aligned import Aligned
from .layers import KEY, State, state_of
from .placing import place

if TYPE_CHECKING:
    from ..data.alignment import Alignment
    from .session import Session


class Landmarks:
    """The landmark layers of a session: made, numbered, placed with their sections, read.

    Their coordinates are where the sections are shown, so that points can be set before and after
    an alignment; :meth:`points` returns them where the sections were read.

    Parameters
    ----------
    session
        The session; held weakly.
    aligned
        How its sections are aligned.
    """

    changed = Signal()

    def __init__(self, session: Session, aligned: Aligned) -> None:
        self._session = weakref.ref(session)
        self._aligned = aligned
        self._shown: Alignment | None = aligned.alignment if aligned.is_after else None
        aligned.changed.connect(self._follow)
        session.opened.connect(self.clear)
        session.stack.view_changed.connect(self._place)
        for layer in self.layers.values():  # of a dock that was closed
            layer.events.data.connect(self._number)

    @property
    def layers(self) -> dict[str, Points]:
        """Section -> its layer of landmarks, as they are on the canvas."""
        session = self._session()
        found: dict[str, Points] = {}
        for layer in session.viewer.layers if session is not None else ():
            state = state_of(layer)
            if isinstance(layer, Points) and state and state["role"] == "landmarks":
                found[state["section"]] = layer
        return found

    def add(self, section: str) -> Points:
        """Show `section` in 2D and return its layer of landmarks, ready to be clicked into."""
        session = self._session()
        assert session is not None
        layer = self.layers.get(section)
        if layer is None:
            layer = self._new(session, section)
        self._place()
        session.stack.set_ndisplay(2)
        session.stack.go_to(session.stack.section(section))
        session.viewer.layers.selection.active = layer
        layer.mode = "add"
        return layer

    def counts(self) -> dict[str, int]:
        """Return section -> number of landmarks."""
        return {section: len(layer.data) for section, layer in self.layers.items()}

    def points(self) -> dict[str, np.ndarray]:
        """Return section -> (n, 2) y, x where the sections were read.

        Row i is the same place in all; where a section has fewer, the rest is NaN.
        """
        layers = {k: v for k, v in self.layers.items() if len(v.data)}
        most = max((len(layer.data) for layer in layers.values()), default=0)
        out = {}
        for section, layer in layers.items():
            yx = np.full((most, 2), np.nan)
            yx[: len(layer.data)] = self._back(section, np.asarray(layer.data)[:, 1:])
            out[section] = yx
        return out

    def clear(self) -> None:
        """Remove all landmark layers."""
        session = self._session()
        for layer in self.layers.values():
            if session is not None:
                session.viewer.layers.remove(layer)

    def _new(self, session: Session, section: str) -> Points:
        size = 3.0 * session.stack.point_diameter
        layer = Points(
            np.zeros((0, 3)),
            ndim=3,
            name=f"landmarks · {section}",
            size=size,
            symbol="disc",
            face_color="black",
            border_color="white",
            border_width=0.12,
            features={"number": np.zeros(0, dtype=int)},
            text={
                "string": "{number}",
                "size": 11,
                "color": "white",
                "anchor": "center",
            },
            axis_labels=("z", "y", "x"),
            projection_mode="all",
            canvas_size_limits=(0, 10_000),  # else napari draws a dot where there is none
            metadata={KEY: State(role="landmarks", section=section, virtual=False)},
        )
        layer.events.data.connect(self._number)
        session.viewer.add_layer(layer)
        return layer

    def _number(self, event: Any) -> None:
        """Count the points of a layer anew, in the order they were set."""
        layer, session = event.source, self._session()
        if session is None or len(layer.features) != len(layer.data):
            return
        numbers = np.arange(1, len(layer.data) + 1)
        if not np.array_equal(layer.features["number"], numbers):
            layer.features = {"number": numbers}
            layer.refresh_text()
        self.changed.emit()

    def _place(self) -> None:
        session = self._session()
        if session is None or session.tissue is None:
            return
        known = {s.name: s for s in session.stack.sections if not s.virtual}
        for name, layer in self.layers.items():
            if name in known:
                z, y, x = known[name].at
                place(layer, z, x, y=y)

    def _follow(self) -> None:
        """Move the landmarks with their sections."""
        was, now = self._shown, self._aligned.alignment if self._aligned.is_after else None
        self._shown = now
        if was is now:
            return
        for section, layer in self.layers.items():
            if not len(layer.data):
                continue
            data = np.array(layer.data)
            if was is not None:
                data[:, 1:] = moved(data[:, 1:], np.linalg.inv(was.transforms[section]))
                data[:, 0] -= was.depths.get(section, 0.0)
            if now is not None:
                data[:, 1:] = moved(data[:, 1:], now.transforms[section])
                data[:, 0] += now.depths.get(section, 0.0)
            layer.data = data

    def _back(self, section: str, yx: np.ndarray) -> np.ndarray:
        """Return places on the canvas where the section was read."""
        if self._shown is None:
            return yx
        return moved(yx, np.linalg.inv(self._shown.transforms[section]))
