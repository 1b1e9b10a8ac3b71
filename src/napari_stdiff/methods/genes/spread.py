"""How far the truth lies from a prediction, learned from visible genes while they were hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.stats import rankdata

EDGES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.91, 0.95, 0.98, 1.0])
SAMPLES = 32  # values kept of each visible gene and bin
QUANTILES = 48
_CELLS = 4000  # of each visible gene
_JUDGED = 80  # visible genes that the choice of likeness is judged on
_POOLS = (8, 12, 20, 40, 80)
_LIKENESS = {"level": (1.0, 0.0), "both": (1.0, 0.5), "deviation": (0.5, 1.0)}
_GOLDEN = 0.6180339887498949
_LEVELS = 128  # of a distribution, that a value's place is found between


@dataclass(frozen=True)
class Spread:
    """The distribution of the truth in a cell, given what is predicted there and for the gene.

    Cells are sorted by what is predicted for them, and a visible gene that was predicted while
    it was hidden shows what was measured at each place of that order. A wanted gene takes the
    values of the visible genes whose predictions are most like its own in level and deviation,
    so that its distribution holds both how wrong a gene's level can be and how wrong a cell can.
    How many genes are pooled and by which likeness is what gives the lowest CRPS when each
    visible gene is left out. Zeros are exactly zero, at their measured share.

    Attributes
    ----------
    features
        (genes, 2) mean and deviation of each visible gene's prediction.
    values
        (genes, bins, samples) evenly spaced quantiles of what was measured, over bins of place.
    pool
        Visible genes that are pooled.
    likeness
        "level", "deviation" or "both".
    relevel
        Whether predictions come nearer to the truth when their level is mended.
    """

    features: np.ndarray
    values: np.ndarray
    pool: int
    likeness: str
    relevel: bool = False

    @classmethod
    def fit(cls, mean: np.ndarray, truth: np.ndarray, seed: int = 0) -> Self:
        """Keep what was measured at each place, and choose which genes are pooled.

        Parameters
        ----------
        mean
            (cells, genes) predictions of visible genes, each made while the gene was hidden.
        truth
            (cells, genes) what was measured, on the same scale.
        seed
            Of the choice of cells and genes where there are many.
        """
        rng = np.random.default_rng(seed)
        features = _features(mean)
        rows = np.arange(len(mean))
        if len(rows) > _CELLS:
            rows = np.sort(rng.choice(rows, _CELLS, replace=False))
        n = mean.shape[1]
        values = np.stack([_values(mean[rows, j], truth[rows, j]) for j in range(n)])
        judged = np.sort(rng.permutation(n)[:_JUDGED])
        best, chosen = np.inf, cls(features, values, n - 1, "level")
        for likeness in _LIKENESS:
            pools = sorted({min(pool, n - 1) for pool in _POOLS})
            for pool in pools:
                spread = cls(features, values, pool, likeness)
                loss = float(np.mean([spread._left_out(j) for j in judged]))
                if loss < best:
                    best, chosen = loss, spread
        errors = np.zeros(2)
        for j in judged:
            value, measured = mean[rows, j].astype(np.float64), truth[rows, j]
            line = on_line(value, Entries(value, chosen._pooled(features[j], j)).expected())
            errors += [np.sqrt(((x - measured) ** 2).mean()) for x in (value, line)]
        return replace(chosen, relevel=bool(errors[1] < errors[0]))

    def draws(
        self, mean: np.ndarray, n_draws: int, names: Sequence[str] | np.ndarray, seed: int
    ) -> np.ndarray:
        """Draw what would be measured where `mean` is predicted.

        Parameters
        ----------
        mean
            (cells, wanted) predictions, for all cells that were fitted on.
        n_draws
            Draws of each entry; the first m of n are the same for every n. They are spread
            evenly over the distribution (golden-ratio steps from a random start).
        names
            (wanted,) names: a gene's random numbers are its own.
        seed
            Of the run.

        Returns
        -------
        np.ndarray
            (draws, cells, wanted) float32.
        """
        drawing = self.drawing(mean, names, seed)
        return np.stack([drawing.draw(k) for k in range(n_draws)])

    def drawing(self, mean: np.ndarray, names: Sequence[str] | np.ndarray, seed: int) -> Drawing:
        """Return what makes the draws of :meth:`draws` one by one."""
        starts = [generator_of(seed, str(n)).random(len(mean), dtype=np.float32) for n in names]
        return Drawing([self.entries(mean[:, j]) for j in range(len(starts))], starts)

    def calibrated(self, mean: np.ndarray, *, hidden: bool = False) -> np.ndarray:
        """Return (cells, wanted) float32 `mean` at the level that the tissue would measure.

        Each gene is put on the line (least squares, slope never negative) that is nearest to the
        means of its distributions, so that its Pearson correlations stay. Where that did not
        bring the visible genes nearer to what was measured, `mean` is returned as it is. With
        `hidden`, it is of the visible genes themselves, and none has a say in its own.
        """
        out = np.array(mean, dtype=np.float32)
        if self.relevel:
            for j in range(mean.shape[1]):
                entries = self.entries(mean[:, j], j if hidden else None)
                out[:, j] = on_line(mean[:, j].astype(np.float64), entries.expected())
        return out

    def facts(self) -> dict[str, Any]:
        """Return which genes are pooled."""
        return {"pooled_genes": self.pool, "likeness": self.likeness, "relevel": self.relevel}

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file keeps: what JSON can hold, and arrays."""
        arrays = {"spread_features": self.features, "spread_values": self.values}
        return {"spread": self.facts()}, arrays

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Self:
        """Return the spread that :meth:`pack` gave."""
        kept = meta["spread"]
        arrays = tensors["spread_features"], tensors["spread_values"]
        return cls(
            *arrays, int(kept["pooled_genes"]), str(kept["likeness"]), bool(kept["relevel"])
        )

    def _pooled(self, features: np.ndarray, without: int | None = None) -> np.ndarray:
        """Return (bins, pooled values) ascending, of the genes most like one with `features`."""
        scale = self.features.std(axis=0)
        weight = np.array(_LIKENESS[self.likeness]) / np.where(scale > 0, scale, 1)
        distance = (((self.features - features) * weight) ** 2).sum(axis=1)
        if without is not None:
            distance[without] = np.inf
        near = np.argsort(distance, kind="stable")[: self.pool]
        return np.sort(np.concatenate(list(self.values[near]), axis=1), axis=1)

    def _left_out(self, gene: int) -> float:
        """Return the mean pinball loss of a visible gene's values, from other genes."""
        at = (np.arange(QUANTILES) + 0.5) / QUANTILES
        table = _quantiles(self._pooled(self.features[gene], gene), at)
        apart = self.values[gene][:, :, None] - table[:, None, :]
        loss = np.maximum(at * apart, (at - 1) * apart).mean(axis=(1, 2))
        return float((loss * np.diff(EDGES)).sum())

    def entries(self, mean: np.ndarray, without: int | None = None) -> Entries:
        """Return the distributions of one gene's cells.

        Parameters
        ----------
        mean
            (cells,) its prediction.
        without
            Number of a visible gene that is to have no say: the gene itself, while it is hidden.
        """
        return Entries(mean, self._pooled(_features(mean[:, None])[0], without))


@dataclass(frozen=True)
class Drawing:
    """Draws of wanted genes, made one by one so that a run can be cancelled between two."""

    _entries: list[Entries]
    _starts: list[np.ndarray]

    def draw(self, number: int) -> np.ndarray:
        """Return the draw with a number, (cells, wanted) float32."""
        out = np.empty((len(self._starts[0]), len(self._starts)), dtype=np.float32)
        for j, (entry, start) in enumerate(zip(self._entries, self._starts, strict=True)):
            out[:, j] = entry.at((start + number * _GOLDEN % 1.0) % 1.0)
        return out


class Entries:
    """The distributions of one gene's cells: places between the bins of its pooled values."""

    def __init__(self, mean: np.ndarray, pooled: np.ndarray) -> None:
        at = (np.arange(QUANTILES) + 0.5) / QUANTILES
        self._floor = bool(pooled[:, 0].min() >= 0)
        zeros = (pooled == 0).mean(axis=1) if self._floor else np.zeros(len(pooled))
        known = pooled[pooled != 0] if self._floor else pooled.ravel()
        spare = np.sort(known) if len(known) else np.zeros(1)
        others = []
        for row in pooled:
            left = row[row != 0] if self._floor else row
            others.append(_quantiles((left if len(left) else spare)[None], at)[0])
        self._others = np.array(others, dtype=np.float32)
        centres = (EDGES[1:] + EDGES[:-1]) / 2
        place = np.clip(_places(mean), centres[0], centres[-1])
        low = np.clip(np.searchsorted(centres, place, side="right") - 1, 0, len(centres) - 2)
        part = (place - centres[low]) / np.diff(centres)[low]
        self._low, self._part = low.astype(np.int32), part.astype(np.float32)
        self._zero = ((1 - part) * zeros[low] + part * zeros[low + 1]).astype(np.float32)

    def at(self, u: np.ndarray) -> np.ndarray:
        """Return (cells,) values below which shares `u` of the distributions lie; zeros first."""
        rest = np.maximum(1 - self._zero, 1e-9)
        place = np.clip((u - self._zero) / rest, 0, 1) * QUANTILES - 0.5
        place = np.clip(place, 0, QUANTILES - 1)
        q = np.minimum(place.astype(np.int32), QUANTILES - 2)
        part, others = place - q, self._others
        low = (1 - part) * others[self._low, q] + part * others[self._low, q + 1]
        high = (1 - part) * others[self._low + 1, q] + part * others[self._low + 1, q + 1]
        value = (1 - self._part) * low + self._part * high
        return np.where(u < self._zero, 0, value)

    def some(self, cells: np.ndarray) -> Entries:
        """Return the distributions of some of the cells."""
        out = copy(self)
        out._low, out._part, out._zero = (x[cells] for x in (self._low, self._part, self._zero))
        return out

    def places(self, values: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return (cells,) shares of the distributions that lie below `values`.

        Where a share of a distribution lies at the value itself, as at zero, the place within it
        is that of the uniform `u` (the randomised probability integral transform).
        """
        levels = np.arange(1, _LEVELS, dtype=np.float32) / _LEVELS
        below = np.zeros(len(values), dtype=np.int64)
        up_to = np.zeros(len(values), dtype=np.int64)
        for level in levels:
            quantile = self.at(np.full(len(values), level, dtype=np.float32))
            below += quantile < values
            up_to += quantile <= values
        return np.asarray((below + (up_to - below + 1) * u) / _LEVELS)

    def expected(self) -> np.ndarray:
        """Return (cells,) means."""
        means = self._others.mean(axis=1, dtype=np.float64)
        value = (1 - self._part) * means[self._low] + self._part * means[self._low + 1]
        return np.asarray((1 - self._zero) * value)


def on_line(value: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return (cells,) `value` moved and stretched to lie nearest to `expected`."""
    apart = value - value.mean()
    variance = float((apart**2).sum())
    slope = max(float((apart * expected).sum()) / variance, 0.0) if variance > 1e-12 else 0.0
    return np.asarray(expected.mean() + slope * apart)


def _features(mean: np.ndarray) -> np.ndarray:
    level = mean.mean(axis=0, dtype=np.float64)
    return np.stack([level, mean.std(axis=0, dtype=np.float64)], axis=1)


def _places(mean: np.ndarray) -> np.ndarray:
    """Return (cells,) where each cell stands among all by its prediction, 0 to 1."""
    return np.asarray((rankdata(mean) - 0.5) / len(mean))


def _values(mean: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (bins, samples) evenly spaced quantiles of `truth` over bins of place."""
    truth = truth[np.argsort(mean, kind="stable")]
    cuts = np.round(EDGES * len(truth)).astype(int)
    at = (np.arange(SAMPLES) + 0.5) / SAMPLES
    out = np.empty((len(EDGES) - 1, SAMPLES), dtype=np.float32)
    for i, start in enumerate(cuts[:-1]):
        stop = max(cuts[i + 1], start + 1)
        part = np.sort(truth[min(start, len(truth) - 1) : stop])
        # measured values, not values between them: zeros stay zeros
        out[i] = part[np.minimum((at * len(part)).astype(int), len(part) - 1)]
    return out


def _quantiles(ascending: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return (rows, quantiles) of rows that are sorted."""
    n = ascending.shape[1]
    place = np.clip(at * n - 0.5, 0, n - 1)
    low = place.astype(int)
    high, part = np.minimum(low + 1, n - 1), place - low
    return np.asarray((1 - part) * ascending[:, low] + part * ascending[:, high])


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of a gene: its own, whichever others are asked for."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
