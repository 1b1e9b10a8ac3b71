"""What a user may say about an evaluation."""

from __future__ import annotations

from typing import Literal

from ..compute.config import setting
from ..methods.settings import InterpolationSettings


class EvaluateInterpolateConfig(InterpolationSettings):
    """Hide a measured section, predict it by several methods, and score each."""

    hide: str = setting("", "Hide section", "Name of the measured section to hide and predict.")
    methods: str = setting(
        "",
        "Methods",
        "Ids separated by commas; empty for the default model and every baseline.",
    )
    tier: Literal["auto", "A", "B", "C"] = setting(
        "auto",
        "Tier",
        "What of the hidden section is given: A positions and types, B positions, C nothing. "
        "'auto': A where the data has cell types, B otherwise.",
    )
    cells: Literal["auto", "transport", "nearest", "grid"] = setting(
        "auto",
        "Cells",
        "How positions and types are had in tier C, as in the interpolation itself.",
        advanced=True,
    )
    grid_step: float = setting(
        0.0,
        "Grid step",
        "Distance between grid cells in tier C; 0 keeps the density of the parents.",
        unit="um",
        ge=0,
        advanced=True,
    )
