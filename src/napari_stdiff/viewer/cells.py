"""The cells of a stack as one table: measured ones first, then those of virtual sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .colors import as_labels

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from .arrange import Section
    from .colors import Colouring

NAME, SECTION = "cell", "section"


class Cells:
    """Looks cells up by row of the table and by their place in a section.

    Parameters
    ----------
    tissue
        The measured cells: rows 0 to its number of cells.
    sections
        What is on the canvas; the cells of virtual ones follow in this order.

    Attributes
    ----------
    n
        Number of rows.
    """

    def __init__(self, tissue: Tissue, sections: Sequence[Section]) -> None:
        self._tissue = tissue
        self.sections = list(sections)
        self.n = tissue.n_cells
        self._start: dict[str, int] = {}
        for section in self.sections:
            if section.virtual:
                self._start[section.name] = self.n
                self.n += len(section.coords)
        self._place = np.full((self.n, 2), -1, np.int64)  # section, index in it
        for i, section in enumerate(self.sections):
            rows = self.rows_of(section)
            self._place[rows, 0], self._place[rows, 1] = i, np.arange(len(rows))

    def rows_of(self, section: Section) -> np.ndarray:
        """Return (cells of a section,) their rows."""
        if not section.virtual:
            return section.rows
        start = self._start[section.name]
        return np.arange(start, start + len(section.coords))

    def section_of(self, row: int) -> Section | None:
        """Return the section of a row; None where it is not on the canvas."""
        at = int(self._place[row, 0])
        return None if at < 0 else self.sections[at]

    def by_section(self, rows: np.ndarray) -> list[tuple[Section, np.ndarray]]:
        """Return the sections of some `rows`, each with the indices of its cells."""
        place = self._place[rows]
        return [
            (self.sections[at], place[place[:, 0] == at, 1])
            for at in np.unique(place[:, 0])
            if at >= 0
        ]

    @property
    def columns(self) -> list[str]:
        """The obs columns; without the one that names the section, which has one of its own."""
        taken = self._tissue.origin.keys.get("section")
        return [str(c) for c in self._tissue.obs.columns if str(c) not in (taken, SECTION)]

    def column(self, name: str) -> np.ndarray:
        """Return (rows,) numbers or words of a column; NaN or "" where a cell has none."""
        if name == NAME:
            made = [
                f"{section.title} #{i + 1}"
                for section in self.sections
                if section.virtual
                for i in range(len(section.coords))
            ]
            return np.concatenate([self._tissue.names.astype(object), np.array(made, object)])
        if name == SECTION:
            titles = np.array([*(s.title for s in self.sections), ""], object)
            return np.asarray(titles[self._place[:, 0]])
        held = self._tissue.obs[name]
        if pd.api.types.is_numeric_dtype(held) and not pd.api.types.is_bool_dtype(held):
            rest = np.full(self.n - len(held), np.nan)
            return np.concatenate([held.to_numpy(np.float64, na_value=np.nan), rest])
        rest = np.full(self.n - len(held), "", object)
        return np.concatenate([as_labels(held), rest])

    def shown(self, colouring: Colouring) -> np.ndarray:
        """Return (rows,) what colours show: numbers, or labels."""
        virtual = [colouring.virtual[s.name] for s in self.sections if s.virtual]
        return np.concatenate([colouring.measured, *virtual])


def order_of(values: np.ndarray, descending: bool) -> np.ndarray:
    """Return (rows,) the order of numbers or words; cells without one come last either way.

    Examples
    --------
    >>> order_of(np.array([2.0, np.nan, 1.0]), descending=True).tolist()
    [0, 2, 1]
    """
    if values.dtype == object:
        codes, _ = pd.factorize(values, sort=True)
        key = np.where(values == "", np.nan, codes.astype(np.float64))
    else:
        key = np.asarray(values, np.float64)
    return np.argsort(-key if descending else key, kind="stable")  # NaN is sorted to the end
