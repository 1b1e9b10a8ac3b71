"""A section that was turned, shifted or mirrored is laid back where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.registration.frames import about, describe, fit_rigid, moved
from napari_stdiff.registration.places import Places, places_of
from napari_stdiff.registration.quality import neighbour_correlation
from napari_stdiff.registration.transport import match, transported


@pytest.fixture(scope="module")
def pair(blobs: Callable[..., Tissue]) -> tuple[Places, Places]:
    places = places_of(blobs(), 150, 6)
    return places["s0"], places["s1"]


def turned(places: Places, matrix: np.ndarray) -> Places:
    return replace(places, coords=moved(places.coords, matrix))


def error(places: Places, found: np.ndarray, put: np.ndarray) -> float:
    back = moved(moved(places.coords, put), found)
    return float(np.sqrt(((back - places.coords) ** 2).sum(axis=1)).mean())


@pytest.mark.parametrize(("angle", "mirrored"), [(137.0, False), (-71.0, True)])
def test_a_known_turn_is_found(pair: tuple[Places, Places], angle: float, mirrored: bool) -> None:
    a, b = pair
    put = about(angle, a.centre, a.centre + np.array([300.0, -80.0]), mirrored)
    pose = match(turned(a, put), b, flip=mirrored, starts=8)
    assert error(a, pose.matrix, put) < 0.5 * b.spacing
    assert describe(pose.matrix, a.centre).mirrored == mirrored
    assert pose.score > 0.6
    assert pose.score == pytest.approx(neighbour_correlation(turned(a, put), b, pose.matrix))


def test_an_affine_map_is_found(pair: tuple[Places, Places]) -> None:
    a, b = pair
    put = about(40.0, a.centre) @ np.array([[1.25, 0.06, 3], [0, 0.8, 1], [0, 0, 1]])
    rigid = match(turned(a, put), b, starts=8)
    wide = match(turned(a, put), b, starts=8, affine=True)
    assert wide.score > rigid.score
    assert error(a, wide.matrix, put) < min(b.spacing, 0.5 * error(a, rigid.matrix, put))


def test_half_a_section_lies_on_the_whole(pair: tuple[Places, Places]) -> None:
    a, b = pair
    upper = a.coords[:, 0] < a.centre[0] + 5
    half = replace(a, coords=a.coords[upper], features=a.features[upper])
    put = about(-60.0, half.centre, half.centre + np.array([0.0, 90.0]))
    pose = match(turned(half, put), b, starts=12)
    assert error(half, pose.matrix, put) < b.spacing


def test_transport_alone_comes_near(pair: tuple[Places, Places]) -> None:
    a, b = pair
    start = about(25.0, a.centre)
    found = transported(a, b, start, alpha=0.1, flip=False)
    assert error(a, found, np.eye(3)) < 0.5 * error(a, start, np.eye(3))
    assert np.linalg.det(found[:2, :2]) == pytest.approx(1)


def test_the_same_again(pair: tuple[Places, Places]) -> None:
    a, b = pair
    steps: list[tuple[int, int]] = []
    first = match(a, b, starts=4, step=lambda done, total: steps.append((done, total)))
    np.testing.assert_array_equal(first.matrix, match(a, b, starts=4).matrix)
    assert steps[-1][0] == steps[-1][1]
    np.testing.assert_allclose(fit_rigid(a.coords, a.coords), np.eye(3), atol=1e-9)
