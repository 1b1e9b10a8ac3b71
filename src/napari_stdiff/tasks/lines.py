"""Lines that join the cells of two sections; a cut between them stops each cell on its line.

Unlike a transport that is solved anew for every depth, the lines are the same at all depths, so
that a cell stays the same cell while a cut is moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import linear_sum_assignment

_LEAF = 128  # cells that are matched at once; an assignment grows with the cube


@dataclass(frozen=True)
class Lines:
    """Lines from the cells of one section to those of another.

    Attributes
    ----------
    start, end
        (lines, 2) y, x in the first and in the second section.
    first, second
        (lines,) number of the cell at that end within its section; -1 where the line has none,
        because its type is not there.
    code
        (lines,) cell type; -1 where it is not known.
    enters, leaves
        (lines,) lambda from which on, and up to which, there is a cell on the line: sections with
        different numbers of cells have one line for each cell of the larger, and the surplus
        comes or goes one by one.
    """

    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    second: np.ndarray
    code: np.ndarray
    enters: np.ndarray
    leaves: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    @classmethod
    def between(
        cls,
        low: tuple[np.ndarray, np.ndarray],
        high: tuple[np.ndarray, np.ndarray],
        seed: int = 0,
    ) -> Self:
        """Join the cells of each type with near ones of the same type.

        Within small neighbourhoods the lines are as short as they can be together (an optimal
        assignment for the squared distance).

        Parameters
        ----------
        low, high
            (cells, 2) y, x and (cells,) type codes of the two sections.
        seed
            Start of the chance that says in which order surplus cells come and go.
        """
        first: list[np.ndarray] = []
        second: list[np.ndarray] = []
        extra: list[np.ndarray] = []  # +1: only of the first section, -1: only of the second
        for kind in np.unique(np.concatenate([low[1], high[1]])):
            a, b = np.flatnonzero(low[1] == kind), np.flatnonzero(high[1] == kind)
            if len(a) and len(b):
                parts = _joined(low[0][a], high[0][b])
                first.append(a[parts[0]])
                second.append(b[parts[1]])
                extra.append(parts[2])
                continue
            there = a if len(a) else b
            nowhere = np.full(len(there), -1)
            first.append(a if len(a) else nowhere)
            second.append(b if len(b) else nowhere)
            extra.append(np.full(len(there), 1 if len(a) else -1))
        i, j, only = (np.concatenate(parts).astype(np.int64) for parts in (first, second, extra))
        # a type that ends on the way keeps its place
        start = np.where((i >= 0)[:, None], low[0][i], high[0][j])
        end = np.where((j >= 0)[:, None], high[0][j], low[0][i])
        code = np.where(i >= 0, low[1][i], high[1][j])
        enters, leaves = np.full(len(i), -np.inf), np.full(len(i), np.inf)
        rng = np.random.default_rng([seed, 13])
        for sign, ends in ((1, leaves), (-1, enters)):
            some = np.flatnonzero(only == sign)
            ends[some] = (rng.permutation(len(some)) + 0.5) / max(len(some), 1)
        return cls(start, end, i, j, code, enters, leaves)

    def at(self, weight: float) -> np.ndarray:
        """Return (lines, 2) y, x at lambda `weight`; 0 is the first section, 1 the second."""
        return np.asarray((1.0 - weight) * self.start + weight * self.end)

    def there(self, weight: float) -> np.ndarray:
        """Return (lines,) bool, whether there is a cell on the line at lambda `weight`."""
        return np.asarray((self.enters <= weight) & (weight < self.leaves))


def _joined(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of rows of (n, 2) `a` and (m, 2) `b`, and +1 or -1 for a pair too many."""
    if max(len(a), len(b)) > _LEAF and min(len(a), len(b)) > 1:
        # halve both along the longer axis; what is far apart never matches
        axis = int(np.argmax(np.ptp(np.concatenate([a, b]), axis=0)))
        i, j = np.argsort(a[:, axis], kind="stable"), np.argsort(b[:, axis], kind="stable")
        cut, cut2 = len(a) // 2, len(b) // 2
        halves = [
            (i[part], j[part2], _joined(a[i[part]], b[j[part2]]))
            for part, part2 in (
                (slice(None, cut), slice(None, cut2)),
                (slice(cut, None), slice(cut2, None)),
            )
        ]
        return (
            np.concatenate([rows[found[0]] for rows, _, found in halves]),
            np.concatenate([rows[found[1]] for _, rows, found in halves]),
            np.concatenate([found[2] for *_, found in halves]),
        )
    cost = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    i, j = linear_sum_assignment(cost)
    surplus = np.setdiff1d(np.arange(len(a)), i), np.setdiff1d(np.arange(len(b)), j)
    rows = np.concatenate([i, surplus[0], cost[:, surplus[1]].argmin(axis=0)])
    others = np.concatenate([j, cost[surplus[0]].argmin(axis=1), surplus[1]])
    only = np.repeat([0, 1, -1], [len(i), len(surplus[0]), len(surplus[1])])
    return rows, others, only
