"""The settings of the methods that fill in what an assay missed."""

from __future__ import annotations

from typing import Literal

from ...compute.config import setting
from ..run_settings import NetworkSettings


class EntrySettings(NetworkSettings):
    """What any imputing method can be told; each reads the fields it needs."""

    draws: int = setting(
        32, "Draws", "Samples per entry for the spread; 0 gives the mean alone.", ge=0, le=256
    )
    denoise: bool = setting(
        False,
        "Denoise measured values",
        "Also replace measured values by what is expected given all that was measured; otherwise "
        "they are kept as they are.",
    )
    neighbours: int = setting(
        5,
        "Neighbours",
        "Nearest spots that the tissue graph joins to each spot (the paper: 5).",
        ge=1,
        le=100,
        advanced=True,
    )
    encoder: Literal["gcn", "gat", "gin", "mlp", "none"] = setting(
        "gcn",
        "Encoder",
        "How the visible values of a spot and its neighbours in the graph are summed up.",
        advanced=True,
    )
    mask_strategy: Literal["entry", "spot", "gene"] = setting(
        "entry",
        "Mask strategy",
        "What is hidden in training: single entries, whole spots, or whole genes.",
        advanced=True,
    )
    mask_phase: Literal["input", "latent", "both", "none"] = setting(
        "both",
        "Mask phase",
        "Where hidden entries are taken out in training: of what the encoder sees, of its latent, "
        "or of both.",
        advanced=True,
    )
    mask_ratio: float = setting(
        0.0,
        "Mask ratio",
        "Share that is hidden in training; 0 leaves it to the method (stMCDI's paper: 0.6, "
        "SpotDiff's: 0.3).",
        ge=0,
        le=0.95,
        advanced=True,
    )
    text: Literal["auto", "t5", "small", "off"] = setting(
        "auto",
        "Prompts",
        "Encoder of SpotDiff's spot-gene prompts: a T5 of the cache or of a path, a small one "
        "trained here, or none. 'auto': T5 where its weights are at hand, else the small one; "
        "the record says which.",
        advanced=True,
    )
    text_model: str = setting(
        "t5-small",
        "T5 model",
        "Name in the cache, or folder, of the T5 encoder; nothing is downloaded.",
        advanced=True,
    )
    n_high: int = setting(
        20, "Highest genes", "Most expressed genes of a prompt (n1).", ge=1, le=500, advanced=True
    )
    n_low: int = setting(
        10,
        "Lowest genes",
        "Least expressed genes above zero of a prompt (n2).",
        ge=0,
        le=500,
        advanced=True,
    )
    use_reference: bool = setting(
        True,
        "Reference cells",
        "SpotDiff joins the reference cells most like a spot to its condition.",
        advanced=True,
    )
    top_cells: int = setting(
        10, "Cells a spot", "Reference cells that are joined (N).", ge=1, le=500, advanced=True
    )
    mse_weight: float = setting(
        1.0, "Weight of error", "Of the integration's squared error.", ge=0, le=100, advanced=True
    )
    location_weight: float = setting(
        0.1,
        "Weight of location",
        "Of the integration's location loss (lambda 1).",
        ge=0,
        le=100,
        advanced=True,
    )
    pearson_weight: float = setting(
        1.0,
        "Weight of correlation",
        "Of the integration's gene-wise Pearson loss (lambda 2).",
        ge=0,
        le=100,
        advanced=True,
    )
    sigma: float = setting(
        0.0,
        "Location scale",
        "Distance over which spots are alike (sigma), in the tissue's unit; 0 takes the median "
        "distance to the nearest spot.",
        ge=0,
        advanced=True,
    )
    noise_steps: int = setting(
        2000,
        "Noise steps T",
        "Steps of the process of a paper's configuration.",
        ge=10,
        le=4000,
        advanced=True,
    )
