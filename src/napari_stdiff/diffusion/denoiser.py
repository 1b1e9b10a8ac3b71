"""The network all models share: residual blocks whose norms are set by the condition."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoiseEmbedding(nn.Module):
    """Sines and cosines of the noise level, then a small network.

    Parameters
    ----------
    width
        Size of the output.
    """

    rates: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("rates", torch.exp(torch.linspace(0, 4, 16)), persistent=False)
        self.net = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, level: Tensor) -> Tensor:
        """Embed (n,) levels as (n, width)."""
        angle = level[:, None] * self.rates
        out: Tensor = self.net(torch.cat([angle.sin(), angle.cos()], 1))
        return out


class Block(nn.Module):
    """Residual MLP block with adaptive layer norm, zero at the start (Peebles and Xie 2023)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.set = nn.Linear(width, 3 * width)
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        nn.init.zeros_(self.set.weight)
        nn.init.zeros_(self.set.bias)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Update (n, width) features `h` under condition `c` of the same shape."""
        shift, scale, gate = self.set(c).chunk(3, 1)
        out: Tensor = h + (1 + gate) * self.net(self.norm(h) * (1 + scale) + shift)
        return out


class Denoiser(nn.Module):
    """MLP over genes, conditioned by noise level and a condition vector through adaptive norms.

    Each row is treated by itself, so a prediction cannot depend on what else is in its batch.

    Parameters
    ----------
    inputs, outputs
        Values a row has, and values predicted for it.
    condition
        Length of the condition vector.
    width, depth
        Hidden size and number of blocks.
    dropout
        In the blocks, in training.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        condition: int,
        width: int,
        depth: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.level = NoiseEmbedding(width)
        self.condition = nn.Sequential(
            nn.Linear(condition, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.to_h = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.leave = nn.Sequential(nn.LayerNorm(width), last)

    def forward(self, x: Tensor, level: Tensor, cond: Tensor) -> Tensor:
        """Map scaled rows (n, inputs), levels (n,) and conditions (n, c) to (n, outputs)."""
        c = self.condition(cond)
        h = self.enter(x) + self.to_h(c)
        c = nn.functional.silu(c + self.level(level))
        for block in self.blocks:
            h = block(h, c)
        out: Tensor = self.leave(h)
        return out
