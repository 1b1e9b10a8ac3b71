"""Which section of which tissue is hidden, and from which sections it is predicted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_stdiff as st
from napari_stdiff.data.copies import without_copies

# where the data lies by default, beside the repository; none of it is part of the project
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Dataset:
    """A stack of sections.

    Attributes
    ----------
    title
        As tables call it.
    file
        In the data folder; "" for the simulated tissue.
    skips
        Numbers of sections taken away on each side of the hidden one, beside 0; the neighbours
        are then so much farther off.
    spacing
        Distance between sections for the names of the cases; 0 where it is not known.
    unit
        Of `spacing`.
    align
        Sections are brought into one frame first.
    layers
        The sections are layers of one section.
    simulate
        Sizes of the simulated tissue.
    only
        Sections to hide; empty for every inner one.
    """

    title: str
    file: str = ""
    skips: tuple[int, ...] = ()
    spacing: float = 0.0
    unit: str = "um"
    align: bool = False
    layers: bool = False
    simulate: tuple[tuple[str, Any], ...] = ()
    only: tuple[str, ...] = ()


DATASETS: dict[str, Dataset] = {
    "merfish": Dataset(
        "MERFISH hypothalamus", "merfish_hypothalamus.h5ad", skips=(1,), spacing=50.0
    ),
    "breast": Dataset("Breast cancer", "breast_cancer_stack.h5ad"),
    "breast-aligned": Dataset("Breast cancer, aligned", "breast_cancer_stack.h5ad", align=True),
    "heart": Dataset("Developing heart", "heart.h5ad"),
    "synovium": Dataset("Synovium", "synovium_RA2.h5ad"),
    "olfactory-aligned": Dataset("Olfactory bulb, aligned", "olfactory_bulb.h5ad", align=True),
    "starmap": Dataset("STARmap layers", "starmap_layers.h5ad", layers=True),
    "simulated": Dataset("Simulated tissue", skips=(1,), spacing=40.0, only=("section_4",)),
}
EXTRA: dict[str, Dataset] = {
    "olfactory": Dataset("Olfactory bulb, not aligned", "olfactory_bulb.h5ad"),
    "quick": Dataset(
        "Simulated tissue, small",
        skips=(1,),
        spacing=40.0,
        simulate=(
            ("n_sections", 5),
            ("cells_per_section", 250),
            ("n_genes", 20),
            ("n_extra_genes", 0),
            ("image_size", 60),
        ),
        only=("section_3",),
    ),
}
ALL = DATASETS | EXTRA
_LAYERS = st.ReadConfig(layer_key="slice")


@dataclass(frozen=True)
class Case:
    """One hidden section and how far off its neighbours are.

    Attributes
    ----------
    dataset
        Key in `ALL`.
    hidden
        Name of the section.
    skip
        Sections taken away on each side of it.
    """

    dataset: str
    hidden: str
    skip: int = 0

    @property
    def distance(self) -> str:
        """How far off the neighbours are: a number with its unit, or a count of sections."""
        held = ALL[self.dataset]
        if held.spacing:
            return f"±{(self.skip + 1) * held.spacing:g} {held.unit}"
        return "next" if not self.skip else f"{self.skip + 1} sections"

    @property
    def key(self) -> str:
        """Name of the case, good for a file."""
        return f"{self.dataset}/{self.hidden}@{self.skip}"


@dataclass(frozen=True)
class Loaded:
    """The tissue of a case, split.

    Attributes
    ----------
    visible, hidden
        What methods may see, and what they are scored against.
    unit
        Of the coordinates.
    notes
        What was done to the data before.
    """

    visible: st.Tissue
    hidden: st.Tissue
    unit: str
    notes: tuple[str, ...]


def available(dataset: str, data: Path) -> bool:
    """Tell whether the file of a data set is in the folder `data`."""
    held = ALL[dataset]
    return not held.file or (data / held.file).exists()


def open_tissue(dataset: str, data: Path, work: Path) -> st.Tissue:
    """Read the tissue of a data set; align it where that is part of its name."""
    held = ALL[dataset]
    if not held.file:
        return st.read(st.simulate(**dict(held.simulate)).sdata)
    tissue = st.read(data / held.file, _LAYERS if held.layers else st.ReadConfig())
    return aligned(tissue, dataset, work) if held.align else tissue


def aligned(tissue: st.Tissue, dataset: str, work: Path) -> st.Tissue:
    """Bring the sections into one frame; what was found is kept in `work` and used again.

    The alignment sees the positions and expression of all sections, the hidden one included:
    it says where the hidden section lies, by six numbers at most, before it is hidden.
    """
    kept = work / f"alignment-{dataset}.json"
    if not kept.exists():
        from napari_stdiff.tasks.align import align

        found = align(tissue)
        kept.parent.mkdir(parents=True, exist_ok=True)
        matrices = {s: np.asarray(m).tolist() for s, m in found.transforms.items()}
        text = {"transforms": matrices, "scores": dict(found.record.scores)}
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(text, indent=1) + "\n")
        part.replace(kept)
    coords = tissue.coords.copy()
    for section, matrix in json.loads(kept.read_text())["transforms"].items():
        rows, move = tissue.section == section, np.array(matrix)
        coords[rows, 1:] = coords[rows, 1:] @ move[:2, :2].T + move[:2, 2]
    return replace(tissue, coords=coords, histology={})


def cases_of(dataset: str, tissue: st.Tissue) -> list[Case]:
    """Return every case of a data set: inner sections, and again from farther neighbours."""
    held, names = ALL[dataset], tissue.sections
    cases = []
    for skip in (0, *held.skips):
        for i in range(skip + 1, len(names) - skip - 1):
            if not held.only or names[i] in held.only:
                cases.append(Case(dataset, names[i], skip))
    return cases


def load(case: Case, data: Path, work: Path) -> Loaded:
    """Read the tissue of a case and split it."""
    tissue = open_tissue(case.dataset, data, work)
    if ALL[case.dataset].layers:
        from napari_stdiff.tasks.target import target_of

        config = st.InterpolateConfig(hide=case.hidden, between="layers")
        target = target_of(tissue, config, _LAYERS)
        assert target.hidden is not None
        found = (*tissue.origin.notes, *target.notes)
        return Loaded(target.visible, target.hidden, tissue.unit, found)
    names = tissue.sections
    at = names.index(case.hidden)
    gone = [names[at + side * step] for side in (-1, 1) for step in range(1, case.skip + 1)]
    visible, hidden = tissue.split(case.hidden)
    visible, copies = without_copies(visible, hidden)
    if gone:
        visible = visible.rows(~np.isin(visible.section, gone))
    notes = [*tissue.origin.notes, *([copies] if copies else [])]
    if ALL[case.dataset].align:
        notes.append("Sections were aligned first, the hidden one included.")
    if gone:
        notes.append(f"Also taken away: {', '.join(gone)}.")
    return Loaded(visible, hidden, tissue.unit, tuple(notes))
