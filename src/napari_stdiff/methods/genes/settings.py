"""The settings of the methods that predict genes the panel never measured."""

from __future__ import annotations

from typing import Literal

from ...compute.config import setting
from ..run_settings import NetworkSettings


class GeneSettings(NetworkSettings):
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
