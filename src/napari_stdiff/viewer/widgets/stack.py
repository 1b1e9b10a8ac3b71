"""The dock that shows the stack: what is open, what colours mean, how it is laid out."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...compute.errors import StdiffError
from ..session import session_of
from ..worker import Problem
from .colour_panel import ColourPanel
from .data_box import DataBox
from .dock import Dock, heading
from .view_panel import SectionList, ViewPanel

if TYPE_CHECKING:
    import napari


class StackWidget(Dock):
    """Opens data and follows the session's tissue; colours, layout and sections.

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
        self.colours = ColourPanel(self.session)
        self.view = ViewPanel(self.session)
        self.sections = SectionList(self.session)
        self.shown = QWidget()
        inner = QVBoxLayout(self.shown)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(5)
        parts: tuple[QWidget, ...] = (
            heading("Colour"),
            self.colours,
            heading("View"),
            self.view,
            heading("Sections"),
            self.sections,
        )
        for part in parts:
            inner.addWidget(part)
        for widget in (heading("Data"), self.data, self.shown):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self.data.failed.connect(self._fail)
        self._listen(True)
        self._on_tissue()

    def opened(self) -> None:
        """Follow the session."""
        self.session.watch(self)
        self._listen(True)
        self._on_tissue()

    def closed(self) -> None:
        """Stop following it."""
        self.data.end()
        self._listen(False)

    def _on_tissue(self) -> None:
        """Show the tissue that was opened, by whomever."""
        self.data.show_tissue()
        self.shown.setVisible(self.session.tissue is not None)
        self._on_layers()
        self._on_sections()
        self._on_colours()
        self._on_view()

    def _on_layers(self, *_: object) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self.data.refresh(viewer.layers)

    def _on_sections(self) -> None:
        self.colours.refresh_choices()
        self.sections.refresh()
        self.view.refresh()

    def _on_colours(self) -> None:
        self.colours.refresh()

    def _on_view(self, *_: object) -> None:
        self.view.refresh()

    def _listen(self, on: bool) -> None:
        viewer = self._viewer()
        if viewer is None or on == self._listening:
            return
        self._listening = on
        stack = self.session.stack
        for signal, slot in (
            (self.session.tissue_changed, self._on_tissue),
            (stack.sections_changed, self._on_sections),
            (stack.colours_changed, self._on_colours),
            (stack.view_changed, self._on_view),
            (viewer.layers.events.inserted, self._on_layers),
            (viewer.layers.events.removed, self._on_layers),
            (viewer.dims.events.ndisplay, self._on_view),
        ):
            if on:
                signal.connect(slot)
            else:
                with suppress(ValueError, TypeError):
                    signal.disconnect(slot)

    def _fail(self, error: BaseException) -> None:
        """Say in one sentence what went wrong."""
        show_error(str(error) if isinstance(error, StdiffError) else Problem.of(error).sentence)
