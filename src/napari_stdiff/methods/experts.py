"""Closed-form guesses at a new cell: averages of near cells, and smooth functions of position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from ..compute.monitor import Monitor
from .cells import VisibleCells
from .flanks import SectionTrees, flank_groups
from .process_guess import ProcessGuess
from .smooth import solve_ridge, waves_at

_NEAR = ((1, 15), (2, 15), (2, 60))  # sections on each side, and near cells in each
_SIDES, _MOST = 2, 60
_REACHES = (0.06, 0.12, 0.25)  # of the extent of the tissue
_WAVES = 150
_PENALTY = 1.0
_FOLDS = 5


@dataclass
class Experts:
    """Several guesses at the same values, none of which has seen the cell it is about.

    For cells of known type: averages of near cells of that type, averages of near cells of any
    type, and fields (ridge regressions on smooth functions of position and on the type). For
    cells of unknown type the first are left out, and the fields take the types around the cell.
    A Gaussian process comes last, where it is asked for.

    Attributes
    ----------
    cells
        The visible cells.
    values
        (cells, columns) float32, what is guessed at.
    trees
        Search trees over the visible cells.
    fields
        (reaches, features, columns) coefficients of the fields; None before :meth:`fit`.
    with_process
        Whether a Gaussian process is one of the guesses.
    process
        The process; None before :meth:`fit`.
    """

    cells: VisibleCells
    values: np.ndarray
    trees: SectionTrees
    fields: np.ndarray | None = None
    with_process: bool = False
    process: ProcessGuess | None = None

    def number(self, typed: bool) -> int:
        """Return how many guesses there are for cells of known or unknown type."""
        return len(_NEAR) * (2 if typed else 1) + len(_REACHES) + self.with_process

    @cached_property
    def folds(self) -> np.ndarray:
        """(cells,) numbers of the parts that are left out together: sections, or at random."""
        if self.cells.within:
            return np.random.default_rng(5).permutation(len(self.cells.code)) % _FOLDS
        return np.unique(self.cells.section, return_inverse=True)[1]

    def fit(self, monitor: Monitor) -> None:
        """Solve the fields, and fit the process."""
        n_types = len(self.cells.types)
        self.fields = np.stack(
            [solve_ridge(gram, right, _PENALTY, n_types) for _, gram, right in self._products]
        )
        if self.with_process:
            self.process = ProcessGuess.fit(self.cells, self.values, self.folds, monitor)

    def guess(self, coords: np.ndarray, code: np.ndarray | None, kind: np.ndarray) -> np.ndarray:
        """Return (experts, cells, columns) float32 guesses at new cells.

        Parameters
        ----------
        coords
            (cells, 3) z, y, x.
        code
            (cells,) types, or None where they are not known.
        kind
            (cells, types) shares of each type: 1 for the cell's own, or those around it.
        """
        assert self.fields is not None
        depth = self.cells.section_z
        near = self._near(coords, code, depth, None)
        smooth = []
        for reach, field in zip(_REACHES, self.fields, strict=True):
            # a sparse product sums row by row, whichever rows are asked for together
            features = sparse.csr_matrix(self._features(coords, kind, reach))
            smooth.append(np.asarray(features @ field, dtype=np.float32))
        if self.process:
            smooth.append(self.process.guess(coords, code))
        return np.stack([*near, *smooth])

    def guess_own(self, rows: np.ndarray, code: np.ndarray | None, kind: np.ndarray) -> np.ndarray:
        """Return guesses at visible cells, as if their section (or they) were not measured.

        Parameters
        ----------
        rows
            (n,) row numbers of visible cells.
        code, kind
            As in :meth:`guess`, of these cells.
        """
        cells, typed = self.cells, code is not None
        out = np.empty((self.number(typed), len(rows), self.values.shape[1]), dtype=np.float32)
        names = cells.section[rows].astype(str)
        n_near = len(out) - len(_REACHES) - self.with_process
        for name in np.unique(names):
            some = names == name
            own = rows[some] if cells.within else None
            depth = {s: z for s, z in cells.section_z.items() if s != name or cells.within}
            near = self._near(
                cells.coords[rows[some]], code if code is None else code[some], depth, own
            )
            out[:n_near, some] = near
        for fold in np.unique(self.folds[rows]):
            some = self.folds[rows] == fold
            for i, reach in enumerate(_REACHES):
                features = self._features(cells.coords[rows[some]], kind[some], reach)
                out[n_near + i, some] = features @ self._without(i, int(fold))
            if self.process:
                kinds = code if code is None else code[some]
                out[-1, some] = self.process.guess(cells.coords[rows[some]], kinds, int(fold))
        return out

    def _near(
        self,
        coords: np.ndarray,
        code: np.ndarray | None,
        depth: dict[str, float],
        skip: np.ndarray | None,
    ) -> np.ndarray:
        """Return the averages of near cells, (averages, cells, columns)."""
        searches = (None,) if code is None else (code, None)
        columns = self.values.shape[1]
        out = np.zeros((len(_NEAR) * len(searches), len(coords), columns), dtype=np.float32)
        groups = flank_groups(depth, coords[:, 0], 2 * _SIDES, within=self.cells.within)
        for rows, sections in groups:
            own = None if skip is None else skip[rows]
            below = sum(depth[s] <= coords[rows[0], 0] for s in sections)
            found = None
            # cells of any type first: they stand in where a type is not to be found
            for j, kinds in reversed(list(enumerate(searches))):
                wanted = None if kinds is None else kinds[rows]
                index, far = self.trees.near(coords[rows], wanted, sections, _MOST, own)
                if found is None:
                    found = index, far
                lost = ~(index >= 0).any(axis=(1, 2))
                index[lost], far[lost] = found[0][lost], found[1][lost]
                for i, (sides, k) in enumerate(_NEAR):
                    some = slice(max(below - sides, 0), below + sides)
                    mean = self._average(index[:, some, :k], far[:, some, :k])
                    empty = ~(index[:, some, :k] >= 0).any(axis=(1, 2))
                    if empty.any():
                        mean[empty] = self._average(index[empty], far[empty])
                    out[j * len(_NEAR) + i, rows] = mean
        return out

    def _average(self, index: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Return means over near cells, weighted by a Gaussian of half their reach."""
        n = len(index)
        index, far = index.reshape(n, -1), far.reshape(n, -1)
        there = index >= 0
        width = 0.5 * np.where(there, far, 0.0).max(axis=1, keepdims=True)
        weight = np.where(there, np.exp(-((far / np.maximum(width, 1e-9)) ** 2) / 2), 0.0)
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        pointer = np.concatenate([[0], there.sum(axis=1).cumsum()])
        matrix = sparse.csr_matrix(
            (weight[there].astype(np.float32), index[there], pointer), shape=(n, len(self.values))
        )
        return np.asarray(matrix @ self.values)

    def _features(self, coords: np.ndarray, kind: np.ndarray, reach: float) -> np.ndarray:
        centre, extent = self._frame
        return np.hstack([waves_at(coords, centre, reach * extent, self._waves), kind])

    @cached_property
    def _frame(self) -> tuple[np.ndarray, float]:
        coords = self.cells.coords
        return coords.mean(axis=0), float(np.ptp(coords[:, 1:], axis=0).max()) or 1.0

    @cached_property
    def _waves(self) -> np.ndarray:
        return np.random.default_rng(0).standard_normal((3, _WAVES))

    @cached_property
    def _products(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Features of the visible cells, and their products, for each reach."""
        kind = np.eye(len(self.cells.types) + 1)[self.cells.code][:, : len(self.cells.types)]
        out = []
        for reach in _REACHES:
            features = self._features(self.cells.coords, kind, reach)
            out.append((features, features.T @ features, features.T @ self.values))
        return out

    def _without(self, number: int, fold: int) -> np.ndarray:
        """Return the coefficients of a field that has not seen a fold."""
        key = (number, fold)
        if key not in self._left_out:
            features, gram, right = self._products[number]
            own = self.folds == fold
            some = features[own]
            rest = gram - some.T @ some, right - some.T @ self.values[own]
            self._left_out[key] = solve_ridge(*rest, _PENALTY, len(self.cells.types))
        return self._left_out[key]

    @cached_property
    def _left_out(self) -> dict[tuple[int, int], np.ndarray]:
        return {}

    def forget(self) -> None:
        """Drop what only fitting needs."""
        for name in ("_products", "_left_out"):
            self.__dict__.pop(name, None)
        if self.process:
            self.process.forget()
