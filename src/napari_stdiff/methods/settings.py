"""The settings of the methods that predict expression between sections."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..compute.config import setting
from .run_settings import RunSettings


class InterpolationSettings(RunSettings):
    """What any interpolation method can be told; each reads the fields it needs."""

    # new cells lie within measured sections, so that the cells around them there count
    within: ClassVar[bool] = False

    draws: int = setting(
        16,
        "Draws",
        "Samples per cell for the spread; 0 gives the mean alone.",
        ge=0,
        le=256,
    )
    blend: Literal["geometric", "fixed", "chosen"] = setting(
        "geometric",
        "Lambda",
        "Weight of the two parent sections in a draw: from the distances to them, fixed, or "
        "chosen by leaving out a training section.",
    )
    blend_value: float = setting(
        0.5,
        "Fixed lambda",
        "Weight of the farther-z parent section where lambda is fixed (0: first, 1: second).",
        ge=0,
        le=1,
        advanced=True,
    )
    mixing: Literal["mixture", "average"] = setting(
        "mixture",
        "Mixing",
        "How lambda mixes the parents: a draw starts from the second with probability lambda, or "
        "from the average of both, weighted by lambda, as in the paper.",
        advanced=True,
    )
    carry: Literal["auto", "off", "half", "full"] = setting(
        "auto",
        "Carry parents",
        "Move parents by the difference between the means of target and parent before they are "
        "noised; 'auto' chooses by leaving out a training section.",
        advanced=True,
    )
    noise_level: float = setting(
        0.0,
        "Noise level t",
        "Noise that parents are brought to before they are denoised, in standard deviations of "
        "the data; 0 chooses it by leaving out a training section.",
        ge=0,
        le=80,
        advanced=True,
    )
    neighbours: int = setting(
        0,
        "Neighbours",
        "Near cells taken from each flanking section; 0 leaves it to the method, which takes 60 "
        "or chooses by leaving out a training section.",
        ge=0,
        le=500,
        advanced=True,
    )
    effort: Literal["full", "quick"] = setting(
        "full",
        "Effort",
        "Full: settings are chosen by leaving out a training section, and a network is trained. "
        "Quick: a first look in seconds without the network: means are the closed-form guess, "
        "draws are near cells as they are.",
    )
    epochs: int = setting(
        0,
        "Epochs",
        "Passes over the training cells; 0 takes 24, but 400 to 1,400 training steps, and fewer "
        "where leaving out a training section shows that fewer are better.",
        ge=0,
        le=10_000,
        advanced=True,
    )
    batch_size: int = setting(
        256, "Batch size", "Cells a training step.", ge=2, le=65_536, advanced=True
    )
    width: int = setting(
        256, "Width", "Hidden width of the network.", ge=8, le=4096, advanced=True
    )
    depth: int = setting(2, "Depth", "Blocks of the network.", ge=1, le=64, advanced=True)
    learning_rate: float = setting(
        1e-3,
        "Learning rate",
        "Peak rate of AdamW under a one-cycle schedule.",
        gt=0,
        le=1,
        advanced=True,
    )
    process: Literal["edm", "ddpm-linear", "ddpm-quadratic", "ddpm-cosine"] = setting(
        "edm", "Process", "Noise process and parameterisation.", advanced=True
    )
    sampler_steps: int = setting(
        3, "Sampler steps", "Denoising steps a draw.", ge=1, le=2000, advanced=True
    )
