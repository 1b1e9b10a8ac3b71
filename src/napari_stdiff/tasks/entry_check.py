"""Measured entries that are hidden and predicted in every run, to say how well that goes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..compute.monitor import Monitor
from ..data.prediction import Prediction
from ..data.visible import Visible
from ..methods.entries.registry import EntryMethodName, entry_method_class
from ..scoring.entries import Answers, EntryScores, score_answers
from .entry_model import in_chunks
from .impute_config import ImputeConfig

# What the method of a run is compared with: nothing but the gene, near spots, few components.
COMPARED: dict[EntryMethodName, str] = {
    "mean": "the gene's mean",
    "spatial-knn": "near spots",
    "soft-svd": "low rank",
}
SHOWN = ("pcc", "cosine", "rmse", "mae")
_MOST = 1_000_000  # entries, whose draws are all kept
_FEW = 20  # entries of a gene, below which a larger share is hidden
_MOST_OF_FEW = 0.2
_FEWEST = 10  # measured values of a gene, with fewer of which none is hidden


def hide(seen: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw the measured entries that are checked.

    Of all genes that the method sees, so that one fit serves whichever are imputed. Of genes
    with few measured values a larger share is taken, so that there are about 20 of each, but
    never more than a fifth (or `share`, where that is larger); of those with fewer than 10, none.

    Parameters
    ----------
    seen
        (cells, genes) bool, what is visible.
    share
        Of the visible entries of a gene.
    seed
        Same seed, same entries.

    Returns
    -------
    np.ndarray
        (cells, genes) bool.
    """
    check = np.zeros(seen.shape, dtype=bool)
    count = seen.sum(axis=0)
    shares = np.clip(_FEW / np.maximum(count, 1), share, max(share, _MOST_OF_FEW))
    shares = np.minimum(shares, _MOST / max(int(count.sum()), 1))
    for gene, taken in enumerate(np.where(count < _FEWEST, 0.0, shares)):
        drawn = np.random.default_rng((seed, gene)).random(len(seen)) < taken
        check[:, gene] = drawn & seen[:, gene]
    return check


class Checked:
    """Gathers what is answered for the checked entries while cells are answered in chunks.

    Parameters
    ----------
    visible
        Everything that is measured.
    fitted
        What the method saw: `visible` less `check`.
    check
        (cells, genes) bool.
    targets
        Genes that are imputed.
    """

    def __init__(
        self, visible: Visible, fitted: Visible, check: np.ndarray, targets: np.ndarray
    ) -> None:
        own = check[:, targets]
        column, self._rows = np.nonzero(own.T)  # gene after gene
        self._columns = targets[column]
        raw = visible.raw[self._rows, self._columns]
        if visible.values == "counts":
            raw = np.log1p(raw * fitted.factor[self._rows])
        self._fitted, self._genes = fitted, visible.genes[targets]
        self._start = np.concatenate([[0], np.cumsum(own.sum(axis=0))])
        self._truth = raw.astype(np.float32)
        self._mean = np.zeros(len(raw), dtype=np.float32)
        self._draws: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of checked entries."""
        return len(self._rows)

    def take(self, at: slice, part: Prediction) -> None:
        """Take the answers for the cells `at`."""
        own = (self._rows >= at.start) & (self._rows < at.stop)
        rows, columns = self._rows[own] - at.start, self._columns[own]
        self._mean[own] = part.mean[rows, columns]
        if part.draws is not None and len(part.draws):
            if self._draws is None:
                self._draws = np.empty((len(part.draws), len(self)), dtype=np.float32)
            self._draws[:, own] = part.draws[:, rows, columns]

    def scores(self, seed: int) -> EntryScores:
        """Return how good the answers are."""
        answers = Answers(self._genes, self._start, self._truth, self._mean, self._draws)
        return score_answers(answers, self._fitted, seed=seed)


def compared(
    visible: Visible,
    fitted: Visible,
    check: np.ndarray,
    targets: np.ndarray,
    config: ImputeConfig,
    monitor: Monitor,
) -> dict[str, dict[str, float | None]]:
    """Return the scores of three ways to fill in that take no model, on the checked entries.

    Parameters as in :class:`Checked`.

    Returns
    -------
    dict
        Method -> score of `SHOWN` -> mean over genes.
    """
    out: dict[str, dict[str, float | None]] = {}
    for i, name in enumerate(COMPARED):
        if name == config.method:
            continue
        told = config.but(method=name, draws=0, denoise=False)
        with monitor.stage(f"Checking beside {name}", 1 / (len(COMPARED) - i)):
            with monitor.stage(f"Checking beside {name}", 0.5):
                method = entry_method_class(name)().fit(fitted, told, monitor)
            found = Checked(visible, fitted, check, targets)
            for at, part in in_chunks(method, fitted, 0, monitor):
                found.take(at, part)
            means = found.scores(config.seed).means
            out[name] = {score: means[score] for score in SHOWN}
    return out


def sentences(
    method: str,
    scores: Mapping[str, float | None],
    others: Mapping[str, Mapping[str, float | None]],
    n: int,
) -> list[str]:
    """Say what came of the check: with what correlation, beside what, and who does better."""
    own = scores.get("pcc")
    if own is None:
        return [
            f"Held-out check: {n:,} measured values were hidden and predicted, too few or too "
            "alike in every gene to say how well."
        ]
    beside = ", ".join(
        f"{COMPARED[name]} {other['pcc']:.2f}"  # type: ignore[index]
        for name, other in others.items()
        if other["pcc"] is not None
    )
    covered = scores.get("coverage80")
    holds = "" if covered is None else f"; the 80 % intervals hold {covered:.0%} of them"
    out = [
        f"Held-out check: {n:,} measured values were hidden and predicted, with a correlation of "
        f"{own:.2f} by gene ({beside}){holds}."
    ]
    ahead = {k: v["pcc"] for k, v in others.items() if v["pcc"] is not None and v["pcc"] > own}
    if ahead:
        best = max(ahead, key=lambda k: ahead[k] or 0.0)
        out.append(f"On these values '{best}' does better than '{method}'; consider it here.")
    return out
