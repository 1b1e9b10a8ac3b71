"""Intervals: how much those of draws cover, and how wide they must be to keep their word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEVEL = 0.8
# Fewest held-out entries for a quantile of their own.
MIN_GROUP = 50


def pit(truth: np.ndarray, draws: np.ndarray, seed: int = 0, first: int = 0) -> np.ndarray:
    """Return the randomised probability integral transform of each entry, (cells, genes).

    The truth's place among its draws, from 0 to 1, ties (zeros, above all) broken at random:
    ``(#{draws < y} + v (#{draws = y} + 1)) / (m + 1)`` with v uniform. Where the truth is like
    the draws, these are uniform for any number of draws.

    Parameters
    ----------
    truth
        (cells, genes).
    draws
        (m, cells, genes), m at least 1.
    seed
        Of v; each gene has a stream of its own.
    first
        Number of the first gene, where these are a block of more.
    """
    cells, genes = truth.shape
    v = np.empty((cells, genes))
    for gene in range(genes):
        v[:, gene] = np.random.default_rng((seed, first + gene)).random(cells)
    below = np.zeros((cells, genes))
    same = np.zeros((cells, genes))
    for draw in draws:  # one at a time: no second array of the size of the draws
        below += draw < truth
        same += draw == truth
    return np.asarray((below + v * (same + 1)) / (len(draws) + 1))


@dataclass(frozen=True)
class Coverage:
    """Share of entries inside their central interval, by the randomised PIT.

    What lies in the truth's zeros alone says nothing by itself: where 95 % of an entry's draws
    are zero, a perfect forecast covers no non-zero value with its central 80 %. So the share
    that the forecast would reach if the truth were one more of its draws is given beside it.

    Attributes
    ----------
    all
        Of all entries; the level, for a calibrated forecast.
    zeros, nonzeros
        Of the entries whose truth is zero, and of the others.
    zeros_expected, nonzeros_expected
        What `zeros` and `nonzeros` would be for truth drawn from the forecast itself.
    """

    all: float | None
    zeros: float | None
    nonzeros: float | None
    zeros_expected: float | None
    nonzeros_expected: float | None


def coverage_counts(
    truth: np.ndarray, draws: np.ndarray, level: float = LEVEL, seed: int = 0, first: int = 0
) -> dict[str, np.ndarray]:
    """Return what :func:`coverage` divides, each (genes,), so that it can be added up.

    Parameters as in :func:`pit`; `level` is the share of the central interval.

    Returns
    -------
    dict
        ``n`` and ``inside`` for all entries, and with the endings ``_zero`` and ``_nonzero``
        for those with zero truth and the others; ``inside_expected_*`` and ``n_expected_*`` are
        what a truth drawn from the forecast would give, in entries.
    """
    low, high = (1 - level) / 2, (1 + level) / 2
    u = pit(truth, draws, seed, first)
    inside = (u >= low) & (u <= high)
    zero = truth == 0
    share = np.zeros(truth.shape)
    for draw in draws:
        share += draw == 0
    share /= len(draws)
    # Zero truth has its PIT in [0, share], other truth in [share, 1].
    in_zero = np.clip(np.minimum(share, high) - low, 0, None)
    in_other = np.clip(high - np.maximum(share, low), 0, None)
    parts = {
        "n": np.ones(truth.shape),
        "inside": inside,
        "n_zero": zero,
        "inside_zero": inside & zero,
        "n_nonzero": ~zero,
        "inside_nonzero": inside & ~zero,
        "n_expected_zero": share,
        "inside_expected_zero": in_zero,
        "n_expected_nonzero": 1 - share,
        "inside_expected_nonzero": in_other,
    }
    return {name: part.sum(axis=0, dtype=np.float64) for name, part in parts.items()}


def coverage_of(counts: Mapping[str, np.ndarray | float]) -> Coverage:
    """Return the shares of counts as :func:`coverage_counts` gives them, over all their genes."""

    def share(inside: str, n: str) -> float | None:
        total = float(np.sum(counts[n]))
        return float(np.sum(counts[inside])) / total if total > 0 else None

    return Coverage(
        all=share("inside", "n"),
        zeros=share("inside_zero", "n_zero"),
        nonzeros=share("inside_nonzero", "n_nonzero"),
        zeros_expected=share("inside_expected_zero", "n_expected_zero"),
        nonzeros_expected=share("inside_expected_nonzero", "n_expected_nonzero"),
    )


def coverage(
    truth: np.ndarray, draws: np.ndarray, level: float = LEVEL, seed: int = 0
) -> Coverage:
    """Return the share of entries inside the central interval of their draws.

    Parameters
    ----------
    truth
        (cells, genes).
    draws
        (m, cells, genes).
    level
        Share of the central interval.
    seed
        Of the random breaking of ties.
    """
    return coverage_of(coverage_counts(truth, draws, level, seed))


def conformal_quantile(scores: np.ndarray, level: float = LEVEL) -> float:
    """Return the split-conformal quantile of nonconformity scores.

    The ``ceil((n + 1) level)``-th smallest: a new entry, exchangeable with these, scores at most
    that with a probability of at least `level`. Infinite where n is too small for that.

    Parameters
    ----------
    scores
        (n,) of held-out entries; NaN counts as infinite.
    level
        Share to cover.
    """
    scores = np.where(np.isnan(scores), np.inf, np.asarray(scores, dtype=np.float64)).ravel()
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    if rank > len(scores):
        return math.inf
    return float(np.partition(scores, rank - 1)[rank - 1])


def conformal_by_group(
    scores: np.ndarray,
    group: np.ndarray,
    level: float = LEVEL,
    at_least: int = MIN_GROUP,
) -> dict[str, float]:
    """Return the split-conformal quantile of each group.

    Parameters
    ----------
    scores
        (n,) nonconformity of held-out entries, or (cells, genes).
    group
        (n,) label of each entry, or (genes,) of each column.
    level
        Share to cover in every group.
    at_least
        A group with fewer entries takes the quantile of all.

    Returns
    -------
    dict
        Group -> quantile, and "" -> that of all entries, for groups never seen.
    """
    scores = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(group, dtype=object).astype(str)
    whole = conformal_quantile(scores, level)
    out = {"": whole}
    for name in np.unique(labels):
        own = scores[..., labels == name]
        out[str(name)] = conformal_quantile(own, level) if own.size >= at_least else whole
    return out
