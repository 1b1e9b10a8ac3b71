"""Gaussian processes on axes: against the closed form, and what they find by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from napari_stdiff.methods import processes
from napari_stdiff.methods.processes import (
    Frame,
    Points,
    Posterior,
    kernel,
    posteriors,
    principal_scores,
    tuned,
)

SAID = np.log([0.8, 0.3, 0.5, 0.2, 0.4, 0.3])


@pytest.fixture(scope="module")
def points() -> Points:
    rng = np.random.default_rng(0)
    return Points(rng.random((120, 3)), rng.integers(-1, 3, 120))


@pytest.fixture(scope="module")
def y(points: Points) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.sin(6 * points.zyx[:, 1]) + (points.code == 1) + 0.3 * rng.normal(size=120)


def exact(points: Points, y: np.ndarray, new: Points) -> np.ndarray:
    """Return the textbook's posterior mean."""
    noisy = kernel(SAID, points, points) + np.exp(SAID[-1]) * np.eye(len(y))
    return np.asarray(kernel(SAID, new, points) @ np.linalg.solve(noisy, y))


def test_with_every_cell_inducing_it_is_exact(points: Points, y: np.ndarray) -> None:
    new = Points(np.random.default_rng(2).random((30, 3)), np.arange(30) % 4 - 1)
    posterior = Posterior.of(SAID, points, points, y)
    mean = posterior.features(new) @ posterior.weights
    np.testing.assert_allclose(mean, exact(points, y, new), atol=1e-4)
    by_kernel = kernel(SAID, new, points) @ posterior.representers
    np.testing.assert_allclose(by_kernel, mean, atol=1e-8)
    noisy = kernel(SAID, points, points) + np.exp(SAID[-1]) * np.eye(len(y))
    cross = kernel(SAID, new, points)
    variance = total(new) - (cross * np.linalg.solve(noisy, cross.T).T).sum(axis=1)
    phi = posterior.features(new)
    own = ((phi @ posterior.spread) ** 2).sum(axis=1) + posterior.missed(new, phi)
    np.testing.assert_allclose(own, variance + np.exp(SAID[-1]), atol=1e-4)


def total(new: Points) -> np.ndarray:
    return processes.diagonal(SAID, new)[0]


def test_what_is_left_out_is_as_if_it_had_never_been_there(points: Points, y: np.ndarray) -> None:
    out = np.arange(20, 60)
    kept = np.setdiff1d(np.arange(len(y)), out)
    basis = points[:80]  # inducing cells are places alone, and stay
    whole = Posterior.of(SAID, basis, points, y)
    without = Posterior.of(SAID, basis, points[kept], y[kept])
    found = whole.representers_without(points[out], y[out])
    cross = kernel(SAID, points, basis)
    np.testing.assert_allclose(cross @ found, cross @ without.representers, atol=1e-8)
    assert np.abs(cross @ found - cross @ whole.representers).max() > 0.05


@pytest.mark.parametrize("typed", [True, False], ids=["types", "no types"])
def test_settings_are_a_maximum_of_the_likelihood(
    points: Points, y: np.ndarray, typed: bool
) -> None:
    own = points if typed else Points(points.zyx, np.full(len(y), -1))

    def loss(said: np.ndarray) -> float:
        covariance = kernel(said, own, own) + np.exp(said[-1]) * np.eye(len(y))
        value = 0.5 * y @ np.linalg.solve(covariance, y)
        return float(value + 0.5 * np.linalg.slogdet(covariance)[1])

    found = tuned(own, y, float(y.var()))
    assert loss(found) < loss(SAID) - 1
    size = np.where([True, True, True, False, False, True], np.log(y.var()), 0)
    low = size + np.where([True, True, True, False, False, True], np.log(1e-4), np.log(0.005))
    inside = (found > low + 0.01) & (found < size + np.log(5) - 0.01)
    slope = approx_fprime(found, loss, 1e-5)
    assert np.abs(slope[inside]).max() < 0.1
    assert inside[3]  # the length in the plane is found


def test_it_finds_how_far_things_reach() -> None:
    rng = np.random.default_rng(3)
    places = Points(rng.random((250, 3)) * [0, 1, 1], np.full(250, -1))
    for length in (0.08, 0.2):
        said = np.log([1.0, 1e-4, 1e-4, length, 1.0, 0.05])
        covariance = kernel(said, places, places) + 0.05 * np.eye(250)
        values = np.linalg.cholesky(covariance) @ rng.normal(size=250)
        found = tuned(places, values, float(values.var()))
        assert np.exp(found[3]) == pytest.approx(length, rel=0.35)


def test_an_axis_without_variance_is_its_mean(points: Points) -> None:
    flat = np.zeros((len(points), 1))
    (posterior,) = posteriors(points, flat, 0)
    np.testing.assert_allclose(kernel(posterior.said, points, points) @ posterior.representers, 0)


def test_axes_are_those_of_largest_variance() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 30)) * np.linspace(5, 0.1, 30)
    x -= x.mean(axis=0)
    axes, scores = principal_scores(x, 0)
    assert axes.shape == (15, 30)
    np.testing.assert_allclose(axes @ axes.T, np.eye(15), atol=1e-8)
    sizes = np.linalg.svd(x)[1][:3]
    np.testing.assert_allclose(np.linalg.norm(scores, axis=0)[:3], sizes, rtol=1e-3)
    assert principal_scores(x[:, :4], 0)[0].shape == (4, 4)


def test_a_frame_keeps_the_shape_of_the_tissue() -> None:
    coords = np.array([[0.0, 0, 0], [10, 50, 200], [20, 100, 100]])
    frame = Frame.of(coords)
    own = frame.points(coords, np.zeros(3)).zyx
    assert frame.extent == 200
    np.testing.assert_allclose(own * 200 + frame.centre, coords)
