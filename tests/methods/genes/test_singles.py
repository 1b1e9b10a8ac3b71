"""Closed-form predictors: against other implementations, and the promises of every one."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeCV

from napari_stdiff.methods.genes.singles import SINGLES, base, nearest
from napari_stdiff.methods.genes.singles import sinkhorn as sinkhorn_module
from napari_stdiff.methods.genes.singles.base import standardise, unit_rows
from napari_stdiff.methods.genes.singles.gene_kernel_ridge import GeneKernelRidge
from napari_stdiff.methods.genes.singles.knn import Knn
from napari_stdiff.methods.genes.singles.pls import Pls
from napari_stdiff.methods.genes.singles.ridge import STRENGTHS, Ridge
from napari_stdiff.methods.genes.singles.sinkhorn import STEPS, Sinkhorn
from napari_stdiff.methods.genes.singles.spage_like import SpageLike
from napari_stdiff.scoring.correlation import column_pearson

Sides = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def sides() -> Sides:
    """Tissue, reference, the reference's wanted profiles and what the tissue has of them."""
    rng = np.random.default_rng(3)
    loading = rng.gamma(0.5, 1.0, (4, 25))
    a = np.log1p(rng.poisson(rng.dirichlet(np.ones(4) * 0.4, 220) @ loading * 6))
    b = np.log1p(rng.poisson(rng.dirichlet(np.ones(4) * 0.4, 300) @ loading * 4))
    a, b = a.astype(np.float32), b.astype(np.float32)
    return a[:, :20], b[:, :20], b[:, 20:], a[:, 20:]


@pytest.mark.parametrize("name", SINGLES)
def test_wanted_genes_are_found(name: str, sides: Sides) -> None:
    tissue, reference, wanted, truth = sides
    answer = SINGLES[name]().fit(tissue, reference).predict(wanted)
    assert answer.dtype == np.float32
    assert answer.shape == truth.shape
    assert column_pearson(truth, answer).mean() > 0.4
    # on the reference's scale
    assert np.allclose(answer.mean(axis=0), wanted.mean(axis=0), rtol=0.35, atol=0.1)


@pytest.mark.parametrize("name", SINGLES)
def test_a_gene_does_not_depend_on_the_others_that_are_asked_for(name: str, sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    fitted = SINGLES[name]().fit(tissue, reference)
    together, alone = fitted.predict(wanted), fitted.predict(wanted[:, [2]])
    assert np.allclose(together[:, [2]], alone, atol=1e-5)


@pytest.mark.parametrize("name", SINGLES)
def test_how_bright_a_gene_is_in_the_tissue_does_not_matter(name: str, sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    first = SINGLES[name]().fit(tissue, reference).predict(wanted)
    brighter = tissue * np.linspace(0.5, 4, tissue.shape[1], dtype=np.float32)
    second = SINGLES[name]().fit(brighter, reference).predict(wanted)
    assert np.allclose(first, second, atol=2e-3)


@pytest.mark.parametrize("name", SINGLES)
def test_constant_genes_and_few_reference_cells_are_no_trouble(name: str, sides: Sides) -> None:
    tissue, reference, wanted, _ = (x.copy() for x in sides)
    tissue[:, 0] = 0
    reference[:, 1] = 0
    wanted[:, 0] = 0
    answer = SINGLES[name]().fit(tissue, reference[:12]).predict(wanted[:12])
    assert np.isfinite(answer).all()
    assert np.allclose(answer[:, 0], 0)


def test_ridge_is_ridge_at_the_strength_of_the_least_gcv_error(sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    ridge = Ridge().fit(tissue, reference)
    ridge.floor = 0.0
    z, y = standardise(reference), standardise(wanted)
    n = len(z)
    # RidgeCV of one target at a time chooses by leave-one-out, close to generalised CV
    for j in range(wanted.shape[1]):
        turned = ridge._solver._vectors.T @ (z.T @ y[:, [j]] / n)
        strength = float(ridge._solver._strengths(turned)[0])
        chosen = RidgeCV(alphas=STRENGTHS * n, fit_intercept=False).fit(z, y[:, j]).alpha_ / n
        assert abs(np.log10(strength / chosen)) < 0.6
        expected = SklearnRidge(alpha=strength * n, fit_intercept=False).fit(z, y[:, j])
        answer = expected.predict(standardise(tissue)) * wanted[:, j].std() + wanted[:, j].mean()
        assert np.allclose(ridge.predict(wanted)[:, j], answer, atol=1e-3)


def test_pls_is_pls_of_one_target(sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    pls = Pls().fit(tissue, reference)
    for pls.components in (1, 3, 6):
        for j in range(2):
            known = PLSRegression(pls.components, scale=False)
            known.fit(standardise(reference), wanted[:, j])
            answer = np.ravel(known.predict(standardise(tissue)))
            assert np.allclose(pls.predict(wanted)[:, j], answer, atol=1e-3)


def test_knn_averages_the_most_similar_cells_by_cosine(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    tissue, reference, wanted, _ = sides
    knn = Knn().fit(tissue, reference)
    cosine = unit_rows(standardise(tissue)) @ unit_rows(standardise(reference)).T
    near = np.argsort(-cosine, axis=1)[:, : knn.k]
    weight = np.maximum(np.take_along_axis(cosine, near, axis=1), 0)
    expected = (weight[:, :, None] * wanted[near]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    assert np.allclose(knn.predict(wanted), expected, atol=1e-4)
    monkeypatch.setattr(nearest.blocks, "__defaults__", (7,))
    assert np.allclose(Knn().fit(tissue, reference).predict(wanted), expected, atol=1e-4)


def test_gene_kernel_ridge_is_the_dual_of_a_regression_over_genes(sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    method = GeneKernelRidge().fit(tissue, reference)
    z, y, maps = standardise(reference), standardise(wanted), standardise(tissue)
    n = len(z)

    def likeness(r: np.ndarray) -> np.ndarray:
        return r if method.width is None else np.exp((r - 1) / method.width)

    kernel, cross = likeness(z.T @ z / n), likeness(z.T @ y / n)
    weights = np.linalg.solve(kernel + method.strength * np.eye(len(kernel)), cross)
    expected = maps @ weights * wanted.std(axis=0) + wanted.mean(axis=0)
    assert np.allclose(method.predict(wanted), expected, atol=1e-3)


def test_gene_kernel_ridge_chooses_by_leaving_each_gene_out(sides: Sides) -> None:
    tissue, reference, _, _ = sides
    method = GeneKernelRidge().fit(tissue, reference)
    z, maps = standardise(reference).astype(float), standardise(tissue).astype(float)
    r = z.T @ z / len(z)

    def score(width: float | None, strength: float) -> float:
        kernel = r if width is None else np.exp((r - 1) / width)
        out = np.empty_like(maps)
        for j in range(len(r)):
            rest = np.delete(np.arange(len(r)), j)
            inner = kernel[np.ix_(rest, rest)] + strength * np.eye(len(rest))
            out[:, j] = maps[:, rest] @ np.linalg.solve(inner, kernel[rest, j])
        return float(column_pearson(maps, out).mean())

    chosen = score(method.width, method.strength)
    for width, strength in ((None, 1.0), (None, 10.0), (1.0, 0.03), (0.5, 1.0)):
        assert chosen >= score(width, strength) - 1e-6


def test_sinkhorn_is_the_plan_of_pot(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    tissue, reference, wanted, _ = sides
    a, b = unit_rows(standardise(tissue)), unit_rows(standardise(reference))
    fitted = Sinkhorn().fit(tissue, reference)
    plan = ot.sinkhorn(
        np.full(len(a), 1 / len(a)),
        np.full(len(b), 1 / len(b)),
        (1 - a @ b.T).astype(np.float64),
        fitted.regularisation,
        numItermax=STEPS,
        stopThr=1e-4,
        warn=False,
    )
    plan /= plan.sum(axis=1, keepdims=True)
    answer = fitted.predict(wanted)
    assert np.allclose(answer, plan @ wanted, atol=1e-2)
    # a big tissue goes in parts, and hardly changes
    monkeypatch.setattr(sinkhorn_module, "CELLS", 80)
    parts = Sinkhorn().fit(tissue, reference)
    assert len(parts._parts) == 3
    assert column_pearson(answer, parts.predict(wanted)).min() > 0.9


def test_spage_keeps_the_directions_that_both_sides_have(sides: Sides) -> None:
    tissue, reference, wanted, _ = sides
    same = SpageLike().fit(reference, reference)
    assert same.vectors == 10  # half as many as genes: all pair off with themselves
    noise = np.random.default_rng(0).normal(size=tissue.shape).astype(np.float32)
    assert 1 <= SpageLike().fit(noise, reference).vectors <= 10
    answer = same.predict(wanted)
    assert answer.min() >= wanted.min() - 1e-6
    assert answer.max() <= wanted.max() + 1e-6
    assert column_pearson(wanted, answer).mean() > 0.4


def test_tuning_looks_at_every_visible_gene_once() -> None:
    hidden = [h for _, h in base.tuning_folds(11)]
    assert sorted(np.concatenate(hidden)) == list(range(11))
    for kept, away in base.tuning_folds(11):
        assert not set(kept) & set(away)
    assert len(base.tuning_rows(10**6)) == base.TUNING_CELLS
