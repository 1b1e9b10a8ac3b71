"""Cells of a section that nobody measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.placement import given_cells, measured_at, parents, place


def test_lambda_is_the_share_of_the_way(tissue: Tissue) -> None:
    assert parents(tissue, 12.5) == ("s1", "s2", 0.25)


@pytest.mark.parametrize("z", [-1.0, 0.0, 40.0, 55.0])
def test_outside_the_stack_is_refused_with_the_bounds(tissue: Tissue, z: float) -> None:
    with pytest.raises(StdiffError, match="between 0 and 40 um"):
        parents(tissue, z)


@pytest.mark.parametrize("cells", ["transport", "nearest", "grid"])
def test_cells_lie_at_the_depth_inside_the_tissue(tissue: Tissue, cells: str) -> None:
    query = place(tissue, 14.0, InterpolateConfig(cells=cells))
    assert (query.coords[:, 0] == 14.0).all()
    low, high = tissue.coords[:, 1:].min(axis=0), tissue.coords[:, 1:].max(axis=0)
    assert (query.coords[:, 1:] >= low - 10).all()
    assert (query.coords[:, 1:] <= high + 10).all()
    assert query.cell_type is not None
    assert set(query.cell_type) <= set(tissue.cell_type)
    assert 100 < query.n_cells < 220


def moved(tissue: Tissue, shift: float) -> Tissue:
    """Return two sections, the second being the first moved along x by `shift`."""
    rows = tissue.section == "s0"
    first = tissue.coords[rows]
    second = first + np.array([10.0, 0.0, shift])
    both = tissue.rows(np.concatenate([np.flatnonzero(rows)] * 2))
    return replace(
        both,
        coords=np.concatenate([first, second]),
        section=np.repeat(["a", "b"], len(first)),
        cell_type=np.full(2 * len(first), "one", dtype=object),
    )


@given(st.floats(0.05, 0.95))
def test_transport_moves_a_shifted_section_by_its_share(weight: float) -> None:
    two = moved(_TISSUE, 30.0)
    query = place(two, 10.0 * weight, InterpolateConfig(cells="transport"))
    assert query.n_cells == two.n_cells // 2
    wanted = two.coords[: query.n_cells, 2].mean() + 30 * weight
    assert abs(query.coords[:, 2].mean() - wanted) < 1e-6


def test_transport_follows_each_cell_for_a_small_shift(tissue: Tissue) -> None:
    two = moved(tissue, 0.5)
    query = place(two, 5.0, InterpolateConfig(cells="transport"))
    wanted = two.coords[: query.n_cells, 1:] + [0, 0.25]
    order = np.lexsort(query.coords[:, 1:].T), np.lexsort(wanted.T)
    np.testing.assert_allclose(query.coords[order[0], 1:], wanted[order[1]], atol=1e-9)


def test_large_sections_are_matched_in_parts(tissue: Tissue) -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros(8000, dtype=int)
    coords = np.column_stack([np.repeat([0.0, 10.0], 4000), rng.uniform(0, 500, (8000, 2))])
    big = replace(
        tissue.rows(rows),
        coords=coords,
        section=np.repeat(["a", "b"], 4000),
        cell_type=None,
    )
    query = place(big, 5.0, InterpolateConfig(cells="transport"))
    assert query.n_cells == 4000
    assert query.cell_type is None
    counts = np.histogram2d(query.coords[:, 1], query.coords[:, 2], bins=4)[0]
    assert counts.min() > 150  # even density stays even


def test_cell_numbers_follow_lambda(tissue: Tissue) -> None:
    few = tissue.rows(np.flatnonzero((tissue.section != "s2") | (np.arange(750) % 3 == 0)))
    n = [place(few, z, InterpolateConfig(cells="transport")).n_cells for z in (10.1, 15.0, 19.9)]
    assert n[0] > n[1] > n[2]
    assert abs(n[1] - 100) < 6


def test_the_seed_says_everything(tissue: Tissue) -> None:
    queries = [place(tissue, 14.0, InterpolateConfig(seed=s)).coords for s in (0, 0, 1)]
    np.testing.assert_array_equal(queries[0], queries[1])
    assert queries[0].shape != queries[2].shape or not np.array_equal(queries[0], queries[2])


def test_a_grid_has_the_step_asked_for(tissue: Tissue) -> None:
    query = place(tissue, 14.0, InterpolateConfig(cells="grid", grid_step=20.0))
    steps = np.diff(np.unique(query.coords[:, 1]))
    np.testing.assert_allclose(steps, 20.0)


def test_given_cells_are_read(tmp_path: Path) -> None:
    file = tmp_path / "cells.csv"
    file.write_text("x,y,cell_type\n1,2,glia\n3,4,\n")
    query = given_cells(str(file), 7.0)
    np.testing.assert_array_equal(query.coords, [[7, 2, 1], [7, 4, 3]])
    assert query.cell_type is not None
    assert list(query.cell_type) == ["glia", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no positions file"),
        ("a,b\n1,2\n", "columns x and y"),
        ("x,y\n", "needs rows"),
        ("x,y\n1,two\n", "no numbers"),
        ("x,y\n1,\n", "empty or infinite"),
        ("x,y\n1,1e300\n", "too far to compute with"),
    ],
)
def test_unusable_positions_get_one_sentence(
    tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "cells.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StdiffError, match=message):
        given_cells(str(file), 7.0)


def _make() -> Tissue:
    rng = np.random.default_rng(0)
    return Tissue(
        expression=np.ones((60, 2), dtype=np.float32),
        values="counts",
        genes=np.array(["a", "b"]),
        names=np.arange(60).astype(str),
        coords=np.column_stack([np.zeros(60), rng.uniform(0, 100, (60, 2))]),
        unit="um",
        section=np.full(60, "s0"),
        cell_type=np.full(60, "one", dtype=object),
    )


_TISSUE = _make()


def test_sections_all_at_one_depth_are_told(tissue: Tissue) -> None:
    flat = replace(tissue, coords=tissue.coords * [0, 1, 1] + [7, 0, 0])
    with pytest.raises(StdiffError, match="All sections are at z = 7 um"):
        parents(flat, 7.0)


@pytest.mark.parametrize("cells", ["transport", "nearest", "grid"])
def test_a_parent_may_be_a_single_cell(tissue: Tissue, cells: str) -> None:
    keep = np.ones(tissue.n_cells, dtype=bool)
    keep[151:300] = False
    for z in (5.0, 12.0):
        query = place(tissue.rows(keep), z, InterpolateConfig(cells=cells))
        assert query.n_cells >= 1
        assert np.isfinite(query.coords).all()


def test_a_grid_far_too_fine_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="larger grid step"):
        place(tissue, 14.0, InterpolateConfig(cells="grid", grid_step=0.001))


def test_cells_at_one_place_leave_the_grid_as_it_is(tissue: Tissue) -> None:
    coords = tissue.coords.copy()
    coords[tissue.section == "s1", 1:] = np.repeat(coords[tissue.section == "s1", 1:][:30], 5, 0)
    piled = replace(tissue, coords=coords)
    assert place(piled, 14.0, InterpolateConfig(cells="grid")).n_cells > 100


def test_measured_sections_are_known_by_their_depth() -> None:
    depths = {"a": 0.0, "b": 10.0, "c": 30.0}
    assert measured_at(depths, 10.0) == measured_at(depths, 10.1) == "b"
    assert measured_at(depths, -3.0) == "a"
    assert measured_at(depths, 40.0) == "c"
    assert measured_at(depths, 20.0) == measured_at(depths, 9.0) == ""
