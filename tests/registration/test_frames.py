"""Maps of the plane are found exactly from exact pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.registration.frames import about, describe, fit_affine, fit_rigid, moved, sane

angles = st.floats(-179.9, 179.9)
shifts = st.floats(-1e4, 1e4)


def cloud(n: int = 12) -> np.ndarray:
    return np.random.default_rng(3).uniform(-50, 200, (n, 2))


@given(angles, shifts, shifts, st.booleans())
def test_rigid_maps_are_found_and_described(
    angle: float, dy: float, dx: float, mirrored: bool
) -> None:
    points = cloud()
    centre = points.mean(axis=0)
    truth = about(angle, centre, centre + np.array([dy, dx]), mirrored)
    found = fit_rigid(points, moved(points, truth), flip=True)
    np.testing.assert_allclose(found, truth, atol=1e-6)
    move = describe(found, centre)
    assert move.mirrored == mirrored
    assert abs((move.rotation - angle + 180) % 360 - 180) < 1e-6
    assert move.scale == pytest.approx(1)
    np.testing.assert_allclose(move.shift, (dy, dx), atol=1e-6)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_affine_maps_are_found(values: list[float]) -> None:
    truth = np.vstack([np.reshape(values, (2, 3)), [0, 0, 1]])
    points = cloud()
    np.testing.assert_allclose(fit_affine(points, moved(points, truth)), truth, atol=1e-8)


def test_no_mirror_unless_allowed() -> None:
    points = cloud()
    mirrored = moved(points, about(20.0, np.zeros(2), mirrored=True))
    assert np.linalg.det(fit_rigid(points, mirrored)[:2, :2]) == pytest.approx(1)
    assert np.linalg.det(fit_rigid(points, mirrored, flip=True)[:2, :2]) == pytest.approx(-1)


def test_weights_count() -> None:
    points = cloud(6)
    target = points + 5
    target[0] += 1000  # a wrong pair that counts for nothing
    weights = np.array([0.0, 1, 1, 1, 1, 1])
    for fit in (fit_rigid, fit_affine):
        np.testing.assert_allclose(moved(points, fit(points, target, weights))[1:], points[1:] + 5)


def test_a_turn_to_the_right_goes_down() -> None:
    np.testing.assert_allclose(
        moved(np.array([[0.0, 2.0]]), about(90.0, np.zeros(2))), [[2.0, 0.0]], atol=1e-12
    )


def test_what_is_sane() -> None:
    assert sane(np.diag([1.2, 0.9, 1]))
    assert not sane(np.diag([1.2, 0.01, 1]))
    assert not sane(np.full((3, 3), np.nan))
