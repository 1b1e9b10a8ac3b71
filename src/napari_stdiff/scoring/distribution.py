"""Scores of draws: their variance, co-expression, calibration and distance to the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist

from .bins import N_BINS, Grid
from .correlation import varying

MIN_TYPE_CELLS = 100
MIN_GROUP_CELLS = 5
_ROWS = 2048


def variance_ratio(truth: np.ndarray, draw: np.ndarray) -> float | None:
    """Return the sum over genes of the variance of `draw`, over that of `truth`.

    Both (cells, genes); None where the truth does not vary.
    """
    below = float(np.var(np.asarray(truth, dtype=np.float64), axis=0).sum())
    above = float(np.var(np.asarray(draw, dtype=np.float64), axis=0).sum())
    return above / below if below > 0 else None


def coexpression(
    truth: np.ndarray,
    draw: np.ndarray,
    truth_type: np.ndarray | None = None,
    draw_type: np.ndarray | None = None,
    min_cells: int = MIN_TYPE_CELLS,
) -> float | None:
    """Return how alike the gene-gene correlations of truth and draw are, within cell types.

    For each type with at least `min_cells` cells in the truth: Pearson between the upper
    triangles of the two gene-gene Pearson matrices, over the genes that vary in both; averaged
    by cells. Without types all cells are one group.

    Parameters
    ----------
    truth, draw
        (cells, genes), not necessarily the same cells.
    truth_type, draw_type
        (cells,) labels, or None. `draw_type` None takes those of the truth.
    min_cells
        Fewest cells of a type in the truth.

    Returns
    -------
    float or None
        None where no group is large enough.
    """
    if truth_type is None:
        groups = [(np.ones(len(truth), bool), np.ones(len(draw), bool))]
    else:
        other = truth_type if draw_type is None else draw_type
        labels = pd.unique(pd.Series(truth_type, dtype=object).dropna())
        groups = [(truth_type == label, other == label) for label in labels]
    total, cells = 0.0, 0
    for in_truth, in_draw in groups:
        n = int(in_truth.sum())
        if n < min_cells or in_draw.sum() < 3:
            continue
        a = np.asarray(truth[in_truth], dtype=np.float64)
        b = np.asarray(draw[in_draw], dtype=np.float64)
        both = varying(a) & varying(b)
        r = _triangle_pearson(a[:, both], b[:, both]) if both.sum() >= 3 else None
        if r is not None:
            total += n * r
            cells += n
    return total / cells if cells else None


def _triangle_pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Pearson between the upper triangles of the column correlations of `a` and `b`.

    The triangles themselves are never made where there are more genes than cells (a whole
    transcriptome has 200 million pairs): with columns z of unit length the sums over gene pairs
    are sums over cell pairs, ``sum_ij (Za'Za)_ij (Zb'Zb)_ij = |Za Zb'|^2``.
    """
    za, zb = (x - x.mean(axis=0) for x in (a, b))
    za, zb = (z / np.linalg.norm(z, axis=0) for z in (za, zb))
    genes = za.shape[1]
    pairs = genes * (genes - 1) / 2

    def over_pairs(p: np.ndarray, q: np.ndarray) -> float:
        if max(len(p), len(q)) < genes:
            whole = float(((p @ q.T) ** 2).sum())
        else:
            whole = float(((p.T @ p) * (q.T @ q)).sum())
        return (whole - genes) / 2 / pairs  # the diagonal is 1 each

    mean_a, mean_b = ((float((z.sum(axis=1) ** 2).sum()) - genes) / 2 / pairs for z in (za, zb))
    var_a = over_pairs(za, za) - mean_a**2
    var_b = over_pairs(zb, zb) - mean_b**2
    if min(var_a, var_b) <= 1e-12:
        return None
    return float((over_pairs(za, zb) - mean_a * mean_b) / np.sqrt(var_a * var_b))


def crps(truth: np.ndarray, draws: np.ndarray) -> float | None:
    """Return the continuous ranked probability score, averaged over cells and genes.

    The fair estimator for an ensemble of m draws, ``mean |x_i - y| - sum_ij |x_i - x_j| /
    (2 m (m - 1))``: its expectation does not depend on m, so methods with different numbers of
    draws compare. Every method is scored by it.

    Parameters
    ----------
    truth
        (cells, genes).
    draws
        (m, cells, genes).

    Returns
    -------
    float or None
        Lower is better; None with fewer than two draws.
    """
    m = len(draws)
    if m < 2 or truth.size == 0:
        return None
    # sum_ij |x_i - x_j| = 2 sum_i (2 i - m - 1) x_(i) over the sorted draws
    rank = (2 * np.arange(1, m + 1) - m - 1)[:, None, None] / (m * (m - 1))
    total = 0.0
    for start in range(0, len(truth), _ROWS):
        part = np.sort(draws[:, start : start + _ROWS], axis=0).astype(np.float64)
        total += float(np.abs(part - truth[start : start + _ROWS]).mean(axis=0).sum())
        total -= float((part * rank).sum())
    return total / truth.size


def coverage80(truth: np.ndarray, draws: np.ndarray, seed: int = 0) -> float | None:
    """Return the share of entries inside the central 80 % interval of their draws.

    By the randomised probability integral transform: the truth's rank among the draws, ties
    (zeros, above all) broken at random. Draws from the truth's own distribution reach .8 for
    any number of draws. `truth` (cells, genes), `draws` (m, cells, genes); None without draws.
    """
    m = len(draws)
    if m < 1 or truth.size == 0:
        return None
    rng = np.random.default_rng(seed)
    inside = 0
    for start in range(0, len(truth), _ROWS):
        part, y = draws[:, start : start + _ROWS], truth[start : start + _ROWS]
        if not np.isfinite(part).all():
            return None
        u = (part < y).sum(axis=0) + rng.random(y.shape) * ((part == y).sum(axis=0) + 1)
        u /= m + 1
        inside += int(((u >= 0.1) & (u <= 0.9)).sum())
    return inside / truth.size


def energy_distance(
    truth: np.ndarray,
    truth_coords: np.ndarray,
    draws: np.ndarray,
    draw_coords: np.ndarray,
    truth_type: np.ndarray | None = None,
    draw_type: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    min_cells: int = MIN_GROUP_CELLS,
    n_bins: int = N_BINS,
) -> float | None:
    """Return the energy distance of draws to the truth within cell type and grid bin.

    ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` over cells as vectors of standardised genes, by its
    unbiased estimator (so it can be slightly negative), averaged over draws, and over groups by
    their number of true cells.

    Parameters
    ----------
    truth
        (cells, genes).
    truth_coords, draw_coords
        (cells, 3) z, y, x.
    draws
        (m, cells, genes).
    truth_type, draw_type
        (cells,) labels, or None to group by bin alone.
    scale
        (genes,) standard deviations to divide by; None takes the truth's.
    min_cells
        Fewest cells of a group, in truth and draw.
    n_bins
        Bins a side of the grid.

    Returns
    -------
    float or None
        0 for equal distributions; None where no group is large enough.
    """
    values, cells = energy_by_group(
        truth, truth_coords, draws, draw_coords, truth_type, draw_type, scale, min_cells, n_bins
    )
    return float(values.mean(axis=0) @ cells / cells.sum()) if values.size else None


def energy_by_group(
    truth: np.ndarray,
    truth_coords: np.ndarray,
    draws: np.ndarray,
    draw_coords: np.ndarray,
    truth_type: np.ndarray | None = None,
    draw_type: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    min_cells: int = MIN_GROUP_CELLS,
    n_bins: int = N_BINS,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`energy_distance` averages, so that it can be resampled.

    Parameters as there.

    Returns
    -------
    values
        (m, groups) energy distance of each draw in each group of one type and bin.
    cells
        (groups,) true cells of the groups. Both are empty where no group is large enough.
    """
    sd = np.asarray(truth.std(axis=0) if scale is None else scale, dtype=np.float64)
    keep = sd > 0
    if not keep.any() or not len(draws):
        return np.zeros((0, 0)), np.zeros(0)
    grid = Grid.over(truth_coords, n_bins)
    groups = _groups(grid.bin_of(truth_coords), truth_type)
    others = _groups(grid.bin_of(draw_coords), draw_type)
    a = truth[:, keep] / sd[keep]
    shared = [
        (rows, others[key])
        for key, rows in groups.items()
        if key in others and min(len(rows), len(others[key])) >= max(min_cells, 2)
    ]
    within = [float(pdist(a[rows]).mean()) for rows, _ in shared]
    values = np.zeros((len(draws), len(shared)))
    for i, draw in enumerate(draws):
        b = draw[:, keep] / sd[keep]
        for j, (rows, other) in enumerate(shared):
            between = float(cdist(a[rows], b[other]).mean())
            values[i, j] = 2 * between - within[j] - float(pdist(b[other]).mean())
    return values, np.array([len(rows) for rows, _ in shared], dtype=np.float64)


def _groups(bins: np.ndarray, labels: np.ndarray | None) -> dict[tuple[int, str], np.ndarray]:
    """Return (bin, label) -> row numbers of the cells inside the grid; no label is a label."""
    names, codes = np.unique(
        np.full(len(bins), "") if labels is None else pd.Series(labels).fillna("").astype(str),
        return_inverse=True,
    )
    rows = np.flatnonzero(bins >= 0)
    key = bins[rows] * len(names) + codes[rows]
    order = np.argsort(key, kind="stable")
    found, starts = np.unique(key[order], return_index=True)
    parts = np.split(rows[order], starts[1:])
    return {
        (int(k) // len(names), str(names[k % len(names)])): part
        for k, part in zip(found, parts, strict=False)
    }
