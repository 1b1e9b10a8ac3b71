"""The network joins the stack where it helps, and is left out where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries import stack_network
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.stack import Stack
from napari_stdiff.methods.entries.stack_network import StackNetwork, _gains
from napari_stdiff.scoring.gains import surely_gains

from .conftest import MakeVisible


@pytest.fixture
def visible(make_visible: MakeVisible) -> Visible:
    return make_visible(cells=160, genes=12)


def _answer(method: Stack, visible: Visible) -> np.ndarray:
    return method.sample(np.arange(visible.n_cells), 0, Monitor()).mean


def test_a_network_of_noise_is_left_out(visible: Visible, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0)

    def answer(self: stack_network.Rows, network: object) -> np.ndarray:
        return noise.standard_normal(tuple(self.z.shape)).astype(np.float32)

    monkeypatch.setattr(stack_network.Rows, "answer", answer)
    with_noise = StackNetwork().fit(visible, EntrySettings(epochs=1), Monitor())
    alone = Stack().fit(visible, EntrySettings(epochs=1), Monitor())
    assert "network" not in with_noise.facts()["weights"]
    assert np.array_equal(_answer(with_noise, visible), _answer(alone, visible))


def test_a_network_that_knows_the_truth_is_kept(
    visible: Visible, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: stack_network.Rows, network: object) -> np.ndarray:
        return np.asarray(visible.standard, dtype=np.float32)

    monkeypatch.setattr(stack_network.Rows, "answer", answer)
    method = StackNetwork().fit(visible, EntrySettings(epochs=1), Monitor())
    assert method.facts()["weights"]["network"] > 0.5


def test_genes_that_vary_much_do_not_decide_alone() -> None:
    before = np.array([1.0, 1.0, 1.0, 100.0])
    gains = _gains(before * np.array([0.9, 0.91, 0.9, 1.01]), before)
    assert surely_gains(gains)
