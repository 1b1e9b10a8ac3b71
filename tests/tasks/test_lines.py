"""Lines between two sections: every cell has one, and it is the same at every depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.lines import Lines
from napari_stdiff.tasks.placement import place


def sides(n: int, m: int, types: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.uniform(0, 100, (k, 2)), rng.integers(0, types, k)) for k in (n, m)]


@pytest.mark.parametrize(("n", "m"), [(60, 60), (400, 300), (90, 700), (3, 500)])
def test_every_cell_is_at_the_end_of_a_line(n: int, m: int) -> None:
    low, high = sides(n, m)
    lines = Lines.between(low, high)
    for yx, code, ends, rows in (
        (*low, lines.start, lines.first),
        (*high, lines.end, lines.second),
    ):
        some = rows >= 0
        assert set(rows[some]) == set(range(len(yx)))
        np.testing.assert_array_equal(ends[some], yx[rows[some]])
        np.testing.assert_array_equal(lines.code[some], code[rows[some]])
    assert len(lines) >= max(n, m)


@pytest.mark.parametrize(("n", "m"), [(400, 300), (90, 700)])
def test_the_number_of_cells_follows_lambda(n: int, m: int) -> None:
    low, high = sides(n, m)
    lines = Lines.between(low, high)
    for weight in (0.0, 0.3, 0.8, 1.0):
        wanted = (1 - weight) * n + weight * m
        assert abs(lines.there(weight).sum() - wanted) <= 4
    np.testing.assert_array_equal(np.sort(lines.first[lines.there(0.0)]), np.arange(n))
    np.testing.assert_array_equal(np.sort(lines.second[lines.there(1.0)]), np.arange(m))


def test_lines_of_a_shifted_section_are_the_shift() -> None:
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)
    code = np.zeros(len(grid), dtype=int)
    order = np.random.default_rng(1).permutation(len(grid))
    lines = Lines.between((grid, code), (grid[order] + (0.2, 0.1), code))
    length = np.linalg.norm(lines.end - lines.start, axis=1)
    assert length.mean() < 0.6  # cells are 1 apart


def test_a_type_that_ends_keeps_its_place() -> None:
    low, high = sides(40, 40, types=1)
    high = (high[0], high[1] + 1)
    lines = Lines.between(low, high)
    np.testing.assert_array_equal(lines.start, lines.end)
    assert lines.there(0.5).sum() == 40
    assert (lines.code[lines.there(0.01)] == 0).mean() > 0.9
    assert set(lines.second[lines.code == 0]) == {-1}


def test_a_virtual_section_is_placed_on_them(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue(sections=2, n=80)
    near, far = (place(tissue, z, InterpolateConfig(cells="lines")) for z in (5.0, 5.1))
    assert near.cell_type is not None
    assert set(near.cell_type) <= set(tissue.cell_type)
    assert near.n_cells == far.n_cells == 80
    # the same cells a little further on: nothing is drawn anew
    assert np.abs(near.coords[:, 1:] - far.coords[:, 1:]).max() < 1.5
