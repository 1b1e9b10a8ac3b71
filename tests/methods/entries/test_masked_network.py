"""A network that learns from entries that are hidden for a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.hiding import Trial
from napari_stdiff.methods.entries.masked_network import (
    MaskedNetwork,
    Rows,
    fit_masked,
    network_cost,
    tune_masked,
)
from napari_stdiff.methods.entries.settings import EntrySettings

MakeVisible = Callable[..., Visible]
DEVICE = torch.device("cpu")


def _context(visible: Visible) -> np.ndarray:
    return np.zeros((visible.n_cells, 1), dtype=np.float32)


def test_hidden_entries_are_found(make_visible: MakeVisible) -> None:
    trial = Trial.of(make_visible(), 0)
    visible, config = trial.visible, EntrySettings(epochs=60, batch_size=64)
    context = _context(visible)
    network = fit_masked(visible, context, config, 0, DEVICE, Monitor())
    answer = Rows(visible, context, DEVICE).answer(network)
    assert trial.score(answer) > 0.3
    tuned = tune_masked(network, visible, context, config, 0, DEVICE, Monitor())
    assert not np.array_equal(Rows(visible, context, DEVICE).answer(tuned), answer)
    assert np.array_equal(Rows(visible, context, DEVICE).answer(network), answer)


def test_the_same_seed_gives_the_same_network(make_visible: MakeVisible) -> None:
    visible, config = make_visible(cells=80), EntrySettings(epochs=2)
    state = torch.random.get_rng_state()
    one, two = (
        Rows(visible, _context(visible), DEVICE).answer(
            fit_masked(visible, _context(visible), config, seed, DEVICE, Monitor())
        )
        for seed in (5, 5)
    )
    assert np.array_equal(one, two)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_loss_is_of_entries_that_the_network_does_not_see(make_visible: MakeVisible) -> None:
    visible = make_visible(cells=50)
    rows = Rows(visible, _context(visible), DEVICE)
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Spy(torch.nn.Module):
        def forward(self, z: torch.Tensor, seen: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            asked.append((z, seen))
            return torch.zeros_like(z)

    loss = rows.loss(Spy(), torch.arange(50), torch.Generator().manual_seed(0))
    z, left = asked[0]
    gone = (rows.seen - left).bool()
    assert gone.any()
    assert not (left.bool() & ~rows.seen.bool()).any()
    assert (z[gone] == 0).all()
    assert torch.isclose(loss, (rows.z[gone] ** 2).mean())


def test_its_size_is_said_as_it_is(make_visible: MakeVisible) -> None:
    visible = make_visible()
    network = MaskedNetwork(visible.n_genes, 7, 256, 1, 0)
    said, seconds = network_cost(visible, EntrySettings(), 7)
    real = sum(p.numel() for p in network.parameters())
    assert 0.9 < said / real < 1.1
    assert seconds > 0
