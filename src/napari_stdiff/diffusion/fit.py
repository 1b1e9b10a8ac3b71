"""The training loop all models share: rows held on the device, AdamW by a schedule, an EMA."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..compute.monitor import Monitor

# loss(network, rows (b,), generator) -> scalar
Loss = Callable[[nn.Module, Tensor, torch.Generator], Tensor]
# score(averaged network) -> error on rows that are not trained on
Score = Callable[[nn.Module], float]
# rates(share of the steps that are done) -> factor of the learning rate
Rates = Callable[[float], float]


@dataclass(frozen=True)
class Trained:
    """What came out of a fit.

    Attributes
    ----------
    network
        Averaged weights, in evaluation mode.
    best_steps
        Training steps after which the score was best (all of them without a score).
    scores
        Score at each check.
    """

    network: nn.Module
    best_steps: int
    scores: tuple[float, ...] = ()


def train(
    network: nn.Module,
    loss: Loss,
    n_rows: int,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    monitor: Monitor,
    weight_decay: float = 1e-2,
    ema: float = 0.999,
    score: Score | None = None,
    checks: int = 8,
    patience: int = 0,
    rates: Rates | None = None,
) -> Trained:
    """Minimise `loss` over random batches of rows.

    Parameters
    ----------
    network
        Trained in place, on the device it is on.
    loss
        Called with the network, the rows of the batch and the generator for all noise.
    n_rows
        Rows there are; each is seen once before any is seen again.
    steps, batch_size, learning_rate, weight_decay
        Of AdamW; the rate is the peak of its schedule.
    seed
        Of batches and noise.
    monitor
        Gets each step with the loss; cancels.
    ema
        Decay of the averaged weights, reached by a warm-up.
    score
        Held-out error of the averaged network, called `checks` times in even distances; None
        for none.
    checks, patience
        Stop after this many checks without a better score; 0 goes on to the end. With patience
        the best network is returned.
    rates
        Schedule of the learning rate; None: one cycle.

    Returns
    -------
    Trained
        The averaged network and how the score went.
    """
    batch_size = min(batch_size, n_rows)
    generator = torch.Generator().manual_seed(seed)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    best, best_steps, best_state = float("inf"), steps, None
    scores: list[float] = []
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    schedule: torch.optim.lr_scheduler.LRScheduler
    if rates is None:
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learning_rate, total_steps=max(steps, 2)
        )
    else:
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rates(step / steps))
    slow: list[Tensor] = list(average.parameters())
    quick: list[Tensor] = list(network.parameters())
    order = torch.empty(0, dtype=torch.long)
    every = max(steps // checks, 1)
    shown = 0.0
    network.train()
    device = next(network.parameters()).device
    # dropout draws from the global generator, which is put back as it was
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for step in range(1, steps + 1):
            if len(order) < batch_size:
                order = torch.cat([order, torch.randperm(n_rows, generator=generator)])
            rows, order = order[:batch_size], order[batch_size:]
            value = loss(network, rows, generator)
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(slow, quick, 1 - min(ema, (1 + step) / (10 + step)))
            if step % 10 == 1 or step == steps:
                now = float(value.detach())
                shown = now if step == 1 else 0.8 * shown + 0.2 * now
            monitor.step(step, steps, f"loss {shown:.3f}")
            if score is not None and step % every == 0:
                scores.append(score(average))
                if scores[-1] < best:
                    best, best_steps = scores[-1], step
                    best_state = copy.deepcopy(average.state_dict()) if patience else None
                elif patience and len(scores) - scores.index(min(scores)) > patience:
                    break
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)
    if best_state is not None:
        average.load_state_dict(best_state)
    return Trained(average, best_steps, tuple(scores))
