"""stMCDI's score network: hidden entries of a spot, which attend to its visible ones.

Genes are tokens. Tokens of visible entries (value and latent, through a small network, tau) are
keys and values; those of hidden entries (noised value and what is left of the latent) ask. Spots
of a batch never see each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ....diffusion.denoiser import NoiseEmbedding
from ..encoders import Encoder, EncoderName

_HIDDEN = 4  # units of the encoder's hidden layers, in widths


@dataclass(frozen=True)
class Shape:
    """Sizes and switches that a network is built from, and rebuilt when it is loaded."""

    genes: int
    width: int
    depth: int
    heads: int
    encoder: EncoderName

    @property
    def heads_used(self) -> int:
        """Heads that divide the width, at most as many as said."""
        most = max(min(self.heads, self.width), 1)
        return next(heads for heads in range(most, 0, -1) if self.width % heads == 0)

    def build(self, seed: int) -> StmcdiNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return StmcdiNetwork(self)

    def bare(self) -> StmcdiNetwork:
        """Return the network without memory for its weights, to count them."""
        with torch.device("meta"):
            return StmcdiNetwork(self)


class Tokens(NamedTuple):
    """Some entries of each spot of a batch, filled up to the same number.

    Attributes
    ----------
    genes
        (spots, tokens) columns.
    there
        (spots, tokens) bool, False for what only fills up.
    """

    genes: Tensor
    there: Tensor

    def of(self, table: Tensor) -> Tensor:
        """Return the (spots, tokens) entries of a (spots, genes) table, 0 where none is."""
        return table.gather(1, self.genes).where(self.there, 0)


class Condition(NamedTuple):
    """What stays the same while a batch is denoised.

    Attributes
    ----------
    asked
        Hidden entries.
    start
        (spots, asked, width) what is known of these tokens without their noised values.
    keys, values
        Of each block, (spots, heads, visible + 1, units).
    there
        (spots, 1, 1, visible + 1) bool, which keys count.
    """

    asked: Tokens
    start: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    there: Tensor


class Block(nn.Module):
    """Cross-attention on what is visible, then a gated residual step with a skip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.level = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width)
        self.answer = nn.Linear(width, 2 * width)
        self.join = nn.Linear(width, width)
        self.middle = nn.Linear(width, 2 * width)
        self.side = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, 2 * width)

    def known(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of (spots, visible, width) tokens, split into heads."""
        keys, values = self.answer(tokens).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return keys.transpose(1, 2).contiguous(), values.transpose(1, 2).contiguous()

    def forward(
        self, h: Tensor, level: Tensor, start: Tensor, keys: Tensor, values: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (spots, asked, width) features for the next block, and for the end."""
        y = h + self.level(level)[:, None]
        ask = self.ask(self.norm(y)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        seen = nn.functional.scaled_dot_product_attention(ask, keys, values, attn_mask=there)
        y = y + self.join(seen.transpose(1, 2).flatten(2))
        gate, what = (self.middle(y) + self.side(start)).chunk(2, -1)
        on, skip = self.out(torch.sigmoid(gate) * torch.tanh(what)).chunk(2, -1)
        return (h + on) / sqrt(2), skip


class StmcdiNetwork(nn.Module):
    """Encoder of the tissue and score network of its spots.

    Parameters
    ----------
    shape
        Sizes and switches.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        s = self.shape = shape
        self.encoder = Encoder(s.encoder, 2 * s.genes, _HIDDEN * s.width, s.genes)
        self.gene = nn.Embedding(s.genes, s.width)
        self.tau_in = nn.Linear(2, s.width)
        self.tau_out = nn.Sequential(nn.SiLU(), nn.Linear(s.width, s.width))
        self.nothing = nn.Parameter(torch.zeros(s.width))  # attended to where nothing is visible
        self.enter = nn.Linear(1, s.width, bias=False)
        self.asked = nn.Linear(1, s.width)
        self.level = nn.Sequential(NoiseEmbedding(s.width), nn.SiLU())
        self.blocks = nn.ModuleList(Block(s.width, s.heads_used) for _ in range(s.depth))
        last = nn.Linear(s.width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.leave = nn.Sequential(nn.Linear(s.width, s.width), nn.SiLU(), last)

    def each_block(self) -> list[Block]:
        """Return the blocks in their order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def condition(
        self, x: Tensor, latent: Tensor, visible: Tokens, asked: Tokens, *, remasked: bool
    ) -> Condition:
        """Make what hidden entries attend to, and what they are told from the start.

        Parameters
        ----------
        x
            (spots, genes) standardised values; those of `visible` alone are looked at.
        latent
            (spots, genes) of the encoder.
        visible, asked
            Entries that are conditioned on, and that are to be denoised.
        remasked
            Whether the latent of what is asked for is dropped.
        """
        pair = torch.stack([visible.of(x), visible.of(latent)], -1)
        tokens = self.tau_out(self.tau_in(pair) + self.gene(visible.genes))
        nothing = self.nothing.expand(len(tokens), 1, -1)
        known = [block.known(torch.cat([nothing, tokens], 1)) for block in self.each_block()]
        there = nn.functional.pad(visible.there, (1, 0), value=True)[:, None, None]
        left = torch.zeros_like(asked.of(latent)) if remasked else asked.of(latent)
        start = self.gene(asked.genes) + self.asked(left[..., None])
        keys, values = zip(*known, strict=True)
        return Condition(asked, start, keys, values, there)

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        """Return the output for (spots, asked) noised values of unit variance.

        Parameters
        ----------
        x
            (spots, asked) noised values.
        level
            (spots,) step divided by T.
        cond
            Of these spots.
        """
        h = torch.relu(cond.start + self.enter(x[..., None]))
        told = self.level(4 * level)
        skips = torch.zeros_like(h)
        for block, keys, values in zip(self.blocks, cond.keys, cond.values, strict=True):
            h, skip = block(h, told, cond.start, keys, values, cond.there)
            skips = skips + skip
        out: Tensor = self.leave(skips / sqrt(len(self.blocks)))
        return out[..., 0]


def tokens_of(chosen: Tensor, at_least: int = 1) -> Tokens:
    """Return the entries of a (spots, genes) bool table as tokens.

    Parameters
    ----------
    chosen
        Which entries.
    at_least
        Tokens of a spot, however few entries are chosen.
    """
    count = chosen.sum(1)
    n = max(int(count.max()), at_least) if len(count) else at_least
    genes = torch.argsort((~chosen).to(torch.int8), dim=1, stable=True)[:, :n]
    return Tokens(genes, torch.arange(n, device=chosen.device) < count[:, None])
