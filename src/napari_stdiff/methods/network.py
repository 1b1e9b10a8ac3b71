"""The network of stDiffusion: one trunk that denoises and also gives the plain means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..compute.monitor import Monitor
from ..diffusion.denoiser import Denoiser
from ..diffusion.process import Ddpm, Edm, Process
from ..diffusion.samplers import run_sampler
from .streams import cell_normals

ROWS = 1024  # rows a network call: always as many, so that a result cannot depend on how many


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
    for start in range(0, max(n, 1), ROWS):
        some = [a[start : start + ROWS] for a in arrays]
        pad = ROWS - len(some[0])
        full = [np.pad(a, [(0, pad)] + [(0, 0)] * (a.ndim - 1)) for a in some]
        with torch.no_grad():
            out = call(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in full))
        parts.append(tuple(o.cpu().numpy()[: len(some[0])] for o in out))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def denoise_from(
    start: np.ndarray,
    condition: np.ndarray,
    coords: np.ndarray,
    *,
    network: nn.Module,
    process: Process,
    grid: Tensor,
    sampler: str,
    seed: int,
    stream: int,
    device: torch.device,
    monitor: Monitor,
    limits: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Noise rows to the first level of `grid` and denoise them back.

    Parameters
    ----------
    start
        (cells, n) clean rows.
    condition
        (cells, c) what the network is given.
    coords
        (cells, 3) z, y, x; all noise of a cell follows from its place, `seed` and `stream`.
    network, process, grid, sampler, device
        How to denoise.
    monitor
        Asked at every step whether to go on.
    limits
        Lowest and highest (n,) values that the clean estimate of a step may take.
    """
    bounds = None if limits is None else [torch.from_numpy(v).to(device) for v in limits]

    def clean(x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        estimate = process.denoise(network, x, sigma, cond)
        return estimate if bounds is None else estimate.clamp(*bounds)

    def noise(rows: np.ndarray, step: int) -> Tensor:
        once, back = np.unique(rows, return_inverse=True)  # what fills up a chunk is one cell
        normals = cell_normals(seed, coords[once], start.shape[1], stream + (step << 20))
        return torch.from_numpy(np.ascontiguousarray(normals.T[back])).to(device)

    def call(x0: Tensor, cond: Tensor, where: Tensor) -> tuple[Tensor]:
        rows, steps = where.cpu().numpy(), iter(range(1, len(grid)))
        x = process.encode(x0, float(grid[0]), noise(rows, 0))
        return (
            run_sampler(
                sampler,
                lambda x, sigma: clean(x, sigma, cond),
                x,
                grid,
                lambda: noise(rows, next(steps)),
                lambda *_: monitor.check(),
            ),
        )

    start = np.ascontiguousarray(start, dtype=np.float32)
    return in_chunks(call, device, start, condition, np.arange(len(coords)))[0]


def weights_of(network: nn.Module, name: str = "network") -> dict[str, np.ndarray]:
    """Return the weights of a network as arrays, for a model file where it is called `name`."""
    return {f"{name}.{k}": v.cpu().numpy() for k, v in network.state_dict().items()}


def put_weights(
    network: nn.Module, tensors: Mapping[str, np.ndarray], name: str = "network"
) -> None:
    """Undo :func:`weights_of`."""
    mine = {k: v for k, v in tensors.items() if k.startswith(f"{name}.")}
    network.load_state_dict(
        {k.removeprefix(f"{name}."): torch.from_numpy(v) for k, v in mine.items()}
    )
    network.eval()
