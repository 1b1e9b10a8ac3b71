"""Random numbers by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from napari_stdiff.methods.streams import cell_normals, cell_uniforms

COORDS = np.column_stack([np.full(5000, 40.0), np.random.default_rng(0).uniform(size=(5000, 2))])


def test_a_cell_keeps_its_numbers_in_any_company() -> None:
    whole = cell_uniforms(3, COORDS, 6)
    order = np.random.default_rng(1).permutation(5000)[:100]
    np.testing.assert_array_equal(cell_uniforms(3, COORDS[order], 6), whole[:, order])
    np.testing.assert_array_equal(cell_uniforms(3, COORDS, 2), whole[:2])


@given(st.integers(0, 2**31 - 1))
def test_seed_stream_and_place_each_matter(seed: int) -> None:
    u = cell_uniforms(seed, COORDS[:5], 4)
    assert not (u == cell_uniforms(seed + 1, COORDS[:5], 4)).any()
    assert not (u == cell_uniforms(seed, COORDS[:5], 4, stream=1)).any()
    assert not (u == cell_uniforms(seed, COORDS[:5] + 1e-9, 4)).any()


def test_distributions() -> None:
    u = cell_uniforms(0, COORDS, 20)
    assert kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert u.min() >= 0
    assert u.max() < 1
    assert kstest(cell_normals(0, COORDS, 20).ravel(), "norm").pvalue > 1e-3
    # neither cells next to each other nor draws of one cell move together
    assert np.corrcoef(u[0, :-1], u[0, 1:])[0, 1] == pytest.approx(0, abs=0.06)
    assert np.corrcoef(u[0], u[1])[0, 1] == pytest.approx(0, abs=0.06)


def test_the_sign_of_zero_does_not_matter() -> None:
    zero = np.zeros((1, 3))
    np.testing.assert_array_equal(cell_uniforms(0, zero, 3), cell_uniforms(0, -zero, 3))
