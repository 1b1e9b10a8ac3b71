"""The network of stDiffusion: one trunk that denoises and also gives the plain means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.denoiser import Denoiser
from ..diffusion.process import Ddpm, Edm, Process

_ROWS = 1024  # rows a network call: always as many, so that a result cannot depend on how many


def process_called(name: str) -> Process:
    """Return the noise process that the settings name; the data has unit variance."""
    if name == "edm":
        return Edm(p_mean=0.2, sigma_max=20.0)
    schedule = name.removeprefix("ddpm-")
    low, high = (1e-6, 0.05) if schedule == "quadratic" else (1e-4, 0.02)
    return Ddpm.make(schedule, 1000, low, high)


@dataclass(frozen=True)
class Shape:
    """Sizes a network is built from, and rebuilt when it is loaded."""

    scores: int
    values: int
    condition: int
    width: int
    depth: int

    def build(self, seed: int) -> DrawAndMean:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return DrawAndMean(self)


class DrawAndMean(nn.Module):
    """Denoises normal scores; without an input, gives the mean of expression and of scores.

    The three answers share a trunk: what is learned about the mean helps the draws.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        outputs = 2 * shape.scores + shape.values
        self.trunk = Denoiser(
            shape.scores, outputs, shape.condition, shape.width, shape.depth, dropout=0.1
        )

    def forward(self, x: Tensor, level: Tensor, cond: Tensor) -> Tensor:
        """Return the raw output that the process turns into clean scores, (n, scores)."""
        out: Tensor = self.trunk(x, level, cond)
        return out[:, : self.shape.scores]

    def means(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[values | cond] and E[scores | cond] by one evaluation."""
        blank = torch.zeros(len(cond), self.shape.scores, dtype=cond.dtype, device=cond.device)
        out = self.trunk(blank, blank.new_full((len(cond),), 2.0), cond)
        n = self.shape.scores
        return out[:, 2 * n :], out[:, n : 2 * n]


def in_chunks(
    call: Callable[..., tuple[Tensor, ...]], device: torch.device, *arrays: np.ndarray
) -> list[np.ndarray]:
    """Call on rows, a fixed number at a time, and put the answers together.

    Parameters
    ----------
    call
        Takes tensors of rows and returns a tuple of tensors of rows.
    device
        Where to call it.
    *arrays
        (n, ...) float32 arrays.
    """
    n = len(arrays[0])
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, max(n, 1), _ROWS):
        some = [a[start : start + _ROWS] for a in arrays]
        pad = _ROWS - len(some[0])
        full = [np.pad(a, [(0, pad)] + [(0, 0)] * (a.ndim - 1)) for a in some]
        with torch.no_grad():
            out = call(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in full))
        parts.append(tuple(o.cpu().numpy()[: len(some[0])] for o in out))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
