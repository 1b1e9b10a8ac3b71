"""The z slider of a 2D view stops at sections only, so that it is never black."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from .layers import state_of

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Scrubber:
    """Makes the z slider of a 2D view stop at sections only, so that it is never black.

    Parameters
    ----------
    viewer
        The viewer; held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._levels = np.zeros(0)
        self._spread = 0.0
        self._last = np.nan
        self._busy = False
        viewer.dims.events.point.connect(self._snap)
        viewer.dims.events.range.connect(self._fit)
        viewer.dims.events.ndisplay.connect(self._snap)

    def set_levels(self, levels: Sequence[float], spread: float) -> None:
        """Set the depths of the sections (world units) and how far their cells stray from them."""
        self._levels = np.unique(np.round(np.asarray(levels, dtype=float), 9))
        self._spread = spread
        self._fit()
        self._snap()

    def go_to(self, level: float) -> None:
        """Show the section at depth `level`."""
        viewer = self._ready()
        if viewer is not None:
            self._last = float(level)
            self._settle()
            QTimer.singleShot(0, self._settle)

    @property
    def step(self) -> float:
        """Smallest distance between two sections."""
        gaps = np.diff(self._levels)
        return float(gaps.min()) if len(gaps) else 1.0

    def _ready(self) -> Any:
        """Return the viewer if depth is ours to steer, else None."""
        viewer = self._viewer()
        if viewer is None or self._busy or not len(self._levels) or viewer.dims.ndim < 3:
            return None
        deep = [layer for layer in viewer.layers if layer.ndim >= 3]
        return viewer if deep and all(state_of(layer) for layer in deep) else None

    def _fit(self, _: object = None) -> None:
        """Give the slider one stop a section and a slice as thick as the sections are."""
        viewer = self._ready()
        if viewer is None:
            return
        dims, axis = viewer.dims, viewer.dims.ndim - 3
        wanted = (float(self._levels[0]), float(self._levels[-1]), self.step)
        self._busy = True
        try:
            if not np.allclose(dims.range[axis], wanted):
                dims.set_range(axis, wanted)
            thickness = 2.0 * self._spread + 1e-3 * self.step
            if hasattr(dims, "thickness") and not np.isclose(dims.thickness[axis], thickness):
                dims.thickness = tuple(
                    thickness if i == axis else t for i, t in enumerate(dims.thickness)
                )
        finally:
            self._busy = False

    def _snap(self, _: object = None) -> None:
        """Move to the section that was meant: the nearest, or the next in the direction moved."""
        viewer = self._ready()
        if viewer is None:
            return
        axis = viewer.dims.ndim - 3
        self._last = snap(float(viewer.dims.point[axis]), self._last, self._levels, self.step)
        self._settle()
        # napari's own slider knows whole steps only and may just have rounded the point back.
        QTimer.singleShot(0, self._settle)

    def _settle(self) -> None:
        """Bring the point to the section that was meant."""
        viewer = self._ready()
        if viewer is None or not np.isfinite(self._last):
            return
        axis = viewer.dims.ndim - 3
        if not np.isclose(viewer.dims.point[axis], self._last, rtol=0, atol=1e-6 * self.step):
            self._busy = True
            try:
                viewer.dims.set_point(axis, self._last)
            finally:
                self._busy = False


def snap(point: float, last: float, levels: np.ndarray, step: float) -> float:
    """Return the level meant by moving from the level `last` to `point`.

    A single step that would fall back onto `last`, because the gap there is wide, goes on to
    the next level.
    """
    nearest = int(np.abs(levels - point).argmin())
    moved = point - last
    if levels[nearest] == last and abs(moved) > 0.5 * step:
        nearest = int(np.clip(nearest + np.sign(moved), 0, len(levels) - 1))
    return float(levels[nearest])
