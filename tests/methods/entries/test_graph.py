"""The tissue's graph: who is joined to whom, weights, and parts of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.methods.entries.graph import Graph

from .conftest import MakeVisible


def test_each_spot_is_joined_to_its_nearest_of_its_section(make_visible: MakeVisible) -> None:
    tissue = make_visible(cells=80)
    joined = Graph.of(tissue, 5).adjacency.toarray()
    section = np.asarray(tissue.section).astype(str)
    away = np.linalg.norm(tissue.coords[:, None] - tissue.coords, axis=-1)
    away[section[:, None] != section] = np.inf
    np.fill_diagonal(away, np.inf)
    near = np.zeros_like(joined)
    np.put_along_axis(near, np.argsort(away, axis=1)[:, :5], 1, axis=1)
    np.testing.assert_array_equal(joined, np.maximum(near, near.T))


def test_small_sections_are_joined_whole(make_visible: MakeVisible) -> None:
    tissue = make_visible(cells=12)
    section = np.array(["a"] * 8 + ["b"] * 3 + ["c"], dtype=object)
    joined = Graph.of(replace(tissue, section=section), 5).adjacency.toarray()
    np.testing.assert_array_equal(joined[8:11, 8:11], 1 - np.eye(3))
    assert joined[11].sum() == 0
    assert joined[:8, 8:].sum() == 0


def test_spots_at_one_point_are_joined(make_visible: MakeVisible) -> None:
    tissue = make_visible(cells=9, sections=1)
    joined = Graph.of(replace(tissue, coords=np.zeros((9, 3))), 2).adjacency
    assert (joined.sum(axis=1) >= 2).all()
    assert joined.diagonal().sum() == 0


def test_weights_are_those_of_kipf_and_welling(make_visible: MakeVisible) -> None:
    graph = Graph.of(make_visible(cells=40), 3)
    whole = graph.adjacency.toarray() + np.eye(40)
    degree = whole.sum(axis=1)
    np.testing.assert_allclose(
        graph.normalised.toarray(), whole / np.sqrt(np.outer(degree, degree)), rtol=1e-6
    )
    part = graph.whole
    table = np.zeros((40, 40))
    table[part.target, part.source] = part.weight
    np.testing.assert_array_equal(table, graph.normalised.toarray())


@settings(max_examples=15)
@given(data=st.data(), hops=st.integers(0, 3))
def test_messages_around_some_spots_are_those_of_the_whole(
    data: st.DataObject, hops: int, make_visible: MakeVisible
) -> None:
    graph = Graph.of(make_visible(cells=60), 3)
    rows = np.array(data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=8, unique=True)))
    part = graph.around(rows, hops)
    np.testing.assert_array_equal(part.nodes[: len(rows)], rows)
    assert len(np.unique(part.nodes)) == len(part.nodes)
    x = np.random.default_rng(0).random(60)
    table = np.zeros((len(part.nodes),) * 2)
    table[part.target, part.source] = part.weight
    y, z = x, x[part.nodes]
    for _ in range(hops):
        y, z = graph.normalised @ y, table @ z
    np.testing.assert_allclose(z[: len(rows)], y[rows], rtol=1e-5)
