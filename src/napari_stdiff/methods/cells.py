"""The visible cells as arrays, as every baseline keeps, saves and reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from ..data.normalise import Normaliser
from ..data.tissue import Tissue
from .files import known_labels
from .flanks import label_codes


@dataclass(frozen=True)
class VisibleCells:
    """Cells that a method was fitted on.

    Attributes
    ----------
    expression
        (cells, genes) float32, normalised with statistics of these cells.
    coords
        (cells, 3) z, y, x.
    section
        (cells,) names.
    code
        (cells,) cell type as a position in `types`, -1 where unknown.
    genes, types
        Names; `types` is empty where the tissue has none.
    normaliser
        What brought counts to this scale.
    within
        New cells lie in measured sections, among these cells, and not between the sections.
    """

    expression: np.ndarray
    coords: np.ndarray
    section: np.ndarray
    code: np.ndarray
    genes: np.ndarray
    types: tuple[str, ...]
    normaliser: Normaliser
    within: bool = False

    @classmethod
    def of(cls, tissue: Tissue, within: bool = False) -> Self:
        """Take and normalise the cells of `tissue`; raise `StdiffError` where there are none."""
        if not tissue.n_cells:
            raise StdiffError("The tissue has no cells to learn from; keep at least one section.")
        normaliser = Normaliser.fit(tissue)
        types = tuple(known_labels(tissue.cell_type))
        return cls(
            normaliser(tissue),
            np.asarray(tissue.coords, dtype=np.float64),
            np.asarray(tissue.section).astype(str),
            label_codes(tissue.cell_type, types, tissue.n_cells),
            np.asarray(tissue.genes),
            types,
            normaliser,
            within,
        )

    @property
    def section_z(self) -> dict[str, float]:
        """Section name -> mean z of its cells."""
        codes, names = pd.factorize(self.section)
        sums = np.bincount(codes, weights=self.coords[:, 0])
        return dict(zip(map(str, names), (sums / np.bincount(codes)).tolist(), strict=True))

    def rows(self, keep: np.ndarray) -> Self:
        """Return the cells that the mask `keep` holds, on the same scale."""
        return replace(
            self,
            expression=self.expression[keep],
            coords=self.coords[keep],
            section=self.section[keep],
            code=self.code[keep],
        )

    def left_out(self, at_most: int = 2) -> list[np.ndarray]:
        """Return masks of the cells to leave out in turn when a setting is tuned.

        Sections between two others, the middle ones first; of two sections the first; of one,
        none. Where new cells lie within sections, a fifth of all cells, chosen at random.
        """
        if self.within:
            fold = np.random.default_rng(5).permutation(len(self.code)) % 5
            return [fold == i for i in range(at_most)] if len(self.code) >= 10 else []
        z = self.section_z
        names = sorted(z, key=lambda s: (z[s], s))
        inner = names[1:-1] or names[:-1]
        middle = (len(inner) - 1) / 2
        inner = sorted(inner, key=lambda s: abs(inner.index(s) - middle))[:at_most]
        return [self.section == name for name in inner]

    def telling_genes(self, at_most: int = 1000) -> np.ndarray:
        """Return positions of the genes with the largest variance, enough to tune settings on."""
        if len(self.genes) <= at_most:
            return np.arange(len(self.genes))
        order = np.argsort(-self.expression.var(axis=0), kind="stable")
        return np.sort(order[:at_most])

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return meta data and tensors for :func:`~napari_stdiff.methods.files.write_model`."""
        x = sparse.csr_matrix(self.expression)
        codes, names = pd.factorize(self.section)
        meta = {
            "genes": [str(g) for g in self.genes],
            "types": list(self.types),
            "sections": [str(n) for n in names],
            "values": self.normaliser.values,
            "target": self.normaliser.target,
            "within": self.within,
        }
        tensors = {
            "expression.data": x.data,
            "expression.indices": x.indices,
            "expression.indptr": x.indptr,
            "coords": self.coords,
            "section": codes.astype(np.int64),
            "code": self.code,
        }
        return meta, tensors

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Self:
        """Undo :meth:`pack`."""
        parts = [tensors[f"expression.{name}"] for name in ("data", "indices", "indptr")]
        shape = (len(tensors["coords"]), len(meta["genes"]))
        return cls(
            sparse.csr_matrix(tuple(parts), shape=shape).toarray(),
            tensors["coords"],
            np.asarray(meta["sections"])[tensors["section"]],
            tensors["code"],
            np.asarray(meta["genes"]),
            tuple(meta["types"]),
            Normaliser(meta["values"], meta["target"]),
            bool(meta["within"]),
        )


def unmatched_note(n_unknown: int, n: int, instead: str) -> tuple[str, ...]:
    """Return a sentence about queries whose cell type was of no use; () where all were."""
    if not n_unknown:
        return ()
    who = "The cells have" if n_unknown == n else f"{n_unknown} of {n} cells have"
    return (f"{who} no cell type that is known from the measured sections; {instead}.",)
