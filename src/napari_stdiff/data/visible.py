"""What a method that fills in entries may see: a table with gaps, and perhaps a reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError
from .panel import kept, scale_factors, tie
from .tissue import Values


@dataclass(frozen=True)
class Visible:
    """The entries of a tissue that may be seen.

    Counts are scaled by each cell's library and log1p'd; values that are log-normalised or
    intensities stay as they are. Every statistic here is of visible entries alone, and the raw
    values of the others are not in it.

    Attributes
    ----------
    genes
        (genes,) names.
    raw
        (cells, genes) float32 as stored; 0 where an entry is not visible.
    seen
        (cells, genes) bool, True where an entry is visible.
    values
        What `raw` holds.
    coords
        (cells, 3) float64, columns z, y, x, in the tissue's unit.
    section
        (cells,) section of each cell.
    reference_raw
        (reference cells, shared) CSR as stored, of the genes that a reference shares; None
        without a reference.
    reference_columns
        (shared,) which columns of `genes` these are.
    reference_values
        What the reference holds.
    reference_type
        (reference cells,) labels, or None.
    tissue_name, reference_name
        What to call the two in a sentence; no part of what a model learns from.
    """

    genes: np.ndarray
    raw: np.ndarray
    seen: np.ndarray
    values: Values
    coords: np.ndarray
    section: np.ndarray
    reference_raw: sparse.csr_matrix | None = None
    reference_columns: np.ndarray | None = None
    reference_values: Values = "counts"
    reference_type: np.ndarray | None = None
    tissue_name: str = ""
    reference_name: str = ""

    def __post_init__(self) -> None:
        """Drop the values of entries that are not visible, and refuse what nothing can fill."""
        if self.raw.shape != self.seen.shape:
            raise StdiffError("Expression and its mask of visible entries differ in shape.")
        if len(self.genes) < 2 or len(self.raw) < 3:
            raise StdiffError(
                f"There are {len(self.raw)} cells and {len(self.genes)} genes; at least 3 cells "
                "and 2 genes are needed to fill in what is missing."
            )
        raw = np.where(self.seen, self.raw, np.float32(0)).astype(np.float32, copy=False)
        object.__setattr__(self, "raw", kept(raw))

    @property
    def n_cells(self) -> int:
        """Number of spots or cells."""
        return len(self.raw)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @cached_property
    def factor(self) -> np.ndarray:
        """(cells,) what counts are multiplied by: median library / library; else ones.

        A cell's library is the sum of its visible entries over the share of its entries that
        are visible, floored at the first percentile.
        """
        if self.values != "counts":
            return kept(np.ones(self.n_cells, dtype=np.float32))
        visible = self.seen.mean(axis=1)
        filled = self.raw.sum(axis=1, dtype=np.float64) / np.maximum(visible, 1e-9)
        return kept(scale_factors(np.where(visible > 0, filled, 0.0)[:, None]))

    @cached_property
    def expression(self) -> np.ndarray:
        """(cells, genes) float32 on the common scale, 0 where not visible; read-only."""
        return kept(np.where(self.seen, self.scaled(self.raw), np.float32(0)))

    @cached_property
    def mean(self) -> np.ndarray:
        """(genes,) float32 mean of visible entries; 0 for a gene without any."""
        total = self.expression.sum(axis=0, dtype=np.float64)
        return kept((total / np.maximum(self.seen.sum(axis=0), 1)).astype(np.float32))

    @cached_property
    def deviation(self) -> np.ndarray:
        """(genes,) float32 standard deviation of visible entries; 1 where they do not vary."""
        apart = np.where(self.seen, self.expression - self.mean, 0).astype(np.float64)
        found = np.sqrt((apart**2).sum(axis=0) / np.maximum(self.seen.sum(axis=0), 1))
        return kept(np.where(found > 1e-6, found, 1.0).astype(np.float32))

    @cached_property
    def standard(self) -> np.ndarray:
        """(cells, genes) float32, each gene standardised by its visible entries; 0 elsewhere."""
        return kept(np.where(self.seen, self.standardised(self.expression), np.float32(0)))

    @cached_property
    def reference(self) -> np.ndarray | None:
        """(reference cells, shared) float32 on the common scale, or None; read-only."""
        if self.reference_raw is None:
            return None
        dense = self.reference_raw.toarray().astype(np.float32)
        if self.reference_values == "counts":
            dense = np.log1p(dense * scale_factors(dense)[:, None])
        return kept(dense)

    @cached_property
    def reference_standard(self) -> np.ndarray | None:
        """(reference cells, shared) float32, each gene standardised within the reference."""
        known = self.reference
        if known is None:
            return None
        spread = known.std(axis=0)
        out = (known - known.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0)
        return kept(out.astype(np.float32))

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """Bring (cells, genes) stored values of these cells to the scale of `expression`."""
        if self.values != "counts":
            return np.asarray(raw, dtype=np.float32)
        return np.log1p(np.asarray(raw, dtype=np.float32) * self.factor[:, None])

    def standardised(self, expression: np.ndarray) -> np.ndarray:
        """Return (cells, genes) values of the common scale by gene, mean 0 and deviation 1."""
        return np.asarray((expression - self.mean) / self.deviation, dtype=np.float32)

    def restored(self, standard: np.ndarray) -> np.ndarray:
        """Undo :meth:`standardised`; not below zero where nothing that was measured is."""
        values = np.asarray(standard * self.deviation + self.mean, dtype=np.float32)
        return np.maximum(values, 0) if self.never_negative else values

    @cached_property
    def never_negative(self) -> bool:
        """Whether no visible value lies below zero."""
        return bool(self.raw.min(initial=0) >= 0)

    def without(self, hidden: np.ndarray) -> Visible:
        """Return the same with some more entries hidden; scales are taken anew.

        Parameters
        ----------
        hidden
            (cells, genes) bool, True where an entry is to be hidden.
        """
        return replace(self, seen=self.seen & ~hidden)

    def tissue_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the tissue (20 hex digits)."""
        return tie(self.values, self.genes, self.raw, self.seen, self.coords, _names(self.section))

    def reference_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the reference; "" without one."""
        x = self.reference_raw
        if x is None or self.reference_columns is None:
            return ""
        kind = np.array(["none"]) if self.reference_type is None else self.reference_type
        arrays = x.indptr.astype(np.int64), x.indices.astype(np.int64), x.data
        columns = self.reference_columns.astype(np.int64)
        return tie(self.reference_values, columns, *arrays, _names(kind))


def _names(labels: np.ndarray) -> np.ndarray:
    return np.asarray(labels).astype(str).astype(object)
