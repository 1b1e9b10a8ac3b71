"""Pairs of a tissue and a reference, and which genes of them are hidden together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from stacks.cases import DATA

import napari_stdiff as st
from napari_stdiff.data.gene_names import GeneMatch
from napari_stdiff.data.panel import Panel, panel_of
from napari_stdiff.data.reference import Reference
from napari_stdiff.evaluation.config import EvaluateGenesConfig
from napari_stdiff.evaluation.gene_pair import open_pair as open_gene_pair

_MERFISH, _MERFISH_REFERENCE = "bregma_-0.14", ("bregma_-0.04", "bregma_-0.24")
_PDAC_GENES, _PDAC_COUNTS = 970, 200
Sides = tuple[Any, Any]


@dataclass(frozen=True)
class Opened:
    """A tissue and its reference, as they were read.

    Attributes
    ----------
    tissue, reference, match
        As the package's evaluation reads them.
    panel
        Of all shared genes.
    """

    tissue: st.Tissue
    reference: Reference
    match: GeneMatch
    panel: Panel

    @property
    def shared(self) -> np.ndarray:
        """(genes,) shared genes in the tissue's order."""
        return self.panel.genes

    def raw(self, genes: np.ndarray) -> np.ndarray:
        """Return (cells, genes) stored values of the tissue."""
        place = {str(g): i for i, g in enumerate(self.shared)}
        return self.panel.tissue_raw[:, [place[str(g)] for g in genes]]

    def with_raw(self, genes: np.ndarray, values: np.ndarray) -> Opened:
        """Return the same, had the tissue other values of some genes from the start."""
        place = {str(g): i for i, g in enumerate(self.tissue.genes)}
        whole: Any = self.tissue.expression
        dense = np.array(whole.toarray() if hasattr(whole, "toarray") else whole, np.float32)
        dense[:, [place[str(g)] for g in genes]] = values
        tissue = replace(self.tissue, expression=dense)
        panel = panel_of(tissue, self.reference, self.match)
        return replace(self, tissue=tissue, panel=panel)


@dataclass(frozen=True)
class Pair:
    """A tissue with a reference.

    Attributes
    ----------
    title
        As tables call it.
    files
        In the data folder.
    sides
        (data folder) -> tissue and reference as the package's evaluation takes them.
    settings
        Of that evaluation: sections, genes, reference cells.
    spots
        Whether a row of the tissue is a spot of many cells.
    counts
        Whether the tissue holds counts, some of which can be taken away.
    note
        What was done to it.
    floor
        Best single method and quick average of the project's first try, (single, average); 0
        where there is none.
    """

    title: str
    files: tuple[str, ...]
    sides: Callable[[Path], Sides] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    spots: bool = False
    counts: bool = True
    note: str = ""
    floor: tuple[float, float] = (0.0, 0.0)


def _two(name: str) -> Callable[[Path], Sides]:
    return lambda data: (data / f"{name}.h5ad", data / f"{name}.sc.h5ad")


def _simulated(**sizes: Any) -> Callable[[Path], Sides]:
    def opened(data: Path) -> Sides:
        made = st.simulate(**sizes)
        tissue = st.read(made.sdata)
        return tissue.rows(tissue.section == made.hidden_section), made.reference

    return opened


PAIRS: dict[str, Pair] = {
    "osmfish_stdiff": Pair(
        "osmFISH, Smart-seq reference",
        ("osmfish_stdiff.h5ad", "osmfish_stdiff.sc.h5ad"),
        _two("osmfish_stdiff"),
        floor=(0.287, 0.306),
    ),
    "osmfish": Pair(
        "osmFISH, Zeisel reference",
        ("osmfish.h5ad", "osmfish.sc.h5ad"),
        _two("osmfish"),
        floor=(0.275, 0.276),
    ),
    "fly_bdtnp": Pair(
        "Fly embryo",
        ("fly_bdtnp.h5ad", "fly_bdtnp.sc.h5ad"),
        _two("fly_bdtnp"),
        counts=False,
        note="Intensities, not counts: as they are, and no downsampling.",
        floor=(0.595, 0.621),
    ),
    "merfish": Pair(
        "MERFISH hypothalamus",
        ("merfish_hypothalamus.h5ad",),
        lambda data: (data / "merfish_hypothalamus.h5ad", None),
        {"section": _MERFISH, "reference_sections": ",".join(_MERFISH_REFERENCE)},
        note=f"Section {_MERFISH}; reference: 5,000 cells of {' and '.join(_MERFISH_REFERENCE)} "
        "without their places (the same technology and animal, so optimistic).",
        floor=(0.482, 0.492),
    ),
    "pdac": Pair(
        "Pancreatic cancer",
        ("pdac.h5ad", "pdac.sc.h5ad"),
        _two("pdac"),
        {"genes": _PDAC_GENES, "reference_counts": _PDAC_COUNTS},
        spots=True,
        note=f"The {_PDAC_GENES} shared genes with most counts in the reference; reference cells "
        f"with over {_PDAC_COUNTS} counts.",
        floor=(0.106, 0.113),
    ),
    "simulated": Pair(
        "Simulated tissue",
        (),
        _simulated(),
        note="The middle section of the tissue that comes with the package.",
    ),
}
EXTRA: dict[str, Pair] = {
    "quick": Pair(
        "Simulated tissue, small",
        (),
        _simulated(
            n_sections=3,
            cells_per_section=200,
            n_genes=20,
            n_extra_genes=10,
            n_reference_cells=150,
            image_size=60,
        ),
    ),
}
ALL = PAIRS | EXTRA


def available(pair: str, data: Path) -> bool:
    """Tell whether the files of a pair are in the folder `data`."""
    return all((data / file).exists() for file in ALL[pair].files)


def open_pair(pair: str, data: Path) -> Opened:
    """Read a pair as ``napari-stdiff evaluate predict-genes`` does."""
    tissue, reference = ALL[pair].sides(data)
    config = EvaluateGenesConfig.of(**ALL[pair].settings)
    found = open_gene_pair(tissue, reference, None, config)
    return Opened(found.tissue, found.reference, found.match, found.panel)


def narrowed(panel: Panel, genes: np.ndarray) -> Panel:
    """Return the panel with no other wanted genes than `genes`.

    Peers learn all genes of the table they are given; their authors give them those they ask for.
    """
    keep = np.isin(panel.wanted.astype(str), np.asarray(genes).astype(str))
    shared = len(panel.genes)
    columns = np.concatenate([np.arange(shared), shared + np.flatnonzero(keep)])
    return replace(panel, wanted=panel.wanted[keep], reference_raw=panel.reference_raw[:, columns])


__all__ = ["ALL", "DATA", "EXTRA", "PAIRS", "Opened", "Pair", "available", "narrowed", "open_pair"]
