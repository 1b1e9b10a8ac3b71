"""What a cell's condition is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.cells import VisibleCells
from napari_stdiff.methods.context import Context
from napari_stdiff.methods.donors import Donors

Make = Callable[..., Tissue]


@pytest.fixture(scope="module")
def context(make_tissue: Make) -> Context:
    return Context(VisibleCells.of(make_tissue()))


def test_a_cells_own_section_is_not_looked_at(context: Context) -> None:
    cells = context.cells
    mine = cells.section == "s2"
    before = context.around(cells.coords[mine], cells.code[mine], without="s2")
    x = cells.expression.copy()
    x[mine] = 7
    changed = Context(replace(cells, expression=x))
    changed.__dict__["scale"] = context.scale
    after = changed.around(cells.coords[mine], cells.code[mine], without="s2")
    np.testing.assert_array_equal(before.condition, after.condition)


def test_each_cell_is_described_by_itself(context: Context) -> None:
    rng = np.random.default_rng(0)
    coords = np.column_stack([np.full(40, 15.0), rng.uniform(0, 100, (40, 2))])
    code = rng.integers(-1, 3, 40)
    whole = context.around(coords, code)
    part = context.around(coords[[5, 3]], code[[5, 3]])
    np.testing.assert_array_equal(part.condition, whole.condition[[5, 3]])
    np.testing.assert_array_equal(part.kind, whole.kind[[5, 3]])
    np.testing.assert_allclose(whole.kind.sum(axis=1), 1, rtol=1e-5)


def test_within_sections_a_cell_is_described_without_itself(make_tissue: Make) -> None:
    cells = VisibleCells.of(make_tissue(), within=True)
    own = np.arange(len(cells.code))
    other = np.where(own == 3, (cells.code + 1) % len(cells.types), cells.code)
    unknown = np.full(len(own), -1)
    before = Context(cells).around(cells.coords, unknown, skip=own)
    after = Context(replace(cells, code=other)).around(cells.coords, unknown, skip=own)
    np.testing.assert_array_equal(before.condition[3], after.condition[3])
    assert (before.condition != after.condition).any()  # but its neighbours see it


def test_one_scale_for_all_axes(context: Context) -> None:
    centre, extent = context.frame
    place = (context.cells.coords - centre) / extent
    assert np.abs(place).max() == pytest.approx(1.0)
    assert np.ptp(place[:, 0]) < np.ptp(place[:, 1])  # thin along z stays thin


def test_near_cells_are_of_the_type_asked_for(context: Context) -> None:
    coords = np.array([[15.0, 50.0, 50.0]] * 2)
    index, weights = context.near(coords, np.array([1, 2]), ["s1", "s2"], 10)
    assert (context.cells.code[index[0]] == 1).all()
    assert (context.cells.code[index[1]] == 2).all()
    np.testing.assert_allclose(weights.sum(axis=(1, 2)), 1)


def test_a_type_that_is_nowhere_near_takes_any_cell(context: Context) -> None:
    code = np.where(context.cells.code == 1, 0, context.cells.code)
    lacking = Context(replace(context.cells, code=code))
    index, weights = lacking.near(np.array([[15.0, 50, 50]]), np.array([1]), ["s1", "s2"], 5)
    assert (index >= 0).all()
    assert np.isfinite(weights).all()


def test_donors_come_from_both_sides_by_lambda(context: Context) -> None:
    coords = np.column_stack([np.full(4000, 12.0), np.full(4000, 50.0), np.arange(4000) / 40])
    donors = Donors.of(context, coords, np.zeros(4000, dtype=int), None)
    np.testing.assert_allclose(donors.weight, 0.2)
    rows, second = donors.pick(0, coords, 0)
    z = context.cells.coords[:, 0]
    assert (z[rows[:, 0]] <= 10).all()
    assert (z[rows[:, 1]] >= 20).all()
    assert abs(second.mean() - 0.2) < 0.03
    assert (context.cells.code[rows] == 0).all()


def test_a_side_with_few_cells_gives_few_parents(context: Context) -> None:
    sections = context.cells.section
    gone = np.isin(sections, ["s0", "s1"])
    gone[np.flatnonzero(sections == "s1")[:6]] = False
    thin = Context(context.cells.rows(~gone))
    code, coords = np.array([-1]), np.array([[15.0, 50, 50]])
    # 6 of the 12 that are asked for lie below, all of them above, and the depth is the middle
    assert Donors.of(thin, coords, code, None, 12).weight == pytest.approx(2 / 3)
    assert Donors.of(thin, coords, code, 0.5, 12).weight == pytest.approx(0.5)
