"""What is known about an entry: what the diffusion model is conditioned on."""

from __future__ import annotations

import numpy as np

from ...data.visible import Visible
from ..genes.smoothing import Neighbourhood
from .guesses import AXES, NEAR, axes_of, library_of

_LIMIT = 4.0


class EntryConditions:
    """Makes the condition of each entry of one table.

    What is expected there and around, how far guesses disagree, how much was measured of the
    spot, level, deviation, zeros and predictability of the gene, and where spot and gene lie on
    the main axes of the filled table.

    Parameters
    ----------
    visible
        The table.
    near
        Neighbouring spots.
    expected
        (cells, genes) standardised.
    apart
        (cells, genes) deviation among the guesses.
    """

    def __init__(
        self, visible: Visible, near: Neighbourhood, expected: np.ndarray, apart: np.ndarray
    ) -> None:
        self._expected, self._apart = expected, apart
        self._around = near.others(expected, NEAR)
        filled = np.where(visible.seen, visible.standard, expected).astype(np.float32)
        scores, patterns, deviations = axes_of(filled, AXES)
        self._spot = np.hstack([library_of(visible), scores / deviations])
        level = visible.mean
        zeros = ((visible.raw == 0) & visible.seen).sum(0) / np.maximum(visible.seen.sum(0), 1)
        own = np.stack([level, np.log(visible.deviation), zeros, expected.std(axis=0)], axis=1)
        self._gene = np.hstack([_standard(own), patterns * np.sqrt(visible.n_genes)])

    @property
    def width(self) -> int:
        """Length of a condition."""
        return 3 + self._spot.shape[1] + self._gene.shape[1]

    def of(self, cells: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return (entries, width) float32 conditions of the entries at `cells` and `columns`."""
        out = np.empty((len(cells), self.width), dtype=np.float32)
        out[:, 0] = self._expected[cells, columns]
        out[:, 1] = self._around[cells, columns]
        out[:, 2] = self._apart[cells, columns]
        middle = 3 + self._spot.shape[1]
        out[:, 3:middle] = self._spot[cells]
        out[:, middle:] = self._gene[columns]
        return np.clip(out, -_LIMIT, _LIMIT, out=out)


def apart_of(guesses: dict[str, np.ndarray]) -> np.ndarray:
    """Return (cells, genes) float32 deviation among guesses."""
    n = len(guesses)
    total: np.ndarray = sum(guesses.values(), start=np.zeros(1, dtype=np.float32))
    square: np.ndarray = sum((g**2 for g in guesses.values()), start=np.zeros(1, dtype=np.float32))
    variance = np.maximum(square / n - (total / n) ** 2, 0)
    return np.asarray(np.sqrt(variance), dtype=np.float32)


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 1e-6, spread, 1))
