"""Which cells of a large reference are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.data.subsample import FEWEST, by_type, quotas


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.data())
def test_quotas_add_up_and_keep_rare_types(sizes: list[int], data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, sum(sizes)))
    quota = quotas(np.array(sizes), cells)
    assert quota.sum() == cells
    assert (quota >= 0).all()
    assert (quota <= sizes).all()
    room = min(FEWEST, cells // len(sizes))
    assert (quota >= np.minimum(sizes, room)).all()


def test_shares_where_no_type_is_rare() -> None:
    assert list(quotas(np.array([6000, 3000, 1000]), 1000)) == [600, 300, 100]
    assert list(quotas(np.array([97_000, 2_990, 10]), 1000)) == [960, 30, 10]


def test_a_rare_type_stays_and_the_seed_decides() -> None:
    labels = np.array(["common"] * 9960 + ["rare"] * 30 + ["few"] * 10, dtype=object)
    labels = np.random.default_rng(0).permutation(labels)
    rows = by_type(labels, len(labels), 500, seed=3)
    assert len(rows) == len(set(rows)) == 500
    assert (np.diff(rows) > 0).all()
    assert [(labels[rows] == name).sum() for name in ("common", "rare", "few")] == [465, 25, 10]
    np.testing.assert_array_equal(rows, by_type(labels, len(labels), 500, seed=3))
    assert not np.array_equal(rows, by_type(labels, len(labels), 500, seed=4))


def test_all_cells_and_cells_without_types() -> None:
    np.testing.assert_array_equal(by_type(None, 7, 7, 0), np.arange(7))
    rows = by_type(None, 1000, 100, 0)
    assert len(set(rows)) == 100
    assert rows.min() >= 0
    assert rows.max() < 1000
