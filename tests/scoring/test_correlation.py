"""Correlations against scipy, and what happens with constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, spearmanr

from napari_stdiff.scoring.correlation import column_pearson, row_spearman, varying

VALUES = st.floats(0, 8, width=32).map(lambda v: round(v, 3))


def test_columns_as_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
    expected = [pearsonr(a[:, j], b[:, j])[0] for j in range(5)]
    np.testing.assert_allclose(column_pearson(a, b), expected)


def test_rows_as_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.poisson(1, (30, 12)), rng.normal(size=(30, 12))
    expected = [spearmanr(a[i], b[i])[0] for i in range(30)]
    np.testing.assert_allclose(row_spearman(a, b), expected)


def test_constants() -> None:
    rng = np.random.default_rng(0)
    truth = np.column_stack([rng.normal(size=10), np.full(10, 0.1), rng.normal(size=10)])
    prediction = np.column_stack([np.full(10, 0.1), rng.normal(size=10), truth[:, 2] * 2 + 1])
    r = column_pearson(truth, prediction)
    assert r[0] == 0
    assert np.isnan(r[1])
    assert r[2] == pytest.approx(1)


def test_rounding_is_no_variation() -> None:
    nearly = np.full((50, 1), 0.1)
    nearly[::2] += 1e-16
    assert not varying(nearly)[0]
    assert varying(np.array([[0.0], [1e-8]]))[0]


@given(
    arrays(np.float64, (7, 3), elements=VALUES),
    arrays(np.float64, (7, 3), elements=VALUES),
    st.floats(0.01, 100),
    st.floats(-5, 5),
)
def test_bounded_and_blind_to_scale(
    truth: np.ndarray, prediction: np.ndarray, scale: float, shift: float
) -> None:
    r = column_pearson(truth, prediction)
    assert ((np.abs(r) <= 1) | np.isnan(r)).all()
    assert (np.isnan(r) == ~varying(truth)).all()
    np.testing.assert_allclose(column_pearson(truth, prediction * scale + shift), r, atol=1e-6)
