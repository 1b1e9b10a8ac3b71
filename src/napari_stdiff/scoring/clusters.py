"""How well clusters of cells agree with annotated types."""

from __future__ import annotations

import numpy as np

_COMPONENTS = 30
_STARTS = 10
_UNKNOWN = frozenset({"", "nan", "none", "na", "unknown", "unassigned"})


def annotated(labels: np.ndarray) -> np.ndarray:
    """Return (cells,) bool, where a label says something."""
    return np.array([str(label).strip().lower() not in _UNKNOWN for label in labels], dtype=bool)


def cluster_scores(
    expression: np.ndarray, labels: np.ndarray, seed: int = 0
) -> dict[str, float] | None:
    """Cluster cells by their expression and compare the clusters with annotated types.

    Genes are standardised, summed up in at most 30 principal components, and cut into as many
    clusters as there are types by k-means (scikit-learn, ten starts).

    Parameters
    ----------
    expression
        (cells, genes) log-normalised, without gaps.
    labels
        (cells,) annotated types; cells without one (:func:`annotated`) are left out.
    seed
        Of the starts.

    Returns
    -------
    dict or None
        ``ari``, ``ami`` and ``nmi``: adjusted Rand index, adjusted and normalised mutual
        information, 1 for the same partition. None with fewer than two types.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        adjusted_rand_score,
        normalized_mutual_info_score,
    )

    known = annotated(labels)
    types = np.asarray(labels)[known].astype(str)
    x = np.asarray(expression, dtype=np.float64)[known]
    n_types = len(np.unique(types))
    if n_types < 2 or len(x) <= n_types:
        return None
    spread = x.std(axis=0)
    x = ((x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))[:, spread > 1e-9]
    if not x.shape[1]:
        return None
    count = min(_COMPONENTS, x.shape[1], len(x) - 1)
    parts = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(x)
    found = KMeans(n_types, n_init=_STARTS, random_state=seed).fit_predict(parts)
    return {
        "ari": float(adjusted_rand_score(types, found)),
        "ami": float(adjusted_mutual_info_score(types, found)),
        "nmi": float(normalized_mutual_info_score(types, found)),
    }
