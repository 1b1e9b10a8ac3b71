"""SpaDiT's network: embedding, condition, backbone and decoder, one gene a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ....diffusion.denoiser import NoiseEmbedding
from .backbones import BackboneName, backbone_called
from .condition import ConditionName, condition_called
from .embedding import Decoder, LatentEmbedding
from .patches import PATCHES

_LEAST_HEAD = 8  # units of an attention head


@dataclass(frozen=True)
class Shape:
    """Sizes and switches that a network is built from, and rebuilt when it is loaded."""

    cells: int
    metacells: int
    axes: int
    width: int
    depth: int
    heads: int
    latent_layers: int
    backbone: BackboneName
    condition: ConditionName
    concatenate: bool
    covariance: bool

    @property
    def patch(self) -> int:
        """Spots of a patch."""
        return -(-self.cells // PATCHES)

    @property
    def heads_used(self) -> int:
        """Heads that divide the width and have at least eight units, at most as many as said."""
        most = max(min(self.heads, self.width // _LEAST_HEAD), 1)
        return next(heads for heads in range(most, 0, -1) if self.width % heads == 0)

    def build(self, seed: int) -> SpaditNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return SpaditNetwork(self)

    def bare(self) -> SpaditNetwork:
        """Return the network without memory for its weights, to count them."""
        with torch.device("meta"):
            return SpaditNetwork(self)


class SpaditNetwork(nn.Module):
    """Maps a noised gene, the step and the gene's reference profile to the network's output.

    Parameters
    ----------
    shape
        Sizes and switches.
    """

    features: Tensor
    order: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        s = self.shape = shape
        heads = s.heads_used
        self.embed = LatentEmbedding(s.patch, s.metacells, s.width, s.latent_layers, s.concatenate)
        self.level = NoiseEmbedding(s.width)
        self.condition = condition_called(s.condition, s.metacells, s.axes, s.width, heads)
        self.backbone = backbone_called(s.backbone, s.width, s.depth, heads)
        self.decoder = Decoder(s.width, s.patch, 2 if s.covariance else 1)
        self.register_buffer("features", torch.zeros(s.metacells, s.axes))
        self.register_buffer("order", torch.arange(s.cells))

    def forward(self, x: Tensor, level: Tensor, profile: Tensor) -> Tensor:
        """Return (n, cells), or (n, 2 cells) with a learned covariance.

        Parameters
        ----------
        x
            (n, cells) noised tissue values of unit variance.
        level
            (n,) step divided by T.
        profile
            (n, metacells) of each gene.
        """
        cells, whole = self.shape.cells, PATCHES * self.shape.patch
        patches = nn.functional.pad(x[:, self.order], (0, whole - cells))
        patches = patches.unflatten(1, (PATCHES, -1))
        c = nn.functional.silu(self.condition(profile, self.features) + self.level(4 * level))
        h = self.backbone(self.embed(patches, profile), c)
        out = self.decoder(h, c, patches).flatten(2)[..., :cells]
        back = torch.empty_like(out)
        back[..., self.order] = out
        return back.flatten(1)
