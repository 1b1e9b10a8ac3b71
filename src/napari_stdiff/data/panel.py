"""What a method that predicts unmeasured genes may see: tissue and reference on one scale."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError
from .checks import listing
from .gene_names import GeneMatch
from .reference import Reference
from .tissue import Tissue, Values


def scale_factors(visible: np.ndarray | sparse.csr_matrix) -> np.ndarray:
    """Return what each cell's counts are multiplied by: median library / library, (cells,).

    Parameters
    ----------
    visible
        (cells, genes) counts of the visible genes alone, so that nothing hidden moves the scale.
        Libraries are floored at their first percentile (or the smallest one above zero).
    """
    library = np.asarray(visible.sum(axis=1), dtype=np.float64).ravel()
    positive = library[library > 0]
    if not len(positive):
        return np.ones(len(library), dtype=np.float32)
    floor = max(float(np.percentile(library, 1)), float(positive.min()))
    library = np.maximum(library, floor)
    return np.asarray(np.median(library) / library, dtype=np.float32)


@dataclass(frozen=True)
class Panel:
    """The visible genes of a tissue, and a reference that has them and the wanted ones.

    Both sides are scaled by each cell's library over the visible genes and log1p'd, where they
    hold counts; values that are log-normalised or intensities stay as they are.

    Attributes
    ----------
    genes
        (shared,) names of the visible genes: measured in the tissue and in the reference.
    wanted
        (wanted,) names of genes of the reference that may be asked for.
    tissue_raw
        (cells, shared) float32 as stored.
    reference_raw
        (reference cells, shared + wanted) CSR as stored, visible genes first.
    tissue_values, reference_values
        What the two hold.
    coords
        (cells, 3) float64, columns z, y, x, in the tissue's unit.
    section
        (cells,) section of each cell.
    reference_type
        (reference cells,) labels, or None.
    tissue_name, reference_name
        What to call the two in a sentence; no part of what a model learns from.
    """

    genes: np.ndarray
    wanted: np.ndarray
    tissue_raw: np.ndarray
    reference_raw: sparse.csr_matrix
    tissue_values: Values
    reference_values: Values
    coords: np.ndarray
    section: np.ndarray
    reference_type: np.ndarray | None = None
    tissue_name: str = ""
    reference_name: str = ""

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        if len(self.genes) < 3:
            raise StdiffError(
                f"Tissue and reference share {len(self.genes)} genes; at least 3 are needed. Are "
                "the gene names of the same species and kind?"
            )
        if self.reference_raw.shape[1] != len(self.genes) + len(self.wanted):
            raise StdiffError("The reference's columns are not the visible and the wanted genes.")

    @property
    def n_cells(self) -> int:
        """Number of spots or cells of the tissue."""
        return len(self.tissue_raw)

    @cached_property
    def tissue_factor(self) -> np.ndarray:
        """(cells,) what counts of the tissue are multiplied by; ones where they are no counts."""
        if self.tissue_values != "counts":
            return kept(np.ones(self.n_cells, dtype=np.float32))
        return kept(scale_factors(self.tissue_raw))

    @cached_property
    def reference_factor(self) -> np.ndarray:
        """(reference cells,) what the reference's counts are multiplied by, or ones."""
        if self.reference_values != "counts":
            return kept(np.ones(self.reference_raw.shape[0], dtype=np.float32))
        return kept(scale_factors(self.reference_raw[:, : len(self.genes)]))

    @cached_property
    def tissue(self) -> np.ndarray:
        """(cells, shared) float32 visible expression of the tissue on the common scale.

        Made once and read-only, as all that is kept here: copy it to change it.
        """
        return kept(self.scaled(self.tissue_raw))

    @cached_property
    def reference(self) -> np.ndarray:
        """(reference cells, shared) float32 visible expression of the reference; read-only."""
        return kept(self._profiles(np.arange(len(self.genes))))

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """Bring (cells, any genes) stored values of this tissue to the scale of `tissue`."""
        if self.tissue_values != "counts":
            return np.asarray(raw, dtype=np.float32)
        return np.log1p(np.asarray(raw, dtype=np.float32) * self.tissue_factor[:, None])

    def floored(self, values: np.ndarray) -> np.ndarray:
        """Return `values` of this tissue's cells, not below zero where its own are not."""
        return np.maximum(values, 0) if self._never_negative else values

    @cached_property
    def _never_negative(self) -> bool:
        return bool(self.tissue_raw.min(initial=0) >= 0)

    def profiles(self, names: Sequence[str] | np.ndarray) -> np.ndarray:
        """Return (reference cells, names) float32 expression of wanted or visible genes.

        Raises
        ------
        StdiffError
            When the reference has no such gene.
        """
        place = {str(g): i for i, g in enumerate([*self.genes, *self.wanted])}
        missing = [str(name) for name in names if str(name) not in place]
        if missing:
            raise StdiffError(f"The reference has no gene '{missing[0]}'.")
        return self._profiles(np.array([place[str(name)] for name in names], dtype=np.int64))

    def _profiles(self, columns: np.ndarray) -> np.ndarray:
        out = self.reference_raw[:, columns].toarray().astype(np.float32)
        if self.reference_values != "counts":
            return np.asarray(out)
        return np.asarray(np.log1p(out * self.reference_factor[:, None]))

    def without(self, names: Sequence[str] | np.ndarray) -> Panel:
        """Return the panel with some visible genes hidden: they become wanted.

        Scales are taken anew from what stays visible. The tissue's values of the hidden genes
        are gone from the new panel.
        """
        hidden = np.isin(self.genes, np.asarray(names, dtype=object).astype(str))
        shared = len(self.genes)
        order = np.concatenate(
            [np.flatnonzero(~hidden), np.flatnonzero(hidden), np.arange(len(self.wanted)) + shared]
        )
        return replace(
            self,
            genes=self.genes[~hidden],
            wanted=np.concatenate([self.genes[hidden], self.wanted]),
            tissue_raw=self.tissue_raw[:, ~hidden],
            reference_raw=self.reference_raw[:, order],
        )

    def tissue_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the tissue (20 hex digits)."""
        return tie(
            self.tissue_values, self.genes, self.tissue_raw, self.coords, _names(self.section)
        )

    def reference_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the reference (20 hex digits).

        Of the visible and of the wanted genes, whatever the order of the wanted ones.
        """
        order = np.argsort(self.wanted.astype(str), kind="stable")
        shared = len(self.genes)
        x = self.reference_raw[:, np.concatenate([np.arange(shared), order + shared])]
        x.sum_duplicates()  # one order of entries, however they are stored
        kind = ["none"] if self.reference_type is None else _names(self.reference_type)
        return tie(
            *(self.reference_values, self.genes, self.wanted[order]),
            *(x.indptr.astype(np.int64), x.indices.astype(np.int64), x.data, kind),
        )

    def fingerprint(self) -> str:
        """Return a hash of all that a method sees (20 hex digits): a model is tied to it."""
        return tie(self.tissue_fingerprint(), self.reference_fingerprint())


def panel_of(
    tissue: Tissue, reference: Reference, match: GeneMatch, hidden: Collection[str] = ()
) -> Panel:
    """Return what a method may see of `tissue` and `reference`.

    Parameters
    ----------
    tissue
        All of its sections are in the panel, and no others.
    reference
        Cells with types.
    match
        Of these two, from :func:`~napari_stdiff.data.gene_names.match_genes`.
    hidden
        Shared genes, by the tissue's spelling, to be treated as never measured: they become
        wanted, and the tissue's values of them do not enter the panel.

    Raises
    ------
    StdiffError
        When a hidden gene is not shared, or fewer than 3 genes stay visible.
    """
    unknown = sorted(set(map(str, hidden)) - {ours for ours, _ in match.shared})
    if unknown:
        raise StdiffError(
            f"Tissue and reference do not share the gene(s) to hide ({listing(unknown)}); hide "
            "shared genes."
        )
    away = set(map(str, hidden))
    visible = [pair for pair in match.shared if pair[0] not in away]
    gone = [pair for pair in match.shared if pair[0] in away]
    in_tissue = {str(g): i for i, g in enumerate(tissue.genes)}
    in_reference = {str(g): i for i, g in enumerate(reference.genes)}
    columns = [in_tissue[ours] for ours, _ in visible]
    wanted = [*gone, *((name, name) for name in match.only_reference)]
    raw: Any = tissue.expression
    raw = raw[:, columns]
    return Panel(
        genes=_names([ours for ours, _ in visible]),
        wanted=_names([ours for ours, _ in wanted]),
        # one layout in memory, or sums of the same values differ in their last digit
        tissue_raw=np.ascontiguousarray(
            raw.toarray() if hasattr(raw, "toarray") else raw, dtype=np.float32
        ),
        reference_raw=sparse.csr_matrix(
            reference.expression[:, [in_reference[theirs] for _, theirs in (*visible, *wanted)]]
        ),
        tissue_values=tissue.values,
        reference_values=reference.values,
        coords=tissue.coords,
        section=tissue.section,
        reference_type=reference.cell_type,
        tissue_name=tissue.origin.name,
        reference_name=reference.origin.name,
    )


def _names(names: Sequence[str] | np.ndarray) -> np.ndarray:
    return np.array([str(name) for name in names], dtype=object)


def kept(values: np.ndarray) -> np.ndarray:
    """Return a read-only view: what is made once must not change under those who share it."""
    view = values.view()
    view.flags.writeable = False
    return view


def tie(*parts: Any) -> str:
    """Return a hash of arrays and names (20 hex digits)."""
    h = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            h.update(f"{part.dtype}{part.shape}".encode())
            h.update(np.ascontiguousarray(part).data)
        else:
            h.update("\x1f".join([part] if isinstance(part, str) else map(str, part)).encode())
        h.update(b"\x1e")
    return h.hexdigest()[:20]
