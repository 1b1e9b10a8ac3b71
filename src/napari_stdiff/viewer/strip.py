"""A strip of small sections side by side: one section at several lambdas, on one scale."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points

from .colors import VIRTUAL_EDGE
from .layers import KEY, VIRTUAL, State, make_points, set_size
from .placing import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..data.virtual import VirtualSection
    from .session import Session

SCALE = 0.4  # of a small section
POINT = 0.6  # size of its points: they may touch, being few pixels each
COLUMNS = 5  # small sections in a row
GAP = 0.12  # between two, of their width
LABEL = 0.25  # above a small section, of its height


class Strip:
    """Draws small sections below the stack, in step with its colours, and removes them.

    Parameters
    ----------
    session
        The session; held weakly.
    """

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._sections: dict[str, VirtualSection] = {}
        self._points: Points | None = None
        self._labels: Points | None = None
        session.stack.colours_changed.connect(self._paint)
        session.stack.view_changed.connect(self._place)
        session.tissue_changed.connect(self.clear)
        session.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_shown(self) -> bool:
        """Whether there is a strip on the canvas."""
        return self._points is not None

    def show(self, sections: Sequence[VirtualSection], labels: Sequence[str]) -> None:
        """Show `sections` side by side in 2D, each under its label."""
        self.clear()
        session = self._session()
        if session is None or session.tissue is None or not sections:
            return
        self._sections = {section.name: section for section in sections}
        coords, heads = laid_out([s.query.coords for s in sections], session.tissue.coords)
        stack, viewer = session.stack, session.viewer
        state = State(role="strip", section="", virtual=True)
        size = POINT * stack.point_diameter
        self._points = make_points(coords, "virtual · lambda strip", "", VIRTUAL, size)
        self._labels = Points(
            heads,
            name="virtual · lambda labels",
            size=size,
            face_color="transparent",
            border_width=0.0,
            text={"string": list(labels), "size": 10, "color": VIRTUAL_EDGE, "anchor": "center"},
            axis_labels=("z", "y", "x"),
            projection_mode="all",
            canvas_size_limits=(0, 10_000),  # else napari draws a dot into each label
            metadata={KEY: state},
        )
        self._points.metadata[KEY] = state
        depth = float(coords[:, 0].mean())
        for layer in (self._points, self._labels):
            viewer.add_layer(layer)
        self._paint()
        stack.set_extra_depths([depth])  # places them, too
        stack.set_ndisplay(2)
        stack.go_to(depth)
        viewer.reset_view()

    def clear(self) -> None:
        """Remove the strip."""
        session = self._session()
        layers = [layer for layer in (self._points, self._labels) if layer is not None]
        self._points = self._labels = None
        self._sections = {}
        if session is None or not layers:
            return
        for layer in layers:
            if layer in session.viewer.layers:
                session.viewer.layers.remove(layer)
        session.stack.set_extra_depths([])

    def _paint(self) -> None:
        session = self._session()
        if session is None or self._points is None:
            return
        values = session.stack.values_in(self._sections)
        session.stack.paint(self._points, np.concatenate([values[n] for n in self._sections]))
        self._points.face_colorbar.visible = False

    def _place(self) -> None:
        session = self._session()
        if session is None or self._points is None:
            return
        z = float(self._points.data[:, 0].mean()) * (session.stack.spacing - 1.0)
        for layer in (self._points, self._labels):
            if layer is not None:
                place(layer, z, 0.0)
        set_size(self._points, POINT * session.stack.point_diameter * VIRTUAL.scale)

    def _on_removed(self, event: object) -> None:
        """Go altogether when the user takes one of the layers away."""
        if getattr(event, "value", None) in (self._points, self._labels):
            self.clear()


def laid_out(sections: Sequence[np.ndarray], stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the cells of small sections and their labels go, below the stack.

    Parameters
    ----------
    sections
        (cells, 3) z, y, x of each section.
    stack
        (cells, 3) z, y, x of everything measured.

    Returns
    -------
    coords, heads
        (all cells, 3) and (sections, 3).
    """
    everything = np.concatenate(sections)[:, 1:]
    low, high = everything.min(axis=0), everything.max(axis=0)
    height, width = SCALE * np.maximum(high - low, 1e-9)
    columns = min(len(sections), COLUMNS)
    left = (stack[:, 2].min() + stack[:, 2].max() - columns * width * (1.0 + GAP)) / 2
    coords, heads = [], []
    for i, section in enumerate(sections):
        row, column = divmod(i, columns)
        x = left + column * width * (1.0 + GAP)
        head = stack[:, 1].max() + (0.5 + row * (1.0 + 2 * LABEL)) * height
        small = np.array(section, dtype=float)
        small[:, 1:] = (small[:, 1:] - low) * SCALE + (head + LABEL * height, x)
        coords.append(small)
        heads.append((small[:, 0].mean(), head, x + width / 2))
    return np.concatenate(coords), np.array(heads)
