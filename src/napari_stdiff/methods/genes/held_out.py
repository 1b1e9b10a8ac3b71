"""Visible genes, each predicted while it was hidden: what reliability is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.panel import Panel


@dataclass(frozen=True)
class HeldOut:
    """The visible genes, each predicted while it was hidden.

    Attributes
    ----------
    mean
        (cells, shared) float32, columns as in ``panel.genes``; NaN in a gene that was not hidden.
    std
        (cells, shared) float32 spread, or None where the method gave none. With `cells`, it is of
        these cells alone.
    fold
        (shared,) number of the fold that hid each gene: genes of one fold were hidden together.
        -1 where a gene is to be compared on the scale of all visible genes.
    cells
        (some cells,) rows of the tissue that `std` is of; None for all.
    """

    mean: np.ndarray
    std: np.ndarray | None
    fold: np.ndarray
    cells: np.ndarray | None = None

    @property
    def judged(self) -> np.ndarray:
        """(shared,) whether a gene was hidden and predicted."""
        return np.isfinite(self.mean).all(axis=0)

    def truth(self, panel: Panel) -> np.ndarray:
        """Return (cells, shared) float32: each gene on the scale of what was visible then."""
        out = np.array(panel.tissue, dtype=np.float32)
        for number in np.unique(self.fold[self.fold >= 0]):
            hidden = self.fold == number
            out[:, hidden] = panel.without(panel.genes[hidden]).scaled(panel.tissue_raw[:, hidden])
        return out
