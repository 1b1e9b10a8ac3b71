"""How predicted genes are scored against genes that were measured and hidden.

Cells are rows, genes are columns, values are on the log-normalised scale of the visible genes.
Formulas of PCC, SSIM, RMSE, JS and the accuracy score: Li et al., Nature Methods 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from ..data.prediction import Prediction
from .correlation import column_pearson, varying
from .distribution import crps
from .intervals import coverage_counts, coverage_of
from .section import MIN_DRAWS

# Score -> whether more is better; the accuracy score ranks methods by these four.
RANKED = {"pcc": True, "ssim": True, "rmse": False, "js": False}
MEANS = (
    *("pcc", "pcc_median", "ssim", "rmse", "rmse_z", "js", "crps"),
    *("coverage80", "coverage80_zeros", "coverage80_nonzeros"),
    *("coverage80_zeros_expected", "coverage80_nonzeros_expected"),
)
_BLOCK = 40_000_000  # entries of draws that are worked on at once
_ROBUST = 0.5
EQUAL = 1e-6  # difference of two scores up to which they are one
_WORST = -1e12  # of a score that is not there


def pcc(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (genes,) Pearson over cells, both (cells, genes).

    NaN for genes that are constant in the truth; 0 where only the prediction is.
    """
    return column_pearson(truth, prediction)


def ssim(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (genes,) structural similarity over cells, both (cells, genes).

    One statistic a gene, without windows: truth and prediction (clipped at 0) are each divided by
    their maximum; with means m, population variances v, covariance c, C1 = .01^2 and C2 = .03^2
    it is ``(2 m1 m2 + C1)(2 c + C2) / ((m1^2 + m2^2 + C1)(v1 + v2 + C2))``. The constants are
    those of a range M = 1, and of M = 0 where nothing is predicted, which so scores 0. NaN for
    genes that are constant in the truth.
    """
    t, p, known = _pair(truth, np.maximum(prediction, 0))
    top_t, top_p = t.max(axis=0, initial=0.0), p.max(axis=0, initial=0.0)
    t = t / np.where(top_t > 0, top_t, 1.0)
    p = p / np.where(top_p > 0, top_p, 1.0)
    c1, c2 = 0.01**2 * (top_p > 0), 0.03**2 * (top_p > 0)
    m1, m2 = t.mean(axis=0), p.mean(axis=0)
    v1, v2 = t.var(axis=0), p.var(axis=0)
    c = ((t - m1) * (p - m2)).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = (2 * m1 * m2 + c1) * (2 * c + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))
    return np.where(known, out, np.nan)


def rmse(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (genes,) root mean squared error on the scale of the truth (log).

    NaN for genes that are constant in the truth, as for the other scores.
    """
    t, p, known = _pair(truth, prediction)
    return np.where(known, np.sqrt(((t - p) ** 2).mean(axis=0)), np.nan)


def rmse_z(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (genes,) root mean squared error of z-scores (population sd): sqrt(2 (1 - PCC)).

    A constant prediction has no z-scores and counts as uncorrelated (sqrt 2), so that it is not
    ahead of a weak but real prediction.
    """
    return np.sqrt(2 * (1 - pcc(truth, prediction)))


def js(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (genes,) Jensen-Shannon divergence of where in the tissue a gene is, in nats.

    Truth and prediction, clipped at 0, are divided by their sums to P and Q; with M their mean it
    is ``KL(P|M)/2 + KL(Q|M)/2``, at most ln 2. A prediction of nothing is constant, and counts as
    equal everywhere. NaN for genes that are constant in the truth.
    """
    t, p, known = _pair(np.maximum(truth, 0), np.maximum(prediction, 0))
    shares = []
    for x in (t, p):
        total = x.sum(axis=0)
        shares.append(np.where(total > 0, x / np.where(total > 0, total, 1.0), 1 / max(1, len(x))))
    middle = (shares[0] + shares[1]) / 2
    out = np.zeros(t.shape[1])
    for share in shares:
        ratio = np.where(share > 0, share / np.where(middle > 0, middle, 1.0), 1.0)
        out += 0.5 * (share * np.log(ratio)).sum(axis=0)
    return np.where(known, np.maximum(out, 0.0), np.nan)


def accuracy_scores(table: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """Return the accuracy score of each method of a run, in (0, 1], more is better.

    The methods are ranked by their gene means of PCC, SSIM (more is better), RMSE and JS (less
    is better), the best getting as many points as there are methods and ties sharing theirs (a
    millionth is no difference: the same mean differs by as much between two machines); the mean
    of the four, divided by the number of methods.

    Parameters
    ----------
    table
        Method -> scores, with ``pcc``, ``ssim``, ``rmse`` and ``js``; one that is None or not
        there is the worst.
    """
    names = list(table)
    points = np.zeros(len(names))
    for score, more in RANKED.items():
        values = [table[name].get(score) for name in names]
        goodness = np.array(
            [
                _WORST if v is None or np.isnan(v) else (float(v) if more else -float(v))
                for v in values
            ]
        )
        ahead = goodness[:, None] - goodness
        points += (ahead > EQUAL).sum(axis=1) + (np.abs(ahead) <= EQUAL).sum(axis=1) / 2 + 0.5
    return {
        name: float(p) / (len(RANKED) * len(names)) for name, p in zip(names, points, strict=True)
    }


def robustness(
    original: Mapping[str, float], thinned: Mapping[str, float], threshold: float = _ROBUST
) -> float | None:
    """Return the share of genes predicted well from the data and from thinned data alike.

    Parameters
    ----------
    original, thinned
        Gene -> Pearson of the prediction made from all counts, and from the counts that were
        left by :func:`downsample`. Genes without a Pearson in `original` are left out; one
        without in `thinned` is not predicted well.
    threshold
        Pearson above which a gene is predicted well, in both.

    Returns
    -------
    float or None
        None where no gene is defined.
    """
    known = [gene for gene, r in original.items() if r is not None and np.isfinite(r)]
    if not known:
        return None
    both = sum(
        original[gene] > threshold and (thinned.get(gene) or -1.0) > threshold for gene in known
    )
    return both / len(known)


def downsample(counts: Any, share: float, seed: int = 0) -> Any:
    """Return counts after `share` of all molecules were taken away, each by chance.

    Parameters
    ----------
    counts
        (cells, genes) whole numbers, dense or sparse; never changed.
    share
        Share removed, from 0 to 1: an entry n becomes Binomial(n, 1 - share).
    seed
        Same seed, same molecules.

    Raises
    ------
    StdiffError
        When the values are no counts or the share is out of range.
    """
    if not 0 <= share <= 1:
        raise StdiffError(f"The share of counts to remove is {share}; give one from 0 to 1.")
    thin = hasattr(counts, "toarray")  # sparse
    values = np.asarray(counts.data if thin else counts)
    if values.size and (values.min() < 0 or not np.array_equal(values, np.rint(values))):
        raise StdiffError("Only counts can be thinned, and these values are no whole numbers.")
    rng = np.random.default_rng(seed)
    kept = rng.binomial(values.astype(np.int64), 1 - share).astype(values.dtype)
    if not thin:
        return kept
    out = counts.copy()
    out.data = kept
    if hasattr(out, "eliminate_zeros"):
        out.eliminate_zeros()
    return out


@dataclass(frozen=True)
class GeneScores:
    """Scores of predicted genes.

    Attributes
    ----------
    per_gene
        One row a gene: ``pcc``, ``ssim``, ``rmse`` (log scale), ``rmse_z``, ``js``, ``crps`` and
        ``coverage80``, NaN where not defined or without draws.
    counts
        One row a gene: what :func:`~.intervals.coverage_counts` gives, for genes with draws.
    """

    per_gene: pd.DataFrame
    counts: pd.DataFrame

    @property
    def means(self) -> dict[str, float | None]:
        """Every name of `MEANS` -> value; None where it does not apply.

        Means over the genes that vary in the truth, the median of ``pcc`` beside them;
        coverage over all entries.
        """
        out: dict[str, float | None] = {}
        for name in MEANS[:7]:
            known = self.per_gene[name.removesuffix("_median")].dropna()
            value = known.median() if name == "pcc_median" else known.mean()
            out[name] = float(value) if len(known) else None
        shares = coverage_of({str(c): self.counts[c].to_numpy() for c in self.counts})
        of = (
            *(shares.all, shares.zeros, shares.nonzeros),
            *(shares.zeros_expected, shares.nonzeros_expected),
        )
        return {**out, **dict(zip(MEANS[7:], of, strict=True))}

    @classmethod
    def joined(cls, parts: Sequence[GeneScores]) -> GeneScores:
        """Return the scores of several folds as of one run, each gene in one of them."""
        return cls(
            pd.concat([part.per_gene for part in parts]),
            pd.concat([part.counts for part in parts]),
        )


def score_genes(truth: np.ndarray, prediction: Prediction, *, seed: int = 0) -> GeneScores:
    """Score predicted genes.

    Parameters
    ----------
    truth
        (cells, genes) measured expression of the hidden genes, on the scale of the prediction
        (`Panel.scaled`), genes as in `prediction`.
    prediction
        Mean, and draws where there are any: CRPS and coverage need at least 16.
    seed
        Of the random breaking of ties in the coverage.

    Raises
    ------
    StdiffError
        When the shapes do not fit each other.
    """
    truth = np.asarray(truth)
    if prediction.mean.shape != truth.shape:
        raise StdiffError(
            f"The prediction holds {prediction.mean.shape} cells and genes where {truth.shape} "
            "were expected; predict the genes that are scored."
        )
    n_cells, n_genes = truth.shape
    draws = prediction.draws if prediction.draws is not None else np.zeros((0, n_cells, 0))
    drawn = len(draws) >= MIN_DRAWS and n_cells > 0
    step = max(1, _BLOCK // max(1, n_cells * max(1, len(draws))))
    tables, counts = [], []
    for start in range(0, n_genes, step):
        block = slice(start, start + step)
        names = pd.Index([str(gene) for gene in prediction.genes[block]])
        t, p = truth[:, block], prediction.mean[:, block]
        table = pd.DataFrame({f.__name__: f(t, p) for f in (pcc, ssim, rmse, rmse_z, js)}, names)
        table["crps"] = np.nan
        table["coverage80"] = np.nan
        parts = draws[:, :, block] if drawn else None
        if parts is not None and np.isfinite(parts).all():
            inside = coverage_counts(t, parts, seed=seed, first=start)
            counts.append(pd.DataFrame(inside, names))
            table["crps"] = [crps(t[:, [g]], parts[:, :, [g]]) for g in range(t.shape[1])]
            table["coverage80"] = inside["inside"] / inside["n"]
        tables.append(table)
    none = {name: np.zeros(0) for name in coverage_counts(np.zeros((1, 1)), np.zeros((1, 1, 1)))}
    return GeneScores(
        pd.concat(tables) if tables else pd.DataFrame(columns=[*MEANS[:1], *MEANS[2:8]]),
        pd.concat(counts) if counts else pd.DataFrame(none),
    )


def _pair(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both in float64, finite, and (genes,) where a score is defined."""
    t = np.asarray(truth, dtype=np.float64)
    p = np.asarray(prediction, dtype=np.float64)
    finite = np.isfinite(p).all(axis=0)
    return t, np.where(finite, p, 0.0), varying(t) & finite
