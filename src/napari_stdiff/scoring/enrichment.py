"""Which cell types are neighbours: labels by one classifier, enrichment by squidpy, agreement."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from .correlation import column_pearson

_AXES = 50
_GENES = 2000
_CLUSTERS = 8


@dataclass(frozen=True)
class LabelTransfer:
    """A classifier from expression to labels, learned on measured sections.

    Truth and prediction are labelled by the same one, so that neither has an advantage.

    Attributes
    ----------
    labels
        The names it can give, sorted.
    """

    labels: tuple[str, ...]
    _genes: np.ndarray
    _model: Any

    @classmethod
    def fit(
        cls,
        expression: np.ndarray,
        labels: np.ndarray | None,
        n_clusters: int = _CLUSTERS,
        seed: int = 0,
    ) -> Self:
        """Learn from measured cells.

        Parameters
        ----------
        expression
            (cells, genes) normalised expression of the flanking sections.
        labels
            (cells,) cell types; cells without one (None, NaN, "") are left out. None clusters
            the cells first.
        n_clusters
            Clusters where there are no labels.
        seed
            Of axes and clusters.

        Raises
        ------
        StdiffError
            When fewer than two labels or clusters can be told apart.
        """
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.pipeline import make_pipeline

        x = np.asarray(expression, dtype=np.float64)
        genes = np.argsort(-x.var(axis=0), kind="stable")[:_GENES]
        axes = PCA(min(_AXES, len(genes), len(x) - 1), random_state=seed)
        if labels is None:
            means = KMeans(min(n_clusters, len(x)), n_init=4, random_state=seed)
            found = means.fit_predict(axes.fit_transform(x[:, genes]))
            names = np.array([f"cluster {i + 1}" for i in range(n_clusters)])[found]
            keep = np.ones(len(x), dtype=bool)
        else:
            said = pd.Series(np.asarray(labels, dtype=object))
            keep = (said.notna() & (said.astype(str) != "")).to_numpy()
            names = said.astype(str).to_numpy().astype(str)
        kept, sizes = np.unique(names[keep], return_counts=True)
        kept = kept[sizes > 1]  # one cell has no spread to learn
        keep &= np.isin(names, kept)
        if len(kept) < 2:
            raise StdiffError(
                "Fewer than two kinds of cells can be told apart; name the column with cell types."
            )
        model = make_pipeline(axes, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
        model.fit(x[keep][:, genes], names[keep])
        return cls(tuple(str(n) for n in kept), genes, model)

    def __call__(self, expression: np.ndarray) -> np.ndarray:
        """Return (cells,) positions in `labels`, for (cells, genes) expression."""
        x = np.asarray(expression, dtype=np.float64)[:, self._genes]
        given = self._model.predict(x)
        return np.asarray(np.searchsorted(np.array(self.labels), given))


def neighbourhood_enrichment(
    codes: np.ndarray,
    n_labels: int,
    graph: sparse.csr_matrix,
    permutations: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """Return z scores of how often labels are neighbours, by squidpy's permutation test.

    Parameters
    ----------
    codes
        (cells,) labels as numbers below `n_labels`.
    n_labels
        Number of labels, those that no cell has included.
    graph
        (cells, cells) neighbours; only where it is not zero counts.
    permutations
        Of the labels over the cells.
    seed
        Of the permutations.

    Returns
    -------
    np.ndarray
        (labels, labels) float64; NaN where a label is missing, or a pair never varies.
    """
    from anndata import AnnData

    edges = (graph + graph.T).astype(bool).astype(np.float64)
    present = np.array(sorted(np.unique(codes), key=str))  # the order of squidpy's categories
    out = np.full((n_labels, n_labels), np.nan)
    if len(present) < 2:
        return out
    cells = AnnData(
        obs=pd.DataFrame(
            {"label": pd.Categorical(codes.astype(str))},
            index=[str(i) for i in range(len(codes))],
        ),
        obsp={"spatial_connectivities": sparse.csr_matrix(edges)},
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        import squidpy

        found = squidpy.gr.nhood_enrichment(
            cells,
            cluster_key="label",
            n_perms=permutations,
            seed=seed,
            copy=True,
            n_jobs=1,
            show_progress_bar=False,
        )
    z = np.asarray(found[0], dtype=np.float64)
    out[np.ix_(present, present)] = np.where(np.isfinite(z), z, np.nan)
    return out


def enrichment_agreement(truth: np.ndarray, prediction: np.ndarray) -> float | None:
    """Return Pearson between two (labels, labels) z matrices over pairs that both know.

    Each pair counts once. None with fewer than three pairs, or where the truth's are all equal.
    """
    upper = np.triu_indices(len(truth))
    t, p = truth[upper], prediction[upper]
    both = np.isfinite(t) & np.isfinite(p)
    if both.sum() < 3:
        return None
    r = float(column_pearson(t[both][:, None], p[both][:, None])[0])
    return None if np.isnan(r) else r


def label_agreement(truth: Sequence[int] | np.ndarray, prediction: np.ndarray) -> float:
    """Return the adjusted Rand index of two labellings of the same cells."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(truth, prediction))
