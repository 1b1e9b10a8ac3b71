"""A dock on the tissue of the session: what data is open, and all it hears from the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.compat import isalive

from ..session import session_of
from ..worker import Problem
from .data_box import DataBox
from .dock import Dock, heading

if TYPE_CHECKING:
    import napari


class TissueDock(Dock):
    """Shows what data is open, and follows the session while it is in a window.

    Subclasses fill `column` below the data, call :meth:`begin` when they are built, and override
    `show_tissue`, `heard` and what else they need.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(getattr(napari_viewer, "__wrapped__", napari_viewer))
        self.session = session_of(napari_viewer)
        self._listening = False
        self.data = DataBox(self.session)
        self.column.addWidget(heading("Data"))
        self.column.addWidget(self.data)

    def begin(self) -> None:
        """Listen, and show what is open; for the end of a subclass's constructor."""
        self.data.failed.connect(self.fail)
        self._listen(True)
        self.on_tissue()

    def show_tissue(self) -> None:
        """Show the session's tissue; called when it was opened or moved, by whomever."""

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Return what else is listened to: signal and slot."""
        return []

    def end(self) -> None:
        """End everything that runs, briefly waiting."""
        self.data.end()

    def fail(self, error: Exception) -> None:
        """Say in one sentence what went wrong."""
        show_error(Problem.of(error).sentence)

    def on_tissue(self) -> None:
        """Show the tissue that was opened, by whomever."""
        self.data.show_tissue()
        self.on_layers()
        self.show_tissue()

    def on_layers(self, *_: object) -> None:
        """Offer the data of the viewer's layers."""
        viewer = self._viewer()
        if viewer is not None:
            self.data.refresh(viewer.layers)

    def on_layer_removed(self, _: Any) -> None:
        """Offer what is left."""
        self.on_layers()

    def opened(self) -> None:
        """Listen to what is open in the viewer."""
        self.session.watch(self)
        if not self._listening:  # closed, and opened once more
            self._listen(True)
            self.on_tissue()

    def closed(self) -> None:
        """Listen no more, and end what runs."""
        self._listen(False)
        if isalive(self):  # the window may have taken the widgets with it
            self.end()

    def _listen(self, on: bool) -> None:
        self._listening = on
        viewer = self._viewer()
        pairs: list[tuple[Any, Callable[..., None]]] = [
            (self.session.tissue_changed, self.on_tissue),
            (self.session.closed, self.closed),
            *self.heard(),
        ]
        if viewer is not None:
            pairs.append((viewer.layers.events.inserted, self.on_layers))
            pairs.append((viewer.layers.events.removed, self.on_layer_removed))
        for signal, slot in pairs:
            with suppress(ValueError, TypeError):  # was not connected
                signal.disconnect(slot)
            if on:
                signal.connect(slot)
