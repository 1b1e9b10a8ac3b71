"""Averages over neighbouring cells, as strong as visible genes that were hidden ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ...scoring.correlation import column_pearson

STRENGTHS = (0.5, 0.75, 1.0)
NEIGHBOURS = (8, 15, 50)
_LEAST_GAIN = 0.002  # Pearson; below it cells keep their own values


@dataclass(frozen=True)
class Smoothing:
    """How strongly a prediction is averaged over neighbouring cells.

    Attributes
    ----------
    strength
        Share of the neighbours' average in the result; 0 leaves predictions as they are.
    neighbours
        Cells that are averaged, beside the cell itself.
    """

    strength: float = 0.0
    neighbours: int = 0


@dataclass
class Neighbourhood:
    """The nearest cells of each cell, within its section.

    Attributes
    ----------
    coords
        (cells, 3) z, y, x.
    section
        (cells,) section of each cell.
    """

    coords: np.ndarray
    section: np.ndarray
    _averages: dict[int, sparse.csr_matrix] = field(default_factory=dict, repr=False)

    def average(self, values: np.ndarray, neighbours: int) -> np.ndarray:
        """Return (cells, genes) float32 means over each cell and its nearest `neighbours`."""
        if neighbours not in self._averages:
            self._averages[neighbours] = _averaging(self.coords, self.section, neighbours)
        return np.asarray(self._averages[neighbours] @ values, dtype=np.float32)

    def others(self, values: np.ndarray, neighbours: int) -> np.ndarray:
        """Return (cells, genes) float32 means over the nearest `neighbours`, not the cell itself.

        A cell that is alone in its section gets 0.
        """
        average = self.average(values, neighbours)
        own = self._averages[neighbours].diagonal().astype(np.float32)[:, None]
        return np.asarray((average - own * values) / np.maximum(1 - own, 1e-6), dtype=np.float32)

    def smooth(self, values: np.ndarray, smoothing: Smoothing) -> np.ndarray:
        """Return (cells, genes) `values` mixed with the averages of their neighbours."""
        if smoothing.strength == 0:
            return values
        near = self.average(values, smoothing.neighbours)
        return np.asarray((1 - smoothing.strength) * values + smoothing.strength * near)

    def choose(self, prediction: np.ndarray, truth: np.ndarray) -> Smoothing:
        """Return the smoothing with the highest mean Pearson over genes.

        Parameters
        ----------
        prediction
            (cells, genes) of visible genes, each predicted while it was hidden.
        truth
            (cells, genes) what was measured.
        """
        best, chosen = _score(truth, prediction) + _LEAST_GAIN, Smoothing()
        for neighbours in NEIGHBOURS:
            near = self.average(prediction, neighbours)
            for strength in STRENGTHS:
                score = _score(truth, (1 - strength) * prediction + strength * near)
                if score > best:
                    best, chosen = score, Smoothing(strength, neighbours)
        return chosen


def _score(truth: np.ndarray, prediction: np.ndarray) -> float:
    return float(np.nan_to_num(column_pearson(truth, prediction)).mean())


def _averaging(coords: np.ndarray, section: np.ndarray, neighbours: int) -> sparse.csr_matrix:
    """Return the (cells, cells) matrix of equal weights; a small section takes what it has."""
    rows, columns, weights = [], [], []
    for name in np.unique(section):
        cells = np.flatnonzero(section == name)
        k = min(neighbours + 1, len(cells))
        _, index = cKDTree(coords[cells]).query(coords[cells], k)
        rows.append(np.repeat(cells, k))
        columns.append(cells[np.asarray(index).reshape(len(cells), k)].ravel())
        weights.append(np.full(len(cells) * k, 1 / k, dtype=np.float32))
    n = len(coords)
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(weights), where), shape=(n, n))
