"""What a user may say about an evaluation."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..compute.config import setting
from ..methods.genes.settings import GeneSettings
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


class EvaluateGenesConfig(GeneSettings):
    """Hide shared genes in folds, predict them by several methods, and score each."""

    methods: str = setting(
        "",
        "Methods",
        "Ids separated by commas; empty for the default model, the stacks and every baseline.",
    )
    folds: int = setting(
        5, "Folds", "Groups of shared genes that are hidden in turn.", ge=2, le=100
    )
    genes: int = setting(
        0,
        "Most genes",
        "Take only so many shared genes, those that the reference expresses most; 0 takes all, up "
        "to 1500.",
        ge=0,
    )
    section: str = setting(
        "all", "Section", "Section of the tissue that is predicted; 'all' takes every one."
    )
    reference_sections: str = setting(
        "",
        "Reference sections",
        "Other sections of the same data, separated by commas, that serve as the reference: their "
        "cells without their places.",
    )
    reference_cells: int = setting(
        5000,
        "Reference cells",
        "A larger reference is thinned to about this many cells, by cell type, with the seed.",
        ge=100,
        le=1_000_000,
        advanced=True,
    )
    reference_counts: int = setting(
        0,
        "Counts per reference cell",
        "Reference cells with this many counts or fewer are left out.",
        ge=0,
        advanced=True,
    )
    downsample: str = setting(
        "",
        "Downsample",
        "Shares of the tissue's counts to take away, for example .1,.3,.5,.7: the robustness "
        "score and the mean Pearson at each.",
        advanced=True,
    )
