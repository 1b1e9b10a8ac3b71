"""Visible genes predicted from each other: what weights, smoothing and spread are chosen on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.panel import Panel

FitPredict: TypeAlias = Callable[[Panel, np.ndarray], np.ndarray]


def gene_folds(n_genes: int, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal genes out to folds at random.

    Parameters
    ----------
    n_genes
        Number of visible genes.
    folds
        Wanted number of folds; as many as needed for 3 genes to stay visible, and no more than
        there are genes.
    seed
        Of the shuffle.

    Returns
    -------
    list
        (visible, hidden) sorted positions, one pair a fold; every gene is hidden once.

    Raises
    ------
    StdiffError
        With fewer than 4 genes.
    """
    if n_genes < 4:
        raise StdiffError(
            f"Tissue and reference share {n_genes} genes; at least 4 are needed to hide one and "
            "predict it from the others."
        )
    folds = min(max(folds, 2, -(-n_genes // (n_genes - 3))), n_genes)
    order = np.random.default_rng(seed).permutation(n_genes)
    hidden = [np.sort(order[k::folds]) for k in range(folds)]
    return [(np.setdiff1d(order, h), h) for h in hidden]


def folds_of(n_genes: int, folds: int, seed: int) -> np.ndarray:
    """Return (genes,) the number of the fold that hides each gene; see :func:`gene_folds`."""
    out = np.empty(n_genes, dtype=np.int64)
    for number, (_, hidden) in enumerate(gene_folds(n_genes, folds, seed)):
        out[hidden] = number
    return out


def out_of_fold(
    panel: Panel, fit_predict: FitPredict, folds: int, seed: int, monitor: Monitor
) -> np.ndarray:
    """Predict each visible gene from the others.

    Parameters
    ----------
    panel
        What is visible.
    fit_predict
        Called with a panel in which a fold's genes are hidden, and their names; returns
        (cells, names) predictions.
    folds, seed
        As in :func:`gene_folds`.
    monitor
        A step each fold; the run can be cancelled between two.

    Returns
    -------
    np.ndarray
        (cells, shared) float32, columns as in ``panel.genes``. Cells are scaled by the genes
        that are visible in each fold.
    """
    out = np.empty((panel.n_cells, len(panel.genes)), dtype=np.float32)
    parts = gene_folds(len(panel.genes), folds, seed)
    for i, (_, hidden) in enumerate(parts):
        monitor.step(i, len(parts), f"fold {i + 1} of {len(parts)}")
        names = panel.genes[hidden]
        out[:, hidden] = fit_predict(panel.without(names), names)
    monitor.step(len(parts), len(parts))
    return out
