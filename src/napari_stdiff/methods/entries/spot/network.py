"""SpotDiff's transformer over patches of genes, with both conditions joined in every block."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ....diffusion.denoiser import NoiseEmbedding
from ...genes.paper.backbones import Adaptive, SelfAttention, mlp
from ..text import SpotGeneAttention, TextKind, Told

PATCHES = 32  # of a spot at most
_LEAST = 4  # genes of a patch


@dataclass(frozen=True)
class Condition:
    """What the network is told of some spots.

    Attributes
    ----------
    values, shown, asked
        (spots, genes) values, 0 where not shown; 1 where shown; 1 where an answer is wanted.
    text
        (spots, 1, width) of the prompts; None where they are off.
    rna
        (spots, patches, width) of the reference cells joined to each spot; None without.
    """

    values: Tensor
    shown: Tensor
    asked: Tensor
    text: Tensor | None
    rna: Tensor | None


@dataclass(frozen=True)
class Shape:
    """Sizes a network is built from, and rebuilt when it is loaded.

    Attributes
    ----------
    genes
        Of the tissue.
    width, depth, heads
        Of the transformer.
    text
        Which encoder makes f_text.
    named
        Genes of a prompt.
    dim
        Length of a T5's vectors; 0 without.
    reference
        Whether there is f_rna.
    """

    genes: int
    width: int
    depth: int
    heads: int
    text: TextKind
    named: int
    dim: int
    reference: bool

    @property
    def patch(self) -> int:
        """Genes of a patch."""
        return max(_LEAST, -(-self.genes // PATCHES))

    @property
    def patches(self) -> int:
        """Patches of a spot."""
        return -(-self.genes // self.patch)

    @property
    def heads_used(self) -> int:
        """As many heads as asked for, or the next fewer that divide the width."""
        return next(h for h in range(min(self.heads, self.width), 0, -1) if self.width % h == 0)

    def build(self, seed: int) -> SpotdiffNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return SpotdiffNetwork(self)

    def bare(self) -> SpotdiffNetwork:
        """Return a network without memory for its weights, to count them."""
        with torch.device("meta"):
            return SpotdiffNetwork(self)


class CrossAttention(nn.Module):
    """Tokens ask, the tokens of a condition answer; adds nothing at the start."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, width)
        self.answer = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        """Update (spots, tokens, width) by (spots, told, width)."""
        q = self.ask(self.norm(h)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.answer(told).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = h + self.leave(found.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention among genes, then to the prompt, then to the reference, then feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, heads = shape.width, shape.heads_used
        self.within = Adaptive(width, SelfAttention(width, heads))
        self.text = CrossAttention(width, heads) if shape.text != "off" else None
        self.rna = CrossAttention(width, heads) if shape.reference else None
        self.feed = Adaptive(width, mlp(width))

    def forward(self, h: Tensor, c: Tensor, cond: Condition) -> Tensor:
        """Update (spots, patches, width) tokens."""
        h = self.within(h, c)
        if self.text is not None and cond.text is not None:
            h = self.text(h, cond.text)
        if self.rna is not None and cond.rna is not None:
            h = self.rna(h, cond.rna)
        out: Tensor = self.feed(h, c)
        return out


class SpotdiffNetwork(nn.Module):
    """Denoises the entries of a spot that are asked for.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, heads = shape.width, shape.heads_used
        self.enter = nn.Linear(4 * shape.patch, width)
        self.place = nn.Parameter(torch.randn(shape.patches, width) * 0.02)
        self.level = NoiseEmbedding(width)
        self.text: SpotGeneAttention | None = None
        if shape.text != "off":
            self.text = SpotGeneAttention(shape.genes, shape.named, width, heads, shape.dim)
        self.rna = nn.Linear(shape.patch, width) if shape.reference else None
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.last = nn.LayerNorm(width)
        self.leave = nn.Linear(width, shape.patch)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def condition(
        self,
        values: Tensor,
        shown: Tensor,
        asked: Tensor,
        told: Told | None,
        fused: Tensor | None,
    ) -> Condition:
        """Encode what some spots are known by.

        Parameters
        ----------
        values
            (spots, genes) standardised; looked at only where shown.
        shown, asked
            (spots, genes) 1 where an entry may be seen, and where an answer is wanted.
        told
            Their prompts.
        fused
            (spots, genes) means of the reference cells joined to them.
        """
        text = self.text(told) if self.text is not None and told is not None else None
        rna = None
        if self.rna is not None and fused is not None:
            rna = self.rna(self._patched(fused)) + self.place
        return Condition(values * shown, shown, asked, text, rna)

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        """Return the raw output that the process turns into clean values, (spots, genes).

        Parameters
        ----------
        x
            (spots, genes) noised values; looked at only where asked.
        level
            (spots,) of the noise.
        cond
            What is known.
        """
        tables = (x * cond.asked, cond.values, cond.shown, cond.asked)
        h = self.enter(torch.cat([self._patched(t) for t in tables], dim=-1)) + self.place
        c = self.level(level)
        for block in self.blocks:
            h = block(h, c, cond)
        out: Tensor = self.leave(self.last(h)).flatten(1)
        return out[:, : self.shape.genes]

    def _patched(self, table: Tensor) -> Tensor:
        """Return (spots, patches, patch), filled up with zeros."""
        lacking = self.shape.patches * self.shape.patch - self.shape.genes
        return nn.functional.pad(table, (0, lacking)).unflatten(1, (self.shape.patches, -1))
