"""Averages over neighbouring cells stay in their section and are used only where they help."""

from __future__ import annotations

import numpy as np

from napari_stdiff.methods.genes.smoothing import Neighbourhood, Smoothing


def _grid(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    coords = np.c_[np.zeros(n * n), y.ravel(), x.ravel()].astype(float)
    return coords, np.full(n * n, "a", dtype=object)


def test_an_average_is_over_the_cell_and_its_nearest() -> None:
    coords, section = _grid()
    values = np.random.default_rng(0).random((400, 3)).astype(np.float32)
    near = Neighbourhood(coords, section).average(values, 4)
    middle = 5 * 20 + 7
    cross = [middle, middle - 1, middle + 1, middle - 20, middle + 20]
    assert np.allclose(near[middle], values[cross].mean(axis=0), atol=1e-6)


def test_sections_do_not_mix_even_at_the_same_place() -> None:
    coords, _ = _grid(6)
    coords, section = np.r_[coords, coords], np.repeat(np.array(["a", "b"], dtype=object), 36)
    values = np.repeat([[0.0], [1.0]], 36, axis=0).astype(np.float32)
    smooth = Neighbourhood(coords, section).smooth(values, Smoothing(1.0, 8))
    assert np.allclose(smooth, values)


def test_a_section_smaller_than_the_neighbourhood_takes_what_it_has() -> None:
    coords = np.array([[0.0, 0, 0], [0, 0, 1], [0, 5, 5]])
    section = np.array(["a", "a", "b"], dtype=object)
    values = np.array([[0.0], [2.0], [7.0]], dtype=np.float32)
    smooth = Neighbourhood(coords, section).smooth(values, Smoothing(0.5, 50))
    assert np.allclose(smooth.ravel(), [0.5, 1.5, 7.0])


def test_smoothing_is_chosen_where_the_truth_is_smooth_and_the_prediction_is_not() -> None:
    coords, section = _grid()
    rng = np.random.default_rng(1)
    smooth = np.sin(coords[:, [1]] / 4 + np.arange(5))
    noisy = smooth + rng.normal(size=smooth.shape)
    near = Neighbourhood(coords, section)
    chosen = near.choose(noisy, smooth)
    assert chosen.strength > 0
    error = np.abs(near.smooth(noisy, chosen) - smooth).mean()
    assert error < 0.6 * np.abs(noisy - smooth).mean()


def test_no_smoothing_where_neighbours_tell_nothing() -> None:
    coords, section = _grid()
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(400, 5))
    chosen = Neighbourhood(coords, section).choose(
        truth + 0.5 * rng.normal(size=truth.shape), truth
    )
    assert chosen == Smoothing()
    assert np.array_equal(Neighbourhood(coords, section).smooth(truth, chosen), truth)
