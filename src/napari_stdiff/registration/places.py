"""Each section as a few hundred places with the expression around them, on shared axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..data.normalise import Normaliser
from ..data.tissue import Tissue

_MOST_GENES = 2000
# Cells around a place that its expression is the mean of, at least.
_AROUND = 6


@dataclass(frozen=True)
class Places:
    """A section as places.

    Attributes
    ----------
    coords
        (n, 2) y, x.
    features
        (n, d) expression of the neighbourhood on shared axes, each row of length 1.
    spacing
        Typical distance between neighbouring places.
    """

    coords: np.ndarray
    features: np.ndarray
    spacing: float

    @property
    def centre(self) -> np.ndarray:
        """Mean position (y, x)."""
        return self.coords.mean(axis=0)


def places_of(tissue: Tissue, most: int, components: int, seed: int = 0) -> dict[str, Places]:
    """Return section -> its places, with expression on axes that all sections share.

    Genes are brought to mean 0 within each section, so that a section that was sequenced deeper
    or stained otherwise does not look different everywhere.

    Parameters
    ----------
    tissue
        Two sections or more.
    most
        Places a section, at most.
    components
        Principal components of the neighbourhood expression.
    seed
        Start of the randomised decomposition.
    """
    from sklearn.decomposition import PCA

    expression = Normaliser.fit(tissue)(tissue)
    expression = expression[:, _informative(expression, tissue)]
    scale = np.maximum(expression.std(axis=0), 1e-6)
    coords, around, sizes = [], [], []
    for section in tissue.sections:
        rows = np.flatnonzero(tissue.section == section)
        xy = tissue.coords[rows, 1:]
        chosen = spread_out(xy, most)
        k = min(len(rows), max(_AROUND, round(4 * len(rows) / len(chosen))))
        _, near = cKDTree(xy).query(xy[chosen], k=k)
        near = np.asarray(near).reshape(len(chosen), -1)
        mean = expression[rows][near].mean(axis=1)
        coords.append(xy[chosen])
        around.append((mean - mean.mean(axis=0)) / scale)
        sizes.append(len(chosen))
    everything = np.concatenate(around)
    n = min(components, *everything.shape)
    features = PCA(n, svd_solver="auto", random_state=seed).fit_transform(everything)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    parts = np.split(features, np.cumsum(sizes)[:-1])
    return {
        section: Places(xy, np.asarray(part, float), spacing_of(xy))
        for section, xy, part in zip(tissue.sections, coords, parts, strict=True)
    }


def spread_out(xy: np.ndarray, most: int) -> np.ndarray:
    """Return the rows of at most `most` points that cover the section evenly.

    Each next point is the one farthest from those before; the first is the one nearest to the
    centre.
    """
    if len(xy) <= most:
        return np.arange(len(xy))
    chosen = np.empty(most, int)
    chosen[0] = np.argmin(((xy - xy.mean(axis=0)) ** 2).sum(axis=1))
    far = ((xy - xy[chosen[0]]) ** 2).sum(axis=1)
    for i in range(1, most):
        chosen[i] = np.argmax(far)
        far = np.minimum(far, ((xy - xy[chosen[i]]) ** 2).sum(axis=1))
    return np.sort(chosen)


def spacing_of(xy: np.ndarray) -> float:
    """Return the median distance of a point to its nearest neighbour (1 for a lone point)."""
    if len(xy) < 2:
        return 1.0
    distance, _ = cKDTree(xy).query(xy, k=2)
    return float(np.median(np.asarray(distance)[:, 1])) or 1.0


def _informative(expression: np.ndarray, tissue: Tissue) -> np.ndarray:
    """Return the genes seen in every section, the most varying ones where there are many."""
    codes = np.unique(tissue.section, return_inverse=True)[1]
    seen = np.all(
        [(expression[codes == c] > 0).mean(axis=0) >= 0.02 for c in range(codes.max() + 1)], axis=0
    )
    genes = np.flatnonzero(seen if seen.sum() >= 2 else np.ones(len(seen), bool))
    spread = expression[:, genes].var(axis=0)
    return np.sort(genes[np.argsort(-spread, kind="stable")[:_MOST_GENES]])
