"""Pearson correlations of columns and rows, with constants handled the same way everywhere."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def varying(x: np.ndarray) -> np.ndarray:
    """Return (columns,) whether a column of `x` is more than one value (beyond rounding)."""
    x = np.asarray(x, dtype=np.float64)
    size = np.abs(x).max(axis=0, initial=0.0)
    return np.asarray(np.ptp(x, axis=0) > 1e-10 * size) if len(x) else np.zeros(x.shape[1], bool)


def column_pearson(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (columns,) Pearson correlations, both inputs (rows, columns).

    NaN where the truth is constant, 0 where only the prediction is.
    """
    t = np.asarray(truth, dtype=np.float64)
    p = np.asarray(prediction, dtype=np.float64)
    in_truth, in_prediction = varying(t), varying(p)
    t = t - t.mean(axis=0)
    p = p - p.mean(axis=0)
    # scaled first, so that the squares of very small or large values stay in range
    t = t / np.where(in_truth, np.abs(t).max(axis=0, initial=0.0), 1.0)
    p = p / np.where(in_prediction, np.abs(p).max(axis=0, initial=0.0), 1.0)
    norm = np.sqrt((t**2).sum(axis=0) * (p**2).sum(axis=0))
    r = (t * p).sum(axis=0) / np.where(norm > 0, norm, 1.0)
    r = np.where(np.isfinite(p).all(axis=0), np.where(in_prediction, r, 0.0), np.nan)
    return np.where(in_truth, np.clip(r, -1.0, 1.0), np.nan)


def row_spearman(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return (rows,) Spearman correlations; NaN and 0 as in :func:`column_pearson`."""
    if not np.isfinite(prediction).all():
        return np.full(len(truth), np.nan)
    ranks = [rankdata(np.asarray(x), axis=1) for x in (truth, prediction)]
    return column_pearson(ranks[0].T, ranks[1].T)
