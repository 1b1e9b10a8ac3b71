"""What stMCDI hides in training: which entries, and where they are taken out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Strategy = Literal["entry", "spot", "gene"]
Phase = Literal["input", "latent", "both", "none"]
_NEVER = 2.0  # above every chance


def hidden_entries(
    seen: Tensor, first: int, strategy: Strategy, ratio: float, generator: torch.Generator
) -> Tensor:
    """Draw which visible entries are hidden: single ones, whole spots, or whole genes.

    Parameters
    ----------
    seen
        (spots, genes) bool, True where an entry is visible.
    first
        The leading spots are the batch: at least one of their visible entries is hidden.
    strategy, ratio
        What is hidden, and the share of it.
    generator
        Of the chance.

    Returns
    -------
    Tensor
        (spots, genes) bool, True where a visible entry is hidden.
    """
    spots, genes = seen.shape
    size = (spots if strategy != "gene" else 1, genes if strategy != "spot" else 1)
    chance = torch.rand(size, generator=generator).to(seen.device)
    least = torch.where(seen[:first], chance[:first], _NEVER).min()
    return seen & (chance <= least.clamp(min=ratio))


def masks_input(phase: Phase) -> bool:
    """Return whether the encoder is kept from seeing what is hidden."""
    return phase in ("input", "both")


def masks_latent(phase: Phase) -> bool:
    """Return whether the latent of what is hidden is dropped from the condition."""
    return phase in ("latent", "both")
