"""What a method answers: where, what, and how sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Query:
    """Cells to predict expression for.

    Attributes
    ----------
    coords
        (cells, 3) float64, columns z, y, x, in the tissue's unit and frame.
    cell_type
        (cells,) labels, or None when they are not known.
    """

    coords: np.ndarray
    cell_type: np.ndarray | None = None

    @property
    def n_cells(self) -> int:
        """Number of cells asked for."""
        return len(self.coords)


@dataclass(frozen=True)
class Prediction:
    """A predictive distribution for each cell and gene.

    Values are on the log-normalised scale of the fit (counts scaled to the visible cells' median
    total, log1p), or on the tissue's own scale where that was log-normalised already.

    Attributes
    ----------
    genes
        (genes,) names.
    mean
        (cells, genes) float32 expected expression.
    std
        (cells, genes) float32 predictive standard deviation, or None when not asked for.
    draws
        (draws, cells, genes) float32 samples, or None.
    complete
        False when a cancelled run handed back fewer draws than asked for.
    notes
        Sentences a user should read beside the result.
    """

    genes: np.ndarray
    mean: np.ndarray
    std: np.ndarray | None = None
    draws: np.ndarray | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()
