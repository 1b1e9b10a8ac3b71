"""The training loop and the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.diffusion.denoiser import Denoiser
from napari_stdiff.diffusion.fit import Trained, train


def fit(seed: int = 0, monitor: Monitor | None = None, **changes: object) -> Trained:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(9))
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.2), nn.Linear(16, 1))

    def loss(net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        return ((net(x[rows]) - x[rows].sum(1, keepdim=True)) ** 2).mean()

    options = {"steps": 200, "batch_size": 16, "learning_rate": 1e-2, "seed": seed, **changes}
    return train(network, loss, 64, monitor=monitor or Monitor(), **options)  # type: ignore[arg-type]


def weights(trained: Trained) -> Tensor:
    return torch.cat([p.ravel() for p in trained.network.parameters()])


def test_it_learns() -> None:
    x = torch.eye(4)
    out = fit().network(x)
    torch.testing.assert_close(out, torch.ones(4, 1), rtol=0.2, atol=0.2)


def test_the_seed_says_everything() -> None:
    torch.manual_seed(1)
    first = weights(fit())
    torch.manual_seed(2)
    assert torch.equal(first, weights(fit()))
    assert not torch.equal(first, weights(fit(seed=1)))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)  # what `fit` above seeds it with
    nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 1))
    wanted = torch.rand(1)
    fit()
    assert torch.equal(torch.rand(1), wanted)


def test_cancel_stops_at_once() -> None:
    seen = []

    def listener(progress: object) -> None:
        seen.append(progress)
        monitor.cancel()

    monitor = Monitor(listener, interval=0)
    with pytest.raises(Cancelled):
        fit(monitor=monitor)
    assert len(seen) == 1


def test_patience_stops_early_and_returns_the_best() -> None:
    errors = iter([3.0, 1.0, 2.0, 2.5, 2.6, *[9.0] * 10])
    trained = fit(score=lambda _: next(errors), checks=10, patience=2)
    assert trained.best_steps == 40
    assert trained.scores == (3.0, 1.0, 2.0, 2.5)


def test_rows_of_a_batch_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    network = Denoiser(5, 5, 3, 16, 2).eval()
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.3)
    x, level, cond = torch.randn(8, 5), torch.randn(8), torch.randn(8, 3)
    whole = network(x, level, cond)
    torch.testing.assert_close(network(x[2:4], level[2:4], cond[2:4]), whole[2:4])
    for changed in (network(x + 1, level, cond), network(x, level, cond + 1)):
        assert not torch.allclose(changed, whole)
    assert not torch.allclose(network(x, level + 1, cond), whole)


def test_a_schedule_says_when_learning_ends() -> None:
    half = weights(fit(steps=100, rates=lambda done: 1.0, ema=0.0))
    ended = weights(
        fit(steps=200, rates=lambda done: float(done < 0.5), ema=0.0, weight_decay=0.0)
    )
    again = weights(fit(steps=100, rates=lambda done: 1.0, ema=0.0, weight_decay=0.0))
    assert torch.equal(ended, again)
    assert not torch.equal(half, again)
