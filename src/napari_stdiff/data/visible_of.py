"""From a tissue, a mask of what is missing and perhaps a reference: what a method may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError
from .checks import listing
from .gene_names import match_genes
from .reference import Reference
from .tissue import Tissue
from .visible import Visible

MANY = 2000  # genes; of more, those that vary most are taken unless all are asked for
TAKEN = 1000
_BLOCK = 512  # genes that are made dense at a time


def visible_of(
    tissue: Tissue,
    genes: Sequence[str] | np.ndarray,
    missing: np.ndarray,
    reference: Reference | None = None,
) -> tuple[Visible, tuple[str, ...]]:
    """Return what a method may see of some genes of `tissue`, and sentences about the matching.

    Parameters
    ----------
    tissue
        All of its cells take part.
    genes
        Names of genes of the tissue.
    missing
        (cells, genes) bool, True where an entry is not to be seen.
    reference
        Dissociated cells; the genes that it shares take part.

    Raises
    ------
    StdiffError
        When the tissue lacks a gene, or a reference shares fewer than 3 of them.
    """
    place = {str(g): i for i, g in enumerate(tissue.genes)}
    unknown = [str(g) for g in genes if str(g) not in place]
    if unknown:
        raise StdiffError(f"The tissue has no gene(s) {listing(unknown)}.")
    columns = np.array([place[str(g)] for g in genes], dtype=np.int64)
    some = tissue.columns(columns)
    known: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    if reference is not None:
        match = match_genes(some, reference)
        notes = (*reference.origin.notes, *match.notes)
        if len(match.shared) < 3:
            raise StdiffError(
                f"Tissue and reference share {len(match.shared)} of the genes to impute; at "
                "least 3 are needed. Are the gene names of the same species and kind?"
            )
        ours = {str(g): i for i, g in enumerate(some.genes)}
        theirs = {str(g): i for i, g in enumerate(reference.genes)}
        known = {
            "reference_raw": sparse.csr_matrix(
                reference.expression[:, [theirs[b] for _, b in match.shared]]
            ),
            "reference_columns": np.array([ours[a] for a, _ in match.shared], dtype=np.int64),
            "reference_values": reference.values,
            "reference_type": reference.cell_type,
            "reference_name": reference.origin.name,
        }
    raw: Any = some.expression
    return Visible(
        genes=np.array([str(g) for g in some.genes], dtype=object),
        raw=np.ascontiguousarray(raw.toarray() if hasattr(raw, "toarray") else raw, np.float32),
        seen=~np.asarray(missing, dtype=bool),
        values=tissue.values,
        coords=tissue.coords,
        section=tissue.section,
        tissue_name=tissue.origin.name,
        **known,
    ), notes


def most_varying(
    tissue: Tissue, seen: np.ndarray | None = None, n: int = TAKEN, expressed: float = 0.0
) -> np.ndarray:
    """Return the names of the genes with the highest coefficient of variation, in table order.

    Parameters
    ----------
    tissue
        Values as stored; genes without any visible value above zero come last.
    seen
        (cells, genes) bool of visible entries; None where all are.
    n
        How many genes.
    expressed
        Genes that are above zero in a smaller share of what is visible come last: of a whole
        transcriptome those seen in one or two spots vary most, and nothing can be said of them.
    """
    x: Any = tissue.expression
    varying, rare = np.zeros(tissue.n_genes), np.zeros(tissue.n_genes, dtype=bool)
    for start in range(0, tissue.n_genes, _BLOCK):
        part = x[:, start : start + _BLOCK]
        dense = np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float64)
        shown = np.ones(dense.shape) if seen is None else seen[:, start : start + _BLOCK]
        count = np.maximum(shown.sum(axis=0), 1)
        mean = (dense * shown).sum(axis=0) / count
        spread = np.sqrt((((dense - mean) ** 2) * shown).sum(axis=0) / count)
        varying[start : start + _BLOCK] = np.where(mean > 0, spread / np.maximum(mean, 1e-12), 0)
        rare[start : start + _BLOCK] = ((dense > 0) * shown).sum(axis=0) < expressed * count
    chosen = np.sort(np.lexsort((-varying, rare))[:n])
    return np.asarray(tissue.genes)[chosen]
