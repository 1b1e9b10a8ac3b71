"""Guesses and the views they see: standardised, of each gene alone, with less noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.guesses import PARTS, CentredKnn, Guesses
from napari_stdiff.methods.genes.smoothing import Neighbourhood
from napari_stdiff.methods.genes.views import Views, averages_alike, principal_axes
from napari_stdiff.scoring.correlation import column_pearson

MakePanel = Callable[..., Panel]
HIDDEN = ["G3", "G8", "G11"]


class Few(Guesses):
    """Two predictors and one average."""

    parts = (("centred-knn", "raw"), ("ridge", "near"))
    averages = (("near 15", 15),)


@pytest.fixture(scope="module")
def full(make_panel: MakePanel) -> Panel:
    return make_panel(cells=160, reference_cells=180, sections=1)


@pytest.fixture(scope="module")
def fitted(full: Panel) -> Guesses:
    return Guesses(full.without(HIDDEN), Neighbourhood(full.coords, full.section), Monitor())


def test_guesses_are_standardised_and_know_the_hidden_genes(full: Panel, fitted: Guesses) -> None:
    seen = full.without(HIDDEN)
    profiles = seen.profiles(HIDDEN)
    guesses, levels = fitted.at(profiles)
    assert guesses.shape == (len(fitted.names()), full.n_cells, 3)
    assert guesses.dtype == np.float32
    assert np.allclose(guesses.mean(axis=1), 0, atol=1e-4)
    assert np.allclose(guesses.std(axis=1), 1, atol=1e-3)
    truth = full.tissue[:, [3, 8, 11]]
    for name, guess in zip(fitted.names(), guesses, strict=True):
        least = 0.1 if name == "average, near 50" else 0.3  # that is a third of these cells
        assert column_pearson(truth, guess).mean() > least, name
    low, high = profiles.min(axis=0), profiles.max(axis=0)
    assert ((low < levels) & (levels < high)).all()  # of means over reference cells


def test_a_gene_alone_is_guessed_as_among_others(full: Panel, fitted: Guesses) -> None:
    seen = full.without(HIDDEN)
    names = [*HIDDEN, "W0", "W1"]
    together, levels = fitted.at(seen.profiles(names))
    turned, _ = fitted.at(seen.profiles(names[::-1]))
    alone, level = fitted.at(seen.profiles(["G8"]))
    assert np.allclose(together[:, :, [1]], alone, atol=1e-5)
    assert np.allclose(together[:, :, ::-1], turned, atol=1e-5)
    assert level[0] == pytest.approx(levels[1], abs=1e-6)


def test_parts_and_averages_can_be_others(full: Panel) -> None:
    fitted = Few(full, Neighbourhood(full.coords, full.section), Monitor())
    assert fitted.names() == ["centred-knn, raw", "ridge, near", "average, near 15"]
    guesses, _ = fitted.at(full.profiles(["W0"]))
    assert len(guesses) == 3
    mean = guesses[:2].mean(axis=0)
    near = Neighbourhood(full.coords, full.section).average(mean, 15)
    assert column_pearson(near, guesses[2])[0] > 0.9999


def test_fitting_stops_between_two_predictors(full: Panel) -> None:
    monitor, seen = Monitor(), []

    def listen(progress: object) -> None:
        seen.append(progress)
        if len(seen) == 3:
            monitor.cancel()

    monitor = Monitor(listen, interval=0)
    with pytest.raises(Cancelled):
        Guesses(full, Neighbourhood(full.coords, full.section), monitor)
    assert len(seen) < len(PARTS)


def test_genes_that_vary_more_count_more_for_centred_neighbours() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 400)
    signal = 5.0 * kind[:, None]
    sides = np.c_[signal, rng.normal(size=(400, 6))].astype(np.float32)
    tissue, reference = sides[:200], sides[200:]
    wanted = kind[200:, None].astype(np.float32)
    found = CentredKnn().fit(tissue, reference).predict(wanted)[:, 0]
    assert np.corrcoef(found, kind[:200])[0, 1] > 0.99


def test_views_have_less_noise_and_the_deviations_of_genes(make_panel: MakePanel) -> None:
    panel = make_panel(cells=400, sections=1)
    kind = np.clip((panel.coords[:, 1] / 20).astype(int), 0, 4)
    true = np.stack([panel.tissue[kind == k].mean(axis=0) for k in range(5)])[kind]
    views = Views(panel.tissue, Neighbourhood(panel.coords, panel.section))
    scores = [column_pearson(true, v).mean() for v in (views.raw, views.alike, views.near)]
    assert scores[1] > scores[0] + 0.03
    assert scores[2] > scores[0] + 0.03
    for view in (views.alike, views.near):
        share = view.std(axis=0) / panel.tissue.std(axis=0)
        assert share.max() < 2  # more of what varies more, less of noise
        assert np.corrcoef(view.std(axis=0), panel.tissue.std(axis=0))[0, 1] > 0.7
    assert np.allclose(np.asarray(views.both.sum(axis=1)), 1, atol=1e-5)


def test_axes_fall_in_variance_and_averages_hold_the_cell_itself() -> None:
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(300, 6)) * [5, 3, 2, 1, 1, 1]).astype(np.float32)
    axes = principal_axes(values, 3)
    assert axes.shape == (300, 3)
    assert (np.diff(axes.var(axis=0)) < 0).all()
    covariance = np.cov(axes.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3
    average = averages_alike(axes, 10)
    assert np.allclose(average.diagonal(), 1 / 11)
    assert np.allclose(np.asarray(average.sum(axis=1)), 1, atol=1e-6)
    assert averages_alike(axes[:4], 10).shape == (4, 4)  # fewer cells than are averaged
