"""From a gene's spots and its reference profile to tokens, and from tokens back to spots."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .patches import PATCHES


def feed_forward(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Return `layers` linear layers with activations between them, (n, inputs) to (n, width)."""
    parts: list[nn.Module] = [nn.Linear(inputs, width)]
    for _ in range(layers - 1):
        parts += [nn.SiLU(), nn.Linear(width, width)]
    return nn.Sequential(*parts)


class PatchLinear(nn.Module):
    """A linear map of its own for each patch, (n, patches, inputs) to (n, patches, outputs)."""

    def __init__(self, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__()
        bound = 0.0 if zero else inputs**-0.5
        self.weight = nn.Parameter(torch.empty(PATCHES, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(PATCHES, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map each patch by its own matrix."""
        out: Tensor = torch.einsum("npi,pio->npo", x, self.weight) + self.bias
        return out


class LatentEmbedding(nn.Module):
    """Phi: the tissue's part of a gene, joined by its reference profile, as tokens.

    Parameters
    ----------
    patch
        Spots of a patch.
    metacells
        Length of a gene's reference profile.
    width
        Of a token; each part gets half of it.
    layers
        Of the two feed-forward networks.
    concatenate
        False leaves the profile out; the tissue's part then has the whole width.
    """

    def __init__(
        self, patch: int, metacells: int, width: int, layers: int, concatenate: bool
    ) -> None:
        super().__init__()
        own = width // 2 if concatenate else width
        self.tissue = PatchLinear(patch, own)
        deeper = [nn.Sequential(nn.SiLU(), nn.Linear(own, own)) for _ in range(layers - 1)]
        self.deeper = nn.Sequential(*deeper)
        self.reference = feed_forward(metacells, width - own, layers) if concatenate else None

    def forward(self, patches: Tensor, profile: Tensor) -> Tensor:
        """Embed (n, patches, patch) noised values and (n, metacells) profiles.

        Returns (n, patches, width).
        """
        tissue: Tensor = self.deeper(self.tissue(patches))
        if self.reference is None:
            return tissue
        beside = self.reference(profile)[:, None].expand(-1, PATCHES, -1)
        return torch.cat([tissue, beside], dim=-1)


class Decoder(nn.Module):
    """Tokens back to their spots, by one linear map a patch that is zero at the start.

    The condition also sets how much of the input goes straight to the output: a few hundred
    hidden units cannot carry the noise of thousands of spots.

    Parameters
    ----------
    width
        Of a token.
    patch
        Spots of a patch.
    maps
        Values a spot gets: 1, or 2 with a learned covariance.
    """

    def __init__(self, width: int, patch: int, maps: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.set = nn.Linear(width, 2 * width + 1)
        self.out = PatchLinear(width, maps * patch, zero=True)
        self.maps, self.patch = maps, patch
        nn.init.zeros_(self.set.weight)
        nn.init.zeros_(self.set.bias)

    def forward(self, h: Tensor, c: Tensor, patches: Tensor) -> Tensor:
        """Decode (n, patches, width) tokens as (n, maps, patches, patch)."""
        width = h.shape[-1]
        shift, scale, through = self.set(c)[:, None].split([width, width, 1], dim=-1)
        out = self.out(self.norm(h) * (1 + scale) + shift)
        out = out.unflatten(-1, (self.maps, self.patch)).transpose(1, 2)
        first = out[:, :1] + (through * patches)[:, None]
        return torch.cat([first, out[:, 1:]], dim=1)
