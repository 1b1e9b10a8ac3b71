"""A picture that was turned is laid back on the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_stdiff.data.tissue import Histology
from napari_stdiff.registration.frames import about, describe, moved
from napari_stdiff.registration.histology import match_pictures
from napari_stdiff.registration.places import Places

SIZE = 300


def section() -> tuple[Histology, Places]:
    """Return a dark oval with a pattern on a bright slide, 2 units a pixel, and its spots."""
    pattern = gaussian_filter(np.random.default_rng(0).normal(size=(SIZE, SIZE)), 12)
    y, x = np.mgrid[:SIZE, :SIZE]
    oval = ((y - 150) / 110) ** 2 + ((x - 140) / 80) ** 2 < 1
    grey = np.where(oval, 120 + 60 * pattern / pattern.std() / 2, 240).clip(0, 255)
    grey[:20] = 10  # a frame on the slide
    image = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    at = np.argwhere(oval)[::60] * 2.0
    return Histology(image, np.diag([2.0, 2.0, 1.0])), Places(at, np.ones((len(at), 1)), 14.0)


@pytest.mark.parametrize(("angle", "mirrored"), [(100.0, False), (-35.0, True)])
def test_a_known_turn_is_found(angle: float, mirrored: bool) -> None:
    picture, places = section()
    put = about(angle, places.centre, places.centre + np.array([400.0, 90.0]), mirrored)
    turned = Histology(picture.image, put @ picture.to_tissue)
    there = Places(moved(places.coords, put), places.features, places.spacing)
    found = match_pictures(turned, picture, there, places, flip=mirrored)
    left = found @ put
    assert abs(describe(left, places.centre).rotation) < 0.5
    apart = moved(places.coords, left) - places.coords
    assert np.sqrt((apart**2).sum(axis=1)).mean() < 4  # two pixels
    assert not describe(left, places.centre).mirrored


def test_an_affine_map_is_found() -> None:
    picture, places = section()
    put = np.array([[1.1, 0.0, 5], [0.05, 0.92, 3], [0, 0, 1]])
    turned = Histology(picture.image, put @ picture.to_tissue)
    there = Places(moved(places.coords, put), places.features, places.spacing)
    found = match_pictures(turned, picture, there, places, affine=True) @ put
    np.testing.assert_allclose(found[:2, :2], np.eye(2), atol=0.03)
