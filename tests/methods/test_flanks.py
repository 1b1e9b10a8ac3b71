"""Flanking sections and neighbours against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.methods.flanks import (
    SectionTrees,
    average_rows,
    flank_groups,
    flanking_sections,
    label_codes,
)

DEPTHS = {"a": 0.0, "b": 10.0, "c": 25.0, "d": 30.0}


@pytest.mark.parametrize(
    ("z", "n", "expected"),
    [
        (12, 2, ["b", "c"]),
        (12, 4, ["a", "b", "c", "d"]),
        (10, 2, ["b", "c"]),
        (-5, 2, ["a"]),
        (-5, 4, ["a", "b"]),
        (99, 2, ["d"]),
        (27, 4, ["b", "c", "d"]),
    ],
)
def test_flanking_sections(z: float, n: int, expected: list[str]) -> None:
    assert flanking_sections(DEPTHS, z, n) == expected


def test_a_section_can_be_left_out() -> None:
    assert flanking_sections(DEPTHS, 10, 2, without=["b"]) == ["a", "c"]


@given(st.lists(st.floats(-20, 50), min_size=1, max_size=30), st.sampled_from([2, 4]))
def test_groups_hold_each_cell_once_with_its_own_flanks(depths: list[float], n: int) -> None:
    z = np.array(depths)
    groups = flank_groups(DEPTHS, z, n)
    rows = np.concatenate([rows for rows, _ in groups])
    assert sorted(rows.tolist()) == list(range(len(z)))
    for rows, names in groups:
        assert all(flanking_sections(DEPTHS, z[i], n) == names for i in rows)


def test_labels_unknown_and_missing() -> None:
    labels = np.array(["b", None, float("nan"), "z", "a"], dtype=object)
    assert label_codes(labels, ["a", "b"], 5).tolist() == [1, -1, -1, -1, 0]
    assert label_codes(None, ["a"], 2).tolist() == [-1, -1]
    assert label_codes(np.array(["a"], dtype=object), [], 1).tolist() == [-1]


def test_neighbours_as_brute_force() -> None:
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 10, (60, 3))
    section = np.array(["a", "b", "c"])[np.arange(60) % 3]
    code = rng.integers(0, 2, 60)
    query, wanted = rng.uniform(0, 10, (9, 3)), np.array([0, 1, -1] * 3)
    index, distance = SectionTrees(coords, section, code).near(query, wanted, ["c", "a"], 4)
    assert index.shape == distance.shape == (9, 2, 4)
    for q in range(9):
        for s, name in enumerate(["c", "a"]):
            able = (section == name) & ((code == wanted[q]) | (wanted[q] < 0))
            far = np.linalg.norm(coords[:, 1:] - query[q, 1:], axis=1)
            expected = np.flatnonzero(able)[np.argsort(far[able])][:4]
            assert index[q, s].tolist() == expected.tolist()
            np.testing.assert_allclose(distance[q, s], far[expected])


def test_fewer_than_k_and_none_at_all() -> None:
    coords = np.array([[0.0, 0, 0], [0, 0, 3], [0, 0, 1]])
    trees = SectionTrees(coords, np.array(["a"] * 3), np.array([0, 0, 1]))
    index, distance = trees.near(np.zeros((1, 3)), np.array([0]), ["a", "nowhere"], 3)
    assert index.tolist() == [[[0, 1, -1], [-1, -1, -1]]]
    assert distance.tolist() == [[[0, 3, np.inf], [np.inf] * 3]]


def test_average_of_rows() -> None:
    values = np.arange(12.0).reshape(4, 3)
    index = np.array([[[0, 1]], [[3, -1]]])
    weights = np.array([[[0.25, 0.75]], [[1.0, 0.0]]])
    out = average_rows(index, weights, values)
    np.testing.assert_allclose(out, [values[0] * 0.25 + values[1] * 0.75, values[3]])
    assert out.dtype == np.float32
