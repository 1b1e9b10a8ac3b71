"""One camera for the 3D stack and one for a section in 2D, each as the user left it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from .layers import camera_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

# Looking down on the table that the sections lie on, z upwards. From this side a section is seen
# as in 2D, from below it is mirrored.
OPENING_VIEW = (-0.62, -0.7, -0.36)
OPENING_UP = (1.0, 0.0, 0.0)
_FILLED = 0.95  # of the canvas, as napari does it


class Cameras:
    """Switches a viewer between 2D and 3D, and sets its camera.

    Parameters
    ----------
    viewer
        The viewer; held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._left: dict[int, Any] = {}
        self._kept: dict[str, dict[int, Any]] = {}
        viewer.dims.events.ndisplay.connect(lambda _=None: QTimer.singleShot(0, self._order))

    def _order(self) -> None:
        """Draw layers in their order: pictures have one of 2D and one of 3D, the other is old."""
        viewer: Any = self._viewer()
        if viewer is not None:
            viewer.layers.events.reordered()

    def switch(self, ndisplay: int) -> None:
        """Show 2 or 3 dimensions, as they were seen the last time."""
        viewer: Any = self._viewer()
        if viewer is None or ndisplay == viewer.dims.ndisplay:
            return
        camera = camera_of(viewer)
        self._left[viewer.dims.ndisplay] = (camera.center, camera.zoom, camera.angles)
        depth = viewer.dims.point
        viewer.dims.ndisplay = ndisplay
        viewer.dims.point = depth
        if ndisplay in self._left:
            camera.center, camera.zoom, camera.angles = self._left[ndisplay]
        elif ndisplay == 2:
            viewer.reset_view()
        else:
            self.look()

    def look(self, also: np.ndarray | None = None) -> None:
        """Look at the stack from above, or at a section straight; `also` as `widen` has it."""
        viewer: Any = self._viewer()
        if viewer is None:
            return
        if viewer.dims.ndisplay == 3:
            camera_of(viewer).set_view_direction(OPENING_VIEW, OPENING_UP)
        self.widen(also)

    def widen(self, also: np.ndarray | None = None) -> None:
        """Bring everything into sight, from where the camera is.

        Parameters
        ----------
        also
            (n, 3) world coordinates that are to be in sight as well, where layers will be;
            `foresees` says whether that can be done.
        """
        viewer: Any = self._viewer()
        if viewer is None:
            return
        viewer.reset_view(reset_camera_angle=False)
        if also is None or not self.foresees:
            return
        held = np.concatenate([viewer.layers.extent.world[:, -3:], also])
        low, high = held.min(axis=0), held.max(axis=0)
        camera, size = camera_of(viewer), high - low
        if viewer.dims.ndisplay == 3:
            up, ahead = np.array(camera.up_direction), np.array(camera.view_direction)
            seen = np.array([np.abs(up) @ size, np.abs(np.cross(ahead, up)) @ size])
        else:
            seen = size[1:]
        camera.center = tuple(((low + high) / 2)[-len(camera.center) :])
        room = np.array(viewer.canvas.viewbox_size(viewer.layers))
        camera.zoom = _FILLED * float(np.min(room / np.maximum(seen, 1e-9)))

    @property
    def foresees(self) -> bool:
        """Whether the camera can be set for layers that are not there yet."""
        return hasattr(getattr(self._viewer(), "canvas", None), "viewbox_size")

    def make_room(self, coords: np.ndarray) -> None:
        """Move away until (n, 3) `coords` are in sight beside all that is; for what comes next."""
        viewer: Any = self._viewer()
        if viewer is None:
            return
        now = viewer.layers.extent.world[:, -3:]
        low = np.minimum(now[0], coords.min(axis=0))
        high = np.maximum(now[1], coords.max(axis=0))
        size = np.maximum(high - low, 1e-9)
        camera = camera_of(viewer)
        camera.center = tuple((low + high) / 2)
        camera.zoom *= float(np.min(np.where(size > 1e-9, (now[1] - now[0]) / size, 1.0)))

    def keep(self, owner: str = "") -> None:
        """Remember where the camera is, for one who puts it back with :meth:`put_back`."""
        viewer: Any = self._viewer()
        if viewer is not None:
            camera = camera_of(viewer)
            self._kept[owner] = {viewer.dims.ndisplay: (camera.center, camera.zoom)}

    def put_back(self, owner: str = "") -> None:
        """Bring the camera back to where :meth:`keep` saw it, its angles as they are now."""
        viewer: Any = self._viewer()
        if viewer is None:
            return
        camera, kept = camera_of(viewer), self._kept.pop(owner, {})
        for ndisplay, (center, zoom) in kept.items():
            if ndisplay in self._left:  # of the other view, as it is left meanwhile
                self._left[ndisplay] = (center, zoom, self._left[ndisplay][2])
        if viewer.dims.ndisplay in kept:
            camera.center, camera.zoom = kept[viewer.dims.ndisplay]
        else:
            self.widen()

    def forget(self) -> None:
        """Start anew: something else is shown."""
        self._left.clear()
