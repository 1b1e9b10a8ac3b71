"""Guesses at every entry from a dissociated reference, each in a different way.

The reference's cells are complete, so what they say of a hidden entry comes from genes that are
visible in the spot: through cells that look like it, or through how genes go together in them.
Spots are noisy and have gaps, so they are compared as they are when their gaps are filled, and
averaged with spots that are alike and that are near. Nothing here sees a hidden value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..genes.singles.base import blocks, unit_rows
from ..genes.singles.nearest import averaging, nearest
from ..genes.smoothing import Neighbourhood
from .factors import Factors, tissue_factors

NEAR, ALIKE = 15, 30  # spots that are averaged: nearest in space, most alike in expression
CELLS = 5000  # reference cells that spots are compared with at most, evenly spread
_NEAREST = 50
_RANK, _NOISE = 20, 1.0  # of the reference's covariance
_RIDGE = 1.0
_TRANSPORTED = 4096  # spots that are transported together
_STEPS = 20
# which way, how sharp (a temperature of the cosine), and which view of the spots
_WAYS: tuple[tuple[str, str, float], ...] = (
    ("nearest cells", "alike", 0.0),
    ("assignment", "filled", 0.06),
    ("assignment", "alike", 0.06),
    ("assignment", "near", 0.06),
    ("assignment", "filled", 0.2),
    ("assignment", "near", 0.2),
    ("transport", "near", 0.1),
    ("ridge", "alike", 0.0),
    ("ridge", "near", 0.0),
)
_COVARIANCE = "reference: factors"


def guess_names() -> tuple[str, ...]:
    """Return the names of the guesses, in their order."""
    return (_COVARIANCE, *(_name(*way) for way in _WAYS))


def reference_guesses(
    visible: Visible, filled: np.ndarray | None = None, monitor: Monitor | None = None
) -> dict[str, np.ndarray]:
    """Return the guesses at every entry of the tissue by name; none without a reference.

    Parameters
    ----------
    visible
        What may be seen.
    filled
        (cells, genes) standardised values without gaps, hidden ones as they are expected from
        the tissue alone; None fills them by the tissue's own factors.
    monitor
        Told how far it is.

    Returns
    -------
    dict
        (cells, genes) float32 each, on the scale of ``visible.standard``; 0 (a gene's mean) for
        genes that the reference lacks. A hidden entry's is a prediction; a visible entry's was
        made with that entry seen, but for "reference: factors".
    """
    columns, cells = visible.reference_columns, visible.reference_standard
    if columns is None or cells is None:
        return {}
    monitor = monitor or Monitor()
    seen = visible.seen[:, columns]
    z = visible.standard[:, columns]
    covariance = np.asarray(cells.T @ cells, dtype=np.float64) / len(cells)
    np.fill_diagonal(covariance, 1.0)
    views = _views(visible, filled)
    some = np.unique(np.linspace(0, len(cells) - 1, min(len(cells), CELLS)).astype(np.int64))
    ways = _Ways(cells[some], covariance)
    out: dict[str, np.ndarray] = {}

    def keep(name: str, guess: np.ndarray) -> None:
        whole = np.zeros(visible.standard.shape, dtype=np.float32)
        whole[:, columns] = guess
        out[name] = whole
        monitor.step(len(out), len(_WAYS) + 1, name)

    keep(_COVARIANCE, Factors.of(covariance, _RANK, _NOISE).expected(z, seen))
    for way, view, sharpness in _WAYS:
        monitor.check()
        keep(_name(way, view, sharpness), ways.guess(way, views[view], sharpness))
    return out


def _name(way: str, view: str, sharpness: float) -> str:
    return f"reference: {way}, {view}" + (f", {sharpness:g}" if sharpness else "")


def _views(visible: Visible, filled: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the spots in the shared genes: as filled, averaged with like ones, with near ones."""
    z, seen = visible.standard, visible.seen
    if filled is None:
        filled = np.where(seen, z, tissue_factors(z, seen).expected(z, seen))
    whole = np.where(seen, z, filled).astype(np.float32)
    hood = Neighbourhood(visible.coords, visible.section)
    shown = hood.average(seen.astype(np.float32), NEAR)
    near = hood.average(z, NEAR) / np.maximum(shown, 1e-6)
    axes = unit_rows(whole + near / 2)
    index, _ = nearest(axes, axes, ALIKE + 1)
    average = averaging(index, np.ones(index.shape, dtype=np.float32), len(axes))
    alike = (whole + average @ whole) / 2
    columns = visible.reference_columns
    views = {"filled": whole, "alike": alike, "near": alike + 0.7 * near}
    return {k: np.ascontiguousarray(v[:, columns], dtype=np.float32) for k, v in views.items()}


class _Ways:
    """Ways to get from spots without gaps, over the shared genes, to what is expected of them."""

    def __init__(self, cells: np.ndarray, covariance: np.ndarray) -> None:
        self._cells, self._units = cells, unit_rows(cells)
        self._covariance = covariance
        self._by: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
            "nearest cells": self._nearest,
            "assignment": self._assigned,
            "transport": self._transported,
            "ridge": self._ridge,
        }

    def guess(self, way: str, spots: np.ndarray, sharpness: float) -> np.ndarray:
        """Return (cells, shared) predictions."""
        return self._by[way](spots, sharpness)

    def _nearest(self, spots: np.ndarray, sharpness: float) -> np.ndarray:
        index, cosine = nearest(unit_rows(spots), self._units, _NEAREST)
        return averaging(index, np.maximum(cosine, 0), len(self._cells)) @ self._cells

    def _assigned(self, spots: np.ndarray, sharpness: float) -> np.ndarray:
        units, out = unit_rows(spots), np.empty_like(spots)
        for rows in blocks(len(spots)):
            weights = np.exp((units[rows] @ self._units.T - 1) / sharpness)
            out[rows] = (weights @ self._cells) / weights.sum(axis=1, keepdims=True)
        return out

    def _transported(self, spots: np.ndarray, sharpness: float) -> np.ndarray:
        """Return the means by a plan with equal masses on both sides (Sinkhorn's iterations)."""
        units, out = unit_rows(spots), np.empty_like(spots)
        order = np.random.default_rng(0).permutation(len(spots))
        for part in np.array_split(order, -(-len(spots) // _TRANSPORTED)):
            kernel = np.exp((units[part] @ self._units.T - 1) / sharpness)
            there = np.ones(kernel.shape[1], dtype=np.float32)
            for _ in range(_STEPS):
                here = 1 / np.maximum(kernel @ there, 1e-30)
                there = 1 / np.maximum(kernel.T @ here, 1e-30)
                there /= there.mean()
            kernel *= there
            out[part] = (kernel @ self._cells) / kernel.sum(axis=1, keepdims=True)
        return out

    def _ridge(self, spots: np.ndarray, sharpness: float) -> np.ndarray:
        """Return each gene from all others, by a ridge that the reference's cells were fitted to.

        With P the inverse of the covariance and the penalty, the regression of gene j on the
        others has the coefficients ``-P_jk / P_jj`` (Lauritzen 1996, section 5.1).
        """
        ridged = self._covariance + _RIDGE * np.eye(len(self._covariance))
        inverse = np.linalg.inv(ridged).astype(np.float32)
        return spots - (spots @ inverse) / np.diag(inverse)
