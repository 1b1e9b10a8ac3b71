"""The grid on a section's extent."""

from __future__ import annotations

import numpy as np

from napari_stdiff.scoring.bins import Grid


def test_means_as_a_loop_over_bins() -> None:
    rng = np.random.default_rng(0)
    coords = np.column_stack([np.zeros(200), rng.uniform(-3, 9, 200), rng.uniform(100, 400, 200)])
    values = rng.normal(size=(200, 4))
    grid = Grid.over(coords, 5)
    means, counts = grid.means(values, coords), grid.counts(coords)
    y, x = (coords[:, 1:] - coords[:, 1:].min(0)).T
    row = np.minimum((y / np.ptp(y) * 5).astype(int), 4)
    column = np.minimum((x / np.ptp(x) * 5).astype(int), 4)
    for i in range(5):
        for j in range(5):
            inside = (row == i) & (column == j)
            assert counts[i * 5 + j] == inside.sum()
            if inside.any():
                np.testing.assert_allclose(means[i * 5 + j], values[inside].mean(0))
            else:
                assert np.isnan(means[i * 5 + j]).all()
    assert counts.sum() == 200


def test_cells_outside_the_extent_are_in_no_bin() -> None:
    grid = Grid.over(np.array([[0.0, 0, 0], [0, 10, 10]]))
    np.testing.assert_array_equal(
        grid.bin_of(np.array([[5.0, -1, 5], [5, 5, 11], [5, 10, 10], [5, 0, 0]])), [-1, -1, 224, 0]
    )


def test_cells_on_a_line() -> None:
    coords = np.column_stack([np.zeros(30), np.zeros(30), np.arange(30.0)])
    assert Grid.over(coords).counts(coords).sum() == 30
