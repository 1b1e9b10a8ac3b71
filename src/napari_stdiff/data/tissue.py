"""What every task reads: expression, coordinates in one frame, sections and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError

Values = Literal["counts", "log-normalised"]


@dataclass(frozen=True)
class Histology:
    """The picture of one section.

    Attributes
    ----------
    image
        (y, x, 3) uint8 array (numpy, or dask / xarray that becomes one through ``np.asarray``).
    to_tissue
        (3, 3) affine from pixel (row, column, 1) to tissue (y, x, 1), in the tissue's unit.
    """

    image: Any
    to_tissue: np.ndarray


@dataclass(frozen=True)
class Segmentation:
    """The outlines of one section's cells, as labels.

    Attributes
    ----------
    image
        (y, x) whole numbers, 0 where no cell is (numpy, or dask that becomes it through
        ``np.asarray``).
    to_tissue
        (3, 3) affine from pixel (row, column, 1) to tissue (y, x, 1), in the tissue's unit.
    ids
        Label of each cell, indexed by its obs name.
    """

    image: Any
    to_tissue: np.ndarray
    ids: pd.Series


@dataclass(frozen=True)
class Origin:
    """Where a tissue was read from and what was assumed; shown to the user and kept in records.

    Attributes
    ----------
    path
        File or store, or "" for an object in memory.
    kind
        "h5ad", "anndata", "spatialdata" (a store or an object), or "simulated".
    table
        Name of the SpatialData table, or "".
    elements
        Section name -> name of the SpatialData element that its rows annotate.
    coordinate_system
        Name of the coordinate system, or "global".
    keys
        Role -> what was taken for it, for example ``{"section": "slice", "z": "bregma"}``.
    notes
        Sentences about what was detected or assumed.
    """

    path: str = ""
    kind: str = "anndata"
    table: str = ""
    elements: Mapping[str, str] = field(default_factory=dict)
    coordinate_system: str = "global"
    keys: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it in a sentence: the file or store, or the table, or its kind."""
        return Path(self.path).name if self.path else self.table or self.kind


@dataclass(frozen=True)
class Tissue:
    """Spots or cells of one or several sections, in one frame.

    Attributes
    ----------
    expression
        (cells, genes) CSR matrix or dense float32 array, as stored (never normalised here). Of a
        backed table and a dask array it is read when it is first asked for; `dense` reads a gene.
    values
        "counts" or "log-normalised".
    genes
        (genes,) unique names.
    names
        (cells,) unique obs names.
    coords
        (cells, 3) float64, columns z, y, x, in `unit`.
    unit
        Unit of all three columns ("um", or "unit" when nobody knows).
    section
        (cells,) section name of each cell.
    cell_type, layer
        (cells,) labels, or None when the data has none.
    colors
        Obs column -> {label: "#rrggbb"}, from ``uns["*_colors"]`` where present.
    histology
        Section name -> its picture.
    obs
        All obs columns, for colouring; index equals `names`.
    origin
        Where it came from.
    gene_ids
        (genes,) another name of each gene, where the table gives one (Ensembl ids beside
        symbols, or the other way round; "" for a gene without), or None.
    missing
        (cells, genes) bool, CSR or dense as `expression`, True where the table holds no value
        (`expression` is 0 there); None where it holds all. Only what fills in gaps takes such a
        tissue.
    segmentation
        Section name -> the labels of its cells, where they were segmented.
    """

    expression: sparse.csr_matrix | np.ndarray
    values: Values
    genes: np.ndarray
    names: np.ndarray
    coords: np.ndarray
    unit: str
    section: np.ndarray
    cell_type: np.ndarray | None = None
    layer: np.ndarray | None = None
    colors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    histology: Mapping[str, Histology] = field(default_factory=dict)
    obs: pd.DataFrame = field(default_factory=pd.DataFrame)
    origin: Origin = field(default_factory=Origin)
    gene_ids: np.ndarray | None = None
    missing: sparse.csr_matrix | np.ndarray | None = None
    segmentation: Mapping[str, Segmentation] = field(default_factory=dict)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name == "expression" and hasattr(value, "load"):
            value = value.load()
            object.__setattr__(self, "expression", value)
        return value

    @property
    def stored(self) -> Any:
        """The expression as it is now: not yet read (`by_gene.ByGene`), or as `expression`."""
        return self.__dict__["expression"]

    def but(self, **changes: Any) -> Tissue:
        """Return the tissue with other fields; expression that was not read stays unread."""
        return replace(self, **{"expression": self.stored, **changes})

    @property
    def n_cells(self) -> int:
        """Number of spots or cells."""
        return self.coords.shape[0]

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @property
    def sections(self) -> list[str]:
        """Section names, ordered by their mean z (then by name)."""
        z = self.section_z
        return sorted(z, key=lambda name: (z[name], name))

    @property
    def section_z(self) -> dict[str, float]:
        """Section name -> mean z of its cells, in `unit`."""
        codes, uniques = pd.factorize(self.section)
        sums = np.bincount(codes, weights=self.coords[:, 0], minlength=len(uniques))
        return dict(zip(map(str, uniques), sums / np.bincount(codes), strict=True))

    @property
    def rows_of_sections(self) -> dict[str, np.ndarray]:
        """Section name -> (cells,) its row numbers; sections ordered as in `sections`."""
        codes, uniques = pd.factorize(self.section)
        order = np.argsort(codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(uniques)))[:-1])
        found = dict(zip(map(str, uniques), parts, strict=True))
        return {name: found[name] for name in self.sections}

    def rows(self, keep: np.ndarray) -> Tissue:
        """Return the tissue restricted to the rows of `keep` (boolean mask or row numbers)."""
        rows = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep)
        section = self.section[rows]
        left = set(map(str, np.unique(section)))
        return replace(
            self,
            expression=self.expression[rows],
            names=self.names[rows],
            coords=self.coords[rows],
            section=section,
            cell_type=None if self.cell_type is None else self.cell_type[rows],
            layer=None if self.layer is None else self.layer[rows],
            histology={k: v for k, v in self.histology.items() if k in left},
            segmentation={k: v for k, v in self.segmentation.items() if k in left},
            obs=self.obs.iloc[rows] if len(self.obs) else self.obs,
            missing=None if self.missing is None else self.missing[rows],
        )

    def columns(self, keep: np.ndarray) -> Tissue:
        """Return the tissue restricted to the genes of `keep` (boolean mask or numbers)."""
        columns = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep)
        return replace(
            self,
            expression=self.expression[:, columns],
            genes=self.genes[columns],
            gene_ids=None if self.gene_ids is None else self.gene_ids[columns],
            missing=None if self.missing is None else self.missing[:, columns],
        )

    def split(self, section: str) -> tuple[Tissue, Tissue]:
        """Return (everything but `section`, `section` alone).

        Raises
        ------
        StdiffError
            When there is no such section.
        """
        hidden = self.section == section
        if not hidden.any():
            raise StdiffError(
                f"There is no section '{section}'; the sections are: {', '.join(self.sections)}."
            )
        return self.rows(~hidden), self.rows(hidden)

    def dense(self, gene: str) -> np.ndarray:
        """Return the stored values of one gene, (cells,) float32."""
        where = np.flatnonzero(self.genes == gene)
        if not len(where):
            raise StdiffError(f"The tissue has no gene '{gene}'.")
        if hasattr(self.stored, "column"):
            return np.asarray(self.stored.column(int(where[0])))
        column = self.expression[:, int(where[0])]
        out = column.toarray() if sparse.issparse(column) else np.asarray(column)
        return out.ravel().astype(np.float32)

    def fingerprint(self) -> str:
        """Return a hash of everything a model can learn from (20 hex digits)."""
        h = hashlib.sha256()
        x = self.expression
        arrays = [x.indptr, x.indices, x.data] if sparse.issparse(x) else [np.asarray(x)]
        gaps = self.missing
        if gaps is not None:
            arrays += [*gaps.nonzero()] if sparse.issparse(gaps) else [np.asarray(gaps)]
        for array in [*arrays, self.coords]:
            h.update(np.ascontiguousarray(array).tobytes())
        for labels in (self.genes, self.section, self.cell_type, self.layer):
            h.update("\x1f".join(map(str, labels)).encode() if labels is not None else b"none")
            h.update(b"\x1e")
        h.update(f"{self.values}|{self.unit}".encode())
        return h.hexdigest()[:20]
