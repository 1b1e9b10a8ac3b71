"""The settings of the methods that predict genes the panel never measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from ...compute.config import Config, setting
from ...compute.device import DeviceName


class GeneSettings(Config):
    """What any gene-predicting method can be told; each reads the fields it needs."""

    draws: int = setting(
        32, "Draws", "Samples per cell for the spread; 0 gives the mean alone.", ge=0, le=256
    )
    smoothing: Literal["auto", "off"] = setting(
        "auto",
        "Smoothing",
        "Average predictions over neighbouring cells as strongly as hidden training genes ask "
        "for, or not at all.",
        advanced=True,
    )
    inner_folds: int = setting(
        5,
        "Inner folds",
        "Groups of visible genes that are predicted from each other to choose weights, smoothing "
        "and spread.",
        ge=2,
        le=20,
        advanced=True,
    )
    epochs: int = setting(
        0,
        "Epochs",
        "Passes over the training genes; 0 leaves it to the method (the paper: 2,000 to 4,000).",
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
    sampler: Literal["dpm++2m", "heun", "ancestral"] = setting(
        "dpm++2m", "Sampler", "How draws are denoised.", advanced=True
    )
    sampler_steps: int = setting(
        8, "Sampler steps", "Denoising steps a draw.", ge=1, le=4000, advanced=True
    )
    backbone: Literal["transformer", "unet", "mamba"] = setting(
        "transformer", "Backbone", "Network of spadit-paper.", advanced=True
    )
    condition: Literal["flash", "attention", "mlp", "pca", "zeros", "common"] = setting(
        "flash",
        "Condition",
        "How spadit-paper sums up the reference: attention (scaled dot product, or written out), "
        "a small network, principal components, nothing, or the common genes alone.",
        advanced=True,
    )
    concatenate: bool = setting(
        True,
        "Concatenate",
        "spadit-paper joins the gene's own reference profile to the latent embedding.",
        advanced=True,
    )
    covariance: bool = setting(
        False,
        "Learned covariance",
        "spadit-paper learns a diagonal covariance of the reverse steps.",
        advanced=True,
    )
    latent_layers: int = setting(
        3, "Latent layers", "Layers of spadit-paper's embedding.", ge=1, le=12, advanced=True
    )
    mask_zero: float = setting(
        0.3, "Mask zeros", "Share of zeros hidden in training.", ge=0, le=0.95, advanced=True
    )
    mask_nonzero: float = setting(
        0.3,
        "Mask non-zeros",
        "Share of non-zeros hidden in training.",
        ge=0,
        le=0.95,
        advanced=True,
    )
    noise_steps: int = setting(
        1000, "Noise steps T", "Steps of spadit-paper's process.", ge=10, le=4000, advanced=True
    )
    scale_to: float = setting(
        0.0,
        "Scale to",
        "Make a paper's printed configuration smaller so that it ends near this time; 0 runs it "
        "in full. The result says so.",
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
