"""How a predicted gene is looked at: what is expected, how unsure it is, and fading by that."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..cell_results import CellResults
from ..fields import NoWheel, tame
from ..session import Session
from .badges import badge_icon
from .view_panel import ValueSlider

QUANTITIES = {
    "mean": "expression",
    "std": "uncertainty",
}


class TrustPanel(QWidget):
    """Badge of the shown gene, mean or spread, and the slider that fades the least sure cells.

    Parameters
    ----------
    session
        Whose stack is coloured.
    known
        The results whose genes it tells of.
    """

    def __init__(self, session: Session, known: CellResults[Any]) -> None:
        super().__init__()
        self._session = session
        self._known = known
        self.badge = QLabel()
        self.words = QLabel()
        told = QHBoxLayout()
        told.addWidget(self.badge)
        told.addWidget(self.words, 1)
        self.words.setWordWrap(True)
        self.quantity = QComboBox()
        for key, words in QUANTITIES.items():
            self.quantity.addItem(words, key)
        self.quantity.setToolTip(
            "<p>The mean of each cell, or how unsure it is: mean ± 1.28 spreads holds 80 % of "
            "the values that were hidden to find out.</p>"
        )
        tame(self.quantity, NoWheel(self))
        self.fade = ValueSlider(0.0, 100.0, suffix=" %")
        self.fade.setToolTip(
            "<p>Fades this share of the cells: those whose spread is largest beside what is "
            "predicted. 0 % draws all cells in full.</p>"
        )
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.addRow("Colour by", self.quantity)
        form.addRow("Fade least sure", self.fade)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(told)
        column.addLayout(form)
        self.quantity.activated.connect(self._choose)
        self.fade.changed.connect(lambda share: session.stack.set_fade(share / 100))
        self.refresh()

    def refresh(self) -> None:
        """Show what the stack shows; nothing where the gene was measured."""
        stack = self._session.stack
        colouring, known = stack.colouring, self._known
        shown = colouring.result in known.results and known.of(colouring.name) is not None
        self.setVisible(shown)
        if not shown:
            return
        badge, _, low, high = known.expected(colouring.name)
        self.badge.setPixmap(badge_icon(badge).pixmap(16, 16))
        ends = f" ({low:.2f} to {high:.2f})" if math.isfinite(low + high) else ""
        self.words.setText(f"<b>{escape(colouring.name)}</b>: {known.words(colouring.name)}{ends}")
        self.quantity.setCurrentIndex(0 if stack.quantity == "mean" else 1)
        self.fade.show_value(round(100 * stack.fade, 3))
        self.fade.setEnabled(colouring.confidence is not None)

    def _choose(self, row: int) -> None:
        self._session.stack.set_quantity("std" if self.quantity.itemData(row) == "std" else "mean")
