"""Prompts name the highest genes and the lowest above zero, of what may be seen alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.methods.entries.prompts import NOBODY, Prompts

NAMES = np.array(["Aqp4", "Gad2", "Sst", "Vip", "Rorb"], dtype=object)


def test_template() -> None:
    values = np.array([[4.0, 0.0, 7.0, 1.0, 2.5], [0, 0, 3, 0, 0], [0, 0, 0, 0, 0]])
    prompts = Prompts.of(values, np.ones((3, 5), dtype=bool), 2, 2)
    assert prompts.sentences(NAMES) == [
        "The spot has highest expression with Sst 7, Aqp4 4 and non-zero lower expressed "
        "Vip 1, Rorb 2.50",
        "The spot has highest expression with Sst 3",
        "The spot has no expression",
    ]


def test_hidden_entries_are_not_spoken_of() -> None:
    values = np.array([[4.0, 5.0, 7.0, 1.0, 2.0]])
    shown = np.array([[True, True, False, False, True]])
    prompts = Prompts.of(values, shown, 1, 5)
    assert prompts.genes.tolist() == [[1, 4, 0, NOBODY, NOBODY, NOBODY]]
    assert prompts.values.tolist() == [[5, 2, 4, 0, 0, 0]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.integers(1, 9), st.integers(0, 9))
def test_high_above_low_and_each_gene_once(seed: int, n_high: int, n_low: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.poisson(1.5, (6, 5)).astype(float)
    shown = rng.random((6, 5)) > 0.3
    prompts = Prompts.of(values, shown, n_high, n_low)
    assert prompts.genes.shape == (6, n_high + n_low)
    for i in range(6):
        above = set(np.flatnonzero(shown[i] & (values[i] > 0)).tolist())
        high, low = ([g for g in part if g >= 0] for part in np.split(prompts.genes[i], [n_high]))
        assert len(set(high + low)) == len(high + low)
        assert set(high + low) <= above
        assert len(high) == min(n_high, len(above))
        assert len(low) == min(n_low, len(above) - len(high))
        assert all(values[i, g] <= values[i, h] for g in low for h in high)
        rest = above - set(high + low)
        assert all(values[i, g] <= values[i, r] for g in low for r in rest)
