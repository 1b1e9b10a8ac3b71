"""Tissue and reference of an evaluation of predicted genes: sections, cells and genes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compute.errors import StdiffError
from ..data.checks import listing, no_such
from ..data.gene_names import GeneMatch, match_genes
from ..data.panel import Panel, panel_of
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.reference import Reference, read_reference
from ..data.subsample import by_type
from ..data.telling import MOST
from ..data.tissue import Tissue
from .config import EvaluateGenesConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_VISIBLE = 4  # fewest genes that a fold leaves: methods hide one of these in turn


@dataclass(frozen=True)
class GenePair:
    """What is evaluated.

    Attributes
    ----------
    tissue, reference, match
        As cut down to the sections, cells and genes that take part.
    panel
        Of all shared genes; what a method gets is this without the hidden ones.
    said
        What the protocol says about it.
    """

    tissue: Tissue
    reference: Reference
    match: GeneMatch
    panel: Panel
    said: dict[str, object]


def open_pair(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None,
    read: ReadConfig | None,
    config: EvaluateGenesConfig,
) -> GenePair:
    """Read both, and cut them down as the config says.

    Raises
    ------
    StdiffError
        When a section does not exist or is on both sides, or there is no reference, or two.
    """
    whole = read_tissue(data, read or ReadConfig())
    tissue = whole
    if config.section != "all":
        tissue = whole.rows(_in(whole, [config.section]))
    names = [name.strip() for name in config.reference_sections.split(",") if name.strip()]
    if bool(names) == (reference is not None):
        raise StdiffError(
            "Give a reference, or sections of the same data that serve as one (reference "
            "sections)" + (", not both." if names else ".")
        )
    known = _reference(reference, whole, tissue, names, config)
    match = match_genes(tissue, known)
    shared = len(match.shared)
    most = config.genes or MOST
    if shared > most:
        tissue = _narrowed(tissue, known, match, most)
        match = match_genes(tissue, known)
    n = len(match.shared)
    if n - -(-n // config.folds) < _VISIBLE or n < config.folds:
        raise StdiffError(
            f"Tissue and reference share {n} genes, too few for {config.folds} folds; each fold "
            f"has to hide one or more and leave {_VISIBLE} or more."
        )
    chosen = "all shared genes"
    if shared > len(match.shared):
        chosen = f"the {len(match.shared)} of {shared} that the reference expresses most"
    said: dict[str, object] = {
        "section": config.section,
        "reference": f"sections {listing(names)}, without places" if names else known.origin.name,
        "reference_cells": known.n_cells,
        "cells": tissue.n_cells,
        "shared_genes": len(match.shared),
        "genes_chosen": chosen,
    }
    return GenePair(tissue, known, match, panel_of(tissue, known, match), said)


def _in(tissue: Tissue, names: list[str]) -> np.ndarray:
    for name in names:
        if name not in tissue.sections:
            raise no_such("section", name, tissue.sections)
    return np.isin(tissue.section.astype(str), names)


def _reference(
    given: str | Path | AnnData | Reference | None,
    whole: Tissue,
    tissue: Tissue,
    names: list[str],
    config: EvaluateGenesConfig,
) -> Reference:
    cells = 0 if config.reference_counts else config.reference_cells
    if names:
        both = sorted(set(names) & set(tissue.sections))
        if both:
            raise StdiffError(
                f"Section {listing(both)} is predicted and in the reference too; name the section "
                "to predict (section) and others as its reference."
            )
        known = read_reference(whole.rows(_in(whole, names)), cells=cells, seed=config.seed)
    else:
        assert given is not None
        known = read_reference(given, cells=cells, seed=config.seed)
    if not config.reference_counts:
        return known
    total = np.asarray(known.expression.sum(axis=1)).ravel()
    kept = _rows(known, np.flatnonzero(total > config.reference_counts))
    if not kept.n_cells:
        raise StdiffError(
            f"No reference cell has more than {config.reference_counts} counts; ask for fewer."
        )
    drawn = by_type(kept.cell_type, kept.n_cells, config.reference_cells, config.seed)
    return _rows(kept, drawn)


def _rows(reference: Reference, rows: np.ndarray) -> Reference:
    return replace(
        reference,
        expression=reference.expression[rows],
        names=reference.names[rows],
        cell_type=None if reference.cell_type is None else reference.cell_type[rows],
    )


def _narrowed(tissue: Tissue, reference: Reference, match: GeneMatch, n: int) -> Tissue:
    """Return the tissue with the `n` shared genes that the reference expresses most.

    By the reference alone: nothing of the tissue decides what is scored.
    """
    total = np.asarray(reference.expression.sum(axis=0)).ravel()
    place = {str(gene): i for i, gene in enumerate(reference.genes)}
    level = np.array([total[place[theirs]] for _, theirs in match.shared])
    best = np.argsort(-level, kind="stable")[:n]
    keep = {match.shared[i][0] for i in best}
    return tissue.columns(np.array([str(gene) in keep for gene in tissue.genes]))
