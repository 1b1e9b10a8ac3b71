"""Shared noise: even in each cell, and alike in cells as far as their errors are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.methods.genes.noise import AXES, SharedNoise, scores_of
from napari_stdiff.methods.genes.smoothing import Neighbourhood

CELLS, GENES = 300, 60


@pytest.fixture(scope="module")
def basis() -> np.ndarray:
    rng = np.random.default_rng(0)
    coords = np.c_[np.zeros(CELLS), rng.random((CELLS, 2)) * 100]
    waves = np.sin(coords[:, [1]] / 20 + np.arange(14)) + rng.normal(size=(CELLS, 14))
    near = Neighbourhood(coords, np.full(CELLS, "s"))
    return SharedNoise.patterns(waves.astype(np.float32), near)


def _errors(basis: np.ndarray, shares: dict[int, float]) -> np.ndarray:
    """Return (cells, genes) errors of unit variance, some of it along patterns."""
    rng = np.random.default_rng(1)
    own = np.sqrt(1 - sum(shares.values()))
    out = own * rng.standard_normal((CELLS, GENES))
    for axis, share in shares.items():
        out += np.sqrt(share) * basis[:, [axis]] * rng.standard_normal(GENES)
    return out.astype(np.float32)


def _between_cells(noise: SharedNoise, draws: int = 400) -> float:
    """Return the mean correlation over draws between pairs of cells."""
    uniforms = noise.uniforms(draws, np.random.default_rng(2))[:, ::10]
    return float(np.corrcoef(uniforms.T)[np.triu_indices(CELLS // 10, 1)].mean())


def test_the_basis_is_a_constant_and_standardised_patterns(basis: np.ndarray) -> None:
    assert basis.shape == (CELLS, AXES + 1)
    assert (basis[:, 0] == 1).all()
    assert np.allclose(basis[:, 1:].mean(axis=0), 0, atol=1e-4)
    assert np.allclose(basis[:, 1:].std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("draws", [1, 5, 32])
def test_each_cell_has_one_draw_in_each_part(basis: np.ndarray, draws: int) -> None:
    noise = SharedNoise.fit(basis, _errors(basis, {0: 0.4, 1: 0.3}))
    uniforms = noise.uniforms(draws, np.random.default_rng(3))
    assert uniforms.shape == (draws, CELLS)
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    parts = np.sort((uniforms.astype(np.float64) * draws).astype(int), axis=0)
    assert (parts == np.arange(draws)[:, None]).all()


def test_cells_are_drawn_alike_as_far_as_they_err_alike(basis: np.ndarray) -> None:
    alone = SharedNoise.fit(basis, _errors(basis, {}))
    level = SharedNoise.fit(basis, _errors(basis, {0: 0.5}))
    assert alone.variances.sum() < 0.03
    assert abs(_between_cells(alone)) < 0.05
    assert level.variances[0] == pytest.approx(0.5, abs=0.2)
    assert _between_cells(level) == pytest.approx(level.variances[0], abs=0.1)


def test_errors_along_a_pattern_are_drawn_along_it(basis: np.ndarray) -> None:
    noise = SharedNoise.fit(basis, _errors(basis, {1: 0.6}))
    assert int(np.argmax(noise.variances)) == 1
    z = scores_of(noise.uniforms(400, np.random.default_rng(4)))
    along = z @ basis / CELLS
    assert along[:, 1].var() > 5 * along[:, [0, 3, 4]].var(axis=0).max()
    order = np.argsort(basis[:, 1])
    low, high = z[:, order[:30]].mean(axis=1), z[:, order[-30:]].mean(axis=1)
    assert np.corrcoef(low, high)[0, 1] < -0.5  # one end is high where the other is low


def test_something_is_left_to_each_cell(basis: np.ndarray) -> None:
    noise = SharedNoise.fit(basis, np.ones((CELLS, GENES), dtype=np.float32) * 3)
    assert noise.variances.sum() == pytest.approx(0.9)
    uniforms = noise.uniforms(50, np.random.default_rng(5))
    assert len(np.unique(np.argsort(uniforms, axis=0)[0])) > 1  # cells differ in their order


def test_it_is_kept_in_a_file_as_it_is(basis: np.ndarray) -> None:
    noise = SharedNoise.fit(basis, _errors(basis, {0: 0.3}))
    again = SharedNoise.unpack(noise.pack(), basis)
    first, second = (n.uniforms(8, np.random.default_rng(6)) for n in (noise, again))
    assert np.array_equal(first, second)


def test_scores_are_finite_at_the_ends_and_zero_in_the_middle() -> None:
    scores = scores_of(np.array([0.0, 0.5, 1.0]))
    assert scores[1] == 0
    assert scores[0] == pytest.approx(-scores[2], abs=1e-3)
    assert np.isfinite(scores).all()
