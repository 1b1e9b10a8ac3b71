"""How far to trust a predicted gene: learned on genes that were measured but hidden."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from scipy.stats import spearmanr

from ..data.panel import Panel
from ..data.predicted import BADGES, Z80, Reliability, badge_of
from ..methods.genes.held_out import HeldOut
from ..methods.genes.spread import Spread
from ..scoring.correlation import column_pearson
from ..scoring.intervals import conformal_by_group, conformal_quantile
from .gene_features import FLAT, NAMES, GeneFeatures

_FEWEST = 5  # held-out genes that anything can be learned from
_GROUP = 5  # fewest held-out genes that a group's spread is calibrated on
_CELLS = 2000  # cells that spreads are calibrated on
_DRAWS = 32
_USUAL = 0.4  # deviation of a gene's Fisher z, as far as anybody knows before looking
_ONE_BY_ONE = 300  # held-out genes that are left out one by one; more go in 20 groups
_PENALTIES = np.logspace(-2, 3, 11)  # per gene


@dataclass(frozen=True)
class Line:
    """A ridge regression on standardised features; ``weights`` has the intercept last."""

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit (genes, features) to (genes,); the penalty has the least leave-one-out error."""
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        deviation = np.where(deviation > 1e-9, deviation, 1.0)
        u, s, vt = np.linalg.svd((x - mean) / deviation, full_matrices=False)
        centre = float(y.mean())
        along = u.T @ (y - centre)
        best, least = np.zeros(x.shape[1]), np.inf
        for penalty in _PENALTIES * len(y):
            shrunk = s**2 / (s**2 + penalty)
            # what a gene's own value has to say about its fit: intercept and ridge
            own = np.minimum((u**2) @ shrunk + 1 / len(y), 1 - 1e-6)
            error = float((((y - centre - u @ (shrunk * along)) / (1 - own)) ** 2).sum())
            if error < least:
                least, best = error, vt.T @ (s / (s**2 + penalty) * along)
        return cls(mean, deviation, np.append(best, centre))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (genes,) for (genes, features)."""
        return np.asarray((x - self.mean) / self.deviation @ self.weights[:-1] + self.weights[-1])


@dataclass(frozen=True)
class Assessor:
    """Says what Pearson a predicted gene will reach, and how wide its cells' spread should be.

    Both are learned from the shared genes, each predicted while it was hidden.

    Attributes
    ----------
    features
        What is known about a gene without measuring it; None without held-out genes.
    line
        From features to Pearson.
    achieved, expected
        (shared,) Pearson that held-out genes reached, and what was expected of each by a
        regression that had not seen it.
    reach
        Half the width of the 80 % interval of an expectation.
    doubt
        Variance, on Fisher's z scale, of what all held-out genes reached together, because cells
        or genes are few; see :func:`doubted`.
    factors
        Badge -> what the method's spread is multiplied by, so that mean +- 1.28 spreads holds
        80 % of the cells of held-out genes with that badge (split conformal, genes pooled where
        a badge has fewer than 5).
    residuals
        What held-out genes say about the spread of a method that gives none.
    judged
        (shared,) which of the shared genes were held out, and vary in the tissue.
    least
        Smallest spread of any cell.
    scores
        ``held_out_pcc``, ``held_out_pcc_median``, ``reliability_spearman``, ``coverage80``.
    notes
        Sentences a user should read.
    """

    features: GeneFeatures | None = None
    line: Line | None = None
    achieved: np.ndarray = field(default_factory=lambda: np.zeros(0))
    expected: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reach: float = 2.0
    doubt: float = 0.0
    factors: dict[str, float] = field(default_factory=dict)
    residuals: Spread | None = None
    judged: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    least: float = 0.0
    scores: dict[str, float | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, panel: Panel, held: HeldOut | None) -> Self:
        """Learn from the held-out genes; without any, nothing is promised."""
        if held is None:
            return cls(
                notes=(
                    f"Tissue and reference share {len(panel.genes)} genes, too few to say how far "
                    "to trust a prediction.",
                )
            )
        truth = held.truth(panel)
        judged = held.judged & (np.ptp(truth, axis=0) > 0)  # no correlation with a constant
        if judged.sum() < _FEWEST:
            return cls(
                notes=(
                    f"{int(judged.sum())} of the {len(panel.genes)} shared genes vary in the "
                    "tissue, too few to say how far to trust a prediction.",
                )
            )
        truth, mean = truth[:, judged], held.mean[:, judged]
        achieved = np.nan_to_num(column_pearson(truth, mean))
        features = GeneFeatures.of(panel)
        known = features.of_shared(np.nan_to_num(held.mean))[judged]
        alike = features.likeness()[np.ix_(judged, judged)]
        doubt = _doubt(achieved, panel.n_cells)
        expected = doubted(_nested(known, alike, achieved), doubt)
        line = Line.fit(_with_likes(known, alike, achieved), achieved)
        badges = np.array([badge_of(r) for r in expected])
        rows = _some(panel.n_cells) if held.cells is None else held.cells
        error = np.abs(truth[rows] - mean[rows])
        least = max(0.05 * float(np.sqrt((error**2).mean())), 1e-9)
        if held.std is None:
            residuals: Spread | None = Spread.fit(mean[rows], truth[rows])
            spread = _crosswise(mean[rows], truth[rows])
        else:
            of = held.std if held.cells is not None else held.std[rows]
            residuals, spread = None, of[:, judged]
        ratio = error / np.maximum(spread, least)
        ok = len(achieved) > 2 and np.ptp(achieved) > 0 and np.ptp(expected) > 0
        rho = float(spearmanr(expected, achieved).statistic) if ok else None
        scores = {
            "held_out_pcc": float(achieved.mean()),
            "held_out_pcc_median": float(np.median(achieved)),
            "reliability_spearman": rho,
            "coverage80": _coverage(ratio, badges),
        }
        said = "not known" if rho is None else f"{rho:.2f}"
        return cls(
            features=features,
            line=line,
            achieved=achieved,
            expected=expected,
            reach=min(conformal_quantile(np.abs(achieved - expected)), 2.0),
            doubt=doubt,
            factors=_factors(ratio, badges),
            residuals=residuals,
            judged=judged,
            least=least,
            scores=scores,
            notes=(
                f"{len(achieved)} shared genes, hidden in turn, were predicted with a mean "
                f"Pearson of {achieved.mean():.2f}; expected and reached Pearson agree with a "
                f"Spearman of {said}.",
            ),
        )

    def assess(self, genes: np.ndarray, mean: np.ndarray) -> Reliability:
        """Return what `genes`, predicted as `mean` (cells, genes), are expected to reach."""
        n = len(genes)
        if self.features is None or self.line is None:
            return Reliability(np.zeros(n), np.full(n, -1.0), np.full(n, 1.0))
        known = self.features.of_wanted(genes, mean)
        x = _with_likes(known, self.features.likeness(genes)[:, self.judged], self.achieved)
        # no further than what held-out genes reached: a straight line knows no end
        at = np.clip(self.line(x), self.achieved.min(), self.achieved.max())
        at = doubted(at, self.doubt)
        # nothing is known of a gene that the reference has constant, nor said by a flat prediction
        constant = known[:, NAMES.index("variance")] <= FLAT
        at[constant | (np.ptp(mean, axis=0) <= 1e-9)] = 0.0
        # an error that all held-out genes share is not among the differences of their errors
        half = np.hypot(self.reach, Z80 * np.sqrt(self.doubt) * (1 - at**2))
        low, high = (np.clip(at + sign * half, -1, 1) for sign in (-1, 1))
        return Reliability(at, low, high)

    def spread(
        self, genes: np.ndarray, mean: np.ndarray, std: np.ndarray | None, trust: Reliability
    ) -> np.ndarray:
        """Return the calibrated spread of each cell, (cells, genes) float32.

        Parameters
        ----------
        genes
            (genes,) names.
        mean, std
            (cells, genes) what the method says; its spread may be None.
        trust
            Of the same genes.
        """
        if std is not None:
            out = np.asarray(std, dtype=np.float32)
        elif self.residuals is not None:
            out = _drawn(self.residuals, mean, genes)
        else:  # neither held-out genes nor draws: as much as the prediction itself
            out = np.abs(mean)
        out = np.maximum(out, self.least)
        factor = [self.factors.get(str(b), 1.0) for b in trust.badges]
        return np.asarray(out * np.asarray(factor), dtype=np.float32)


def _doubt(achieved: np.ndarray, n_cells: int) -> float:
    """Return how uncertain the common level of the (genes,) Pearson correlations is.

    Its variance on Fisher's z scale: 1 / (cells - 3), which all genes of the same cells share, and
    the genes' own variance over their number.
    """
    z = _fisher(achieved)
    return 1 / max(n_cells - 3, 0.5) + float(z.var(ddof=1)) / len(z)


def doubted(expected: np.ndarray, doubt: float) -> np.ndarray:
    """Draw expected Pearson correlations towards zero, as far as few cells or genes ask for.

    The posterior mean of Fisher's z under a normal prior around zero with a deviation of .4: with
    hundreds of cells and tens of genes next to nothing changes, with ten cells half is lost.

    Parameters
    ----------
    expected
        (genes,).
    doubt
        Variance of their common level on the z scale.
    """
    return np.asarray(np.tanh(_fisher(expected) * _USUAL**2 / (_USUAL**2 + doubt)))


def _fisher(pearson: np.ndarray) -> np.ndarray:
    return np.asarray(np.arctanh(np.clip(pearson, -0.999, 0.999)))


def _nested(known: np.ndarray, alike: np.ndarray, achieved: np.ndarray) -> np.ndarray:
    """Return (genes,) what is expected of each gene by all but its own group's achievements."""
    n = len(achieved)
    order = np.random.default_rng(0).permutation(n)
    groups = np.array_split(order, n if n <= _ONE_BY_ONE else 20)
    out = np.empty(n)
    for away in groups:
        rest = np.setdiff1d(order, away)
        x = _with_likes(known, alike[:, rest], achieved[rest])
        reached = achieved[rest]
        out[away] = np.clip(Line.fit(x[rest], reached)(x[away]), reached.min(), reached.max())
    return out


def _with_likes(known: np.ndarray, alike: np.ndarray, achieved: np.ndarray) -> np.ndarray:
    """Return the features with one more: what like genes reached, drawn towards the mean of all.

    `alike` is (genes, held-out) and `achieved` (held-out,).
    """
    weight = alike.sum(axis=1) + 0.05
    likes = (alike @ achieved + 0.05 * achieved.mean()) / weight
    return np.column_stack([known, likes])


def _some(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, _CELLS)).astype(np.int64))


def _factors(ratio: np.ndarray, badges: np.ndarray) -> dict[str, float]:
    """Return badge -> factor from (cells, genes) error over spread."""
    found = conformal_by_group(ratio, badges, at_least=_GROUP * len(ratio))
    return {badge: found.get(badge, found[""]) / Z80 for badge in BADGES}


def _coverage(ratio: np.ndarray, badges: np.ndarray) -> float | None:
    """Return the share of cells within the interval when other genes decide the factor."""
    turn = np.arange(ratio.shape[1]) % 2
    inside = total = 0
    for k in (0, 1):
        factors = _factors(ratio[:, turn != k], badges[turn != k])
        limit = Z80 * np.array([factors[b] for b in badges[turn == k]])
        part = ratio[:, turn == k] <= limit
        inside, total = inside + int(part.sum()), total + part.size
    return inside / total if total else None


def _crosswise(mean: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (cells, genes) the spread of each half of the genes that the other half tells."""
    out = np.empty(mean.shape, dtype=np.float32)
    turn = np.arange(mean.shape[1]) % 2
    for k in (0, 1):
        told = Spread.fit(mean[:, turn != k], truth[:, turn != k])
        out[:, turn == k] = _drawn(told, mean[:, turn == k], np.flatnonzero(turn == k))
    return out


def _drawn(spread: Spread, mean: np.ndarray, genes: np.ndarray) -> np.ndarray:
    draws = spread.draws(mean, _DRAWS, [str(gene) for gene in genes], 0)
    return np.asarray(draws.std(axis=0, ddof=1), dtype=np.float32)
