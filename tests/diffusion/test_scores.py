"""Normal scores: there and back, zeros and all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from napari_stdiff.diffusion.scores import NormalScores

tables = hnp.arrays(
    np.float32,
    st.tuples(st.integers(2, 40), st.integers(1, 4)),
    elements=st.floats(0, 8, width=32).map(lambda v: 0.0 if v < 3 else v),
)


@given(tables, st.floats(0, 0.999))
def test_every_value_comes_back(x: np.ndarray, u: float) -> None:
    normal = NormalScores.fit(x)
    low, high = normal.ranks(x)
    place = np.full(x.shape, u, dtype=np.float32)
    np.testing.assert_array_equal(normal.values(normal.scores(low, high, place)), x)


def test_scores_of_counts_are_standard_normal() -> None:
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(0.7, (6000, 2))).astype(np.float32)
    normal = NormalScores.fit(x)
    scores = normal.scores(*normal.ranks(x), rng.random(x.shape, dtype=np.float32))
    for column in scores.T:
        assert stats.kstest(column, "norm").statistic < 0.02


def test_fresh_scores_give_the_zeros_that_were_measured() -> None:
    rng = np.random.default_rng(1)
    x = np.log1p(rng.poisson(0.7, (5000, 1))).astype(np.float32)
    drawn = NormalScores.fit(x).values(rng.normal(size=(20_000, 1)))
    assert abs((drawn == 0).mean() - (x == 0).mean()) < 0.02


def test_a_gene_that_is_never_seen_stays_zero() -> None:
    normal = NormalScores.fit(np.zeros((10, 1), dtype=np.float32))
    assert normal.values(np.array([[-9.0], [0.0], [9.0]])).max() == 0
