"""The paper's noise process with its equations put right, its loss, its learned covariance.

On the scale of :mod:`napari_stdiff.diffusion.process`, ``x = x0 + s eps`` with ``s`` the noise
level of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ....diffusion.process import Ddpm, Network
from ....diffusion.samplers import Callback, Noise

LOW, HIGH = 1e-6, 0.05  # ends of the quadratic schedule


@dataclass(frozen=True)
class Rotated(Ddpm):
    """The discrete process whose network gives noise and clean values in one.

    Its output is ``v = (eps - s x0) / sqrt(1 + s^2)`` (Salimans and Ho 2022, arXiv:2202.00512):
    noise where there is little of it, clean values where there is nothing else to tell.
    """

    @classmethod
    def quadratic(cls, steps: int) -> Rotated:
        """Return the process with `steps` steps of the quadratic schedule."""
        return cls(Ddpm.make("quadratic", steps, LOW, HIGH).betas)

    def level(self, sigma: Tensor) -> Tensor:
        """Return the (n,) step divided by T that the network is told."""
        # on the CPU, since not every GPU has the float64 that tells neighbouring steps apart
        steps = torch.searchsorted(self.table, sigma.cpu().double() * (1 - 1e-6))
        return steps.to(sigma) / len(self.betas)

    def clean(self, out: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the clean estimate that the output (n, cells) stands for."""
        s = sigma[:, None]
        return x / (1 + s**2) - s / (1 + s**2).sqrt() * out

    def denoise(self, net: Network, x: Tensor, sigma: Tensor, cond: Any) -> Tensor:
        """Rotate the network's output back; a covariance beside it is not looked at."""
        out = net(x / (1 + sigma[:, None] ** 2).sqrt(), self.level(sigma), cond)
        return self.clean(out[:, : x.shape[1]], x, sigma)

    def weight(self, sigma: Tensor) -> Tensor:
        """Return 1 + 1 / s^2: the squared error of x0 becomes that of noise and x0 together."""
        return 1 + sigma**-2

    def off(self, net: Network, x0: Tensor, cond: Any, generator: torch.Generator) -> Tensor:
        """Return the (n, values) squared errors of the output at random steps and noise.

        The output is the noise rotated with the clean value, so the error of either counts where
        it can be told.
        """
        sigma = self.training_sigmas(len(x0), generator).to(x0)
        eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
        s = sigma[:, None]
        unit = (1 + s**2).sqrt()
        out = net(self.encode(x0, sigma, eps) / unit, self.level(sigma), cond)
        return (out - (eps - s * x0) / unit) ** 2

    def before(self, sigma: Tensor) -> Tensor:
        """Return the (n,) noise levels one step below, 0 below the first."""
        steps = torch.searchsorted(self.table, sigma.cpu().double() * (1 - 1e-6))
        lower = torch.cat([torch.zeros(1, dtype=torch.float64), self.table])
        return lower[steps].to(sigma)


def hidden_entries(
    x0: Tensor, zero: Tensor, share_zero: float, share_nonzero: float, generator: torch.Generator
) -> Tensor:
    """Draw which entries are masked: a share of the zeros and a share of the others.

    Parameters
    ----------
    x0, zero
        (n, cells) values and whether the tissue's value is zero there.
    share_zero, share_nonzero
        Shares that are masked.
    generator
        Of the chance.
    """
    chance = torch.rand(x0.shape, generator=generator).to(x0.device)
    return chance < torch.where(zero, share_zero, share_nonzero)


def masked_loss(
    process: Rotated,
    net: Network,
    x0: Tensor,
    hidden: Tensor,
    cond: Any,
    generator: torch.Generator,
    *,
    covariance: bool = False,
) -> Tensor:
    """Return the loss of rows some of whose entries the network does not see.

    A masked entry enters as its expectation, 0, before it is noised. Its target is the true
    value, with the weight of the clean values alone: its noise cannot be told.

    Parameters
    ----------
    process, net, cond
        As in :meth:`~napari_stdiff.diffusion.process.Process.loss`.
    x0, hidden
        (n, cells) standardised values, and which are masked.
    generator
        Of steps and noise.
    covariance
        The network gives a covariance beside its output, which is trained too.
    """
    sigma = process.training_sigmas(len(x0), generator).to(x0)
    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
    x = process.encode(x0.masked_fill(hidden, 0.0), sigma, eps)
    out = net(x / (1 + sigma[:, None] ** 2).sqrt(), process.level(sigma), cond)
    n = x0.shape[1]
    estimate = process.clean(out[:, :n], x, sigma)
    weight = torch.where(hidden, 1.0, process.weight(sigma)[:, None])
    loss = (weight * (estimate - x0) ** 2).mean()
    if covariance:
        share = len(process.betas) / 1000  # of the whole bound, as Nichol and Dhariwal weigh it
        loss = loss + share * _bound(process, out[:, n:], estimate.detach(), x0, sigma, hidden)
    return loss


def variance(raw: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """Return the learned variance of the step from level `now` to `then`.

    Between the posterior's ``then^2 (now^2 - then^2) / now^2`` and the step's own
    ``(now^2 - then^2) (1 + then^2) / (1 + now^2)``, as beta~ and beta are on this scale
    (Nichol and Dhariwal 2021, arXiv:2102.09672, equation 15).

    Parameters
    ----------
    raw
        The network's output; large values stand for the upper end.
    now, then
        Noise levels, then > 0, of shapes that go with `raw`.
    """
    drop = now**2 - then**2
    low = (then**2 * drop / now**2).log()
    high = (drop * (1 + then**2) / (1 + now**2)).log()
    return torch.exp(low + torch.sigmoid(raw) * (high - low))


def _bound(
    process: Rotated, raw: Tensor, estimate: Tensor, x0: Tensor, sigma: Tensor, hidden: Tensor
) -> Tensor:
    """Return the mean divergence of the learned reverse step from the true posterior.

    The first step, which adds no noise, and masked entries do not count.
    """
    then = process.before(sigma)[:, None]
    now, counts = sigma[:, None], ~hidden & (then > 0)
    then = then.clamp(min=1e-6)
    true = then**2 * (now**2 - then**2) / now**2
    ours = variance(raw, now, then)
    away = (1 - (then / now) ** 2) * (estimate - x0)
    divergence = 0.5 * ((ours / true).log() + (true + away**2) / ours - 1)
    return divergence.where(counts, 0.0).sum() / counts.sum().clamp(min=1)


def ancestral_learned(
    process: Rotated,
    net: Network,
    cond: Any,
    x: Tensor,
    grid: Tensor,
    noise: Noise,
    limits: tuple[float, float],
    callback: Callback,
) -> Tensor:
    """Sample from `x` at level ``grid[0]`` with the network's own variance in each step.

    As :func:`~napari_stdiff.diffusion.samplers.ancestral`; `limits` bound the clean estimate.
    """
    n = x.shape[1]
    for i, (now, then) in enumerate(zip(grid[:-1].to(x), grid[1:].to(x), strict=True)):
        sigma = now.expand(len(x))
        out = net(x / (1 + now**2).sqrt(), process.level(sigma), cond)
        clean = process.clean(out[:, :n], x, sigma).clamp(*limits)
        x = clean + (then / now) ** 2 * (x - clean)
        if then > 0:
            x = x + variance(out[:, n:], now, then).sqrt() * noise()
        callback(i + 1, len(grid) - 1, clean)
    return x
