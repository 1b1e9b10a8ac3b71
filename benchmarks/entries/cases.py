"""Tissues whose entries are hidden, with a reference and without, and how entries are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from stacks.cases import DATA

import napari_stdiff as st
from napari_stdiff.data.reference import Reference
from napari_stdiff.evaluation.hidden_entries import EntryCase, open_entries
from napari_stdiff.evaluation.impute_config import EvaluateImputeConfig

WITH = ".sc"  # ending of a case's name where its reference takes part
FIRST = "entries30"


@dataclass(frozen=True)
class Case:
    """A tissue, perhaps with a reference.

    Attributes
    ----------
    title
        As tables call it.
    tissue, reference
        Files in the data folder; "" for the simulated tissue, and where there is no reference.
    settings
        Of the evaluation: section, reference cells.
    counts
        Whether the tissue holds counts, which can be thinned.
    note
        What was done to it.
    average
        Pearson of the average of three one-liners in the project's first try; 0 where there was
        none.
    bar
        Pearson to reach with 30 % of all entries hidden; 0 where none was set.
    """

    title: str
    tissue: str = ""
    reference: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = True
    note: str = ""
    average: float = 0.0
    bar: float = 0.0

    @property
    def files(self) -> list[str]:
        """Return what has to be in the data folder."""
        return [name for name in (self.tissue, self.reference) if name]


@dataclass(frozen=True)
class Protocol:
    """How entries are hidden.

    Attributes
    ----------
    title
        As tables call it.
    pattern, hide
        Of the evaluation.
    """

    title: str
    pattern: str = "entries"
    hide: float = 0.3


PROTOCOLS: dict[str, Protocol] = {
    FIRST: Protocol("30 % of all entries hidden"),
    "entries60": Protocol("60 % of all entries hidden", hide=0.6),
    "nonzero30": Protocol("30 % of the entries above zero hidden", "nonzero"),
    "thinning": Protocol("Half of the counts hidden (thinning)", "thinning"),
    "genes": Protocol("Whole marker genes hidden", "genes", 0.25),
}
_MERFISH = "bregma_-0.14"
_SIMULATED: dict[str, Any] = {}
_SMALL: dict[str, Any] = {
    "n_sections": 3,
    "cells_per_section": 200,
    "n_genes": 20,
    "n_extra_genes": 10,
    "n_reference_cells": 150,
    "image_size": 60,
}


def _pairs(name: str, title: str, **said: Any) -> dict[str, Case]:
    """Return a tissue alone, and with its reference."""
    alone = Case(title, f"{name}.h5ad", **said)
    floors = {"average": 0.0, "bar": 0.0}
    joined = replace(alone, title=f"{title}, with reference", reference=f"{name}.sc.h5ad")
    return {name: alone, f"{name}{WITH}": replace(joined, **floors)}


CASES: dict[str, Case] = {
    **_pairs("osmfish_stdiff", "osmFISH", average=0.469, bar=0.55),
    **_pairs("osmfish", "osmFISH, all cells"),
    **_pairs(
        "fly_bdtnp", "Fly embryo", counts=False, note="Intensities, not counts: as they are."
    ),
    **_pairs("pdac", "Pancreatic cancer"),
    "starmap": Case("STARmap", "starmap_visp.h5ad", average=0.173, bar=0.18),
    "merfish": Case(
        "MERFISH hypothalamus",
        "merfish_hypothalamus.h5ad",
        settings={"section": _MERFISH},
        note=f"Section {_MERFISH}.",
        average=0.415,
        bar=0.49,
    ),
    "olfactory": Case(
        "Olfactory bulb",
        "olfactory_bulb.h5ad",
        note="Four sections, each in a frame of its own.",
    ),
    "heart": Case("Developing heart", "heart.h5ad", note="Nine registered sections."),
    "simulated": Case("Simulated tissue", note="All sections of the tissue of the package."),
    f"simulated{WITH}": Case(
        "Simulated tissue, with reference",
        settings={"section": "section_2"},
        note="The second section of the tissue of the package, with its reference.",
    ),
}
EXTRA: dict[str, Case] = {
    "quick": Case("Simulated tissue, small"),
    f"quick{WITH}": Case("Simulated tissue, small, with reference"),
}
ALL = CASES | EXTRA


def available(case: str, data: Path) -> bool:
    """Tell whether the files of a case are in the folder `data`."""
    return all((data / file).exists() for file in ALL[case].files)


def suits(case: str, protocol: str) -> bool:
    """Tell whether a case can be run so: counts to thin, a reference that has whole genes."""
    pattern = PROTOCOLS[protocol].pattern if protocol in PROTOCOLS else "entries"
    if pattern == "thinning":
        return ALL[case].counts and not case.endswith(WITH)
    return pattern != "genes" or case.endswith(WITH)


def base_of(case: str, protocol: str) -> str:
    """Return the same tissue without its reference, or the case itself where there is none.

    What is hidden, and what is seen of the tissue, is the same in both, unless whole genes are
    hidden: these are the reference's.
    """
    base = case.removesuffix(WITH)
    if base == case or base not in ALL or PROTOCOLS.get(protocol) == PROTOCOLS["genes"]:
        return case
    return base if ALL[base].settings == ALL[case].settings else case


def protocol_of(name: str) -> Protocol:
    """Return a protocol; ``entriesNN`` hides NN % of all entries."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    share = int(name.removeprefix("entries"))
    return Protocol(f"{share} % of all entries hidden", hide=share / 100)


def sides(case: str, data: Path) -> tuple[Any, Any]:
    """Return tissue and reference as the package's evaluation takes them."""
    held = ALL[case]
    if held.tissue:
        return data / held.tissue, data / held.reference if held.reference else None
    made = st.simulate(**(_SMALL if case.startswith("quick") else _SIMULATED))
    return st.read(made.sdata), made.reference if case.endswith(WITH) else None


def open_case(case: str, protocol: str, seed: int, data: Path) -> tuple[EntryCase, bool]:
    """Hide entries as ``napari-stdiff evaluate impute`` does.

    Returns
    -------
    tuple
        The case, and whether noise in the place of what is hidden leaves what methods see as it
        is, to the bit.
    """
    how = protocol_of(protocol)
    config = EvaluateImputeConfig.of(
        pattern=how.pattern, hide=how.hide, seed=seed, **ALL[case].settings
    )
    tissue, reference = sides(case, data)
    read = st.read(tissue) if not isinstance(tissue, st.Tissue) else tissue
    known = None
    if reference is not None:
        known = st.read_reference(reference, cells=config.reference_cells, seed=seed)
    opened = open_entries(read, known, None, config)
    return opened, unmoved(opened, read, known, config)


def unmoved(
    opened: EntryCase, tissue: st.Tissue, known: Reference | None, config: EvaluateImputeConfig
) -> bool:
    """Tell whether noise in hidden entries leaves what is seen as it is.

    Of entries above zero noise stays above zero: where they are is what that pattern gives away.
    Of thinned counts the hidden half is not in the tissue that is seen; nothing can be replaced.
    """
    if opened.denoise:
        return bool(opened.visible.seen.all())
    whole: Any = tissue.expression
    x = np.array(whole.toarray() if hasattr(whole, "toarray") else whole, np.float32)
    rows = np.flatnonzero(np.isin(tissue.names.astype(str), opened.tissue.names.astype(str)))
    place = {str(g): i for i, g in enumerate(tissue.genes)}
    columns = np.array([place[str(g)] for g in opened.visible.genes])
    noise = 1 + np.random.default_rng(1).poisson(3.0, opened.hidden.shape)
    at = np.ix_(rows, columns)
    x[at] = np.where(opened.hidden, noise, x[at])
    other = open_entries(replace(tissue, expression=x), known, None, config)
    same = opened.visible.tissue_fingerprint() == other.visible.tissue_fingerprint()
    return same and list(opened.visible.genes) == list(other.visible.genes)


__all__ = ["ALL", "CASES", "DATA", "EXTRA", "FIRST", "PROTOCOLS", "WITH", "Case", "Protocol"]
