"""Grids of spots: recognised, and made finer without leaving them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.tasks.lattice import basis, between, is_grid, scattered


def grid(kind: str = "square", n: int = 12, turn: float = 0.3, step: float = 100.0) -> np.ndarray:
    """Return n x n spots on a square or hexagonal (Visium) grid, turned."""
    i, j = (x.ravel().astype(float) for x in np.meshgrid(range(n), range(n), indexing="ij"))
    if kind == "hexagonal":
        i, j = i * np.sqrt(3) / 2, j + (i % 2) / 2
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([i, j]) * step @ turned


def everywhere(yx: np.ndarray) -> np.ndarray:
    return np.ones(len(yx), dtype=bool)


def box(yx: np.ndarray) -> np.ndarray:
    return ((yx > -1) & (yx < 1101)).all(axis=1)


@given(st.sampled_from(["square", "hexagonal"]), st.floats(0, 3), st.floats(0.01, 1e4))
def test_a_grid_is_recognised_and_measured(kind: str, turn: float, step: float) -> None:
    spots = grid(kind, turn=turn, step=step)
    assert is_grid(spots)
    assert is_grid(spots + np.random.default_rng(0).normal(scale=0.02 * step, size=spots.shape))
    first, second = basis(spots)
    assert np.linalg.norm(first) == pytest.approx(step, rel=1e-6)
    assert np.linalg.norm(second) == pytest.approx(step, rel=1e-6)
    cosine = abs(first @ second) / step**2
    assert cosine == pytest.approx(0 if kind == "square" else 0.5, abs=1e-6)


def test_cells_are_no_grid() -> None:
    assert not is_grid(np.random.default_rng(0).uniform(size=(500, 2)))
    assert not is_grid(np.zeros((2, 2)))


def test_cells_that_keep_their_distance_are_no_grid() -> None:
    rng = np.random.default_rng(0)
    cells = np.empty((0, 2))
    while len(cells) < 400:  # any farther apart, they hardly fit
        new = rng.uniform(0, 16, 2)
        if not len(cells) or np.linalg.norm(cells - new, axis=1).min() > 0.66:
            cells = np.vstack([cells, new])
    nearest = np.sort(np.linalg.norm(cells[:, None] - cells, axis=2), axis=1)[:, 1]
    assert nearest.std() < 0.15 * nearest.mean()
    assert not is_grid(cells)


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
@pytest.mark.parametrize(("factor", "parts"), [(4.0, 2), (3.1, 2), (9.0, 3)])
def test_a_finer_grid_is_a_grid_again(kind: str, factor: float, parts: int) -> None:
    spots = grid(kind)
    both = np.concatenate([spots, between(spots, factor, everywhere)])
    middle = np.linalg.norm(both - both.mean(axis=0), axis=1) < 400
    nearest = cKDTree(both).query(both, k=2)[0][:, 1]
    np.testing.assert_allclose(nearest[middle], 100 / parts, rtol=1e-6)
    dense = middle.sum() / (np.linalg.norm(spots - both.mean(axis=0), axis=1) < 400).sum()
    assert dense == pytest.approx(parts**2, rel=0.12)


def test_twice_as_dense_takes_the_centres() -> None:
    spots = grid(turn=0.0)
    new = between(spots, 2.0, box)
    assert len(new) == 121
    np.testing.assert_allclose(cKDTree(spots).query(new)[0], 100 / np.sqrt(2))


def test_a_missing_spot_is_filled_in() -> None:
    spots = grid(turn=0.0)
    hole = spots[65]
    new = between(np.delete(spots, 65, axis=0), 2.0, box)
    assert np.linalg.norm(new - hole, axis=1).min() < 1e-6


@given(st.integers(1, 900))
def test_any_number_is_found_between_the_spots(n: int) -> None:
    spots = grid(turn=0.0)
    new = scattered(spots, n, box, np.random.default_rng(0))
    assert len(new) == n
    both = np.concatenate([spots, new])
    assert cKDTree(both).query(both, k=2)[0][:, 1].min() > 10


def test_too_fine_a_grid_is_refused() -> None:
    with pytest.raises(StdiffError, match="smaller factor"):
        between(grid(n=150), 10_000.0, everywhere)
