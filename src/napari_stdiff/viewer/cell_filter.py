"""Which cells are kept out of sight: those with labels that were clicked away in the legend."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from psygnal import Signal


class CellFilter:
    """The labels that are hidden, for each obs column on its own.

    They are hidden while sections are coloured by their column, all cells come back with another
    colouring, and the same labels are hidden again when the column is. With `everywhere`, those
    of the column that was last clicked in stay hidden whatever is shown.

    Attributes
    ----------
    column
        The obs column whose labels were last hidden or shown; "" for none.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._hidden: dict[str, frozenset[str]] = {}
        self._everywhere = False
        self.column = ""

    @property
    def everywhere(self) -> bool:
        """Whether what is hidden stays hidden in other colours, too."""
        return self._everywhere and bool(self.hidden(self.column))

    def hidden(self, column: str) -> frozenset[str]:
        """Return the hidden labels of a column; "" stands for cells without a label."""
        return self._hidden.get(column, frozenset())

    def toggle(self, column: str, label: str) -> None:
        """Hide the cells of a label, or show them again."""
        self._set(column, self.hidden(column) ^ {label})

    def only(self, column: str, label: str, labels: Iterable[str]) -> None:
        """Hide all of `labels` but one; where they are hidden already, show all."""
        others = frozenset(labels) - {label}
        self._set(column, frozenset() if self.hidden(column) == others else others)

    def show_all(self, column: str) -> None:
        """Show all cells again."""
        self._set(column, frozenset())

    def set_everywhere(self, everywhere: bool) -> None:
        """Keep what is hidden out of sight in other colours, too, or bring it back there."""
        self._everywhere = everywhere
        self.changed.emit()

    def forget(self) -> None:
        """Hide nothing: other data is shown."""
        self._hidden, self._everywhere, self.column = {}, False, ""

    def mask(self, column: str, labels: np.ndarray) -> np.ndarray | None:
        """Return (cells,) bool, which cells with these `labels` are shown; None for all."""
        hidden = self.hidden(column)
        if not hidden:
            return None
        return ~np.isin(labels.astype(str), list(hidden))

    def _set(self, column: str, hidden: frozenset[str]) -> None:
        self.column = column
        if hidden != self.hidden(column):
            self._hidden[column] = hidden
            self.changed.emit()
