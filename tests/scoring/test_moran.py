"""Moran's I against its formula written out, and what its error must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.scoring.moran import moran_error, morans_i, neighbour_graph


def tissue(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coords = np.column_stack([np.zeros(n), rng.uniform(0, 100, (n, 2))])
    smooth = np.sin(coords[:, 1] / 15) + np.cos(coords[:, 2] / 10)
    return coords, np.column_stack([smooth, rng.normal(size=n)])


@settings(max_examples=20)
@given(st.integers(3, 25), st.integers(1, 8), st.integers(0, 10))
def test_as_the_double_sum(n: int, k: int, seed: int) -> None:
    coords, x = tissue(n, seed)
    w = neighbour_graph(coords, k).toarray()
    assert w.sum(axis=1) == pytest.approx(np.ones(n))
    assert np.diag(w).sum() == 0
    z = x - x.mean(axis=0)
    for gene in range(2):
        above = sum(w[i, j] * z[i, gene] * z[j, gene] for i in range(n) for j in range(n))
        expected = n / w.sum() * above / (z[:, gene] ** 2).sum()
        found = morans_i(x, neighbour_graph(coords, k))
        assert found[gene] == pytest.approx(expected)


def test_patches_noise_and_constants() -> None:
    coords, x = tissue()
    graph = neighbour_graph(coords)
    found = morans_i(np.column_stack([x, np.ones(len(x))]), graph)
    assert found[0] > 0.8
    assert abs(found[1]) < 0.1
    assert np.isnan(found[2])


def test_error() -> None:
    coords, x = tissue()
    shuffled = np.random.default_rng(1).permutation(x)
    assert moran_error(x, coords, x) == 0
    assert moran_error(x[:, :1], coords, shuffled[:, :1]) > 0.7
    # other cells of the same tissue are as patchy
    other, y = tissue(seed=5)
    assert moran_error(x, coords, y, other) < 0.1
    # a draw without any variation has no patches
    flat = np.zeros_like(x)
    assert moran_error(x, coords, flat) == pytest.approx(
        np.abs(morans_i(x, neighbour_graph(coords))).mean()
    )
    assert moran_error(flat, coords, x) is None
    assert moran_error(x, coords, np.full_like(x, np.nan)) is None


def test_cells_at_one_point_and_lone_cells() -> None:
    coords = np.zeros((9, 3))
    graph = neighbour_graph(coords, 6)
    assert graph.diagonal().sum() == 0
    assert np.asarray(graph.sum(axis=1)).ravel() == pytest.approx(np.ones(9))
    assert neighbour_graph(np.zeros((1, 3))).sum() == 0
    assert np.isnan(morans_i(np.ones((1, 2)), neighbour_graph(np.zeros((1, 3))))).all()
