"""What a user may say about an evaluation of filled-in entries."""

from __future__ import annotations

from typing import Literal

from ..compute.config import setting
from ..methods.entries.settings import EntrySettings

Pattern = Literal["entries", "nonzero", "genes", "thinning"]


class EvaluateImputeConfig(EntrySettings):
    """Hide measured entries, fill them in by several methods, and score each."""

    methods: str = setting(
        "",
        "Methods",
        "Ids separated by commas; empty for stmcdi, spotdiff and every baseline.",
    )
    hide: float = setting(
        0.3, "Hide", "Share of entries (or of genes) that is hidden.", gt=0, le=0.95
    )
    pattern: Pattern = setting(
        "entries",
        "Pattern",
        "What is hidden: entries of any value; entries above zero alone; whole genes that mark "
        "cell types of a reference; or half of all counts, molecule by molecule (thinning), the "
        "other half being predicted from it.",
    )
    genes: str = setting(
        "",
        "Genes",
        "Names separated by commas: entries of these alone are hidden and scored. 'all': of every "
        "gene. Empty: of every gene, of a table with over 2000 of the 1000 that vary most.",
    )
    section: str = setting(
        "all", "Section", "Section of the tissue that takes part; 'all' takes every one."
    )
    expressed: float = setting(
        0.05,
        "Expressed in",
        "Where the genes that vary most are taken, those above zero in fewer than this share of "
        "what is visible are passed over: a gene seen in two spots varies most of all.",
        ge=0,
        le=1,
        advanced=True,
    )
    clusters: bool = setting(
        True,
        "Cell populations",
        "Where cells have annotated types, compare them with clusters before and after.",
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
