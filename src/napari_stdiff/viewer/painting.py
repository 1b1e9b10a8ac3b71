"""What the colours of a stack show: one choice, one scale, painted on every section."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np
from napari.layers import Points
from psygnal import Signal

from ..compute.errors import StdiffError
from ..data.prediction import Quantity
from . import layers as build
from .arrange import Section
from .beside import Beside
from .cell_filter import CellFilter
from .cell_labels import CellLabels
from .colors import (
    COLORMAPS,
    PLAIN,
    Choice,
    Colouring,
    Values,
    View,
    predicted,
    rgba,
    safe_limits,
)
from .cover import colouring_of_cells, hand_over, tell_cells, title_of, uncover
from .heat import HeatMaps
from .two_genes import TwoGenes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..data.virtual import VirtualSection
    from .session import Session


Drawing = Literal["points", "outlines", "heat"]


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
    view
        Of a gene that was imputed: "raw" what was measured, "imputed" with what was filled in,
        or "both" side by side.
    only_filled
        Whether values that were measured fade where others were filled in.
    cells, heat
        Cells in their own outlines, and heat maps, in the place of points.
    second
        A second gene, in a colour of its own.
    filter
        Which labels are kept out of sight.
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
        self.view: View = "raw"
        self.only_filled = False
        self.filter = CellFilter()
        self.filter.changed.connect(self._sift)
        self._filtered: Colouring | None = None  # by the column that is hidden everywhere
        self._beside = Beside(session.viewer)
        self.cells = CellLabels(self, session)
        self.cells.changed.connect(self._paint)
        self.heat = HeatMaps(self, session)
        self.heat.changed.connect(self._paint)
        self.second = TwoGenes(self)
        self.second.changed.connect(self._paint)
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

    @property
    @abstractmethod
    def cell_diameter(self) -> float:
        """Diameter at which neighbours just touch, in the unit of the tissue."""

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

    @property
    def drawing(self) -> Drawing:
        """How cells are drawn, where that can be done."""
        return "heat" if self.heat.shown else "outlines" if self.cells.shown else "points"

    def set_drawing(self, way: Drawing) -> None:
        """Draw cells as points, in their own outlines, or as a heat map.

        Raises
        ------
        StdiffError
            When outlines are asked for and no section has labels of its cells.
        """
        self.cells.show(way == "outlines")
        self.heat.show(way == "heat")

    def set_quantity(self, quantity: Quantity) -> None:
        """Show the "mean" or its "std" where a gene was predicted."""
        self.quantity = quantity
        if quantity == "std" and self.view == "both":
            self.view = "imputed"  # two halves are on one scale
        if self.colouring.result:
            self.manual_limits = False  # a spread has a scale of its own
        self._recolour()

    def set_view(self, view: View) -> None:
        """Show of a gene that was imputed what was measured, what is imputed, or both.

        Raises
        ------
        StdiffError
            Where this version of napari cannot show so many layers side by side.
        """
        self.view = view
        try:
            self._recolour()
        except StdiffError:
            self.view = "imputed"
            self._recolour()
            raise

    @property
    def shows_imputed(self) -> bool:
        """Whether the colours are those of a gene that was imputed, in whichever view."""
        known, shown = self._session.imputations, self.colouring
        return shown.kind == "gene" and known.of(shown.name) is not None

    def flip(self) -> None:
        """Show what was measured in place of what is imputed, or the other way round."""
        self.set_view("raw" if self.view == "imputed" else "imputed")

    def set_only_filled(self, only: bool) -> None:
        """Fade what was measured of a gene that was imputed, or draw it in full."""
        self.only_filled = only
        if self.colouring.filled is not None:
            self._paint()

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
        self._filtered = None
        if self._values is None:
            return
        if choice.kind == "gene" and not self.knows(choice.name):
            self.colouring = choice = Colouring()
        self.colouring = self._look_up(choice.choice, choice.name)
        self.second.refresh()
        self._paint()

    def _look_up(self, choice: Choice, name: str) -> Colouring:
        """Return the colouring by what is measured, or else predicted."""
        assert self._values is not None
        results = self._session.results
        if choice == "gene":
            sizes = {key: result.query.n_cells for key, result in results.items()}
            held = self._session.tables.colouring(name, sizes)
            if held is not None:
                return held
            virtual = {key: predicted(r, name, self.quantity) for key, r in results.items()}
            found = colouring_of_cells(
                self._session, self._values, name, virtual, self.quantity, self.view
            )
            if found is not None:
                return found
        return self._values.colour_by(choice, name, results, self.quantity)

    def knows(self, gene: str) -> bool:
        """Say whether there is a gene that can be shown, in whichever table."""
        return gene in self.genes or self._session.tables.has(gene)

    def look_up(self, gene: str) -> Colouring:
        """Return the colouring by a gene, whatever is shown.

        Raises
        ------
        StdiffError
            When there is no such gene.
        """
        return Colouring() if self._values is None else self._look_up("gene", gene)

    def measured(self, gene: str) -> np.ndarray:
        """Return (cells,) what was measured of a gene; NaN where nothing was."""
        return np.zeros(0, np.float32) if self._values is None else self._values.gene(gene)

    def _paint(self) -> None:
        colouring = self.colouring
        if colouring.continuous and not self.manual_limits:
            self.limits = colouring.span(self.percentiles)
        self.second.fit()
        self._cover()
        self.heat.lay_out()
        fading = self.second.trust(colouring.trust(self.fade, self.only_filled))
        bar_shown = False
        for section in self.sections:
            layer = section.painted
            if layer is None:
                continue
            if not section.virtual:
                section.trust = None if fading is None else fading[section.rows]
            self._paint_cells(section, layer)
            if section.covered:
                tell_cells(layer, self._session, colouring, section.rows)
                self._paint_pair(section, layer)
            if not colouring.continuous:
                continue
            front = section.front or layer
            shown = front.visible and self.has_bar(section) and not bar_shown
            build.show_bar(front, shown)
            bar_shown = bar_shown or shown
        self._caption = build.caption(self._session.viewer, self.title, self._caption)
        self.colours_changed.emit()

    def _paint_cells(self, section: Section, layer: Points) -> None:
        """Paint what shows the cells of a section; points out of sight wait."""
        values, shown = self._values_of(section), self.in_sight(section)
        if section.heated:
            self.heat.paint(section, values, shown)
        elif section.outlined:
            self.cells.paint(section, values, shown)
        elif self.second.is_on:
            build.show_cells(layer, shown)
            colours = self.second.blend(values, self.second.values_of(section))
            layer.features["value"] = values
            build.paint_colours(layer, colours, section.trust)
        else:
            self.paint(layer, values, section.trust, shown)

    def has_bar(self, section: Section) -> bool:
        """Whether napari's colour bar says what the cells of a section show."""
        plain = section.trust is None and not section.heated  # else they have colours of their own
        alone = not self._beside.is_on and not self.second.is_on
        return self.colouring.continuous and plain and alone

    def confidence_of(self, section: Section) -> np.ndarray | None:
        """Return (cells,) in 0 to 1, how far to trust what a section shows; None for measured."""
        known = [section.trust]
        if not section.virtual:
            every = [self.colouring, self.second.colouring][: 1 + self.second.is_on]
            known += [c.confidence[section.rows] for c in every if c.confidence is not None]
        parts = [part for part in known if part is not None]
        return np.min(parts, axis=0) if parts else None

    def _paint_pair(self, section: Section, cover: Points) -> None:
        """Mark what was filled in, and paint what was measured in the left half."""
        colouring, left = self.colouring, section.points
        if colouring.filled is not None:
            build.mark(cover, colouring.filled[section.rows])
        if section.paired and left is not None and colouring.other is not None:
            self.paint(left, colouring.other[section.rows], shown=self.in_sight(section))

    def _cover(self) -> None:
        """Show what was predicted in layers of its own, in the place of the measured cells."""
        look = self._look()
        paired = look is build.IMPUTED and self.view == "both"
        measured = [s for s in self.sections if not s.virtual]
        keep = self.shows_imputed
        stale = {s.name for s in measured if s.cover is not None and not s.covered and not keep}
        changing = [
            s
            for s in measured
            if s.cover_look is not look or s.paired != paired or s.name in stale
        ]
        if not changing:
            return
        self._busy = True
        try:
            if not paired:
                self._beside.leave()
            gone = [s for s in changing if s.covered or s.name in stale]
            uncover(gone, self._session.viewer, keep)
            for section in changing if look is not None else ():
                section.cover_look, section.paired = look, paired
                self._draw(section)
                hand_over(self._session.viewer, section.points, section.cover)
        finally:
            self._busy = False
        self._arrange()
        if paired:
            # a bar that is shown or hidden in napari's grid cannot be drawn once that is gone
            for layer in (x for s in self.sections for x in (s.points, s.cover) if x is not None):
                build.show_bar(layer, False)
            self._beside.show(measured)

    def _look(self) -> build.Look | None:
        """Return how the layers of results are drawn; None where the measured cells are shown."""
        if not self.colouring.result:
            return None
        return build.PREDICTED if self.colouring.filled is None else build.IMPUTED

    def paint(
        self,
        layer: Points,
        values: np.ndarray,
        trust: np.ndarray | None = None,
        shown: np.ndarray | None = None,
    ) -> None:
        """Colour `layer` by (cells,) `values` of the present choice; cells fade with `trust`.

        Of labels those that are hidden are kept out of sight; else (cells,) `shown` says what is
        in sight, all where there is none.
        """
        if self.colouring.kind == "label":
            shown = self.filter.mask(self.colouring.name, values)
        build.show_cells(layer, shown)
        if self.colouring.kind == "none":
            build.paint_colours(layer, PLAIN, trust)
        elif self.colouring.kind == "label":
            layer.features["value"] = values
            build.paint_colours(layer, rgba(values, self.colouring.palette), trust)
        else:
            build.paint_values(layer, values, self.limits, self.colormap, trust)

    def in_sight(self, section: Section) -> np.ndarray | None:
        """Return (cells,) bool, which cells of a section are in sight; None for all."""
        colouring = self.colouring
        if colouring.kind != "label":
            sifted = self.sifted
            if sifted is None:
                return None
            colouring = sifted
        return self.filter.mask(colouring.name, _of(colouring, section))

    @property
    def sifted(self) -> Colouring | None:
        """The labels by which cells are kept out of sight in every colour; None where none are."""
        if not self.filter.everywhere or self._values is None:
            return None
        if self._filtered is None or self._filtered.name != self.filter.column:
            results = self._session.results
            self._filtered = self._values.colour_by("column", self.filter.column, results)
        return self._filtered

    def _sift(self) -> None:
        """Show and hide cells, their colours as they are."""
        for section in self.sections:
            shown = self.in_sight(section)
            for layer in (section.points, section.cover):
                if layer is not None:
                    build.show_cells(layer, shown)
            if section.heated:
                self.heat.paint(section, self._values_of(section), shown)
            elif section.outlined:
                self.cells.paint(section, self._values_of(section), shown)
        self.colours_changed.emit()

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
        title = title_of(self.colouring, self.quantity, self._session, self.view)
        if self.second.is_on:
            return self.second.title
        if self._beside.is_on or self.heat.drawn:  # no bar is drawn there
            low, high = self.limits
            title += f"\ncolours from {low:.3g} to {high:.3g}"
            title += " on both sides" if self._beside.is_on else ""
        return title

    def _values_of(self, section: Section) -> np.ndarray:
        if self.colouring.kind == "none":
            return np.zeros(len(section.coords))
        return _of(self.colouring, section)


def _of(colouring: Colouring, section: Section) -> np.ndarray:
    return colouring.of(section.name if section.virtual else "", section.rows)
