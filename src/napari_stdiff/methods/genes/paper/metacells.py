"""The reference summed up: groups of like cells, where they lie, and what a gene does in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ....data.panel import Panel, scale_factors

_MOST = 256  # metacells
_CELLS_EACH = 5
_VARIABLE = 2000  # genes that place the cells
_AXES = 32


@dataclass(frozen=True)
class Metacells:
    """Groups of reference cells.

    Attributes
    ----------
    label
        (reference cells,) group of each cell.
    features
        (metacells, axes) float32 place of each group on the reference's principal axes, with
        unit variance over all groups and axes.
    """

    label: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, panel: Panel, seed: int, *, common: bool = False) -> Metacells:
        """Group the reference's cells by k-means on principal axes.

        Parameters
        ----------
        panel
            Its reference is used, and nothing of its tissue.
        seed
            Of axes and groups.
        common
            Look at the visible genes alone, not at the whole reference.
        """
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA

        values = _log_reference(panel)
        values = values[:, : len(panel.genes)] if common else values
        mean = np.asarray(values.mean(axis=0)).ravel()
        variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
        kept = np.sort(np.argsort(-variance, kind="stable")[:_VARIABLE])
        table = np.asarray(values[:, kept].toarray(), dtype=np.float32)
        axes = cls.sizes(*values.shape)[1]
        places = PCA(axes, svd_solver="randomized", random_state=seed).fit_transform(table)
        groups = cls.sizes(*values.shape)[0]
        label = KMeans(groups, n_init=1, max_iter=50, random_state=seed).fit_predict(places)
        _, label = np.unique(label, return_inverse=True)
        centres = _averages(label) @ places
        return cls(label, np.asarray(centres / max(centres.std(), 1e-6), dtype=np.float32))

    @staticmethod
    def sizes(cells: int, genes: int) -> tuple[int, int]:
        """Return how many groups (at most) and axes a reference of that size gets."""
        groups = min(_MOST, max(cells // _CELLS_EACH, min(cells, 32)))
        return groups, min(_AXES, cells - 1, genes)

    @property
    def n(self) -> int:
        """Number of metacells."""
        return len(self.features)

    def profiles(self, values: np.ndarray) -> np.ndarray:
        """Return (genes, metacells) float32 levels of genes in the groups.

        A gene is standardised over the cells before the cells of a group are averaged, so that
        one that varies for no reason that the groups know stays near zero.

        Parameters
        ----------
        values
            (reference cells, genes) expression on the log scale.
        """
        centred = values - values.mean(axis=0)
        scaled = centred / np.maximum(values.std(axis=0), 1e-6)
        return np.asarray((_averages(self.label) @ scaled).T, dtype=np.float32)


def _averages(label: np.ndarray) -> sparse.csr_matrix:
    """Return the (groups, cells) matrix that averages the cells of each group."""
    size = np.bincount(label)
    cells = np.arange(len(label))
    return sparse.csr_matrix((1 / size[label], (label, cells)), shape=(len(size), len(label)))


def _log_reference(panel: Panel) -> sparse.csr_matrix:
    """Return the whole reference on the panel's scale without making it dense."""
    raw = panel.reference_raw.astype(np.float32)
    if panel.reference_values != "counts":
        return raw
    factor = scale_factors(panel.reference_raw[:, : len(panel.genes)])
    return sparse.csr_matrix(sparse.diags(factor) @ raw).log1p()
