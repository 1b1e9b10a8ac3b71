"""The Gaussian process as a baseline: mean, spread and draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.gaussian_process import GaussianProcess
from napari_stdiff.methods.settings import InterpolationSettings

Make = Callable[..., Tissue]


def smooth(tissue: Tissue) -> np.ndarray:
    z, y, x = tissue.coords.T
    return np.column_stack(
        [3 + np.sin((y + z) / 25), 2 + np.cos(x / 30), 1 + 2.0 * (tissue.cell_type == "glia")]
    )


@pytest.fixture(scope="module")
def split(make_tissue: Make) -> tuple[Tissue, Tissue]:
    tissue = make_tissue(sections=4, n=120)
    values = smooth(tissue) + 0.3 * np.random.default_rng(0).normal(size=(480, 3))
    changed = make_tissue(
        sections=4,
        n=120,
        expression=sparse.csr_matrix(values.astype(np.float32)),
        values="log-normalised",
        genes=np.array(["wave_y", "wave_x", "marker"]),
    )
    return changed.split("s2")


@pytest.fixture(scope="module")
def method(split: tuple[Tissue, Tissue]) -> GaussianProcess:
    return GaussianProcess().fit(split[0], None, InterpolationSettings(), Monitor())


def test_it_recovers_a_smooth_truth_and_its_noise(
    method: GaussianProcess, split: tuple[Tissue, Tissue]
) -> None:
    hidden = split[1]
    out = method.sample(Query(hidden.coords, hidden.cell_type), 64, Monitor())
    assert np.sqrt(((out.mean - smooth(hidden)) ** 2).mean()) < 0.12
    assert out.std is not None
    assert out.draws is not None
    np.testing.assert_allclose(out.std.mean(0), 0.3, rtol=0.2)
    np.testing.assert_allclose(out.draws.std(0).mean(0), out.std.mean(0), rtol=0.1)
    np.testing.assert_allclose(out.draws.mean(0).mean(0), out.mean.mean(0), atol=0.05)


def test_without_types_place_alone_counts(
    method: GaussianProcess, split: tuple[Tissue, Tissue]
) -> None:
    hidden = split[1]
    out = method.sample(Query(hidden.coords), 0, Monitor())
    truth = smooth(hidden)
    assert np.sqrt(((out.mean - truth)[:, :2] ** 2).mean()) < 0.15
    assert out.mean[:, 2].std() < 0.5
    assert out.notes
    assert out.draws is None


def test_more_draws_begin_with_the_same_ones(
    method: GaussianProcess, split: tuple[Tissue, Tissue]
) -> None:
    query = Query(split[1].coords[:5])
    few, many = (method.sample(query, n, Monitor()).draws for n in (2, 4))
    assert few is not None
    assert many is not None
    np.testing.assert_allclose(few, many[:2], atol=1e-6)


def test_saved_and_loaded_it_answers_the_same(
    method: GaussianProcess, split: tuple[Tissue, Tissue], tmp_path: Path
) -> None:
    visible, hidden = split
    method.save(tmp_path)
    again = GaussianProcess.load(tmp_path, visible)
    query = Query(hidden.coords, hidden.cell_type)
    one, two = (m.sample(query, 2, Monitor()) for m in (method, again))
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.draws, two.draws)
    assert again.facts() == method.facts()


def test_a_single_cell_is_its_own_mean(make_tissue: Make) -> None:
    one = make_tissue(sections=2, n=10).rows(np.array([0]))
    method = GaussianProcess().fit(one, None, InterpolationSettings(), Monitor())
    out = method.sample(Query(one.coords), 2, Monitor())
    assert np.isfinite(out.mean).all()
    assert method.facts()["axes"] == 0


def test_cells_and_axes_take_time(make_tissue: Make) -> None:
    few, many = make_tissue(n=50), make_tissue(n=2000)
    config = InterpolationSettings()
    a, b = (GaussianProcess.cost(t, config, 1000) for t in (few, many))
    assert b.seconds > 2 * a.seconds
    assert b.memory_mib > a.memory_mib
