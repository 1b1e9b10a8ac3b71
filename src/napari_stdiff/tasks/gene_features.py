"""What is known about a gene before anybody measures it: what its reliability is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from ..data.panel import Panel
from ..scoring.correlation import column_pearson
from ..scoring.moran import morans_i, neighbour_graph

NAMES = ("predictability", "level", "zeros", "variance", "moran", "signal", "agreement")
_LEAST = 1e-4  # added to a variance before its log
FLAT = float(np.log(_LEAST)) + 1e-9  # variance feature of a gene that the reference has constant
_BASE = 1000  # shared genes that others are regressed on; the most variable ones where more
_CELLS = 3000  # cells of the tissue that two predictions are compared on
_PENALTIES = (0.01, 0.1, 1.0)  # per reference cell


@dataclass(frozen=True)
class GeneFeatures:
    """Features of genes, from the reference and from how their prediction looks on the tissue.

    Nothing measured of a gene in the tissue goes into its own features: those of a shared gene
    are made from the other shared genes.

    Attributes
    ----------
    panel
        Tissue and reference.
    base
        (base,) positions of the shared genes that others are regressed on.
    halves
        Two (reference cells of the half, base) standardised matrices: each half is predicted by
        what was learned from the other.
    rows
        The reference cells of each half.
    inverse
        Two (base, base) matrices ``(X'X + penalty)^-1``.
    cells
        Cells of the tissue that predictions are compared on.
    tissue
        (cells, base) their standardised expression.
    graph
        Neighbours within each section, rows summing to 1.
    """

    panel: Panel
    base: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    rows: tuple[np.ndarray, np.ndarray]
    inverse: tuple[np.ndarray, np.ndarray]
    cells: np.ndarray
    tissue: np.ndarray
    graph: sparse.csr_matrix

    @classmethod
    def of(cls, panel: Panel, seed: int = 0) -> Self:
        """Prepare the regressions; the penalty is the one that predicts shared genes best."""
        variance = panel.reference.var(axis=0)
        base = np.sort(np.argsort(-variance, kind="stable")[:_BASE])
        x = _standard(panel.reference[:, base])
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(x))
        rows = (np.sort(order[::2]), np.sort(order[1::2]))
        halves = (x[rows[0]], x[rows[1]])
        eigen = [np.linalg.eigh(half.T @ half) for half in halves]

        def inverses(penalty: float) -> tuple[np.ndarray, np.ndarray]:
            first, second = (
                (q / (np.maximum(d, 0) + penalty * len(half))) @ q.T
                for (d, q), half in zip(eigen, halves, strict=True)
            )
            return first, second

        def quality(penalty: float) -> float:
            return float(np.nanmean(_across(halves, tuple(map(_others, inverses(penalty))))))

        best = max(_PENALTIES, key=quality)
        n = panel.n_cells
        cells = np.sort(rng.choice(n, _CELLS, replace=False)) if n > _CELLS else np.arange(n)
        return cls(
            *(panel, base, halves, rows, inverses(best), cells),
            tissue=_standard(panel.tissue[:, base])[cells],
            graph=section_graph(panel),
        )

    def of_shared(self, mean: np.ndarray) -> np.ndarray:
        """Return (shared, features) of the shared genes.

        `mean` (cells, shared) was predicted while each was hidden.
        """
        genes = self.panel.genes
        out = self.of_wanted(genes, mean, self.panel.reference)
        weights = [_others(inverse) for inverse in self.inverse]
        out[self.base, 0] = _across(self.halves, (weights[0], weights[1]))
        out[self.base, 6] = column_pearson(
            mean[np.ix_(self.cells, self.base)], self.tissue @ (weights[0] + weights[1])
        )
        return np.nan_to_num(out)

    def of_wanted(
        self, genes: np.ndarray, mean: np.ndarray, profiles: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (genes, features) of genes that the tissue lacks.

        Parameters
        ----------
        genes
            (genes,) names.
        mean
            (cells, genes) what is predicted for them.
        profiles
            (reference cells, genes) their expression, where it is at hand.

        Returns
        -------
        np.ndarray
            Columns as in ``NAMES``: how well the other half of the reference tells it from the
            shared genes (Pearson), its mean, share of zeros and log variance in the reference,
            Moran's I of its prediction, log of how much the prediction varies beside the
            reference, and how a plain regression from the reference agrees with the prediction.
        """
        y = self.panel.profiles(genes) if profiles is None else profiles
        weights = []
        for half, rows, inverse in zip(self.halves, self.rows, self.inverse, strict=True):
            own = y[rows]
            weights.append(inverse @ (half.T @ (own - own.mean(axis=0))))
        told = [
            column_pearson(y[self.rows[1 - k]], self.halves[1 - k] @ weights[k]) for k in (0, 1)
        ]
        deviation = y.std(axis=0, dtype=np.float64)
        signal = mean.std(axis=0, dtype=np.float64)
        return np.nan_to_num(
            np.column_stack(
                [
                    (told[0] + told[1]) / 2,
                    y.mean(axis=0, dtype=np.float64),
                    (y <= 0).mean(axis=0),
                    np.log(deviation**2 + _LEAST),
                    morans_i(mean, self.graph),
                    np.log((signal + 1e-3) / (deviation + 1e-3)),
                    column_pearson(mean[self.cells], self.tissue @ (weights[0] + weights[1])),
                ]
            )
        )

    def likeness(self, genes: np.ndarray | None = None) -> np.ndarray:
        """Return (genes, shared) how alike genes and shared genes are in the reference, 0 to 1.

        The fourth power of their correlation. For None, the shared genes among themselves, with
        nothing on the diagonal.
        """
        x = _standard(self.panel.reference)
        y = x if genes is None else _standard(self.panel.profiles(genes))
        alike = np.asarray((y.T @ x) / len(x), dtype=np.float64) ** 4
        if genes is None:
            np.fill_diagonal(alike, 0.0)
        return alike


def section_graph(panel: Panel) -> sparse.csr_matrix:
    """Return the (cells, cells) graph of each cell's nearest cells of its own section."""
    order, blocks = [], []
    for name in np.unique(panel.section.astype(str)):
        rows = np.flatnonzero(panel.section.astype(str) == name)
        order.append(rows)
        blocks.append(neighbour_graph(panel.coords[rows]))
    place = np.argsort(np.concatenate(order), kind="stable")
    return sparse.csr_matrix(sparse.block_diag(blocks, format="csr")[place][:, place])


def _standard(values: np.ndarray) -> np.ndarray:
    """Return the columns at mean 0 and deviation 1; a constant column is 0."""
    deviation = values.std(axis=0, dtype=np.float64)
    scaled = (values - values.mean(axis=0, dtype=np.float64)) / np.where(
        deviation > 1e-9, deviation, 1.0
    )
    return np.asarray(scaled, dtype=np.float32)


def _others(inverse: np.ndarray) -> np.ndarray:
    """Return the ridge weights of each gene on the others, (base, base) with a zero diagonal.

    From the inverse ``M`` of all: the weights of gene j are ``-M_ij / M_jj``.
    """
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)


def _across(halves: tuple[np.ndarray, np.ndarray], weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return (base,) how well each half is told by the weights of the other, mean Pearson."""
    told = [column_pearson(halves[1 - k], halves[1 - k] @ weights[k]) for k in (0, 1)]
    return np.nan_to_num((told[0] + told[1]) / 2)
