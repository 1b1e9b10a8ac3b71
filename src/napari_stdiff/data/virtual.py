"""A virtual section: cells that nobody measured, with their predicted expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .prediction import Prediction, Query
from .record import RunRecord


@dataclass(frozen=True)
class VirtualSection:
    """What `interpolate` returns, what a store keeps and what the canvas shows.

    Attributes
    ----------
    name
        Name of the result (its table; the points element is ``<name>_points``).
    query
        Where its cells are and of which type.
    prediction
        Their expression.
    unit
        Unit of the coordinates.
    record
        How it was made.
    distance
        (cells,) distance of each cell to the nearest measured cell, in `unit`, or None where
        nobody measured it.
    confidence
        (cells,) in (0, 1]: 1 within the measured stack, falling with the distance beyond it; None
        where it is not known.
    """

    name: str
    query: Query
    prediction: Prediction
    unit: str
    record: RunRecord
    distance: np.ndarray | None = None
    confidence: np.ndarray | None = None

    @property
    def z(self) -> float:
        """Depth of the section, in `unit`."""
        return float(self.query.coords[:, 0].mean())

    @property
    def values(self) -> np.ndarray:
        """(cells, genes) what is shown and saved as ``X``: the mean, or the first draw.

        The draw where the record's parameter ``values`` says so.
        """
        draws = self.prediction.draws
        if self.record.parameters.get("values") == "draw" and draws is not None and len(draws):
            return np.asarray(draws[0])
        return self.prediction.mean
