"""The smooth field recovers a smooth truth, with and without types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.field import Field
from napari_stdiff.methods.settings import InterpolationSettings


def smooth(coords: np.ndarray, kind: np.ndarray) -> np.ndarray:
    z, y, x = coords.T
    return np.column_stack(
        [3 + np.sin((y + z) / 25), 2 + np.cos(x / 30), 1 + 2.0 * (kind == "glia")]
    )


def noisy(make_tissue: Callable[..., Tissue], noise: float) -> Tissue:
    tissue = make_tissue(sections=5, n=300)
    rng = np.random.default_rng(0)
    values = smooth(tissue.coords, tissue.cell_type)
    values = values + noise * rng.normal(size=values.shape)
    return make_tissue(
        sections=5,
        n=300,
        expression=sparse.csr_matrix(values.astype(np.float32)),
        values="log-normalised",
        genes=np.array(["wave_y", "wave_x", "marker"]),
    )


def test_recovers_a_smooth_truth(make_tissue: Callable[..., Tissue]) -> None:
    visible, hidden = noisy(make_tissue, 0.3).split("s2")
    truth = smooth(hidden.coords, hidden.cell_type)
    field = Field().fit(visible, None, InterpolationSettings(), Monitor())
    typed = field.sample(Query(hidden.coords, hidden.cell_type), 64, Monitor())
    assert np.sqrt(((typed.mean - truth) ** 2).mean()) < 0.1
    np.testing.assert_allclose(typed.std.mean(0), 0.3, rtol=0.15)
    assert typed.draws.std(0).mean() == pytest.approx(0.3, rel=0.15)

    untyped = field.sample(Query(hidden.coords), 0, Monitor())
    assert np.sqrt(((untyped.mean[:, :2] - truth[:, :2]) ** 2).mean()) < 0.1
    share = (visible.cell_type == "glia").mean()
    assert untyped.mean[:, 2].mean() == pytest.approx(1 + 2 * share, abs=0.15)


def test_residuals_keep_genes_together(make_tissue: Callable[..., Tissue]) -> None:
    tissue = noisy(make_tissue, 0.0)
    common = np.random.default_rng(1).normal(size=(tissue.n_cells, 1)) * 0.4
    moved = make_tissue(
        sections=5,
        n=300,
        expression=sparse.csr_matrix((tissue.expression.toarray() + common).astype(np.float32)),
        values="log-normalised",
        genes=tissue.genes,
    )
    visible, hidden = moved.split("s2")
    field = Field().fit(visible, None, InterpolationSettings(), Monitor())
    out = field.sample(Query(hidden.coords, hidden.cell_type), 4, Monitor())
    rest = (out.draws - out.mean).reshape(-1, 3)
    assert np.corrcoef(rest.T)[0, 1] > 0.9


def test_nothing_is_negative(make_tissue: Callable[..., Tissue]) -> None:
    visible, hidden = make_tissue().split("s2")
    field = Field().fit(visible, None, InterpolationSettings(), Monitor())
    far = hidden.coords + np.array([0, 500, 500])
    for coords in (hidden.coords, far):
        out = field.sample(Query(coords, hidden.cell_type), 8, Monitor())
        assert out.mean.min() >= 0
        assert out.draws.min() >= 0
