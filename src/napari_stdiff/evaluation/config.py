"""What a user may say about an evaluation."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..compute.config import setting
from ..methods.settings import InterpolationSettings


class EvaluateInterpolateConfig(InterpolationSettings):
    """Hide a measured section, predict it by several methods, and score each."""

    hide: str = setting(
        "", "Hide section", "Name of the measured section (or layer) to hide and predict."
    )
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
    extrapolate: bool = setting(
        False,
        "Beyond the stack",
        "Allow hiding an outermost section or layer; its scores are marked as extrapolation.",
        advanced=True,
    )
    between: Literal["auto", "sections", "layers"] = setting(
        "auto", "Between", "As in the interpolation itself.", advanced=True
    )
    section: str = setting(
        "auto",
        "Section of the layer",
        "Section that a hidden layer is predicted in; 'auto' takes the one with most of it.",
        advanced=True,
    )
    parents: str = setting(
        "",
        "Parent layers",
        "The two layers that a hidden layer lies between, separated by a comma; empty finds them.",
        advanced=True,
    )
    match: Literal["place", "depth"] = setting(
        "place",
        "Match layers",
        "How cells of a hidden layer find parents: by place, so that those at the border count "
        "most, or by place along the layer and depth from the border.",
        advanced=True,
    )


class EvaluateGenerateConfig(InterpolationSettings):
    """Hide some cells of measured sections, generate them by several methods, and score each."""

    within: ClassVar[bool] = True

    hold_out: float = setting(
        0.2,
        "Held-out share",
        "Share of each section's cells that is hidden from everything and then generated.",
        ge=0.01,
        le=0.9,
    )
    section: str = setting(
        "all", "Section", "Section whose cells are hidden; 'all' hides some of every section."
    )
    methods: str = setting(
        "",
        "Methods",
        "Ids separated by commas; empty for the default model and every baseline.",
    )
    tier: Literal["auto", "A", "B", "C"] = setting(
        "auto",
        "Tier",
        "What of the hidden cells is given: A positions and types, B positions, C their number "
        "alone. 'auto': A where the data has cell types, B otherwise.",
    )
    enrichment: bool = setting(
        True,
        "Neighbourhood enrichment",
        "Compare which kinds of cells are neighbours, by squidpy's permutation test.",
        advanced=True,
    )
