"""What the colours of a stack show: one choice, one scale, painted on every section."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points
from psygnal import Signal

from . import layers as build
from .arrange import Section
from .colors import (
    COLORMAPS,
    PLAIN,
    Choice,
    Colouring,
    Quantity,
    Values,
    predicted,
    rgba,
    safe_limits,
)
from .cover import hand_over, predicted_colouring, tell_cells, title_of, uncover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..data.virtual import VirtualSection
    from .session import Session


class Painting:
    """The colours of the sections of one session; `Stack` says which sections there are.

    Attributes
    ----------
    colouring
        What is shown.
    quantity
        What predicted cells and genes show: "mean" or "std".
    fade
        Share (0 to 1) of the cells, the least sure ones, that fade where a gene was predicted.
    colormap, limits, percentiles, manual_limits
        The scale, and whether its ends were set by hand.
    """

    colours_changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._values: Values | None = None
        self._busy = False
        self._caption = ""
        self.colouring = Colouring()
        self.quantity: Quantity = "mean"
        self.fade = 0.0
        self.colormap: str = COLORMAPS[0]
        self.percentiles = (1.0, 99.0)
        self.limits = (0.0, 1.0)
        self.manual_limits = False

    @property
    @abstractmethod
    def sections(self) -> list[Section]:
        """Every section, by depth."""

    @property
    @abstractmethod
    def genes(self) -> list[str]:
        """Genes that can be shown."""

    @abstractmethod
    def _draw(self, section: Section) -> None:
        """Put the layers that `section` lacks on the canvas."""

    @abstractmethod
    def _arrange(self) -> None:
        """Place every layer."""

    def colour_by(self, choice: Choice, name: str = "") -> None:
        """Colour all sections by a gene or an obs column.

        Raises
        ------
        StdiffError
            When there is no such gene or column; the colours stay as they were.
        """
        if self._values is None:
            return
        self.colouring = self._look_up(choice, name)
        self.manual_limits = False
        self._paint()

    def set_quantity(self, quantity: Quantity) -> None:
        """Show the "mean" or its "std" where a gene was predicted."""
        self.quantity = quantity
        if self.colouring.result:
            self.manual_limits = False  # a spread has a scale of its own
        self._recolour()

    def set_fade(self, share: float) -> None:
        """Fade this share (0 to 1) of the cells, the least sure ones, of a predicted gene."""
        self.fade = min(max(share, 0.0), 1.0)
        if self.colouring.confidence is not None:
            self._paint()

    def set_colormap(self, name: str) -> None:
        """Use another colour-blind-safe map."""
        self.colormap = name
        self._paint()

    def set_limits(self, lo: float, hi: float) -> None:
        """Fix the ends of the colour scale."""
        self.limits = safe_limits(lo, hi)
        self.manual_limits = True
        self._paint()

    def set_percentiles(self, lo: float, hi: float) -> None:
        """Clip the colour scale at percentiles of the measured values."""
        self.percentiles = (max(0.0, min(lo, hi)), min(100.0, max(lo, hi)))
        self.manual_limits = False
        self._paint()

    def _recolour(self) -> None:
        """Look the present choice up again, because results came or went."""
        choice = self.colouring
        if self._values is None:
            return
        if choice.kind == "gene" and choice.name not in self.genes:
            self.colouring = choice = Colouring()
        self.colouring = self._look_up(choice.choice, choice.name)
        self._paint()

    def _look_up(self, choice: Choice, name: str) -> Colouring:
        """Return the colouring by what is measured, or else predicted."""
        assert self._values is not None
        results = self._session.results
        if choice == "gene" and not self._values.measures(name):
            virtual = {key: predicted(r, name, self.quantity) for key, r in results.items()}
            found = predicted_colouring(self._session, name, virtual, self.quantity)
            if found is not None:
                return found
        return self._values.colour_by(choice, name, results, self.quantity)

    def _paint(self) -> None:
        colouring = self.colouring
        if colouring.continuous and not self.manual_limits:
            self.limits = colouring.span(self.percentiles)
        self._cover()
        fading = colouring.trust(self.fade)
        bar_shown = False
        for section in self.sections:
            layer = section.painted
            if layer is None:
                continue
            if not section.virtual:
                section.trust = None if fading is None else fading[section.rows]
            self.paint(layer, self._values_of(section), section.trust)
            if section.covered:
                tell_cells(layer, self._session.predictions, colouring.name, section.rows)
            if not colouring.continuous:
                continue
            if section.trust is None:
                build.show_bar(layer, layer.visible and not bar_shown)
                bar_shown = bar_shown or layer.visible
        self._caption = build.caption(self._session.viewer, self.title, self._caption)
        self.colours_changed.emit()

    def _cover(self) -> None:
        """Show a predicted gene in a layer of its own in the place of the measured cells."""
        wanted = bool(self.colouring.result)
        changing = [s for s in self.sections if not s.virtual and s.covered != wanted]
        if not changing:
            return
        self._busy = True
        try:
            if not wanted:
                uncover(changing, self._session.viewer)
            for section in changing if wanted else ():
                section.covered = True
                self._draw(section)
                hand_over(self._session.viewer, section.points, section.cover)
        finally:
            self._busy = False
        self._arrange()

    def paint(self, layer: Points, values: np.ndarray, trust: np.ndarray | None = None) -> None:
        """Colour `layer` by (cells,) `values` of the present choice; cells fade with `trust`."""
        if self.colouring.kind == "none":
            build.paint_colours(layer, PLAIN, trust)
        elif self.colouring.kind == "label":
            build.paint_colours(layer, rgba(values, self.colouring.palette), trust)
        else:
            build.paint_values(layer, values, self.limits, self.colormap, trust)

    def values_in(self, results: Mapping[str, VirtualSection]) -> Mapping[str, np.ndarray]:
        """Return what the present choice says of cells that are not in the stack."""
        choice = self.colouring
        if self._values is None or choice.kind == "none":
            return {name: np.zeros(r.query.n_cells) for name, r in results.items()}
        if choice.kind == "gene":
            return {name: predicted(r, choice.name, self.quantity) for name, r in results.items()}
        return self._values.colour_by("column", choice.name, results).virtual

    @property
    def title(self) -> str:
        """What the colours show, in a few words."""
        return title_of(self.colouring, self.quantity, self._session)

    def _values_of(self, section: Section) -> np.ndarray:
        if self.colouring.kind == "none":
            return np.zeros(len(section.coords))
        if section.virtual:
            return self.colouring.virtual[section.name]
        return self.colouring.measured[section.rows]
