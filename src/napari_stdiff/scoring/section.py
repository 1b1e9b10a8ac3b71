"""How a virtual section is scored against the section that was hidden.

All scores are on one scale: counts scaled per cell to the median total of the visible cells,
log1p. Cells are rows, genes are columns.
"""

from __future__ import annotations

import math

import numpy as np

from ..compute.errors import StdiffError
from ..data.prediction import Prediction, Query
from . import distribution
from .bins import MIN_CELLS, N_BINS, Grid
from .correlation import column_pearson, row_spearman

SCORES = (
    "pcc",
    "pcc_binned",
    "spearman",
    "nmse",
    "variance_ratio",
    "coexpression",
    "crps",
    "coverage80",
    "energy_distance",
    "density_pcc",
)
MIN_DRAWS = 16


def pcc(truth: np.ndarray, prediction: np.ndarray) -> float | None:
    """Return the mean over genes of Pearson over cells.

    Genes constant in the truth are dropped, a constant prediction scores 0; None where no gene
    varies, or where the prediction is not finite.
    """
    if not np.isfinite(prediction).all():
        return None
    return _mean(column_pearson(truth, prediction))


def pcc_binned(
    truth: np.ndarray,
    coords: np.ndarray,
    prediction: np.ndarray,
    prediction_coords: np.ndarray | None = None,
    n_bins: int = N_BINS,
    min_cells: int = MIN_CELLS,
) -> float | None:
    """Return :func:`pcc` of means over a grid on the truth's extent.

    Parameters
    ----------
    truth, prediction
        (cells, genes), not necessarily the same cells.
    coords, prediction_coords
        (cells, 3) z, y, x; the prediction's are the truth's where None.
    n_bins
        Bins a side.
    min_cells
        Bins with fewer cells, in the truth or in the prediction, are left out.

    Returns
    -------
    float or None
        None with fewer than two bins.
    """
    where = coords if prediction_coords is None else prediction_coords
    grid = Grid.over(coords, n_bins)
    keep = np.minimum(grid.counts(coords), grid.counts(where)) >= min_cells
    if keep.sum() < 2:
        return None
    return pcc(grid.means(truth, coords)[keep], grid.means(prediction, where)[keep])


def spearman(truth: np.ndarray, prediction: np.ndarray) -> float | None:
    """Return the mean over cells of Spearman over genes; a constant profile reaches about .43."""
    return _mean(row_spearman(truth, prediction))


def nmse(truth: np.ndarray, prediction: np.ndarray) -> float | None:
    """Return the squared error over that of the truth's gene means; None without variance."""
    t = np.asarray(truth, dtype=np.float64)
    below = float(((t - t.mean(axis=0)) ** 2).sum())
    return float(((t - prediction) ** 2).sum()) / below if below > 0 else None


def density_pcc(
    coords: np.ndarray, prediction_coords: np.ndarray, n_bins: int = N_BINS
) -> float | None:
    """Return Pearson between the numbers of cells in the bins of truth and prediction."""
    grid = Grid.over(coords, n_bins)
    counts = grid.counts(coords), grid.counts(prediction_coords)
    return _mean(column_pearson(counts[0][:, None], counts[1][:, None]))


def score_section(
    truth: np.ndarray,
    truth_coords: np.ndarray,
    truth_type: np.ndarray | None,
    prediction: Prediction,
    *,
    query: Query | None = None,
    scale: np.ndarray | None = None,
    n_bins: int = N_BINS,
) -> dict[str, float | None]:
    """Score a predicted section by everything that applies to it.

    Parameters
    ----------
    truth
        (cells, genes) normalised expression of the hidden section, genes as in `prediction`.
    truth_coords
        (cells, 3) z, y, x.
    truth_type
        (cells,) labels, or None.
    prediction
        Mean, and draws where there are any.
    query
        The cells of the prediction where they are not those of the truth (tier C). Scores that
        compare cell by cell are None then.
    scale
        (genes,) standard deviations of the visible cells, for the energy distance.
    n_bins
        Bins a side of the grids; fewer where the cells are few.

    Returns
    -------
    dict
        Score -> value, every name of `SCORES`; None where it does not apply or where the
        prediction is not finite. `variance_ratio` and `coexpression` are of the first draw;
        `crps`, `coverage80` and `energy_distance` need at least 16 draws.

    Raises
    ------
    StdiffError
        When the shapes do not fit each other.
    """
    paired = query is None
    coords = truth_coords if query is None else query.coords
    if prediction.mean.shape != (len(coords), truth.shape[1]):
        raise StdiffError(
            f"The prediction holds {prediction.mean.shape} cells and genes where "
            f"{(len(coords), truth.shape[1])} were expected; predict the cells that are scored."
        )
    out: dict[str, float | None] = dict.fromkeys(SCORES)
    out["pcc_binned"] = pcc_binned(truth, truth_coords, prediction.mean, coords, n_bins)
    if paired:
        out["pcc"] = pcc(truth, prediction.mean)
        out["spearman"] = spearman(truth, prediction.mean)
        out["nmse"] = nmse(truth, prediction.mean)
    else:
        out["density_pcc"] = density_pcc(truth_coords, coords, n_bins)
    draws = prediction.draws
    if draws is not None and len(draws) and np.isfinite(draws).all():
        kind = truth_type if query is None else query.cell_type
        if truth_type is None or kind is None:
            truth_type = kind = None
        out["variance_ratio"] = distribution.variance_ratio(truth, draws[0])
        out["coexpression"] = distribution.coexpression(truth, draws[0], truth_type, kind)
        if len(draws) >= MIN_DRAWS:
            if paired:
                out["crps"] = distribution.crps(truth, draws)
                out["coverage80"] = distribution.coverage80(truth, draws)
            out["energy_distance"] = distribution.energy_distance(
                truth, truth_coords, draws, coords, truth_type, kind, scale, n_bins=n_bins
            )
    return {k: v if v is not None and math.isfinite(v) else None for k, v in out.items()}


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of what is defined; None for nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
