"""A virtual section: cells that nobody measured, with their predicted expression."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    name: str
    query: Query
    prediction: Prediction
    unit: str
    record: RunRecord

    @property
    def z(self) -> float:
        """Depth of the section, in `unit`."""
        return float(self.query.coords[:, 0].mean())
