"""How filled-in entries (cell and gene) are scored against entries that were measured and hidden.

Every score is of one gene over its hidden entries, then the mean over genes. ``pcc`` is the same
on any scale. ``cosine``, ``rmse``, ``mae`` and ``crps`` are of z-scores: each gene less the mean
of its visible entries, over their standard deviation, so that genes count alike and filling in
the gene's mean has an RMSE of about 1 and a cosine of 0. ``ssim`` is of expression on the common
(log-normalised) scale, as of predicted genes. A gene without any visible entry has no z-scores;
its scores are on the common scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from ..data.prediction import Prediction
from ..data.visible import Visible
from .correlation import column_pearson, varying
from .distribution import crps
from .genes import downsample, ssim
from .intervals import coverage_counts, coverage_of
from .section import MIN_DRAWS

SCORES = ("pcc", "cosine", "rmse", "mae", "ssim", "crps", "coverage80")
# What is told of the entries whose truth is zero, and of the others: zeros do not vary.
PARTS = {
    "zeros": ("rmse", "mae", "crps"),
    "nonzeros": ("pcc", "cosine", "rmse", "mae", "crps"),
}
LOWER = frozenset({"rmse", "mae", "crps"})
# Fewest entries of a gene (or of a part of it) that a score is made of.
FEWEST = 3


def entry_mask(
    shape: tuple[int, int], share: float, seed: int = 0, among: np.ndarray | None = None
) -> np.ndarray:
    """Draw which entries are hidden, each with the same chance.

    Parameters
    ----------
    shape
        (cells, genes).
    share
        Chance of an entry, between 0 and 1.
    seed
        Each gene has a stream of its own: what is hidden of it does not depend on the others.
    among
        (cells, genes) bool, entries that may be hidden at all (those that are not zero, or those
        that are visible); None: every one.

    Returns
    -------
    numpy.ndarray
        (cells, genes) bool.

    Raises
    ------
    StdiffError
        When the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise StdiffError(f"The share of entries to hide lies between 0 and 1 (got {share:g}).")
    hidden = np.empty(shape, dtype=bool)
    for gene in range(shape[1]):
        hidden[:, gene] = np.random.default_rng((seed, gene)).random(shape[0]) < share
    return hidden if among is None else hidden & among


def thinned(counts: Any, seed: int = 0) -> tuple[Any, Any]:
    """Split counts into two halves: each molecule falls into one or the other by chance.

    Where counts are Poisson, the halves are independent of each other given the expression, so
    that one can be predicted from the other without sharing its noise.

    Parameters
    ----------
    counts
        (cells, genes) whole numbers, dense or sparse; never changed.
    seed
        Same seed, same halves.

    Returns
    -------
    tuple
        Visible half, other half; they add up to `counts`.

    Raises
    ------
    StdiffError
        When the values are no counts.
    """
    half = downsample(counts, 0.5, seed)
    return half, counts - half


@dataclass(frozen=True)
class Answers:
    """Hidden entries and what was answered for them, gene by gene.

    Attributes
    ----------
    genes
        (genes,) names.
    start
        (genes + 1,) the entries of gene g are ``start[g]:start[g + 1]``.
    truth, mean
        (entries,) on the common scale of what was visible.
    draws
        (draws, entries), or None.
    """

    genes: np.ndarray
    start: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    draws: np.ndarray | None = None

    def each(self) -> Iterator[tuple[int, slice]]:
        """Yield the number of every gene and where its entries are."""
        for gene, (first, last) in enumerate(zip(self.start, self.start[1:], strict=False)):
            yield gene, slice(int(first), int(last))


def answers_of(truth: np.ndarray, prediction: Prediction, hidden: np.ndarray) -> Answers:
    """Take the hidden entries out of a prediction.

    Parameters
    ----------
    truth
        (cells, genes) measured expression on the scale of the prediction
        (`Visible.scaled` of the stored values).
    prediction
        Of these cells and genes; only its hidden entries are looked at.
    hidden
        (cells, genes) bool.

    Raises
    ------
    StdiffError
        When the shapes do not fit each other.
    """
    truth, mean = np.asarray(truth), np.asarray(prediction.mean)
    if not truth.shape == mean.shape == hidden.shape:
        raise StdiffError(
            f"The prediction holds {mean.shape} cells and genes, the truth {truth.shape} and the "
            f"mask of hidden entries {hidden.shape}; they have to be the same."
        )
    at = hidden.T  # gene after gene
    draws = prediction.draws
    return Answers(
        genes=np.asarray(prediction.genes),
        start=np.concatenate([[0], np.cumsum(hidden.sum(axis=0))]),
        truth=truth.T[at],
        mean=mean.T[at],
        draws=None
        if draws is None
        else np.stack([draw.T[at] for draw in draws])
        if len(draws)
        else None,
    )


@dataclass(frozen=True)
class EntryScores:
    """Scores of filled-in entries.

    Attributes
    ----------
    per_gene
        One row a gene with hidden entries that vary: every name of `SCORES`, and those of `PARTS`
        as ``rmse_zeros`` and so on; NaN where not defined or without draws. ``entries``,
        ``entries_zeros`` and ``entries_nonzeros`` say how many there are.
    counts
        One row a gene: what :func:`~.intervals.coverage_counts` gives, where there are draws.
    """

    per_gene: pd.DataFrame
    counts: pd.DataFrame

    @property
    def means(self) -> dict[str, float | None]:
        """Every name of `SCORES` -> mean over genes (coverage: over entries), or None."""
        out = {name: self._mean(name) for name in SCORES}
        return {**out, "coverage80": self._shares["all"]}

    @property
    def parts(self) -> dict[str, dict[str, float | int | None]]:
        """The scores of ``zeros`` and ``nonzeros`` apart.

        For each the scores of `PARTS`, ``coverage80``, ``coverage80_expected`` (what it would be
        for truth drawn from the forecast itself) and ``entries``.
        """
        shares, out = self._shares, {}
        for part, names in PARTS.items():
            said: dict[str, float | int | None] = {n: self._mean(f"{n}_{part}") for n in names}
            said["coverage80"] = shares[part]
            said["coverage80_expected"] = shares[f"{part}_expected"]
            said["entries"] = int(self.per_gene[f"entries_{part}"].sum())
            out[part] = said
        return out

    @property
    def _shares(self) -> dict[str, float | None]:
        return vars(coverage_of({str(c): self.counts[c].to_numpy() for c in self.counts}))

    def _mean(self, name: str) -> float | None:
        known = self.per_gene[name].dropna()
        return float(known.mean()) if len(known) else None


def score_entries(
    truth: np.ndarray,
    prediction: Prediction,
    hidden: np.ndarray,
    visible: Visible,
    *,
    seed: int = 0,
) -> EntryScores:
    """Score what was filled in for all cells of `visible`; see :func:`score_answers`.

    Parameters
    ----------
    truth
        (cells, genes) measured expression on the common scale of `visible`
        (``visible.scaled(raw)``).
    prediction
        For all cells, in order.
    hidden
        (cells, genes) bool, the entries that are scored.
    visible
        What the method saw.
    seed
        Of the random breaking of ties in the coverage.
    """
    return score_answers(answers_of(truth, prediction, hidden), visible, seed=seed)


def score_answers(answers: Answers, visible: Visible, *, seed: int = 0) -> EntryScores:
    """Score answers for hidden entries.

    Genes whose hidden entries do not vary in the truth, or are fewer than `FEWEST`, are left out.
    CRPS and coverage need at least 16 draws.

    Parameters
    ----------
    answers
        Truth, mean and draws on the common scale of `visible`.
    visible
        What the method saw: its mean and deviation of each gene make the z-scores.
    seed
        Of the random breaking of ties in the coverage; each gene has a stream of its own.
    """
    place = {str(g): i for i, g in enumerate(visible.genes)}
    rows, counts, names = [], [], []
    drawn = answers.draws is not None and len(answers.draws) >= MIN_DRAWS
    for gene, at in answers.each():
        truth = answers.truth[at].astype(np.float64)
        mean = answers.mean[at].astype(np.float64)
        if len(truth) < FEWEST or not varying(truth[:, None])[0]:
            continue
        draws = answers.draws[:, at] if drawn and answers.draws is not None else None
        if draws is not None and not np.isfinite(draws).all():
            draws = None
        column = place[str(answers.genes[gene])]
        scale = float(visible.mean[column]), float(visible.deviation[column])
        row, inside = _gene(truth, mean, draws, scale, (seed, gene))
        names.append(str(answers.genes[gene]))
        rows.append(row)
        if inside is not None:
            counts.append(pd.DataFrame(inside, index=names[-1:]))
    none = coverage_counts(np.zeros((1, 0)), np.zeros((1, 1, 0)))
    return EntryScores(
        pd.DataFrame(rows, index=pd.Index(names, dtype=object), columns=_columns(), dtype=float),
        pd.concat(counts) if counts else pd.DataFrame(none),
    )


def _columns() -> list[str]:
    apart = [f"{name}_{part}" for part, names in PARTS.items() for name in names]
    return [*SCORES, *apart, "entries", "entries_zeros", "entries_nonzeros"]


def _gene(
    truth: np.ndarray,
    mean: np.ndarray,
    draws: np.ndarray | None,
    scale: tuple[float, float],
    stream: tuple[int, int],
) -> tuple[dict[str, float], dict[str, np.ndarray] | None]:
    """Return the scores of one gene and what its coverage is made of."""
    row: dict[str, float] = {}
    zero = truth == 0
    parts = {"": np.ones(len(truth), bool), "_zeros": zero, "_nonzeros": ~zero}
    finite = bool(np.isfinite(mean).all())
    t, p = ((x - scale[0]) / scale[1] for x in (truth, mean))
    for ending, some in parts.items():
        n = int(some.sum())
        row[f"entries{ending}"] = n
        if n < FEWEST:
            continue
        if draws is not None:  # a shift changes no CRPS, and dividing divides it
            found = crps(truth[some][:, None], draws[:, some][:, :, None])
            row[f"crps{ending}"] = np.nan if found is None else found / scale[1]
        if not finite:
            continue
        row[f"pcc{ending}"] = float(column_pearson(t[some][:, None], p[some][:, None])[0])
        row[f"cosine{ending}"] = _cosine(t[some], p[some])
        row[f"rmse{ending}"] = float(np.sqrt(((t[some] - p[some]) ** 2).mean()))
        row[f"mae{ending}"] = float(np.abs(t[some] - p[some]).mean())
    if finite:
        row["ssim"] = float(ssim(truth[:, None], mean[:, None])[0])
    inside = None
    if draws is not None:
        inside = coverage_counts(
            truth[:, None], draws[:, :, None], seed=stream[0], first=stream[1]
        )
        row["coverage80"] = float(inside["inside"][0] / inside["n"][0])
    return row, inside


def _cosine(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return the cosine between two vectors; 0 where one of them is zero everywhere."""
    size = float(np.linalg.norm(truth) * np.linalg.norm(prediction))
    return float(truth @ prediction) / size if size > 1e-12 else 0.0
