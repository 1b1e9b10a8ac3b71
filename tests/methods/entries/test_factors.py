"""A Gaussian with few factors: against the textbook's formula, and what leaving out is worth."""

from __future__ import annotations

import numpy as np

from napari_stdiff.methods.entries.factors import Factors, tissue_factors, visible_covariance


def table(seed: int = 0, cells: int = 400, genes: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(cells, 3)) @ rng.normal(size=(3, genes)) + rng.normal(
        size=(cells, genes)
    )
    whole = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    return whole.astype(np.float32), rng.random((cells, genes)) > 0.3


def test_expected_is_the_conditional_mean_of_a_normal_distribution() -> None:
    whole, seen = table()
    factors = Factors.of(np.corrcoef(whole.T), 4, 0.3)
    z = np.where(seen, whole, 0).astype(np.float32)
    found = factors.expected(z, seen)
    covariance = factors.loadings @ factors.loadings.T + np.diag(factors.own)
    for cell in range(10):
        for gene in range(whole.shape[1]):
            given = np.setdiff1d(np.flatnonzero(seen[cell]), [gene])
            weights = np.linalg.solve(covariance[np.ix_(given, given)], covariance[given, gene])
            assert np.isclose(found[cell, gene], weights @ whole[cell, given], atol=1e-3)


def test_covariance_is_over_what_is_visible() -> None:
    whole, seen = table(cells=3000)
    found = visible_covariance(np.where(seen, whole, 0).astype(np.float32), seen)
    assert np.abs(found - np.corrcoef(whole.T)).max() < 0.12
    assert np.allclose(np.diag(found), 1)


def test_hidden_entries_are_found_from_the_others() -> None:
    whole, seen = table(cells=800)
    z = np.where(seen, whole, 0).astype(np.float32)
    found = tissue_factors(z, seen).expected(z, seen)
    assert np.corrcoef(found[~seen], whole[~seen])[0, 1] > 0.6
    # as if they were hidden: visible ones are no easier than hidden ones
    inside = np.corrcoef(found[seen], whole[seen])[0, 1]
    assert abs(inside - np.corrcoef(found[~seen], whole[~seen])[0, 1]) < 0.08


def test_rows_do_not_depend_on_their_company() -> None:
    whole, seen = table()
    z = np.where(seen, whole, 0).astype(np.float32)
    factors = Factors.of(np.corrcoef(whole.T), 4)
    some = np.array([7, 3, 100])
    assert np.allclose(factors.expected(z, seen)[some], factors.expected(z[some], seen[some]))
