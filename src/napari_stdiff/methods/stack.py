"""Closed-form guesses put together, each column with weights of its own.

The weights are chosen on visible cells, guessed at as if their own section were not there. They
are non-negative; those of a column are drawn towards the weights that are best for all columns,
shrunk by how well that column can be guessed at all, so that noise is not followed. Where a
Gaussian process is among the guesses it has half a voice by itself: its smoothness and its
shrinkage come from all visible cells, those of the weights from a few left-out sections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import nnls

from ..compute.monitor import Monitor
from .experts import Experts
from .process_guess import ProcessGuess

_ROWS = 4000  # cells that weights are chosen on
_FEW_ROWS = 500  # cells of inner sections below which those of the ends count, too
_PROCESS_SHARE = 0.5
_CHUNK = 2048
_PULL = 0.2  # towards the common weights, in shares of what the data says
_MOST = 1.5


@dataclass(frozen=True)
class Stack:
    """Weighted guesses.

    Attributes
    ----------
    experts
        Who guesses.
    known, unknown
        (experts, columns) weights for cells whose type is known, and for the others.
    """

    experts: Experts
    known: np.ndarray
    unknown: np.ndarray

    @classmethod
    def fit(
        cls,
        experts: Experts,
        blocks: Sequence[slice],
        importance: np.ndarray,
        around: np.ndarray,
        rows: np.ndarray,
        monitor: Monitor,
    ) -> Self:
        """Weigh the experts.

        Parameters
        ----------
        experts
            Not fitted yet.
        blocks
            Columns that share common weights.
        importance
            (columns,) of an error in each, for the common weights.
        around
            (n, types) shares of the types around the cells of `rows`, without their section.
        rows
            (n,) visible cells to choose weights on: those of inner sections, where there are
            enough of them.
        monitor
            Asked whether to go on.
        """
        experts.fit(monitor)
        cells = experts.cells
        chosen = np.flatnonzero(_inner(experts)[rows])
        chosen = chosen if len(chosen) >= _FEW_ROWS else np.arange(len(rows))
        if len(chosen) > _ROWS:
            chosen = np.sort(np.random.default_rng(3).choice(chosen, _ROWS, replace=False))
        rows, around = rows[chosen], around[chosen]
        one_hot = np.eye(len(cells.types) + 1)[cells.code][:, : len(cells.types)]
        weights = []
        for typed in (True, False):
            monitor.check()
            use = cells.code[rows] >= 0 if typed else np.ones(len(rows), dtype=bool)
            some = rows[use]
            if typed and (not cells.types or not len(some)):
                weights.append(np.zeros((experts.number(True), experts.values.shape[1])))
                continue
            code = cells.code[some] if typed else None
            kind = one_hot[some] if typed else around[use]
            guesses = experts.guess_own(some, code, kind)
            found = _weigh(guesses, experts.values[some], blocks, importance)
            if experts.with_process:
                found *= 1 - _PROCESS_SHARE
                found[-1] += _PROCESS_SHARE
            weights.append(found)
        return cls(experts, *weights)

    def predict(self, coords: np.ndarray, code: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Return (cells, columns) float32 guesses at new cells.

        Parameters
        ----------
        coords, kind
            As in :meth:`Experts.guess`.
        code
            (cells,) types; -1 where not known.
        """
        return self._chunks(
            code, lambda rows, own: self.experts.guess(coords[rows], own, kind[rows])
        )

    def predict_own(
        self, cells: np.ndarray, code: np.ndarray, kind: np.ndarray, monitor: Monitor
    ) -> np.ndarray:
        """Return guesses at the visible cells `cells`, as if their section were not there."""

        def guess(rows: np.ndarray, own: np.ndarray | None) -> np.ndarray:
            monitor.check()
            return self.experts.guess_own(cells[rows], own, kind[rows])

        return self._chunks(code, guess)

    def _chunks(
        self, code: np.ndarray, guess: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    ) -> np.ndarray:
        out = np.empty((len(code), self.unknown.shape[1]), dtype=np.float32)
        for typed, weights in ((True, self.known), (False, self.unknown)):
            mine = np.flatnonzero((code >= 0) == typed)
            for start in range(0, len(mine), _CHUNK):
                rows = mine[start : start + _CHUNK]
                guesses = guess(rows, code[rows] if typed else None)
                total = np.zeros(guesses.shape[1:])
                for one, weight in zip(guesses, weights, strict=True):
                    total += one * weight
                out[rows] = total
        return out

    def pack(self) -> dict[str, np.ndarray]:
        """Return tensors that :meth:`unpack` makes the same stack of."""
        experts = self.experts
        assert experts.fields is not None
        out = {
            "stack.fields": experts.fields,
            "stack.known": self.known,
            "stack.unknown": self.unknown,
        }
        return out | (experts.process.pack() if experts.process else {})

    @classmethod
    def unpack(cls, tensors: Mapping[str, np.ndarray], experts: Experts) -> Self:
        """Undo :meth:`pack`."""
        experts.fields = tensors["stack.fields"]
        experts.process = ProcessGuess.unpack(tensors)
        experts.with_process = experts.process is not None
        return cls(experts, tensors["stack.known"], tensors["stack.unknown"])


def _inner(experts: Experts) -> np.ndarray:
    """Return a mask of the cells of sections between two others (of all, where there are none)."""
    cells = experts.cells
    depth = cells.section_z
    ends = min(depth, key=lambda s: (depth[s], s)), max(depth, key=lambda s: (depth[s], s))
    inner = ~np.isin(cells.section, ends)
    return inner if inner.any() and not cells.within else np.ones(len(inner), dtype=bool)


def _weigh(
    guesses: np.ndarray, truth: np.ndarray, blocks: Sequence[slice], importance: np.ndarray
) -> np.ndarray:
    """Return (experts, columns) weights that bring the guesses near the truth."""
    gram = np.einsum("inc,jnc->cij", guesses, guesses, optimize=True).astype(np.float64)
    right = np.einsum("inc,nc->ci", guesses, truth, optimize=True).astype(np.float64)
    out = np.zeros((len(guesses), truth.shape[1]))
    for block in blocks:
        scale = importance[block]
        common = _positive(
            np.tensordot(scale, gram[block], 1), np.tensordot(scale, right[block], 1)
        )
        for column in range(*block.indices(truth.shape[1])):
            g, r = gram[column], right[column]
            power = common @ g @ common
            shrink = np.clip(common @ r / power, 0, _MOST) if power > 0 else 0.0
            pull = _PULL * np.trace(g) / len(g) + 1e-12
            out[:, column] = _positive(g + pull * np.eye(len(g)), r + pull * shrink * common)
    return out


def _positive(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the non-negative least-squares solution of the normal equations."""
    size = np.trace(gram) / len(gram)
    if size <= 0:
        return np.zeros(len(right))
    factor = np.linalg.cholesky(gram + 1e-6 * size * np.eye(len(gram)))
    return np.asarray(nnls(factor.T, np.linalg.solve(factor, right))[0])
