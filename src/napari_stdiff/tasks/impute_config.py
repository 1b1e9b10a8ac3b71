"""What a user may say about filling in what an assay missed."""

from __future__ import annotations

from typing import Literal

from ..compute.config import setting
from ..methods.entries.registry import EntryMethodName
from ..methods.entries.settings import EntrySettings

Missing = Literal["auto", "zeros", "nan", "mask", "none"]


class ImputeConfig(EntrySettings):
    """Fill in missing values of measured genes, and say how well that goes."""

    method: EntryMethodName = setting(
        "stmcdi",
        "Method",
        "Model or baseline that fills in; 'spotdiff' also learns from a single-cell reference.",
    )
    genes: str = setting(
        "",
        "Genes",
        "Names of the genes to impute, separated by commas, or 'all'. Empty: every gene, of a "
        "table with over 2,000 the 1,000 that vary most. The others stay as they are.",
    )
    missing: Missing = setting(
        "auto",
        "Missing",
        "Which entries are filled in: zeros of the genes, NaN of the table, those that a mask "
        "layer marks, or none (every measured value is denoised). 'auto': the mask layer if one "
        "is named, else NaN if there are any, else zeros.",
    )
    mask_layer: str = setting(
        "", "Mask layer", "Boolean layer of the table, True where an entry is missing."
    )
    section: str = setting("all", "Section", "Section that is imputed; 'all' takes every one.")
    check_share: float = setting(
        0.05,
        "Checked share",
        "Share of the measured values that is hidden and predicted, to say how well that goes.",
        ge=0.01,
        le=0.5,
        advanced=True,
    )
    clusters: bool = setting(
        True,
        "Compare clusters",
        "Cluster the cells before and after, and compare both with the annotated types.",
        advanced=True,
    )
    reference_cells: int = setting(
        5000,
        "Reference cells",
        "A larger reference is thinned to about this many cells, by cell type, with the seed.",
        ge=100,
        le=1_000_000,
        advanced=True,
    )
