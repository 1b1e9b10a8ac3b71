"""Paired tests over genes, and how much a score varies when cells are drawn anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """One method against another, over the same genes.

    Attributes
    ----------
    other
        The method compared with.
    genes
        Pairs.
    difference
        Mean over genes, first minus other.
    better
        Share of genes where the first is higher.
    p
        Of the two-sided Wilcoxon signed-rank test, corrected for the number of others (Holm).
    """

    other: str
    genes: int
    difference: float
    better: float
    p: float


def compare(first: np.ndarray, others: Mapping[str, np.ndarray]) -> list[Comparison]:
    """Compare per-gene values of one method with those of each other one.

    Parameters
    ----------
    first
        (genes,) values; NaN where a gene has none.
    others
        Method -> (genes,) values.

    Returns
    -------
    list of Comparison
        In the order of `others`, p corrected by Holm over them.
    """
    raw, found = [], []
    for name, values in others.items():
        both = np.isfinite(first) & np.isfinite(values)
        d = (first - values)[both]
        p = float(wilcoxon(d).pvalue) if (d != 0).any() else 1.0
        raw.append(p)
        mean = float(d.mean()) if len(d) else 0.0
        share = float((d > 0).mean()) if len(d) else 0.0
        found.append(Comparison(name, int(both.sum()), mean, share, p))
    corrected = holm(raw)
    return [
        Comparison(c.other, c.genes, c.difference, c.better, p)
        for c, p in zip(found, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected by Holm's step-down method."""
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        out[i] = highest
    return [float(v) for v in out]


def verdict(comparison: Comparison) -> str:
    """Return "first", "not significantly below" or "below"."""
    if comparison.difference >= 0:
        return "first"
    return "below" if comparison.p < ALPHA else "not significantly below"


def bootstrap_interval(
    values: np.ndarray, cells: np.ndarray, repeats: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval of a mean over draws and groups, when both are drawn anew.

    Parameters
    ----------
    values
        (draws, groups).
    cells
        (groups,) weights.
    repeats, seed, level
        Of the bootstrap.

    Returns
    -------
    tuple or None
        Percentile interval; None without groups.
    """
    if not values.size:
        return None
    rng = np.random.default_rng(seed)
    draws, groups = values.shape
    means = np.empty(repeats)
    for i in range(repeats):
        mean = values[rng.integers(0, draws, draws)].mean(axis=0)
        some = rng.integers(0, groups, groups)
        means[i] = mean[some] @ cells[some] / cells[some].sum()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
