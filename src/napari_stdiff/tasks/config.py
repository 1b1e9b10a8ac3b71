"""What a user may say about each task, once, for Python, shell, dock and record."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..compute.config import Config, setting
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
    cells: Literal["auto", "transport", "lines", "nearest", "grid", "given"] = setting(
        "auto",
        "Cells",
        "Positions and types of the new cells: displaced by optimal transport between the two "
        "parents, on lines between their cells that are the same at every depth (as the virtual "
        "microtome draws them), copied from the nearer parent, on a grid inside the outline, or "
        "given. "
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
    extrapolate: bool = setting(
        False,
        "Beyond the stack",
        "Allow a depth beyond the first or last section, up to 3 spacings, and hiding an "
        "outermost one. Confidence falls with the distance to the nearest measured cell.",
        advanced=True,
    )
    between: Literal["auto", "sections", "layers"] = setting(
        "auto",
        "Between",
        "Predict between serial sections, or between the layers of one section. 'auto': layers "
        "where what is hidden is a layer of the layer column that was named, or no section.",
        advanced=True,
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


class GenerateConfig(InterpolationSettings):
    """Generate cells that nobody measured inside a measured section."""

    within: ClassVar[bool] = True

    method: InterpolationMethod = setting(
        "stdiffusion", "Method", "Model or baseline that predicts the cells' expression."
    )
    section: str = setting(
        "auto",
        "Section",
        "Measured section that the cells are generated in; 'auto': the only one, or the middle "
        "one.",
    )
    cells: Literal["new", "denser", "given"] = setting(
        "new",
        "Cells",
        "New cells, as dense and as mixed as the measured ones; more cells between the measured "
        "ones (spots on a grid: a finer grid); or cells at given positions.",
    )
    n_cells: int = setting(
        0,
        "Number of cells",
        "How many new cells; 0 takes as many as the section has.",
        ge=0,
        le=2_000_000,
    )
    factor: float = setting(
        2.0,
        "Factor",
        "How many times as many cells the section has with the ones between: 2 adds as many as "
        "were measured. A grid grows by the next even step.",
        gt=1,
        le=100,
    )
    positions: str = setting(
        "",
        "Positions file",
        "CSV with columns x, y and perhaps cell_type, for cells that are given.",
    )
    types: Literal["auto", "drawn", "none"] = setting(
        "auto",
        "Types",
        "Cell types are drawn from the cells around, or left open. 'auto': drawn for cells that "
        "are made up, left open for given positions without types.",
        advanced=True,
    )
    values: Literal["mean", "draw"] = setting(
        "mean",
        "Values",
        "What the table's X holds: the expected expression of each cell, or one draw, which "
        "varies and co-varies as measured cells do. All draws are kept as layers.",
    )


class AlignConfig(Config):
    """Bring serial sections that lie in frames of their own into one."""

    method: Literal["auto", "expression", "landmarks", "histology"] = setting(
        "auto",
        "Align by",
        "Expression and positions (fused Gromov-Wasserstein), landmarks, or the histology "
        "pictures. 'auto': landmarks where they are given, expression otherwise.",
    )
    transform: Literal["rigid", "affine"] = setting(
        "rigid",
        "Transformation",
        "Rigid turns and shifts; affine also stretches and shears.",
    )
    flip: bool = setting(
        False, "Allow mirror", "A section may lie upside down, as its mirror image."
    )
    fixed: str = setting(
        "middle", "Fixed section", "Section that stays where it is; 'middle' of the stack."
    )
    landmarks: str = setting(
        "",
        "Landmarks file",
        "CSV with columns section, x, y and name (or number): the same name in two sections "
        "means the same place.",
    )
    keep: bool = setting(
        True,
        "Keep if not better",
        "Leave two sections as they lie to each other where aligning them does not raise the "
        "correlation of neighbours (expression and histology).",
        advanced=True,
    )
    alpha: float = setting(
        0.1,
        "Alpha",
        "Weight of the distances between spots against expression in the transport.",
        ge=0,
        le=1,
        advanced=True,
    )
    starts: int = setting(
        24, "Starting rotations", "Rotations tried for each pair.", ge=1, le=360, advanced=True
    )
    spots: int = setting(
        600,
        "Spots per section",
        "Larger sections are represented by this many places.",
        ge=50,
        le=5000,
        advanced=True,
    )
    components: int = setting(
        15, "Components", "Principal components of expression.", ge=2, le=100, advanced=True
    )
    seed: int = setting(0, "Seed", "Start of all chance.", ge=0, advanced=True)
