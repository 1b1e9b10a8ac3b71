"""Which cells are predicted, and how much of them was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..compute.errors import StdiffError
from ..data.prediction import Query
from .config import InterpolateConfig
from .placement import given_cells
from .target import TIERS, Target


@dataclass(frozen=True)
class Cells:
    """The cells to predict.

    Attributes
    ----------
    query
        Where they are and of which type, in the frame that methods work in.
    tier
        "A", "B" or "C": what of a hidden section was given; "" where nothing is hidden, or where
        the cells come from elsewhere.
    how
        How they were had.
    """

    query: Query
    tier: str
    how: str

    def describe(self) -> dict[str, Any]:
        """Return what a record says about them."""
        return {
            "tier": self.tier,
            "given": TIERS.get(self.tier, ""),
            "cells": self.how,
            "n_cells": self.query.n_cells,
        }


def cells_of(target: Target, config: InterpolateConfig, query: Query | None = None) -> Cells:
    """Return the cells to predict: given ones, the hidden section's own, or made up.

    Raises
    ------
    StdiffError
        When the tier and the cells that were asked for do not go together.
    """
    hidden = target.hidden
    if query is not None:
        return Cells(target.accept(query), "", "given")
    if config.cells == "given":
        if config.tier != "auto":
            raise StdiffError("Cells that are given have no tier; leave the tier at 'auto'.")
        return Cells(target.accept(given_cells(config.positions, target.z)), "", "given")
    made = config.cells
    if made == "auto":
        made = "nearest" if target.extrapolated else "transport"
    if hidden is None:
        if config.tier != "auto":
            raise StdiffError("A tier says what of a hidden section is given; name it with hide.")
        return Cells(target.place(config), "", made)
    if config.tier == "C" or (config.tier == "auto" and config.cells != "auto"):
        return Cells(target.place(config), "C", made)
    if config.cells != "auto":
        raise StdiffError(
            f"Tier {config.tier} takes the cells of the hidden section itself; leave cells at "
            "'auto', or take tier C."
        )
    if config.tier == "B" or hidden.cell_type is None:
        if config.tier == "A":
            raise StdiffError(
                "Tier A needs cell types and the data has none; name their column or take tier B."
            )
        return Cells(Query(hidden.coords), "B", "hidden section's")
    return Cells(Query(hidden.coords, hidden.cell_type), "A", "hidden section's")
