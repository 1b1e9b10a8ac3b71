"""Noise processes, all written in one form: ``x_sigma = x0 + sigma * eps``.

A variance-preserving (DDPM) process is the same thing on another scale: with A_t the product of
``1 - beta`` up to t, ``x_t / sqrt(A_t) = x0 + sigma_t eps`` where
``sigma_t = sqrt((1 - A_t) / A_t)``.
So one set of samplers serves both (Karras et al. 2022, arXiv:2206.00364, section 2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

# net(scaled input (n, g), noise condition (n,), condition) -> (n, g)
Network = Callable[[Tensor, Tensor, Any], Tensor]
# clean(x (n, g), sigma (n,)) -> E[x0 | x, sigma] (n, g)
Clean = Callable[[Tensor, Tensor], Tensor]


class Process(ABC):
    """How data is noised, and how a network's output becomes an estimate of the clean data."""

    sigma_min: float
    sigma_max: float

    @abstractmethod
    def training_sigmas(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw (n,) noise levels to train on."""

    @abstractmethod
    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return ``steps + 1`` falling noise levels from `start` (or the top) to 0."""

    @abstractmethod
    def denoise(self, net: Network, x: Tensor, sigma: Tensor, cond: Any) -> Tensor:
        """Return the network's estimate of E[x0 | x, sigma, cond], (n, g)."""

    @abstractmethod
    def weight(self, sigma: Tensor) -> Tensor:
        """Return the (n,) weight that a squared error of the clean estimate gets in the loss."""

    def encode(self, x0: Tensor, sigma: Tensor | float, eps: Tensor) -> Tensor:
        """Return ``x0 + sigma eps``: the closed form of the forward chain, (n, g)."""
        s = torch.as_tensor(sigma, dtype=x0.dtype, device=x0.device)
        return x0 + (s[:, None] if s.ndim else s) * eps

    def loss(self, net: Network, x0: Tensor, cond: Any, generator: torch.Generator) -> Tensor:
        """Return the mean weighted squared error of the clean estimate (a scalar)."""
        sigma = self.training_sigmas(len(x0), generator).to(x0)
        eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype).to(x0.device)
        estimate = self.denoise(net, self.encode(x0, sigma, eps), sigma, cond)
        return (self.weight(sigma)[:, None] * (estimate - x0) ** 2).mean()

    def mean(self, net: Network, cond: Any, like: Tensor) -> Tensor:
        """Return E[x0 | cond] by one network evaluation at the highest noise level.

        At that level the input says nothing about x0; it is set to its expectation, zero.
        """
        sigma = torch.full((len(like),), self.sigma_max, dtype=like.dtype, device=like.device)
        return self.denoise(net, torch.zeros_like(like), sigma, cond)


@dataclass(frozen=True)
class Edm(Process):
    """Preconditioned process of Karras et al. 2022 (arXiv:2206.00364, table 1, "Ours").

    Attributes
    ----------
    sigma_data
        Standard deviation of the data (1 after standardising).
    p_mean, p_std
        Mean and spread of log sigma in training.
    rho
        Curvature of the sampling grid.
    """

    sigma_data: float = 1.0
    p_mean: float = -0.4
    p_std: float = 1.4
    sigma_min: float = 0.02
    sigma_max: float = 80.0
    rho: float = 7.0

    def training_sigmas(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw log-normal noise levels."""
        return torch.exp(self.p_mean + self.p_std * torch.randn(n, generator=generator))

    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return the rho-spaced grid (eq. 5 there), ending in 0."""
        top = self.sigma_max if start is None else min(start, self.sigma_max)
        low = min(self.sigma_min, top)
        ramp = torch.linspace(0, 1, steps) if steps > 1 else torch.zeros(1)
        a, b = top ** (1 / self.rho), low ** (1 / self.rho)
        return torch.cat([(a + ramp * (b - a)) ** self.rho, torch.zeros(1)])

    def denoise(self, net: Network, x: Tensor, sigma: Tensor, cond: Any) -> Tensor:
        """Skip, scale in and scale out so that the network sees and gives unit variance."""
        s, d = sigma[:, None], self.sigma_data
        total = s**2 + d**2
        out = net(x / total.sqrt(), sigma.log() / 4, cond)
        return d**2 / total * x + s * d / total.sqrt() * out

    def weight(self, sigma: Tensor) -> Tensor:
        """Return the weight that makes the loss of the raw network output even."""
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2


@dataclass(frozen=True)
class Ddpm(Process):
    """Discrete variance-preserving process with noise prediction (Ho et al. 2020).

    Attributes
    ----------
    betas
        (T,) variances of the single steps.
    """

    betas: np.ndarray = field(repr=False)

    @classmethod
    def make(cls, schedule: str, steps: int, low: float = 1e-4, high: float = 0.02) -> Ddpm:
        """Return the process with a "linear", "quadratic" or "cosine" schedule.

        Linear and quadratic rise from `low` to `high` (quadratic: linear in the square root);
        cosine is that of Nichol and Dhariwal 2021 (arXiv:2102.09672, eq. 17).
        """
        if schedule == "linear":
            return cls(np.linspace(low, high, steps))
        if schedule == "quadratic":
            return cls(np.linspace(low**0.5, high**0.5, steps) ** 2)
        u = np.arange(steps + 1) / steps
        a = np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
        return cls(np.clip(1 - a[1:] / a[:-1], 0, 0.999))

    @cached_property
    def table(self) -> Tensor:
        """(T,) rising noise levels sigma_t = sqrt((1 - A_t) / A_t), float64."""
        kept = np.cumprod(1 - self.betas)
        return torch.from_numpy(np.sqrt((1 - kept) / kept))

    @property
    def sigma_min(self) -> float:  # type: ignore[override]
        """Noise level of the first step."""
        return float(self.table[0])

    @property
    def sigma_max(self) -> float:  # type: ignore[override]
        """Noise level of the last step."""
        return float(self.table[-1])

    def training_sigmas(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw steps evenly."""
        t = torch.randint(0, len(self.betas), (n,), generator=generator)
        return self.table[t].float()

    def grid(self, steps: int, start: float | None = None) -> Tensor:
        """Return every step, or evenly spread ones, from `start` down to 0."""
        top = len(self.betas) - 1
        if start is not None:
            top = int(torch.searchsorted(self.table, start * (1 - 1e-9)).clamp(0, top))
        chosen = torch.linspace(top, 0, min(steps, top + 1)).round().long()
        return torch.cat([self.table[chosen], torch.zeros(1, dtype=torch.float64)]).float()

    def denoise(self, net: Network, x: Tensor, sigma: Tensor, cond: Any) -> Tensor:
        """Take the predicted noise away; the network sees x_t on its unit-variance scale."""
        s = sigma[:, None]
        # on the CPU, since not every GPU has the float64 that tells neighbouring steps apart
        steps = torch.searchsorted(self.table, sigma.cpu().double() * (1 - 1e-6))
        eps = net(x / (1 + s**2).sqrt(), steps.to(x) / len(self.betas), cond)
        return x - s * eps

    def weight(self, sigma: Tensor) -> Tensor:
        """Return 1 / sigma^2, which turns the error of x0 into the error of the noise."""
        return sigma**-2
