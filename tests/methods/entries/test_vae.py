"""The autoencoder as a method: it fills in, does not look, repeats itself, and can be kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.registry import load_entry_method
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.vae import VaeMethod
from napari_stdiff.scoring.correlation import column_pearson

MakeVisible = Callable[..., Visible]
SMALL = {"epochs": 100, "batch_size": 64, "width": 32, "device": "cpu"}


def _fitted(visible: Visible, **settings: object) -> VaeMethod:
    return VaeMethod().fit(visible, EntrySettings.of(**(SMALL | settings)), Monitor())


@pytest.fixture(scope="module")
def visible(make_visible: MakeVisible) -> Visible:
    return make_visible()


@pytest.fixture(scope="module")
def fitted(visible: Visible) -> VaeMethod:
    return _fitted(visible)


def test_hidden_entries_are_found_and_measured_ones_kept(
    visible: Visible, make_visible: MakeVisible, fitted: VaeMethod
) -> None:
    truth, seen = visible.scaled(make_visible(share=0.0).raw), visible.seen
    answer = fitted.sample(np.arange(visible.n_cells), 32, Monitor())
    assert answer.draws is not None
    score = [
        column_pearson(truth[~seen[:, j], j : j + 1], answer.mean[~seen[:, j], j : j + 1])[0]
        for j in range(visible.n_genes)
    ]
    assert np.mean(score) > 0.4
    assert np.array_equal(answer.mean[seen], visible.expression[seen])
    below = (answer.draws <= truth).mean(axis=0)[~seen]
    above = (answer.draws >= truth).mean(axis=0)[~seen]
    assert ((below > 0.1) & (above > 0.1)).mean() == pytest.approx(0.83, abs=0.08)


def test_hidden_values_change_nothing_and_a_seed_repeats_itself(
    visible: Visible, make_visible: MakeVisible, fitted: VaeMethod
) -> None:
    noise = np.random.default_rng(3).poisson(50, visible.raw.shape).astype(np.float32)
    whole = make_visible(share=0.0).raw
    other = replace(visible, raw=np.where(visible.seen, whole, noise))
    cells = np.array([5, 200, 11])
    first, second = (m.sample(cells, 4, Monitor()) for m in (fitted, _fitted(other)))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    every = fitted.sample(np.arange(visible.n_cells), 4, Monitor())
    assert every.draws is not None
    assert np.array_equal(first.mean, every.mean[cells])
    assert np.array_equal(first.draws, every.draws[:, cells])


def test_a_saved_model_answers_the_same_and_refuses_another_tissue(
    visible: Visible, make_visible: MakeVisible, fitted: VaeMethod, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    again = load_entry_method("vae", tmp_path, visible)
    cells = np.arange(visible.n_cells)
    first, second = (m.sample(cells, 2, Monitor()) for m in (fitted, again))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    assert again.facts() == fitted.facts()
    other = replace(make_visible(seed=5), tissue_name="else")
    with pytest.raises(StdiffError, match="'bands', not 'else'"):
        VaeMethod.load(tmp_path, other)


def test_denoised_entries_are_smoother_than_measured(visible: Visible) -> None:
    answer = _fitted(visible, denoise=True, epochs=60).sample(
        np.arange(visible.n_cells), 0, Monitor()
    )
    seen = visible.seen
    assert answer.mean[seen].std() < 0.9 * visible.expression[seen].std()


def test_training_can_be_cancelled(visible: Visible) -> None:
    monitor = Monitor()

    def stop(progress: Progress) -> None:
        if progress.stage == "Training":
            monitor.cancel()

    monitor = Monitor(stop, interval=0)
    with pytest.raises(Cancelled):
        VaeMethod().fit(visible, EntrySettings.of(**SMALL), monitor)


def test_cost_is_of_the_network_and_the_steps(visible: Visible, fitted: VaeMethod) -> None:
    few, many = (
        VaeMethod.cost(visible, EntrySettings.of(**(SMALL | {"epochs": e}))) for e in (1, 500)
    )
    assert few.parameters == sum(p.numel() for p in fitted.network.parameters())
    assert few.seconds < many.seconds
    assert few.memory_mib > 0
