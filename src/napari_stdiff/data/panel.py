"""What a method that predicts unmeasured genes may see: tissue and reference on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..compute.errors import StdiffError
from .tissue import Values


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

    @property
    def tissue_factor(self) -> np.ndarray:
        """(cells,) what counts of the tissue are multiplied by; ones where they are no counts."""
        if self.tissue_values != "counts":
            return np.ones(self.n_cells, dtype=np.float32)
        return scale_factors(self.tissue_raw)

    @property
    def tissue(self) -> np.ndarray:
        """(cells, shared) float32 visible expression of the tissue on the common scale."""
        return self.scaled(self.tissue_raw)

    @property
    def reference(self) -> np.ndarray:
        """(reference cells, shared) float32 visible expression of the reference."""
        return self._profiles(np.arange(len(self.genes)))

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """Bring (cells, any genes) stored values of this tissue to the scale of `tissue`."""
        if self.tissue_values != "counts":
            return np.asarray(raw, dtype=np.float32)
        return np.log1p(np.asarray(raw, dtype=np.float32) * self.tissue_factor[:, None])

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
        factor = scale_factors(self.reference_raw[:, : len(self.genes)])
        return np.asarray(np.log1p(out * factor[:, None]))

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
        return Panel(
            genes=self.genes[~hidden],
            wanted=np.concatenate([self.genes[hidden], self.wanted]),
            tissue_raw=self.tissue_raw[:, ~hidden],
            reference_raw=self.reference_raw[:, order],
            tissue_values=self.tissue_values,
            reference_values=self.reference_values,
            coords=self.coords,
            section=self.section,
            reference_type=self.reference_type,
        )
