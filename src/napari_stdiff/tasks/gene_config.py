"""What a user may say about predicting genes that the panel never measured."""

from __future__ import annotations

from typing import Literal

from ..compute.config import setting
from ..methods.genes.registry import GeneMethodName
from ..methods.genes.settings import GeneSettings


class PredictGenesConfig(GeneSettings):
    """Predict genes that were never measured, from a dissociated reference."""

    method: GeneMethodName = setting(
        "spadit", "Method", "Model or baseline that predicts the genes."
    )
    genes: str = setting(
        "", "Genes", "Names of the genes to predict, as in the reference, separated by commas."
    )
    which: Literal["listed", "all-missing", "hvg"] = setting(
        "listed",
        "Which genes",
        "The listed genes; all genes of the reference that the tissue lacks; or the most variable "
        "of these.",
    )
    n_hvg: int = setting(
        200,
        "Most variable",
        "How many of the most variable genes that the tissue lacks are predicted.",
        ge=1,
        le=50_000,
    )
    reference_cells: int = setting(
        5000,
        "Reference cells",
        "A larger reference is thinned to about this many cells, by cell type, with the seed.",
        ge=100,
        le=1_000_000,
        advanced=True,
    )
    folds: int = setting(
        5,
        "Reliability folds",
        "Groups of shared genes that are hidden in turn and predicted, to say how far to trust "
        "each new gene.",
        ge=2,
        le=20,
        advanced=True,
    )
