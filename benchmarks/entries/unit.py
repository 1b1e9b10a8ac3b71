"""One unit of work: hide entries, fit, fill in, score, and write what came out."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stacks.unit import source_hash
from units import done, place, write

import napari_stdiff as st
from napari_stdiff.evaluation.filled import Populations, fill
from napari_stdiff.evaluation.hidden_entries import EntryCase
from napari_stdiff.evaluation.impute import cannot, row_of
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.registry import entry_method_class
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.scoring.entries import score_answers

from .cases import FIRST, base_of, open_case
from .peers import PEERS, peer_class

PAPERS = ("stmcdi-paper", "spotdiff-paper")


@dataclass(frozen=True)
class Unit:
    """What is run once: a method on a case whose entries are hidden in one way.

    Attributes
    ----------
    case
        Key in `cases.ALL`.
    protocol
        Key in `cases.PROTOCOLS`, or ``entriesNN``.
    method
        Id of a method of the package or of a peer.
    seed
        Of what is hidden and of the method.
    draws
        Draws an entry.
    scale_to
        Seconds that a paper's configuration is scaled to.
    settings
        Further settings of the method, (name, value).
    """

    case: str
    protocol: str
    method: str
    seed: int = 0
    draws: int = 32
    scale_to: float = 60.0
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Name of the unit, good for a file; what differs gives another name."""
        said = "".join(f"-{k}={v}" for k, v in self.settings)
        scaled = f"-to{self.scale_to:g}" if self.method in PAPERS else ""
        return f"{self.case}/{self.protocol}/{self.seed}-{self.draws}/{self.method}{scaled}{said}"

    @property
    def slow(self) -> bool:
        """Whether it has a process of its own; quick methods of a case share one."""
        return self.method in PEERS or self.method in PAPERS

    @classmethod
    def parse(cls, said: dict[str, Any]) -> Unit:
        """Undo ``asdict`` and JSON."""
        return cls(**{**said, "settings": tuple((k, v) for k, v in said["settings"])})


def method_of(unit: Unit) -> type[EntryMethod]:
    """Return the class of a unit's method."""
    return peer_class(unit.method) if unit.method in PEERS else entry_method_class(unit.method)


def lent(unit: Unit) -> Unit:
    """Return the unit whose result is this one's, too.

    A method that looks at no reference gives the same with and without one: it is run without.
    """
    base = base_of(unit.case, unit.protocol)
    if base == unit.case or method_of(unit).reference != "none":
        return unit
    return replace(unit, case=base)


def config_of(unit: Unit) -> EntrySettings:
    """Return the settings of a unit."""
    scale = {"scale_to": unit.scale_to} if unit.method in PAPERS else {}
    said = {"seed": unit.seed, "draws": unit.draws, "device": "cpu", **scale}
    return EntrySettings.of(**{**said, **dict(unit.settings)})


def run_units(units: Sequence[Unit], data: Path, work: Path) -> None:
    """Run units of one case and protocol; each is written as soon as it is done.

    An error of one is its result, and does not stop the others.
    """
    first = units[0]
    opened, guarded = open_case(first.case, first.protocol, first.seed, data)
    groups = Populations.of(opened, first.seed)
    for unit in units:
        if done(unit, work) is not None:
            continue
        try:
            run_unit(unit, opened, guarded, groups, work)
        except Exception as error:
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}"
            write(unit, work, {**asdict(unit), "error": said})


def run_unit(
    unit: Unit, opened: EntryCase, guarded: bool, groups: Populations | None, work: Path
) -> None:
    """Run a unit and write ``<key>.json``, and ``<key>.npz`` for what pictures show."""
    cls, config = method_of(unit), config_of(unit)
    said = {**asdict(unit), "source": source_hash()}
    problem = cannot(cls, opened)
    if problem:
        write(unit, work, {**said, "left_out": problem})
        return
    estimate = cls.cost(opened.visible, config)
    found = fill(cls, opened, config, st.Monitor())
    scores = score_answers(found.answers, opened.visible, seed=unit.seed)
    result = {
        **said,
        **row_of(found, scores, groups),
        "parameters": estimate.parameters,
        "estimated_seconds": round(estimate.seconds, 1),
        "unmoved_by_hidden": guarded,
        "notes": list(found.notes),
        "hidden": {k: v for k, v in opened.said.items() if k not in ("untouched", "read")},
        "populations": None if groups is None else groups.said,
        "per_gene": plain_table(scores.per_gene),
    }
    arrays = {"mean": found.mean.astype(np.float16)} if unit.protocol in (FIRST, "genes") else None
    write(unit, work, result, arrays)


def plain_table(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table of genes as JSON holds it."""
    values = table.round(6).astype(object).where(table.notna(), None)
    return {"genes": [str(g) for g in table.index], **{str(c): list(values[c]) for c in table}}


def table_of(held: dict[str, Any]) -> pd.DataFrame:
    """Undo :func:`plain_table`."""
    columns = {c: np.array(v, dtype=np.float64) for c, v in held.items() if c != "genes"}
    return pd.DataFrame(columns, index=pd.Index(held["genes"], dtype=object))


__all__ = ["PAPERS", "Unit", "done", "lent", "place", "run_unit", "run_units", "write"]
