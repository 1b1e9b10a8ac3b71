"""Psi: the whole reference summed up for one gene, in the ways that the paper compares."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from .embedding import feed_forward

ConditionName = Literal["flash", "attention", "mlp", "pca", "zeros", "common"]


def written_out_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v over the last two axes (equation 1)."""
    weights = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1)
    return weights @ v


class Attention(nn.Module):
    """A gene's profile asks metacell tokens that know their place and the gene's level in them.

    Parameters
    ----------
    metacells, axes
        Of the reference.
    width, heads
        Hidden size and heads.
    fused
        By `scaled_dot_product_attention` (flash where the device has it), or written out.
    """

    def __init__(self, metacells: int, axes: int, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.token = nn.Linear(axes + 1, width)
        self.ask = nn.Linear(metacells, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.heads, self.fused = heads, fused

    def forward(self, profile: Tensor, features: Tensor) -> Tensor:
        """Map (n, metacells) profiles and (metacells, axes) places to (n, width)."""
        tokens = nn.functional.silu(self.token(_tokens(profile, features)))
        q = self.ask(profile)[:, None]
        k, v = self.key_value(tokens).chunk(2, dim=-1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        if self.fused:
            found = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            found = written_out_attention(q, k, v)
        out: Tensor = self.out(found.transpose(1, 2).flatten(1))
        return out


class PooledMlp(nn.Module):
    """A small network on each metacell's token, and the mean over the metacells."""

    def __init__(self, axes: int, width: int) -> None:
        super().__init__()
        self.net = feed_forward(axes + 1, width, 2)
        self.out = nn.Linear(width, width)

    def forward(self, profile: Tensor, features: Tensor) -> Tensor:
        """Map (n, metacells) profiles and (metacells, axes) places to (n, width)."""
        out: Tensor = self.out(nn.functional.silu(self.net(_tokens(profile, features))).mean(1))
        return out


class Axes(nn.Module):
    """The gene's loadings on the principal axes of the reference."""

    def __init__(self, axes: int, width: int) -> None:
        super().__init__()
        self.net = feed_forward(axes, width, 2)

    def forward(self, profile: Tensor, features: Tensor) -> Tensor:
        """Map (n, metacells) profiles and (metacells, axes) places to (n, width)."""
        out: Tensor = self.net(profile @ features / len(features) ** 0.5)
        return out


class Zeros(nn.Module):
    """Nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, profile: Tensor, features: Tensor) -> Tensor:
        """Return zeros (n, width)."""
        return profile.new_zeros(len(profile), self.width)


def condition_called(
    name: ConditionName, metacells: int, axes: int, width: int, heads: int
) -> nn.Module:
    """Return the condition module that the settings name.

    "common" is "flash"; what differs is the reference it is given (the common genes alone).
    """
    if name == "mlp":
        return PooledMlp(axes, width)
    if name == "pca":
        return Axes(axes, width)
    if name == "zeros":
        return Zeros(width)
    return Attention(metacells, axes, width, heads, fused=name != "attention")


def _tokens(profile: Tensor, features: Tensor) -> Tensor:
    """Return (n, metacells, axes + 1): where each metacell lies and the gene's level in it."""
    places = features[None].expand(len(profile), -1, -1)
    return torch.cat([places, profile[..., None]], dim=-1)
