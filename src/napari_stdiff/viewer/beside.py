"""Two halves of one canvas: what was measured on the left, what is imputed on the right."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from ..compute.errors import StdiffError
from .layers import camera_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from .arrange import Section

_LINKED = ("visible", "opacity")


class Beside:
    """Puts the covers of sections, and their pictures once more, into the right half of a grid.

    napari's grid shows layers in groups of equal size with one camera, so the layers of the right
    half are the last of the list, and a group is as large as all the others. Each is linked with
    its layer in the left half: shown, hidden and faded together.

    Parameters
    ----------
    viewer
        The viewer; held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._before: dict[str, Any] = {}
        self._sections: Sequence[Section] = ()
        viewer.layers.events.inserted.connect(self._soon)
        viewer.layers.events.removed.connect(self._soon)

    @property
    def is_on(self) -> bool:
        """Whether the canvas is in two halves."""
        return bool(self._before)

    def show(self, sections: Sequence[Section]) -> None:
        """Show the layers of `sections` that belong to the right beside all others.

        Raises
        ------
        StdiffError
            When there are more layers than napari's grid can take.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        self._sections = sections
        grid, camera = grid_of(viewer), camera_of(viewer)
        if not self._before:
            keys = ("stride", "shape", "enabled")
            self._before = {key: getattr(grid, key) for key in keys}
            self._before["camera"] = (camera.center, camera.zoom)
        self._group()
        for pair in pairs_of(sections):
            viewer.layers.link_layers(pair, _LINKED)
        grid.enabled = True
        viewer.reset_view(reset_camera_angle=False)

    def leave(self) -> None:
        """Go back to one canvas, the camera where it was."""
        viewer, before, sections = self._viewer(), self._before, self._sections
        self._before, self._sections = {}, ()
        if viewer is None or not before:
            return
        for pair in pairs_of(sections):
            viewer.layers.unlink_layers(pair)
        camera = camera_of(viewer)
        camera.center, camera.zoom = before.pop("camera")
        grid = grid_of(viewer)
        for key, value in before.items():
            setattr(grid, key, value)

    def _soon(self, _: object = None) -> None:
        """Sort the layers anew once napari has taken in what came or went."""
        if self._before:
            QTimer.singleShot(0, self._group)

    def _group(self) -> None:
        """Bring the layers of the right half to the end of the list, and count the others."""
        viewer = self._viewer()
        if viewer is None or not self._before:
            return
        layers = viewer.layers
        right = [x for section in self._sections for x in section.right if x in layers]
        if list(layers[len(layers) - len(right) :]) != right:
            layers.move_multiple([layers.index(layer) for layer in right], len(layers))
        left = len(layers) - len(right)
        grid = grid_of(viewer)
        try:
            grid.stride = max(left, len(right), 1)
        except ValueError as error:
            raise StdiffError(
                f"Side by side takes fewer than these {left:,} layers in this version of napari; "
                "flip between measured and imputed instead."
            ) from error
        grid.shape = (1, 2)


def pairs_of(sections: Sequence[Section]) -> list[list[Layer]]:
    """Return the layers of the left half that have one in the right, each with that."""
    every = [p for s in sections for p in ((s.points, s.cover), (s.image, s.twin))]
    return [[left, right] for left, right in every if left is not None and right is not None]


def grid_of(viewer: ViewerModel) -> Any:
    """Return the grid of `viewer`, wherever this version of napari keeps it."""
    canvas: Any = getattr(viewer, "canvas", None)
    return viewer.grid if canvas is None else canvas.grid
