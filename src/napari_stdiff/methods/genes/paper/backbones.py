"""The networks between embedding and decoder: transformer, U-Net, Mamba.

Each takes (n, patches, width) tokens of one gene a row and (n, width) conditions, and returns
tokens. Blocks are identities at the start (adaLN-zero, Peebles and Xie 2023, arXiv:2212.09748).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from .mamba import SelectiveScan

BackboneName = Literal["transformer", "unet", "mamba"]


class Adaptive(nn.Module):
    """A part whose norm and gate the condition sets: ``h + gate * part(norm(h) (1 + s) + b)``.

    Parameters
    ----------
    width
        Of a token.
    part
        (n, tokens, width) to the same shape.
    """

    def __init__(self, width: int, part: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.set = nn.Linear(width, 3 * width)
        self.part = part
        nn.init.zeros_(self.set.weight)
        nn.init.zeros_(self.set.bias)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Update (n, tokens, width) tokens under (n, width) conditions."""
        shift, scale, gate = self.set(c)[:, None].chunk(3, dim=-1)
        out: Tensor = h + gate * self.part(self.norm(h) * (1 + scale) + shift)
        return out


class SelfAttention(nn.Module):
    """Multi-head attention among the tokens of one gene."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """Map (n, tokens, width) to the same shape."""
        parts = self.enter(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(*parts)
        out: Tensor = self.leave(found.transpose(1, 2).flatten(2))
        return out


class Convolution(nn.Module):
    """Two convolutions along the tokens of one gene."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.SiLU(), nn.Conv1d(width, width, 3, padding=1)
        )

    def forward(self, h: Tensor) -> Tensor:
        """Map (n, tokens, width) to the same shape."""
        out: Tensor = self.net(h.transpose(1, 2)).transpose(1, 2)
        return out


def mlp(width: int) -> nn.Module:
    """Return the feed-forward part of a transformer block."""
    return nn.Sequential(
        nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
    )


class Transformer(nn.Module):
    """DiT: `depth` blocks of attention and feed-forward."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(depth):
            parts += [Adaptive(width, SelfAttention(width, heads)), Adaptive(width, mlp(width))]
        self.parts = nn.ModuleList(parts)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Map (n, tokens, width) tokens under (n, width) conditions."""
        for part in self.parts:
            h = part(h, c)
        return h


class Mamba(nn.Module):
    """`depth` blocks of a selective scan, every second one from the last token to the first."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(Adaptive(width, SelectiveScan(width)) for _ in range(depth))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Map (n, tokens, width) tokens under (n, width) conditions."""
        for part in self.parts:
            h = part(h, c).flip(1)
        return h


class UNet(nn.Module):
    """Convolutional blocks on tokens that are halved in number twice and doubled back.

    `depth` blocks are spread over the five stages: two down, one at the bottom, two up; what
    goes down is joined to what comes up.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for stage in range(5):
            blocks = max((depth + 4 - stage) // 5, 1)
            self.stages.append(
                nn.ModuleList(Adaptive(width, Convolution(width)) for _ in range(blocks))
            )
        self.shrink = nn.ModuleList(nn.Conv1d(width, width, 2, stride=2) for _ in range(2))
        self.grow = nn.ModuleList(nn.ConvTranspose1d(width, width, 2, stride=2) for _ in range(2))
        self.join = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Map (n, 4 k, width) tokens under (n, width) conditions."""
        kept: list[Tensor] = []
        for stage, blocks in enumerate(self.stages):
            if stage > 2:
                wide = self.grow[stage - 3](h.transpose(1, 2)).transpose(1, 2)
                h = self.join[stage - 3](torch.cat([wide, kept.pop()], dim=-1))
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, c)
            if stage < 2:
                kept.append(h)
                h = self.shrink[stage](h.transpose(1, 2)).transpose(1, 2)
        return h


def backbone_called(name: BackboneName, width: int, depth: int, heads: int) -> nn.Module:
    """Return the backbone that the settings name."""
    if name == "unet":
        return UNet(width, depth)
    if name == "mamba":
        return Mamba(width, depth)
    return Transformer(width, depth, heads)
