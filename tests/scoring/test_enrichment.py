"""Labels by a classifier, and whether neighbours in a prediction are those of the truth."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.scoring.enrichment import (
    LabelTransfer,
    enrichment_agreement,
    label_agreement,
    neighbourhood_enrichment,
)
from napari_stdiff.scoring.moran import neighbour_graph

KINDS = np.array(["a", "b", "c"], dtype=object)


def cells(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return expression and labels of three kinds that are easy to tell apart."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 12))
    x[:, :3] += 5 * np.eye(3)[code]
    return x, KINDS[code]


def layers(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates and codes of three stripes."""
    rng = np.random.default_rng(seed)
    coords = np.column_stack([np.zeros(n), rng.uniform(0, 90, (n, 2))])
    return coords, (coords[:, 1] // 30).astype(int)


def test_labels_of_new_cells() -> None:
    transfer = LabelTransfer.fit(*cells())
    assert transfer.labels == ("a", "b", "c")
    x, truth = cells(seed=1)
    assert (np.array(transfer.labels)[transfer(x)] == truth).mean() > 0.98


def test_cells_without_a_label_do_not_count() -> None:
    x, said = cells()
    said = said.copy()
    said[:30], said[30:40], said[40] = None, "", "alone"
    assert LabelTransfer.fit(x, said).labels == ("a", "b", "c")
    with pytest.raises(StdiffError, match="Fewer than two kinds"):
        LabelTransfer.fit(x, np.full(len(x), "a", dtype=object))


def test_clusters_where_nobody_said_types() -> None:
    x, truth = cells()
    transfer = LabelTransfer.fit(x, None, n_clusters=3)
    assert len(transfer.labels) == 3
    assert label_agreement(np.unique(truth.astype(str), return_inverse=True)[1], transfer(x)) > 0.9


def test_stripes_are_their_own_neighbours() -> None:
    coords, code = layers()
    z = neighbourhood_enrichment(code, 4, neighbour_graph(coords))
    assert z.shape == (4, 4)
    assert (np.diag(z)[:3] > 5).all()
    assert z[0, 2] < z[0, 1] < 0  # the outer stripes never touch
    assert np.isnan(z[3]).all()
    again = neighbourhood_enrichment(code, 4, neighbour_graph(coords))
    assert np.array_equal(z, again, equal_nan=True)


def test_labels_beyond_nine_keep_their_place() -> None:
    coords, code = layers()
    graph = neighbour_graph(coords)
    few = neighbourhood_enrichment(code, 3, graph)
    many = neighbourhood_enrichment(np.array([2, 7, 10])[code], 11, graph)
    assert many[np.ix_([2, 7, 10], [2, 7, 10])] == pytest.approx(few, rel=0.35, abs=2)
    assert many[2, 10] < many[2, 7]


def test_agreement_with_itself_other_cells_and_shuffled_ones() -> None:
    coords, code = layers()
    graph = neighbour_graph(coords)
    truth = neighbourhood_enrichment(code, 3, graph)
    other, own = layers(seed=3)
    near = neighbourhood_enrichment(own, 3, neighbour_graph(other))
    mixed = np.random.default_rng(0).permutation(code)
    far = neighbourhood_enrichment(mixed, 3, graph)
    assert enrichment_agreement(truth, truth) == pytest.approx(1)
    assert enrichment_agreement(truth, near) > 0.95
    assert enrichment_agreement(truth, far) < 0.8
    assert enrichment_agreement(truth, np.full((3, 3), np.nan)) is None
    assert neighbourhood_enrichment(np.zeros(600, int), 3, graph).shape == (3, 3)
