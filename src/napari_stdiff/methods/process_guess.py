"""A Gaussian process as one more closed-form guess, for stacks of few cells and many genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from scipy import sparse

from ..compute.monitor import Monitor
from .cells import VisibleCells
from .context import FEW
from .processes import Frame, Points, kernel, posteriors, principal_scores

MOST_CELLS = 3000
_FEWEST_CELLS = 50
_SEED = 0  # of the cells that length scales are found on
_NAMES = ("centre", "extent", "said", "places", "codes", "representers", "readout")


def worth_it(n_cells: int, n_genes: int) -> bool:
    """Return whether a process joins the guesses: few cells, and genes through principal axes.

    With thousands of cells near ones say more, and its length scales, which do not have to be
    learned on left-out sections, are no longer needed.
    """
    return _FEWEST_CELLS <= n_cells <= MOST_CELLS and n_genes > FEW


@dataclass(frozen=True)
class ProcessGuess:
    """Posterior means of the principal axes of expression, read out to every column.

    Attributes
    ----------
    frame
        Origin and unit of places.
    said
        (axes, 6) settings of the kernels.
    basis
        The inducing cells.
    representers
        (axes, inducing) weights of the kernel in the means.
    readout
        (1 + axes, columns) least-squares regression of the columns on the axes; the first row is
        the constant.
    without
        Fold -> representers that have not seen its cells.
    """

    frame: Frame
    said: np.ndarray
    basis: Points
    representers: np.ndarray
    readout: np.ndarray
    without: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, cells: VisibleCells, values: np.ndarray, folds: np.ndarray, monitor: Monitor
    ) -> Self:
        """Find length scales and means.

        Parameters
        ----------
        cells
            The visible cells.
        values
            (cells, columns) what is guessed at.
        folds
            (cells,) numbers of the parts that are left out together.
        monitor
            Asked whether to go on.
        """
        frame = Frame.of(cells.coords)
        points = frame.points(cells.coords, cells.code)
        x = cells.expression
        _, scores = principal_scores(x - x.mean(axis=0, dtype=np.float64), _SEED)
        known = np.hstack([np.ones((len(scores), 1)), scores])
        readout = np.linalg.lstsq(known, values.astype(np.float64), rcond=None)[0]
        said, weights, basis = [], [], points[:0]
        without: dict[int, list[np.ndarray]] = {int(fold): [] for fold in np.unique(folds)}
        for y, posterior in zip(scores.T, posteriors(points, scores, _SEED), strict=True):
            monitor.check()
            said.append(posterior.said)
            weights.append(posterior.representers)
            basis = posterior.basis
            for fold, kept in without.items():
                rows = np.flatnonzero(folds == fold)
                kept.append(posterior.representers_without(points[rows], y[rows]))
        left_out = {fold: np.array(kept) for fold, kept in without.items()}
        return cls(frame, np.array(said), basis, np.array(weights), readout, left_out)

    def guess(
        self, coords: np.ndarray, code: np.ndarray | None, fold: int | None = None
    ) -> np.ndarray:
        """Return (cells, columns) float32 guesses.

        Parameters
        ----------
        coords
            (cells, 3) z, y, x.
        code
            (cells,) types, or None where they are not known.
        fold
            Guess as if this fold had not been seen.
        """
        unknown = np.full(len(coords), -1)
        points = self.frame.points(coords, unknown if code is None else code)
        weights = self.representers if fold is None else self.without[fold]
        out = np.tile(self.readout[0], (len(coords), 1))
        for said, weight, column in zip(self.said, weights, self.readout[1:], strict=True):
            # a sparse product sums row by row, whichever rows are asked for together
            near = sparse.csr_matrix(kernel(said, points, self.basis))
            out += (near @ weight)[:, None] * column
        return out.astype(np.float32)

    def forget(self) -> None:
        """Drop what only fitting needs."""
        self.without.clear()

    def pack(self) -> dict[str, np.ndarray]:
        """Return tensors that :meth:`unpack` makes the same guess of."""
        parts = (
            self.frame.centre,
            np.array([self.frame.extent]),
            self.said,
            self.basis.zyx,
            self.basis.code,
            self.representers,
            self.readout,
        )
        return {f"process.{name}": part for name, part in zip(_NAMES, parts, strict=True)}

    @classmethod
    def unpack(cls, tensors: Mapping[str, np.ndarray]) -> Self | None:
        """Undo :meth:`pack`; None where no process was kept."""
        if "process.said" not in tensors:
            return None
        centre, extent, said, places, codes, weights, readout = (
            tensors[f"process.{name}"] for name in _NAMES
        )
        frame = Frame(centre, float(extent[0]))
        return cls(frame, said, Points(places, codes), weights, readout)
