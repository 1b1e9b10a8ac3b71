"""How far the truth lies from a guess at an entry, learned from entries hidden on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from ..genes.spread import generator_of

PLACES = np.array([0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98])
QUANTILES = 32
# entries a gene's distributions are made of, how many of them not zero, and how many are enough
# at any rate; those of like genes are taken where it has fewer
LEAST, LEAST_KNOWN, ENOUGH = 400, 160, 2000
_WINDOW, _SHARE = 50, 0.15  # entries around a place, at least, and as a share of all
_FEWEST = 8  # entries that a gene's own line is made of
_BLOCK = 1 << 17  # entries whose place is looked up at a time
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class EntrySpread:
    """The distribution of what would be measured at an entry, given the guess there.

    Entries of a gene that were hidden on purpose show what was measured where the guess was how
    high. Around some places of the order of the guesses the values nearest in that order are
    kept, moved along the gene's slope to the guess at that place; between two places the
    quantiles are mixed. Zeros are exactly zero, at their measured share. A gene with few such
    entries takes those of the genes most like it in mean and deviation as well.

    Attributes
    ----------
    levels
        (genes, places) float32 guesses, ascending.
    zeros
        (genes, places) float32 shares of zeros there; all 0 where values may be negative.
    others
        (genes, places, quantiles) float32 ascending values that are not zero.
    slopes
        (genes,) float32 what a value that is not zero gains with the guess.
    least
        (genes,) float32 smallest value that is not zero, or minus infinity where values may be
        negative.
    lines
        (genes, 3) float32: a guess, what is expected there, and the slope of what is expected.
    """

    levels: np.ndarray
    zeros: np.ndarray
    others: np.ndarray
    slopes: np.ndarray
    least: np.ndarray
    lines: np.ndarray

    @classmethod
    def fit(
        cls,
        guess: np.ndarray,
        truth: np.ndarray,
        columns: np.ndarray,
        mean: np.ndarray,
        deviation: np.ndarray,
    ) -> Self:
        """Learn from entries that were hidden on purpose.

        Parameters
        ----------
        guess, truth
            (entries,) what was guessed while they were hidden, and what was measured, both on
            the scale of ``visible.expression``.
        columns
            (entries,) gene of each.
        mean, deviation
            (genes,) of each gene's visible entries.
        """
        genes = len(mean)
        # guesses that are equal in no order of their own, so that none of the cells are favoured
        shuffled = np.random.default_rng(0).permutation(len(guess))
        order = shuffled[np.lexsort((guess[shuffled], columns[shuffled]))]
        guess = np.asarray(guess, dtype=np.float64)[order]
        truth = np.asarray(truth, dtype=np.float64)[order]
        cuts = np.searchsorted(columns[order], np.arange(genes + 1))
        own = [slice(a, b) for a, b in pairwise(cuts)]
        floor = bool(truth.min(initial=0) >= 0)
        tables = (
            np.empty((genes, len(PLACES)), np.float32),
            np.empty((genes, len(PLACES)), np.float32),
            np.empty((genes, len(PLACES), QUANTILES), np.float32),
            np.empty(genes, np.float32),
            np.full(genes, -np.inf, np.float32),
        )
        likeness = np.stack([_standard(mean), _standard(np.log(deviation))], axis=1)
        count = np.diff(cuts)
        known = np.array([np.count_nonzero(truth[s]) for s in own]) if floor else count
        for j in range(genes):
            some = [own[h] for h in _alike(likeness, j, count, known)]
            x, y = (np.concatenate([values[s] for s in some]) for values in (guess, truth))
            found: tuple[Any, ...] = _distributions(x, y, floor)
            for table, value in zip(tables, found, strict=True):
                table[j] = value
        lines = _lines(guess, truth, own, np.asarray(mean), np.asarray(deviation))
        return cls(*tables, lines.astype(np.float32))

    def at(self, guess: np.ndarray, columns: np.ndarray) -> Distributions:
        """Return the distributions at entries.

        Parameters
        ----------
        guess
            (entries,) guesses.
        columns
            (entries,) gene of each.
        """
        return Distributions(self, np.asarray(guess, dtype=np.float32), np.asarray(columns))

    def calibrated(self, guess: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return float32 guesses on each gene's line through what was measured, of same shape.

        The line is that of least squares, never falling, pulled towards that of all genes, so
        that Pearson's correlations of a gene stay. `columns` is broadcast to `guess`.
        """
        at, expected, slope = (self.lines[columns, k] for k in range(3))
        return np.asarray(expected + slope * (guess - at), dtype=np.float32)

    def pack(self) -> dict[str, np.ndarray]:
        """Return what a file keeps."""
        return {f"spread.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def unpack(cls, tensors: Mapping[str, Any]) -> Self:
        """Return the spread that :meth:`pack` gave."""
        return cls(*(np.asarray(tensors[f"spread.{n}"]) for n in cls.__dataclass_fields__))


class Distributions:
    """The distributions at some entries.

    Parameters
    ----------
    spread
        What was learned.
    guess, columns
        (entries,) guesses and genes.
    """

    def __init__(self, spread: EntrySpread, guess: np.ndarray, columns: np.ndarray) -> None:
        self._spread, self._columns = spread, columns
        low = np.zeros(len(guess), dtype=np.int64)
        for k in range(1, len(PLACES) - 1):
            low += guess >= spread.levels[columns, k]
        first, last = spread.levels[columns, low], spread.levels[columns, low + 1]
        inside = np.clip(guess, first, last)
        part = (inside - first) / np.maximum(last - first, 1e-9)
        self._low, self._part = low, part.astype(np.float32)
        self._beyond = (spread.slopes[columns] * (guess - inside)).astype(np.float32)
        zeros = spread.zeros
        self.zero = (1 - self._part) * zeros[columns, low] + self._part * zeros[columns, low + 1]

    def values(self, u: np.ndarray) -> np.ndarray:
        """Return (entries,) float32 values below which shares `u` lie; zeros first."""
        out = np.zeros(len(u), dtype=np.float32)
        rows = np.flatnonzero(u >= self.zero)  # of tables full of zeros they are few
        zero, columns = self.zero[rows], self._columns[rows]
        place = (u[rows] - zero) / np.maximum(1 - zero, 1e-9) * QUANTILES - 0.5
        place = np.clip(place, 0, QUANTILES - 1).astype(np.float32)
        q = np.minimum(place.astype(np.int64), QUANTILES - 2)
        part, others = place - q, self._spread.others.ravel()
        at = (columns * len(PLACES) + self._low[rows]) * QUANTILES + q
        low = (1 - part) * others[at] + part * others[at + 1]
        at += QUANTILES
        high = (1 - part) * others[at] + part * others[at + 1]
        part = self._part[rows]
        value = (1 - part) * low + part * high + self._beyond[rows]
        out[rows] = self._floored(value, columns)
        return out

    def places(self, truth: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return (entries,) shares of the distributions that lie below `truth`.

        Where a share lies at the value itself, as at zero, the place within it is that of the
        uniform `u`: the randomised probability integral transform, the inverse of :meth:`values`.
        """
        out = np.empty(len(truth))
        for start in range(0, len(truth), _BLOCK):
            rows = slice(start, start + _BLOCK)
            out[rows] = self._places(rows, truth[rows], u[rows])
        return out

    def expected(self) -> np.ndarray:
        """Return (entries,) float32 means."""
        means = self._spread.others.mean(axis=2)
        low = means[self._columns, self._low]
        value = low + self._part * (means[self._columns, self._low + 1] - low) + self._beyond
        return np.asarray((1 - self.zero) * self._floored(value, self._columns))

    def _floored(self, value: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(value, self._spread.least[columns]), dtype=np.float32)

    def _places(self, rows: slice, truth: np.ndarray, u: np.ndarray) -> np.ndarray:
        columns, low, part = self._columns[rows], self._low[rows], self._part[rows, None]
        others = self._spread.others
        nodes = (1 - part) * others[columns, low] + part * others[columns, low + 1]
        nodes += self._beyond[rows, None]
        nodes = self._floored(nodes, columns[:, None])
        value = np.asarray(truth, dtype=np.float32)[:, None]
        below, up_to = (nodes < value).sum(axis=1), (nodes <= value).sum(axis=1)
        before, after = np.clip(below - 1, 0, None), np.minimum(below, QUANTILES - 1)
        each = np.arange(len(nodes))
        first, last = nodes[each, before], nodes[each, after]
        along = np.where(last > first, (truth - first) / np.maximum(last - first, 1e-12), 0.0)
        place = (before + along + 0.5) / QUANTILES
        place = np.where(below == 0, 0.5 * u / QUANTILES, place)
        place = np.where(below == QUANTILES, 1 - 0.5 * (1 - u) / QUANTILES, place)
        # a value that several quantiles share lies anywhere among them
        ties = (below + (up_to - below) * u) / QUANTILES
        place = np.where(up_to > below, ties, place)
        zero = self.zero[rows]
        there = (truth == 0) & np.isfinite(self._spread.least[columns])
        return np.where(there, zero * u, zero + (1 - zero) * place)


@dataclass(frozen=True)
class EntryDrawing:
    """Draws at entries, made one by one so that a run can be cancelled between two.

    The draws of an entry are spread evenly over its distribution (golden-ratio steps from a
    random start); the first m of n are the same for every n.
    """

    distributions: Distributions
    starts: np.ndarray

    def draw(self, number: int) -> np.ndarray:
        """Return (entries,) float32, the draw with a number."""
        step = np.float32(number * _GOLDEN % 1.0)
        return self.distributions.values((self.starts + step) % np.float32(1))


def entry_uniforms(
    names: Sequence[str] | np.ndarray, n_cells: int, cells: np.ndarray, seed: int
) -> np.ndarray:
    """Return (cells, genes) float32 uniforms; an entry's own, whichever others are asked for.

    Parameters
    ----------
    names
        (genes,) names.
    n_cells
        Cells of the whole tissue.
    cells
        Row numbers that are wanted.
    seed
        Of the run.
    """
    out = np.empty((len(cells), len(names)), dtype=np.float32)
    for j, name in enumerate(names):
        out[:, j] = generator_of(seed, str(name)).random(n_cells, dtype=np.float32)[cells]
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 1e-9 else 1.0))


def _alike(likeness: np.ndarray, gene: int, count: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the gene itself and, while there are too few entries, those most like it."""
    if not known[gene] and count[gene] >= _WINDOW:
        return np.array([gene])  # nothing but zeros
    distance = ((likeness - likeness[gene]) ** 2).sum(axis=1)
    distance[gene] = -1
    order = np.argsort(distance, kind="stable")
    there, telling = np.cumsum(count[order]), np.cumsum(known[order])
    enough = ((there >= LEAST) & (telling >= LEAST_KNOWN)) | (there >= ENOUGH)
    return order[: int(np.argmax(enough)) + 1] if enough.any() else order


def _distributions(
    x: np.ndarray, y: np.ndarray, floor: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Return levels, shares of zeros, quantiles, slope and smallest value of one gene."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    known = y != 0 if floor else np.ones(len(y), dtype=bool)
    spare = y[known] if known.any() else np.ones(1)
    least = float(spare.min()) if floor else -np.inf
    slope = _slope(x[known], y[known])
    n = len(x)
    width = min(n, max(_WINDOW, round(_SHARE * n)))
    if n and np.ptp(x) <= 1e-6 * max(float(np.abs(x).max()), 1e-9):
        width = n  # one guess for all: they say the same
    levels, zeros = np.empty(len(PLACES)), np.zeros(len(PLACES))
    others = np.empty((len(PLACES), QUANTILES))
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    for i, place in enumerate(PLACES):
        middle = place * n - 0.5
        start = min(max(round(middle - (width - 1) / 2), 0), n - width)
        some = slice(start, start + width)
        levels[i] = x[some].mean()
        zeros[i] = 1 - known[some].mean() if n else 1.0
        moved = y[some] + slope * (levels[i] - x[some])
        left = moved[known[some]]
        left = np.maximum(left if len(left) else spare, least)
        others[i] = _quantiles(np.sort(left), at)
    return np.maximum.accumulate(levels), zeros, others, slope, least


def _quantiles(ascending: np.ndarray, at: np.ndarray) -> np.ndarray:
    n = len(ascending)
    return np.interp(at * n - 0.5, np.arange(n), ascending)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope, never negative."""
    if len(x) < 2:
        return 0.0
    apart = x - x.mean()
    variance = float((apart**2).sum())
    return max(float((apart * y).sum()) / variance, 0.0) if variance > 1e-12 else 0.0


def _lines(
    guess: np.ndarray,
    truth: np.ndarray,
    own: list[slice],
    mean: np.ndarray,
    deviation: np.ndarray,
) -> np.ndarray:
    """Return (genes, 3): a guess, what is expected there, and the slope.

    What a gene's own entries say counts as far as genes differ by more than their few entries
    explain (an empirical Bayes estimate; Efron and Morris 1973).
    """
    lines = np.zeros((len(own), 3))
    offset, slope, across = np.zeros(len(own)), np.zeros(len(own)), np.zeros(len(own))
    noise, count = np.full(len(own), np.nan), np.zeros(len(own))
    for j, some in enumerate(own):
        n = some.stop - some.start
        x, y = guess[some] / deviation[j], truth[some] / deviation[j]
        lines[j, 0] = float(x.mean()) if n else mean[j] / deviation[j]
        if n < _FEWEST:
            continue
        apart, off = x - lines[j, 0], y - x
        across[j] = (apart**2).sum()
        if across[j] > 1e-9:
            slope[j] = (apart * y).sum() / across[j]
        left = y - y.mean() - slope[j] * apart
        offset[j], count[j], noise[j] = off.mean(), n, (left**2).sum() / (n - 2)
    known = count > 0
    # entries that are all alike are luck: a gene is not less noisy than genes on the whole
    noise = np.fmax(noise, np.mean(noise[known]) if known.any() else 1.0)
    usual = float(slope @ across / across.sum()) if across.sum() > 1e-9 else 1.0
    lines[:, 1] = lines[:, 0] + _shrunk(offset, noise, count, 0.0)
    lines[:, 2] = np.maximum(_shrunk(slope, noise, across, usual), 0)
    lines[:, :2] *= deviation[:, None]
    return lines


def _shrunk(found: np.ndarray, noise: np.ndarray, weight: np.ndarray, usual: float) -> np.ndarray:
    """Pull (genes,) estimates towards what is usual, as far as they may differ by chance.

    The squared error of each is its `noise` over its `weight`; 0 weighs nothing.
    """
    known = weight > 1e-9
    if not known.any():
        return np.full(len(found), usual)
    error = noise[known] / weight[known]
    counts = 1 / (error + np.median(error))
    true = max(float(((found[known] - usual) ** 2 - error) @ counts / counts.sum()), 0.0)
    trust = np.zeros(len(found))
    trust[known] = true / (true + error)
    return np.asarray(usual + trust * (found - usual))
