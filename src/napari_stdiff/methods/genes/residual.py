"""Diffusion of the residual: where the truth lies in the distribution that the stack expects.

x0 of an entry is the normal score of its truth's place in the spread around the stack (the
randomised probability integral transform), so that x0 is standard normal wherever the spread is
right, zeros included. A network that learns nothing leaves the stack's spread as it is; what it
learns moves and narrows it. The condition is a vector (see :mod:`.conditions`), each entry a
sample of one number, and sampling is the deterministic solution of the diffusion's equation: it
maps the noise of an entry monotonically to x0. So it is solved at a few nodes of noise, and draws
are read between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...diffusion.denoiser import Denoiser
from ...diffusion.process import Clean, Edm
from ...diffusion.samplers import dpmpp_2m, heun

PROCESS = Edm()
# noise that the equation is solved at, in deviations
NODES = np.array([-3.0, -2.1, -1.4, -0.8, -0.25, 0.25, 0.8, 1.4, 2.1, 3.0], dtype=np.float32)
SOLVERS = {"dpm++2m": dpmpp_2m, "heun": heun}
_BLOCK = 1 << 14


class Residual(Denoiser):
    """One number an entry; what its condition makes of it is found once, for all noise levels."""

    def __init__(self, condition: int, width: int, depth: int) -> None:
        super().__init__(1, 1, condition, width, depth)

    def prepare(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Return what :meth:`at` needs of (n, condition) conditions."""
        c = self.condition(cond)
        return self.to_h(c), c

    def at(self, x: Tensor, level: Tensor, prepared: tuple[Tensor, Tensor]) -> Tensor:
        """Do as `forward`, where all (n,) levels are one."""
        first, c = prepared
        h = self.enter(x) + first
        c = nn.functional.silu(c + self.level(level[:1]))
        for block in self.blocks:
            h = block(h, c)
        out: Tensor = self.leave(h)
        return out


def loss_of(conditions: Tensor, goal: Tensor, device: torch.device) -> Any:
    """Return the loss of a batch of entries, for :func:`.corrections.fit_on`."""

    def loss(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        rows = rows.to(device)
        return PROCESS.loss(network, goal[rows, None], conditions[rows], generator)

    return loss


def solve(
    network: Residual | None,
    conditions: np.ndarray,
    strength: float,
    sampler: str,
    steps: int,
    device: torch.device,
    check: Callable[[], None],
) -> np.ndarray:
    """Return x0 at each node of noise.

    Parameters
    ----------
    network
        As trained; None where the strength is 0.
    conditions
        (entries, width).
    strength
        Share of what the network learned; 0 leaves x0 equal to the noise.
    sampler, steps
        Name in `SOLVERS`, and its steps.
    device
        Where to compute.
    check
        Called between parts of the work; may raise to stop it.

    Returns
    -------
    np.ndarray
        (nodes, entries) float32, rising with the node.
    """
    if network is None or not strength:
        return np.repeat(NODES.astype(np.float32)[:, None], len(conditions), axis=1)
    solver = SOLVERS[sampler]
    grid = PROCESS.grid(steps).to(device)
    top = PROCESS.sigma_max / _stretch(solver, grid)
    out = np.empty((len(NODES), len(conditions)), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, len(conditions), _BLOCK):
            part = torch.from_numpy(conditions[start : start + _BLOCK]).to(device)
            known = network.prepare(part)

            def shrunk(x: Tensor, level: Tensor, cond: tuple[Tensor, Tensor]) -> Tensor:
                return strength * network.at(x, level, cond)

            def clean(x: Tensor, sigma: Tensor, known: tuple[Tensor, Tensor] = known) -> Tensor:
                return PROCESS.denoise(shrunk, x, sigma, known)

            for i, node in enumerate(NODES):
                check()
                noise = torch.full((len(part), 1), float(node) * top, device=device)
                out[i, start : start + _BLOCK] = solver(clean, noise, grid)[:, 0].cpu().numpy()
    return np.maximum.accumulate(out, axis=0)


def _stretch(solver: Callable[[Clean, Tensor, Tensor], Tensor], grid: Tensor) -> float:
    """Return what few steps multiply noise by where the network adds nothing: 1 for many steps.

    Eight steps of dpm++2m make it 1.105; noise that starts as much lower ends as wide as it is.
    Three steps or fewer would ask for a start far beyond what a network was trained on.
    """

    def clean(x: Tensor, sigma: Tensor) -> Tensor:
        return PROCESS.denoise(lambda x, *_: torch.zeros_like(x), x, sigma, None)

    start = torch.full((1, 1), PROCESS.sigma_max, device=grid.device)
    return max(float(solver(clean, start, grid)[0, 0]), 0.5)


def between(nodes: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return (draws, entries) x0 at `noise`, from (nodes, entries) solutions at the nodes."""
    low = np.clip(np.searchsorted(NODES, noise) - 1, 0, len(NODES) - 2)
    part = (noise - NODES[low]) / (NODES[low + 1] - NODES[low])
    at = np.arange(noise.shape[-1])
    return np.asarray((1 - part) * nodes[low, at] + part * nodes[low + 1, at], dtype=np.float32)
