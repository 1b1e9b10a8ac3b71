"""Keys of the canvas that are ours for a while, where nobody else has them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


class HeldKeys:
    """Binds keys of a viewer, and gives them back.

    Parameters
    ----------
    viewer
        The viewer; held weakly.
    acts
        Key -> what it does.
    """

    def __init__(self, viewer: ViewerModel, acts: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = weakref.ref(viewer)
        self._acts = dict(acts)
        self._bound: list[str] = []

    def set_on(self, on: bool) -> None:
        """Take the keys that are free, or give back those that were taken."""
        viewer: Any = self._viewer()
        if viewer is None or on == bool(self._bound):
            return
        taken = {str(key).lower() for key in viewer.keymap}
        if on:
            self._bound = [key for key in self._acts if key.lower() not in taken]
            for key in self._bound:
                viewer.bind_key(key, self._of(self._acts[key]))
            return
        for key in self._bound:
            viewer.bind_key(key, None)
        self._bound = []

    @staticmethod
    def _of(act: Callable[[], None]) -> Callable[[Any], None]:
        return lambda viewer: act()
