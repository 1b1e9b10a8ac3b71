"""Spatial autocorrelation of genes: is a prediction as patchy as the truth."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from .correlation import varying

NEIGHBOURS = 6


def neighbour_graph(coords: np.ndarray, k: int = NEIGHBOURS) -> sparse.csr_matrix:
    """Return the (cells, cells) graph of the `k` nearest cells in the plane, rows summing to 1.

    Parameters
    ----------
    coords
        (cells, 3) z, y, x of one section.
    k
        Neighbours of a cell; all other cells where there are fewer.
    """
    n = len(coords)
    k = min(k, n - 1)
    if k < 1:
        return sparse.csr_matrix((n, n))
    yx = np.asarray(coords, dtype=np.float64)[:, -2:]
    found = np.asarray(cKDTree(yx).query(yx, k=k + 1)[1]).reshape(n, k + 1)
    own = found == np.arange(n)[:, None]
    own[:, -1] |= ~own.any(axis=1)  # where cells coincide, a cell may not find itself
    columns = found[~own].reshape(n, k)
    rows = np.repeat(np.arange(n), k)
    return sparse.csr_matrix((np.full(n * k, 1.0 / k), (rows, columns.ravel())), shape=(n, n))


def morans_i(values: np.ndarray, graph: sparse.csr_matrix) -> np.ndarray:
    """Return (genes,) Moran's I of `values`, (cells, genes), on `graph`; NaN for a constant gene.

    ``I = n / sum_ij w_ij * sum_ij w_ij z_i z_j / sum_i z_i^2`` with centred values z.
    """
    x = np.asarray(values, dtype=np.float64)
    z = x - x.mean(axis=0)
    total, square = float(graph.sum()), (z**2).sum(axis=0)
    there = varying(x) & (square > 0) & (total > 0)
    above = (z * (graph @ z)).sum(axis=0)
    below = np.where(there, square * total, 1.0)
    return np.where(there, len(x) * above / below, np.nan)


def moran_error(
    truth: np.ndarray,
    truth_coords: np.ndarray,
    draw: np.ndarray,
    draw_coords: np.ndarray | None = None,
    k: int = NEIGHBOURS,
) -> float | None:
    """Return the mean over genes of the difference between Moran's I of truth and draw.

    Parameters
    ----------
    truth, draw
        (cells, genes), not necessarily the same cells.
    truth_coords, draw_coords
        (cells, 3) z, y, x; the draw's are the truth's where None.
    k
        Neighbours in the graph of each section.

    Returns
    -------
    float or None
        0 is best; a gene that is constant in the draw counts as 0 there. None where no gene
        varies in the truth, or the draw is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> coords = np.column_stack([np.zeros(400), rng.uniform(size=(400, 2))])
    >>> smooth = coords[:, [1]]
    >>> moran_error(smooth, coords, smooth)
    0.0
    >>> bool(moran_error(smooth, coords, rng.permutation(smooth)) > 0.8)
    True
    """
    if not np.isfinite(draw).all():
        return None
    graph = neighbour_graph(truth_coords, k)
    other = graph if draw_coords is None else neighbour_graph(draw_coords, k)
    expected = morans_i(truth, graph)
    there = ~np.isnan(expected)
    if not there.any():
        return None
    found = np.nan_to_num(morans_i(draw, other))
    return float(np.abs(expected - found)[there].mean())
