"""Smooths values of cells onto pixels: the weights once, a gene as one sparse product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError
from .layers import FAINTEST

REACH = 2.0  # neighbour distances from a cell to the last pixel that it colours
_MOST_WEIGHTS = 30_000_000  # of all sections together: 240 MB
_MOST_PIXELS = 8_000_000
_FEWEST = 4  # pixels across the tissue, below which there is no picture


@dataclass(frozen=True)
class Grid:
    """The pixels over one section, and what its cells say about each.

    Attributes
    ----------
    weights
        (pixels, cells) float32, between 0 and 1: a Gaussian of the distance, cut off.
    shape
        Pixels down and across.
    origin
        (y, x) centre of the first pixel, in the unit of the coordinates.
    pixel
        Side of a pixel in that unit.
    """

    weights: Any
    shape: tuple[int, int]
    origin: tuple[float, float]
    pixel: float

    def mean(self, values: np.ndarray, shown: np.ndarray | None = None) -> np.ndarray:
        """Return (y, x) weighted mean of the cells around each pixel; NaN where no cell is.

        Parameters
        ----------
        values
            (cells,) numbers; cells without one (NaN) say nothing.
        shown
            (cells,) bool, which cells count; None for all.
        """
        return self.smooth(values, shown)[0]

    def smooth(
        self, values: np.ndarray, shown: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (y, x) weighted mean of the cells around each pixel, and (y, x) evidence.

        The evidence is the sum of the weights: 1 on a lone cell, more among others, towards 0 at
        the end of its reach, 0 where no cell is.

        Parameters
        ----------
        values, shown
            As :meth:`mean` takes them.
        """
        values = np.asarray(values, np.float32)
        counted = np.isfinite(values)
        if shown is not None:
            counted &= shown
        evidence = self.weights @ counted.astype(np.float32)
        total = self.weights @ np.where(counted, values, np.float32(0))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(evidence > 0, total / evidence, np.float32(np.nan))
        return mean.reshape(self.shape), evidence.reshape(self.shape)

    def value(self, values: np.ndarray, at: tuple[int, ...]) -> float:
        """Return the weighted mean at one pixel (y, x) alone; NaN where no cell is.

        Parameters
        ----------
        values
            As :meth:`mean` takes them.
        at
            The pixel.
        """
        row = int(at[0]) * self.shape[1] + int(at[1])
        span = slice(self.weights.indptr[row], self.weights.indptr[row + 1])
        known = np.asarray(values, np.float64)[self.weights.indices[span]]
        weights = np.where(np.isfinite(known), self.weights.data[span], 0.0)
        total = float(weights.sum())
        return float(weights @ np.nan_to_num(known)) / total if total > 0 else float("nan")

    @property
    def affine(self) -> np.ndarray:
        """(3, 3) from pixels (y, x, 1) to the unit of the coordinates."""
        out = np.diag([self.pixel, self.pixel, 1.0])
        out[:2, 2] = self.origin
        return out


def grid_of(plane: np.ndarray, near: float, pixel: float) -> Grid:
    """Return the grid over one section.

    A cell weighs ``exp(-2 (r / w)^2)`` at the distance r, w being the neighbour distance or, where
    that is more, the side of a pixel: a Gaussian of standard deviation w / 2 (the estimator of
    Nadaraya and of Watson, 1964), 1 at r = 0 and 0.0003 where it is cut off at ``2 near``.

    Parameters
    ----------
    plane
        (cells, 2) y, x.
    near
        Distance from cell to neighbour, in their unit.
    pixel
        Side of a pixel, in their unit.
    """
    plane = np.asarray(plane, np.float64)
    reach = max(REACH * near, pixel)
    low = np.floor((plane.min(axis=0) - reach) / pixel) * pixel
    size = np.ceil((plane.max(axis=0) + reach - low) / pixel).astype(int) + 1
    ring = int(np.ceil(reach / pixel))
    step = np.arange(-ring, ring + 1)
    steps = np.stack(np.meshgrid(step, step, indexing="ij"), axis=-1).reshape(-1, 2)
    steps = steps[np.linalg.norm(steps, axis=1) * pixel <= reach + pixel]
    nearest = np.round((plane - low) / pixel).astype(np.int32)
    off = ((plane - low) - nearest * pixel).astype(np.float32)  # from the centre of that pixel
    width = np.float32(max(near, pixel))
    rows, columns, weights = [], [], []
    cells = np.arange(len(plane), dtype=np.int32)
    for dy, dx in steps:  # few steps of many cells: a neighbour search takes ten times as long
        apart = (off[:, 0] - dy * pixel) ** 2 + (off[:, 1] - dx * pixel) ** 2
        within = apart <= reach**2
        at = nearest[within] + np.array([dy, dx], np.int32)
        rows.append(at[:, 0] * np.int32(size[1]) + at[:, 1])
        columns.append(cells[within])
        weights.append(np.exp(-2.0 * apart[within] / width**2).astype(np.float32))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    shape = (int(size[0] * size[1]), len(plane))
    # by pixel: its product writes each pixel once
    held = sparse.csr_matrix(entries, shape=shape)
    return Grid(held, (int(size[0]), int(size[1])), (float(low[0]), float(low[1])), pixel)


def smallest_pixel(planes: Sequence[np.ndarray], near: float) -> float:
    """Return the smallest pixel that is drawn, in the unit of the coordinates.

    Parameters
    ----------
    planes
        (cells, 2) y, x of each section.
    near
        Distance from cell to neighbour.
    """
    cells = sum(len(plane) for plane in planes)
    area = sum(float(np.prod(np.ptp(p, axis=0) + 2 * REACH * near)) for p in planes if len(p))
    by_weights = REACH * near * np.sqrt(np.pi * cells / _MOST_WEIGHTS)
    return float(max(by_weights, np.sqrt(area / _MOST_PIXELS), near / 20))


def largest_pixel(planes: Sequence[np.ndarray]) -> float:
    """Return the largest pixel that still makes a picture of the sections."""
    return max((float(np.ptp(p, axis=0).max()) for p in planes if len(p)), default=1.0) / _FEWEST


def check_pixel(pixel: float, planes: Sequence[np.ndarray], near: float, unit: str) -> None:
    """Refuse a pixel that no picture can be made of.

    Raises
    ------
    StdiffError
        Where it is too small or too large for these sections.
    """
    least, most = smallest_pixel(planes, near), max(largest_pixel(planes), near)
    if not np.isfinite(pixel) or pixel <= 0:
        raise StdiffError(f"A pixel of a heat map needs a side above 0 {unit}, not {pixel:g}.")
    if pixel < 0.999 * least:
        cells = sum(len(plane) for plane in planes)
        raise StdiffError(
            f"Pixels of {pixel:.3g} {unit} are too many for {cells:,} cells; choose "
            f"{least:.3g} {unit} or more."
        )
    if pixel > 1.001 * most:
        raise StdiffError(
            f"Pixels of {pixel:.3g} {unit} are as large as the tissue; choose {most:.3g} {unit} "
            "or less."
        )


def default_pixel(planes: Sequence[np.ndarray], near: float) -> float:
    """Return half the neighbour distance, to two digits; more where that is too many pixels."""
    half = float(f"{near / 2:.2g}")
    least = smallest_pixel(planes, near)
    return half if half >= least else float(f"{1.1 * least:.2g}")


def alpha_of(evidence: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Return (y, x) alpha of a heat map: full on tissue that is known, none where no cell is.

    Parameters
    ----------
    evidence
        (y, x) as :meth:`Grid.smooth` returns it.
    confidence
        (y, x) in 0 to 1, how far what is shown is to be trusted; None where it was measured.
        The least that can be trusted is as faint as the faintest cell.
    """
    alpha = np.clip(evidence, 0.0, 1.0)
    if confidence is not None:
        sure = np.clip(np.nan_to_num(confidence, nan=0.0), 0.0, 1.0)
        alpha = alpha * (FAINTEST + (1.0 - FAINTEST) * sure)
    return np.asarray(alpha, np.float32)
