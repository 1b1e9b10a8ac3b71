"""Samplers: pure functions from noise to data over a falling grid of noise levels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .process import Clean

# called as callback(step, steps, clean estimate)
Callback = Callable[[int, int, Tensor], None]
Noise = Callable[[], Tensor]


def _quiet(step: int, steps: int, estimate: Tensor) -> None:
    """Report to nobody."""


def _level(x: Tensor, sigma: Tensor) -> Tensor:
    return sigma.to(x).expand(len(x))


def dpmpp_2m(denoise: Clean, x: Tensor, grid: Tensor, callback: Callback = _quiet) -> Tensor:
    """DPM-Solver++(2M), deterministic (Lu et al. 2022, arXiv:2211.01095, algorithm 2).

    Parameters
    ----------
    denoise
        ``denoise(x, sigma)`` returning the clean estimate.
    x
        (n, g) start, at noise level ``grid[0]``.
    grid
        (steps + 1,) falling noise levels that end in 0.
    callback
        Called after each step with its number, the number of steps and the clean estimate.

    Returns
    -------
    Tensor
        (n, g) sample.
    """
    before: Tensor | None = None
    steps = len(grid) - 1
    for i in range(steps):
        now, then = grid[i], grid[i + 1]
        clean = denoise(x, _level(x, now))
        if then == 0:
            x = clean
        else:
            h = (now / then).log()
            blend = clean
            if before is not None:
                r = float((grid[i - 1] / now).log() / h)
                blend = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * before
            x = (then / now).to(x) * x - torch.expm1(-h).to(x) * blend
        before = clean
        callback(i + 1, steps, clean)
    return x


def heun(denoise: Clean, x: Tensor, grid: Tensor, callback: Callback = _quiet) -> Tensor:
    """Heun's second-order method, deterministic (Karras et al. 2022, algorithm 1).

    Parameters and return value are those of :func:`dpmpp_2m`; two evaluations a step.
    """
    steps = len(grid) - 1
    for i in range(steps):
        now, then = grid[i].to(x), grid[i + 1].to(x)
        clean = denoise(x, _level(x, now))
        slope = (x - clean) / now
        ahead = x + (then - now) * slope
        if then > 0:
            again = (ahead - denoise(ahead, _level(x, then))) / then
            ahead = x + (then - now) * (slope + again) / 2
        x = ahead
        callback(i + 1, steps, clean)
    return x


def ancestral(
    denoise: Clean, x: Tensor, grid: Tensor, noise: Noise, callback: Callback = _quiet
) -> Tensor:
    """Ancestral sampling with the exact posterior q(x_then | x_now, x0) (Ho et al. 2020, eq. 7).

    On the scale used here its mean is ``x0 + (then / now)^2 (x - x0)`` and its variance
    ``then^2 (now^2 - then^2) / now^2``, which is the DDPM posterior with the fixed variance
    beta~_t divided by A.

    Parameters
    ----------
    noise
        Returns fresh standard normal noise, (n, g).
    """
    steps = len(grid) - 1
    for i in range(steps):
        now, then = grid[i].to(x), grid[i + 1].to(x)
        clean = denoise(x, _level(x, now))
        x = clean + (then / now) ** 2 * (x - clean)
        if then > 0:
            x = x + (then**2 * (now**2 - then**2)).sqrt() / now * noise()
        callback(i + 1, steps, clean)
    return x


def run_sampler(
    name: str,
    denoise: Clean,
    x: Tensor,
    grid: Tensor,
    noise: Noise,
    callback: Callback = _quiet,
) -> Tensor:
    """Run the sampler called "dpm++2m", "heun" or "ancestral"; only the last uses `noise`."""
    if name == "ancestral":
        return ancestral(denoise, x, grid, noise, callback)
    return {"dpm++2m": dpmpp_2m, "heun": heun}[name](denoise, x, grid, callback)
