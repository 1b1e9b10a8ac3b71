"""Which entries of a tissue an evaluation hides, and what is left for methods to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..data.checks import listing, no_such
from ..data.gaps import dense_gaps
from ..data.gene_names import match_genes
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.reference import Reference, read_reference
from ..data.tissue import Tissue
from ..data.visible import Visible
from ..data.visible_of import MANY, TAKEN, most_varying, visible_of
from ..scoring.entries import entry_mask, thinned
from .impute_config import EvaluateImputeConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_LEFT = 3  # shared genes that stay visible where whole ones are hidden


@dataclass(frozen=True)
class EntryCase:
    """What is evaluated.

    Attributes
    ----------
    tissue
        As cut down to the section; with all of its genes.
    visible
        What methods see.
    truth
        (cells, genes of `visible`) float32 measured expression on the scale of what is visible;
        the gene's mean where nothing was measured.
    hidden
        (cells, genes of `visible`) bool, the entries that are scored.
    denoise
        Whether methods are to say what is expected of visible entries: where half of the counts
        is seen, the other half is scored against that.
    said
        What the protocol says about it, as JSON can hold it.
    """

    tissue: Tissue
    visible: Visible
    truth: np.ndarray
    hidden: np.ndarray
    denoise: bool
    said: dict[str, Any]


def open_entries(
    data: str | Path | AnnData | SpatialData | Tissue,
    reference: str | Path | AnnData | Reference | None,
    read: ReadConfig | None,
    config: EvaluateImputeConfig,
) -> EntryCase:
    """Read tissue and reference, choose genes, and hide entries as the config says.

    Nothing hidden takes part in the choice: where genes are chosen by how much they vary, it is
    by their visible entries; marker genes are those of the reference.

    Raises
    ------
    StdiffError
        When a section or gene does not exist, whole genes are to be hidden without a reference
        that has them, or values that are no counts are to be thinned.
    """
    tissue = read_tissue(data, read or ReadConfig(), gaps=True)
    if config.section != "all":
        if config.section not in tissue.sections:
            raise no_such("section", config.section, tissue.sections)
        tissue = tissue.rows(tissue.section.astype(str) == config.section)
    if config.pattern == "genes" and reference is None:
        raise StdiffError(
            "Hiding whole genes needs a single-cell reference that has them; give one, or choose "
            "another pattern."
        )
    if config.pattern == "thinning" and tissue.values != "counts":
        raise StdiffError(
            "Only counts can be thinned, and this tissue holds log-normalised values or "
            "intensities; choose another pattern."
        )
    known = None
    if reference is not None:
        known = read_reference(reference, cells=config.reference_cells, seed=config.seed)
    return _hidden(tissue, known, config)


def _hidden(tissue: Tissue, known: Reference | None, config: EvaluateImputeConfig) -> EntryCase:
    """Hide entries of a tissue that was read."""
    named = _named(tissue, config.genes)
    shape = (tissue.n_cells, tissue.n_genes)
    gaps = dense_gaps(tissue)  # what was never measured can neither be seen nor scored
    gaps = np.zeros(shape, dtype=bool) if gaps is None else gaps
    halves = None
    if config.pattern == "thinning":
        halves = thinned(tissue.expression, config.seed)
        hidden = np.zeros(shape, dtype=bool)
        seen = replace(tissue, expression=halves[0])
    else:
        seen = tissue
        hidden = _mask(tissue, config)
    if named is not None:
        hidden[:, ~np.isin(tissue.genes.astype(str), list(named))] = False
    hidden &= ~gaps
    columns, chosen = _columns(seen, hidden | gaps, known, named, config)
    gone = gaps[:, columns]
    visible, notes = visible_of(seen, tissue.genes[columns], hidden[:, columns] | gone, known)
    if config.pattern == "genes":
        hidden = np.zeros(shape, dtype=bool)
        hidden[:, columns] = _markers(visible, named, config) & ~gone
        visible = visible.without(hidden[:, columns])
    some: Any = tissue.expression if halves is None else halves[1]
    part = some[:, columns]
    raw = np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float32)
    scored = hidden[:, columns]
    if halves is not None:
        scored = visible.seen.copy()
        if named is not None:
            scored[:, ~np.isin(visible.genes.astype(str), list(named))] = False
    if not scored.any():
        raise StdiffError("No entry would be hidden; hide a larger share or other genes.")
    touched = visible.genes[scored.any(axis=0)]
    said = {
        "pattern": config.pattern,
        "hide": None if halves is not None else config.hide,
        "seed": config.seed,
        "draws": config.draws,
        "section": config.section,
        "cells": tissue.n_cells,
        "genes": len(touched),
        "visible_genes": visible.n_genes,
        "genes_chosen": chosen,
        "untouched": [str(g) for g in np.setdiff1d(tissue.genes.astype(str), touched.astype(str))],
        "hidden_genes": [str(g) for g in touched] if config.pattern == "genes" else None,
        "entries": int(scored.sum()),
        "missing": int(gone.sum()),
        "zeros": int((raw[scored] == 0).sum()),
        "reference": None if known is None else known.origin.name,
        "reference_cells": 0 if known is None else known.n_cells,
        "shared_genes": 0 if visible.reference_columns is None else len(visible.reference_columns),
        "scale": _scale(tissue),
        "fingerprint": visible.tissue_fingerprint(),
        "reference_fingerprint": visible.reference_fingerprint(),
        "read": [*tissue.origin.notes, *notes],
    }
    truth = np.where(gone, visible.mean, visible.scaled(raw))
    return EntryCase(tissue, visible, truth, scored, halves is not None, said)


def _named(tissue: Tissue, text: str) -> set[str] | None:
    """Return the genes whose entries are to be hidden; None where no names were said."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names or names == ["all"]:
        return None
    there = set(tissue.genes.astype(str))
    unknown = [name for name in names if name not in there]
    if unknown:
        raise StdiffError(f"The tissue has no gene(s) {listing(unknown)}.")
    return set(names)


def _mask(tissue: Tissue, config: EvaluateImputeConfig) -> np.ndarray:
    """Return (cells, genes) bool of what is hidden; whole genes are chosen later."""
    shape = (tissue.n_cells, tissue.n_genes)
    if config.pattern == "genes":
        return np.zeros(shape, dtype=bool)
    among = None
    if config.pattern == "nonzero":
        some: Any = tissue.expression != 0
        among = np.asarray(some.toarray() if hasattr(some, "toarray") else some)
    return entry_mask(shape, config.hide, config.seed, among)


def _columns(
    seen: Tissue,
    hidden: np.ndarray,
    known: Reference | None,
    named: set[str] | None,
    config: EvaluateImputeConfig,
) -> tuple[np.ndarray, str]:
    """Return which genes take part, and that in words."""
    those = np.arange(seen.n_genes)
    of = ""
    if config.pattern == "genes" and known is not None:
        shared = {ours for ours, _ in match_genes(seen, known).shared}
        those = np.flatnonzero(np.isin(seen.genes.astype(str), sorted(shared)))
        of = " that tissue and reference share"
    if config.genes.strip() == "all" or len(those) <= MANY:
        return those, f"all {len(those)}{of}"
    part = seen.columns(those)
    best = set(most_varying(part, ~hidden[:, those], expressed=config.expressed)) | (
        named or set()
    )
    keep = those[np.isin(part.genes.astype(str), sorted(map(str, best)))]
    words = f"the {TAKEN} of {len(those)}{of} that vary most in what is visible"
    if config.expressed:
        words += f", of those above zero in {config.expressed:.0%} of it or more"
    return keep, words + (" and those that were named" if named else "")


def _markers(visible: Visible, named: set[str] | None, config: EvaluateImputeConfig) -> np.ndarray:
    """Return (genes,) bool of the genes that are hidden whole, all of them in the reference."""
    columns, standard = visible.reference_columns, visible.reference_standard
    assert columns is not None
    assert standard is not None
    shared = visible.genes[columns].astype(str)
    if named is not None:
        unknown = sorted(named - set(shared))
        if unknown:
            raise StdiffError(f"The reference has no gene(s) {listing(unknown)} to hide.")
        chosen: Sequence[str] = sorted(named)
    else:
        n = min(max(round(config.hide * len(shared)), 1), len(shared) - _LEFT)
        chosen = [shared[i] for i in marker_order(visible)[: max(n, 0)]]
    if not chosen or len(shared) - len(chosen) < _LEFT:
        raise StdiffError(
            f"Tissue and reference share {len(shared)} genes; {_LEFT} or more of them have to "
            "stay visible. Hide fewer genes."
        )
    return np.isin(visible.genes.astype(str), list(chosen))


def marker_order(visible: Visible) -> np.ndarray:
    """Return the places of the reference's shared genes, the best markers first.

    In turn for each cell type of the reference the gene whose standardised mean in it is highest,
    of those not taken yet; types with most cells first. Without types: by the standard deviation
    of log expression in the reference.
    """
    standard, known = visible.reference_standard, visible.reference
    if standard is None or known is None:
        raise StdiffError("Marker genes are those of a single-cell reference; give one.")
    kinds = visible.reference_type
    if kinds is None:
        return np.argsort(-known.std(axis=0), kind="stable")
    codes = np.unique(np.asarray(kinds).astype(str), return_inverse=True)[1]
    order = np.argsort(-np.bincount(codes), kind="stable")
    means = np.stack([standard[codes == k].mean(axis=0) for k in order])
    ranked = np.argsort(-means, axis=1, kind="stable")
    taken: dict[int, None] = {}
    waiting = [list(row) for row in ranked]
    while len(taken) < standard.shape[1]:
        for row in waiting:
            while row and row[0] in taken:
                row.pop(0)
            if row:
                taken[int(row.pop(0))] = None
    return np.array(list(taken), dtype=np.int64)


def _scale(tissue: Tissue) -> str:
    if tissue.values != "counts":
        return "values as they are"
    return "visible counts over the visible share, scaled to their median, log1p"
