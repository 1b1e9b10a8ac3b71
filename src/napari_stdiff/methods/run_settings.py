"""The settings that methods of every task share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from ..compute.config import Config, setting
from ..compute.device import DeviceName


class RunSettings(Config):
    """How any method draws, how large a paper's configuration is, and where it runs."""

    sampler: Literal["dpm++2m", "heun", "ancestral"] = setting(
        "dpm++2m", "Sampler", "How draws are denoised.", advanced=True
    )
    scale_to: float = setting(
        0.0,
        "Scale to",
        "Make a paper's printed configuration smaller (epochs, then sizes, and sampling steps) so "
        "that it ends near this time; 0 runs it in full. The result says so.",
        unit="s",
        ge=0,
        le=1e7,
        advanced=True,
    )
    seed: int = setting(0, "Seed", "Same seed, same device, same result.", ge=0, le=2**31 - 1)
    device: DeviceName = setting("auto", "Device", "Where to compute.")

    @classmethod
    def kept(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings that a model file holds, on whichever device is here."""
        known = {k: v for k, v in values.items() if k in cls.model_fields}
        return cls.of(**(known | {"device": "auto"}))


class NetworkSettings(RunSettings):
    """Size and training of a network, left to the method unless they are said."""

    epochs: int = setting(
        0,
        "Epochs",
        "Passes over what is trained on; 0 leaves it to the method (the papers: 2,000 to 4,000).",
        ge=0,
        le=10_000,
        advanced=True,
    )
    batch_size: int = setting(
        0, "Batch size", "Samples a training step; 0 leaves it to the method.", ge=0, advanced=True
    )
    width: int = setting(
        0, "Width", "Hidden width; 0 leaves it to the method.", ge=0, le=8192, advanced=True
    )
    depth: int = setting(
        0, "Depth", "Blocks; 0 leaves it to the method.", ge=0, le=128, advanced=True
    )
    heads: int = setting(
        0, "Heads", "Attention heads; 0 leaves it to the method.", ge=0, le=128, advanced=True
    )
    learning_rate: float = setting(
        0.0,
        "Learning rate",
        "Of AdamW; 0 leaves it to the method.",
        ge=0,
        le=1,
        advanced=True,
    )
    sampler_steps: int = setting(
        8, "Sampler steps", "Denoising steps a draw.", ge=1, le=4000, advanced=True
    )
