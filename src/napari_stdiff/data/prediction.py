"""What a method answers: where, what, and how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..compute.errors import StdiffError
from .checks import check_reach

Quantity = Literal["mean", "std"]  # of what is predicted


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

    def __post_init__(self) -> None:
        """Refuse what no method could answer."""
        shape = np.shape(self.coords)
        if not isinstance(self.coords, np.ndarray) or len(shape) != 2 or shape[1] != 3:
            raise StdiffError(
                f"Cells to predict need an array (cells, 3) of z, y, x (got shape {shape})."
            )
        if not np.isfinite(self.coords).all():
            raise StdiffError("Cells to predict have NaN or infinite coordinates; remove them.")
        check_reach(self.coords)
        if self.cell_type is not None and len(self.cell_type) != len(self.coords):
            raise StdiffError(
                f"There are {len(self.coords)} cells to predict and {len(self.cell_type)} cell "
                "types; give one for each."
            )

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
