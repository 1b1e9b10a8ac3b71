"""The values that every run hides, predicts and scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.tasks.entry_check import hide, sentences


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    cells=st.integers(3, 300),
    visible=st.floats(0, 1),
    share=st.floats(0.01, 0.5),
)
def test_only_measured_values_are_hidden(
    seed: int, cells: int, visible: float, share: float
) -> None:
    seen = np.random.default_rng(seed).random((cells, 6)) < visible
    check = hide(seen, share, seed)
    assert not check[~seen].any()
    assert np.array_equal(check, hide(seen, share, seed))
    assert not check[:, seen.sum(axis=0) < 10].any()


def test_the_share_is_kept_and_small_genes_give_more() -> None:
    seen = np.ones((4000, 2), dtype=bool)
    seen[60:, 1] = False
    check = hide(seen, 0.05, 0).sum(axis=0)
    assert 150 < check[0] < 250
    assert 5 <= check[1] <= 25  # a fifth of 60
    assert hide(seen, 0.4, 0)[:, 0].mean() > 0.37
    assert not np.array_equal(hide(seen, 0.05, 1)[:, 0], hide(seen, 0.05, 0)[:, 0])


def test_the_sentence_says_who_does_better() -> None:
    others = {"mean": {"pcc": 0.0}, "soft-svd": {"pcc": 0.55}, "spatial-knn": {"pcc": None}}
    first, second = sentences("stmcdi", {"pcc": 0.5, "coverage80": 0.81}, others, 1234)
    assert "1,234 measured values" in first
    assert "correlation of 0.50 by gene" in first
    assert "low rank 0.55" in first
    assert "near spots" not in first
    assert "hold 81%" in first
    assert "'soft-svd' does better than 'stmcdi'" in second
    assert len(sentences("stmcdi", {"pcc": 0.6}, others, 5)) == 1
    (alone,) = sentences("stmcdi", {"pcc": None}, others, 5)
    assert "too few" in alone
