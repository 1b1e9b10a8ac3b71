"""What the assay missed, filled in: values of measured genes, and which of them were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..compute.errors import StdiffError
from .predicted import Z80, Reliability
from .prediction import Prediction
from .record import RunRecord

TASK = "impute"
# Between the id of a method that is compared with and the name of its score, in a record.
OF = ":"


@dataclass(frozen=True)
class Imputed:
    """What `impute` returns, what a store keeps and what the canvas shows.

    Attributes
    ----------
    name
        Name of the result: of its table, which annotates the elements of the tissue's own table.
    prediction
        Genes, mean (cells, genes) and the spread (cells, genes). The mean is what was measured,
        to the bit and without spread, wherever `filled` is False. No draws: they were summed up.
    names
        (cells,) obs names, as in the tissue's table.
    measured
        (cells, genes) float32 measured expression on the scale of the mean: counts scaled by each
        cell's library, log1p. NaN where nothing was measured.
    filled
        (cells, genes) bool, True where the mean is a prediction.
    reliability
        Of each gene: the Pearson correlation over cells that its measured values reached while
        they were hidden, with the 80 % interval that their number leaves; NaN where they do not
        vary.
    checked
        (genes,) int, how many measured values of each gene were hidden to find that out.
    record
        How it was made; `scores` and `clusters` are taken from it.
    """

    name: str
    prediction: Prediction
    names: np.ndarray
    measured: np.ndarray
    filled: np.ndarray
    reliability: Reliability
    checked: np.ndarray
    record: RunRecord

    @property
    def genes(self) -> np.ndarray:
        """(genes,) names."""
        return self.prediction.genes

    @property
    def mean(self) -> np.ndarray:
        """(cells, genes) float32: measured values, and expected ones where they are missing."""
        return self.prediction.mean

    @property
    def std(self) -> np.ndarray | None:
        """(cells, genes) float32 spread, 0 where measured; None without draws."""
        return self.prediction.std

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """Method -> score -> value on hidden measured values; the run's own method first."""
        return scores_by_method(self.record)

    @property
    def clusters(self) -> dict[str, dict[str, float | None]]:
        """When ("before", "after") -> "ari", "ami", "nmi" against labels; {} without any."""
        return clusters_of(self.record)

    def column(self, gene: str) -> int:
        """Return the number of a gene.

        Raises
        ------
        StdiffError
            When it is not in the result.
        """
        where = np.flatnonzero(self.genes == gene)
        if not len(where):
            raise StdiffError(f"'{self.name}' has no gene '{gene}'.")
        return int(where[0])


def flat_scores(
    method: str, scores: Mapping[str, Mapping[str, float | None]]
) -> dict[str, float | None]:
    """Return method -> score -> value as a record keeps it.

    >>> flat_scores("stmcdi", {"stmcdi": {"pcc": 0.5}, "mean": {"pcc": 0.0}})
    {'pcc': 0.5, 'mean:pcc': 0.0}
    """
    return {
        score if name == method else f"{name}{OF}{score}": value
        for name, values in scores.items()
        for score, value in values.items()
    }


def scores_by_method(record: RunRecord) -> dict[str, dict[str, float | None]]:
    """Return method -> score -> value from the record of an imputation."""
    out: dict[str, dict[str, float | None]] = {}
    for key, value in record.scores.items():
        name, _, score = key.rpartition(OF)
        if not key.endswith(_ENDINGS):
            out.setdefault(name or record.method, {})[score] = value
    return out


def clusters_of(record: RunRecord) -> dict[str, dict[str, float | None]]:
    """Return "before" and "after" -> score -> value from the record of an imputation."""
    out: dict[str, dict[str, float | None]] = {}
    for key, value in record.scores.items():
        if key.endswith(_ENDINGS):
            score, _, when = key.rpartition("_")
            out.setdefault(when, {})[score] = value
    return out


_ENDINGS = ("_before", "_after")


def reliability_of(pearson: np.ndarray, checked: np.ndarray) -> Reliability:
    """Return how far to trust each gene, from what its hidden values reached.

    Parameters
    ----------
    pearson
        (genes,) correlation of hidden and predicted values; NaN where it is not known.
    checked
        (genes,) how many values that is of.

    Returns
    -------
    Reliability
        With the 80 % interval of Fisher's z transform, atanh(r) +- 1.28 / sqrt(n - 3).
    """
    with np.errstate(invalid="ignore"):
        z = np.arctanh(np.clip(pearson, -0.999999, 0.999999))
        half = Z80 / np.sqrt(np.maximum(np.asarray(checked) - 3, 1))
    return Reliability(np.asarray(pearson, float), np.tanh(z - half), np.tanh(z + half))
