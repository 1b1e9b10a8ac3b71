"""Sections become places that cover them evenly and compare across sections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.registration.places import places_of, spacing_of, spread_out
from napari_stdiff.registration.quality import better, neighbour_correlation


def test_few_points_are_all_kept_and_many_are_covered() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 100, (2000, 2))
    assert np.array_equal(spread_out(xy[:50], 50), np.arange(50))
    chosen = spread_out(xy, 100)
    assert len(np.unique(chosen)) == 100
    hole = np.sqrt(((xy[:, None] - xy[chosen][None]) ** 2).sum(axis=2)).min(axis=1).max()
    assert hole < 12  # the grid of 100 has a spacing of 10


def test_spacing() -> None:
    grid = np.stack(np.meshgrid(np.arange(5) * 7.0, np.arange(5) * 7.0), -1).reshape(-1, 2)
    assert spacing_of(grid) == 7.0
    assert spacing_of(grid[:1]) == 1.0


def test_depth_of_sequencing_does_not_tell_sections_apart(blobs: Callable[..., Tissue]) -> None:
    alike, shallow = blobs(), blobs(depth=(1.0, 0.4))
    for tissue in (alike, shallow):
        places = places_of(tissue, 200, 5)
        same = neighbour_correlation(places["s0"], places["s1"], np.eye(3))
        shifted = np.eye(3)
        shifted[0, 2] = 30.0
        assert same > 0.6
        assert neighbour_correlation(places["s0"], places["s1"], shifted) < same - 0.2


def test_features_have_length_one_and_are_the_same_again(blobs: Callable[..., Tissue]) -> None:
    first, second = (places_of(blobs(), 60, 4, seed=5) for _ in range(2))
    for name, part in first.items():
        assert part.features.shape == (60, 4)
        np.testing.assert_allclose(np.linalg.norm(part.features, axis=1), 1)
        np.testing.assert_array_equal(part.features, second[name].features)


def test_better_is_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(-1, 1, 400)
    assert better(before + 0.1, before)
    assert not better(before, before)
    assert not better(before + rng.normal(0.01, 0.3, 400), before)
    assert not better(before - 0.1, before)
