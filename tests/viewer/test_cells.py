"""The table of cells, apart from its widget: rows, columns and their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.arrange import Section
from napari_stdiff.viewer.cell_filter import CellFilter
from napari_stdiff.viewer.cell_pick import CellPick
from napari_stdiff.viewer.cells import NAME, SECTION, Cells, order_of
from napari_stdiff.viewer.colors import Values
from napari_stdiff.viewer.layers import camera_of
from napari_stdiff.viewer.session import session_of


@pytest.fixture
def cells(small_tissue: Tissue, make_virtual: Callable[..., Any]) -> Cells:
    sections = [
        Section(name, False, z, small_tissue.coords[rows], rows)
        for name, z in small_tissue.section_z.items()
        for rows in [np.flatnonzero(small_tissue.section == name)]
    ]
    return Cells(small_tissue, [*sections, Section.of(make_virtual("v", 90.0), "v")])


def test_virtual_cells_follow_the_measured_ones(cells: Cells, small_tissue: Tissue) -> None:
    n = small_tissue.n_cells
    assert cells.n == n + 30
    assert cells.section_of(0).name == small_tissue.section[0]
    assert cells.section_of(n).name == "v"
    assert cells.rows_of(cells.sections[-1]).tolist() == list(range(n, n + 30))


def test_rows_and_places_lead_to_each_other(cells: Cells) -> None:
    rows = np.array([3, 55, 119, 121])
    back = [cells.rows_of(section)[index] for section, index in cells.by_section(rows)]
    assert sorted(np.concatenate(back)) == rows.tolist()


def test_columns_have_nothing_for_cells_that_were_not_measured(
    cells: Cells, small_tissue: Tissue
) -> None:
    assert cells.columns == ["cell_type", "depth", "mark"]
    assert cells.column(NAME)[0] == "cell0"
    assert cells.column(NAME)[-1] == "virtual · v #30"
    assert set(cells.column(SECTION)) == {"first", "second", "third", "virtual · v"}
    depth = cells.column("depth")
    np.testing.assert_array_equal(depth[:120], small_tissue.obs["depth"])
    assert np.isnan(depth[120:]).all()
    assert set(cells.column("mark")) == {"", "yes"}
    assert set(cells.column("cell_type")[120:]) == {""}


def test_what_is_shown_is_there_for_every_cell(
    cells: Cells, small_tissue: Tissue, make_virtual: Callable[..., Any]
) -> None:
    values, results = Values(small_tissue), {"v": make_virtual("v", 90.0)}
    gene = cells.shown(values.colour_by("gene", "Gad1", results))
    assert gene.shape == (150,)
    np.testing.assert_allclose(gene[120:], results["v"].values[:, 0])
    kinds = cells.shown(values.colour_by("column", "cell_type", results))
    assert set(kinds[120:]) == {"neuron"}


@pytest.mark.parametrize("descending", [False, True])
def test_cells_without_a_value_come_last_whichever_way(descending: bool) -> None:
    numbers = order_of(np.array([np.nan, 2.0, 1.0, 3.0]), descending)
    words = order_of(np.array(["", "b", "a", "c"], object), descending)
    expected = [3, 1, 2, 0] if descending else [2, 1, 3, 0]
    assert numbers.tolist() == words.tolist() == expected


def test_labels_are_hidden_shown_and_left_alone() -> None:
    sieve, told = CellFilter(), []
    sieve.changed.connect(lambda: told.append(1))
    labels = np.array(["a", "b", "", "c"], object)
    assert sieve.mask("kind", labels) is None
    sieve.toggle("kind", "a")
    assert sieve.mask("kind", labels).tolist() == [False, True, True, True]
    assert sieve.mask("layer", labels) is None  # another column
    sieve.only("kind", "b", ["a", "b", "c", ""])
    assert sieve.mask("kind", labels).tolist() == [False, True, False, False]
    sieve.only("kind", "b", ["a", "b", "c", ""])  # once more: all
    assert sieve.mask("kind", labels) is None
    assert len(told) == 3
    sieve.show_all("kind")
    assert len(told) == 3  # nothing was hidden


def test_hidden_everywhere_needs_something_hidden() -> None:
    sieve = CellFilter()
    sieve.set_everywhere(True)
    assert not sieve.everywhere
    sieve.toggle("kind", "a")
    assert sieve.everywhere
    sieve.forget()
    assert not sieve.everywhere
    assert not sieve.hidden("kind")


@pytest.mark.viewer
def test_rings_stay_large_enough_to_be_seen(
    make_napari_viewer: Callable[..., Any], small_tissue: Tissue
) -> None:
    viewer = make_napari_viewer(show=True)
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    pick = CellPick(session)
    pick.listen(True)
    pick.pick(np.array([0]))
    rings = viewer.layers["picked cells"]
    camera, widest = camera_of(viewer), 2.2 * session.stack.point_diameter
    camera.zoom = 100.0
    assert rings.size[0] == pytest.approx(widest)
    camera.zoom = 0.01  # far away
    assert rings.size[0] == pytest.approx(1500.0)
    pick.listen(False)
