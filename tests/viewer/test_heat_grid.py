"""Cells smoothed onto pixels: constants stay, tissue ends where cells end, sizes are bounded."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.viewer.heat_grid import (
    REACH,
    alpha_of,
    check_pixel,
    default_pixel,
    grid_of,
    largest_pixel,
    smallest_pixel,
)
from napari_stdiff.viewer.layers import FAINTEST

NEAR = 2.0


@pytest.fixture
def plane() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (400, 2))


@pytest.mark.parametrize("pixel", [0.5, 1.0, 7.0])
def test_a_constant_stays_a_constant(plane: np.ndarray, pixel: float) -> None:
    mean, evidence = grid_of(plane, NEAR, pixel).smooth(np.full(400, 3.5))
    assert np.isfinite(mean).any()
    np.testing.assert_allclose(mean[evidence > 0], 3.5, rtol=1e-5)
    assert np.isnan(mean[evidence == 0]).all()


def test_pixels_beyond_the_reach_of_every_cell_are_clear(plane: np.ndarray) -> None:
    pixel = 1.0
    grid = grid_of(plane, NEAR, pixel)
    _, evidence = grid.smooth(np.ones(400))
    at = np.argwhere(np.ones(grid.shape)) * pixel + grid.origin
    away = np.linalg.norm(at[:, None] - plane[None], axis=2).min(axis=1).reshape(grid.shape)
    assert (evidence[away > REACH * NEAR * 1.0001] == 0).all()
    assert (evidence[away < REACH * NEAR * 0.9999] > 0).all()
    assert (alpha_of(evidence)[away > REACH * NEAR * 1.0001] == 0).all()


def test_weights_are_those_of_the_formula() -> None:
    grid = grid_of(np.array([[0.0, 0.0], [0.0, 3.0]]), NEAR, 1.0)
    y, x = np.round((np.array([0.0, 1.0]) - grid.origin) / 1.0).astype(int)
    row = np.asarray(grid.weights[[y * grid.shape[1] + x]].todense()).ravel()
    np.testing.assert_allclose(row, [np.exp(-2 * (1 / NEAR) ** 2), np.exp(-2.0)], rtol=1e-5)


def test_the_picture_lies_where_the_cells_are() -> None:
    plane = np.array([[100.3, -20.2], [130.0, 5.0]])
    grid = grid_of(plane, NEAR, 0.5)
    mean, evidence = grid.smooth(np.array([1.0, 0.0]))
    pixel = np.array(np.unravel_index(np.nanargmax(np.where(mean > 0.5, evidence, 0)), mean.shape))
    world = grid.affine @ np.append(pixel, 1.0)
    assert np.abs(world[:2] - plane[0]).max() <= 0.25 + 1e-9


def test_hidden_cells_and_cells_without_a_value_count_for_nothing() -> None:
    plane = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 30.0]])
    grid = grid_of(plane, NEAR, 0.5)
    alone = grid_of(plane, NEAR, 0.5).smooth(np.array([1.0, np.nan, np.nan]))
    hidden = grid.smooth(np.array([1.0, 5.0, 9.0]), np.array([True, False, False]))
    np.testing.assert_array_equal(hidden[0], alone[0])
    np.testing.assert_array_equal(hidden[1], alone[1])
    assert np.nanmax(hidden[0]) == pytest.approx(1.0)


def test_alpha_follows_evidence_and_confidence() -> None:
    evidence = np.array([0.0, 0.4, 1.0, 3.0])
    np.testing.assert_allclose(alpha_of(evidence), [0.0, 0.4, 1.0, 1.0])
    unsure = alpha_of(evidence, np.array([1.0, 1.0, 0.0, 0.5]))
    np.testing.assert_allclose(unsure, [0.0, 0.4, FAINTEST, FAINTEST + (1 - FAINTEST) / 2])


def test_absurd_pixels_are_refused(plane: np.ndarray) -> None:
    planes = [plane]
    check_pixel(default_pixel(planes, NEAR), planes, NEAR, "um")
    with pytest.raises(StdiffError, match=r"too many for 400 cells; choose .* um or more"):
        check_pixel(0.5 * smallest_pixel(planes, NEAR), planes, NEAR, "um")
    with pytest.raises(StdiffError, match="as large as the tissue"):
        check_pixel(2 * largest_pixel(planes), planes, NEAR, "um")
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(StdiffError, match="above 0"):
            check_pixel(wrong, planes, NEAR, "um")


def test_the_default_is_half_the_distance_unless_that_is_too_many(plane: np.ndarray) -> None:
    assert default_pixel([plane], NEAR) == NEAR / 2
    many = [np.random.default_rng(1).uniform(0, 3000, (3_000_000, 2))]
    assert default_pixel(many, NEAR) > smallest_pixel(many, NEAR) > NEAR / 2
