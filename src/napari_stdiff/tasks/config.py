"""What a user may say about each task, once, for Python, shell, dock and record."""

from __future__ import annotations

from typing import Literal

from ..compute.config import setting
from ..methods.registry import InterpolationMethod
from ..methods.settings import InterpolationSettings


class InterpolateConfig(InterpolationSettings):
    """Cut a virtual section between measured ones."""

    method: InterpolationMethod = setting(
        "stdiffusion", "Method", "Model or baseline that predicts the section."
    )
    at: float | Literal["middle"] = setting(
        "middle",
        "At z",
        "Depth of the virtual section, in the tissue's unit; 'middle' of the widest gap.",
    )
    hide: str = setting(
        "",
        "Hide section",
        "Name of a measured section to hide, predict and compare with; empty for none.",
    )
    cells: Literal["auto", "transport", "nearest", "grid", "given"] = setting(
        "auto",
        "Cells",
        "Positions and types of the new cells: displaced by optimal transport between the two "
        "parents, copied from the nearer parent, on a grid inside the outline, or given. "
        "'auto': the hidden section's own where one is hidden, transport otherwise.",
    )
    positions: str = setting(
        "",
        "Positions file",
        "CSV with columns x, y and perhaps cell_type, for cells that are given.",
        advanced=True,
    )
    grid_step: float = setting(
        0.0,
        "Grid step",
        "Distance between grid cells; 0 keeps the density of the parents.",
        unit="um",
        ge=0,
        advanced=True,
    )
    tier: Literal["auto", "A", "B", "C"] = setting(
        "auto",
        "Tier",
        "What of the hidden section is given: A positions and types, B positions, C nothing.",
        advanced=True,
    )
