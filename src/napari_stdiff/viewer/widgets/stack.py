"""The dock that shows the stack: what is open, what colours mean, how it is laid out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ..forms import Folded
from .adjust_panel import AdjustPanel
from .colour_panel import ColourPanel
from .crowd_line import CrowdLine
from .dock import heading
from .figure_dialog import FigureDialog
from .overlay_panel import OverlayPanel
from .tissue_dock import TissueDock
from .view_panel import SectionList, ViewPanel

if TYPE_CHECKING:
    import napari


class StackWidget(TissueDock):
    """Opens data and follows the session's tissue; colours, layout and sections.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.colours = ColourPanel(self.session)
        self.overlay = OverlayPanel(self.session, self.colours.recents)
        self.view = ViewPanel(self.session)
        self.crowd = CrowdLine(self.session)
        self.sections = SectionList(self.session)
        self.moving = AdjustPanel(self.session)
        self.moving_fold = Folded("Move a section", self.moving)
        self.moving_fold.button.toggled.connect(self._on_unfolded)
        self.moving.failed.connect(self.fail)
        self.moving.adjust.changed.connect(self._on_hands)
        self.moving.stored.chosen.connect(self.data.read_in)
        self.sections.picked.connect(self._on_picked)
        self.export = QPushButton("Export figure…")
        self.export.setToolTip("Save the canvas as a picture with its colour bar and scale bar")
        self.export.clicked.connect(self._on_export)
        self.shown = QWidget()
        inner = QVBoxLayout(self.shown)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(5)
        parts: tuple[QWidget, ...] = (
            heading("Colour"),
            self.colours,
            heading("Overlay"),
            self.overlay,
            heading("View"),
            self.view,
            self.crowd,
            heading("Sections"),
            self.sections,
            self.moving_fold,
            self.export,
        )
        for part in parts:
            inner.addWidget(part)
        self.column.addWidget(self.shown)
        self.column.addStretch(1)
        self.begin()

    def show_tissue(self) -> None:
        """Show the tissue that was opened."""
        self.shown.setVisible(self.session.tissue is not None)
        self._on_sections()
        self._on_colours()
        self._on_view()

    def end(self) -> None:
        """End everything that runs."""
        super().end()
        self.moving.end()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to the stack."""
        stack = self.session.stack
        pairs: list[tuple[Any, Callable[..., None]]] = [
            (stack.sections_changed, self._on_sections),
            (stack.colours_changed, self._on_colours),
            (stack.view_changed, self._on_view),
            (stack.quad.changed, self.overlay.refresh),
            (stack.crowd.changed, self.crowd.refresh),
        ]
        viewer = self._viewer()
        if viewer is not None:
            pairs.append((viewer.dims.events.ndisplay, self._on_view))
        return pairs

    def _on_sections(self) -> None:
        self.colours.refresh_choices()
        self.overlay.refresh_choices()
        self.sections.refresh()
        self.view.refresh()
        self.crowd.refresh()

    def _on_colours(self) -> None:
        self.colours.refresh()
        self.overlay.refresh()
        self.sections.refresh()  # a predicted gene stands in for what was measured

    def _on_view(self, *_: object) -> None:
        self.view.refresh()

    def _on_hands(self) -> None:
        self.sections.select(self.moving.adjust.chosen)

    def _on_picked(self, name: str) -> None:
        if self.moving.canvas.is_on:
            self.moving.adjust.choose(name)

    def _on_unfolded(self, unfolded: bool) -> None:
        if unfolded:  # it stands at the end of a long dock
            self.bring_into_sight(self.moving_fold)

    def _on_export(self) -> None:
        FigureDialog(self.session).exec()
