"""Tables in which one part of a method is changed at a time, on entries that were hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console import say

import napari_stdiff as st
from napari_stdiff.evaluation.filled import fill
from napari_stdiff.evaluation.hidden_entries import EntryCase, open_entries
from napari_stdiff.evaluation.impute_config import EvaluateImputeConfig
from napari_stdiff.methods.entries.registry import entry_method_class
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.scoring.entries import score_answers

SCORES = ("pcc", "cosine", "rmse", "mae")
DRAWN = ("crps", "coverage80")
# what a scaled run made smaller; kept for all rows of a method, so that only the part differs
SIZES = ("epochs", "depth", "width", "sampler_steps", "learning_rate")
BASE = "as printed"


@dataclass(frozen=True)
class Table:
    """Rows that differ in one part of one method.

    Attributes
    ----------
    title
        As the report calls it.
    method
        Id of the method.
    rows
        What the row is called: settings that it changes; the method as printed changes none.
    reference
        Whether a reference takes part.
    """

    title: str
    method: str
    rows: Mapping[str, Mapping[str, Any]]
    reference: bool = False


@dataclass(frozen=True)
class Tissue:
    """Where entries are hidden.

    Attributes
    ----------
    title
        As the report calls it.
    file
        In the data folder; "" for the simulated tissue.
    section
        The one that takes part.
    reference
        File of the reference; "" without one.
    """

    title: str
    file: str = ""
    section: str = "all"
    reference: str = ""


CASES: dict[str, Tissue] = {
    "osmfish_stdiff": Tissue("osmFISH", "osmfish_stdiff.h5ad", reference="osmfish_stdiff.sc.h5ad"),
    "merfish": Tissue("MERFISH section", "merfish_hypothalamus.h5ad", "bregma_-0.14"),
    "starmap": Tissue("STARmap", "starmap_visp.h5ad"),
    "fly_bdtnp": Tissue("Fly embryo", "fly_bdtnp.h5ad", reference="fly_bdtnp.sc.h5ad"),
    "olfactory": Tissue("Olfactory bulb", "olfactory_bulb.h5ad"),
    "simulated": Tissue("Simulated tissue", section="section_1", reference="simulated"),
}


def there(name: str, data: Path) -> bool:
    """Return whether the files of a case are in the folder."""
    case = CASES[name]
    files = [f for f in (case.file, case.reference) if f.endswith(".h5ad")]
    return all((data / file).exists() for file in files)


def opened(name: str, data: Path, *, reference: bool, hide: float, seed: int) -> EntryCase:
    """Read a case and hide a share of all entries.

    Parameters
    ----------
    name
        Key of `CASES`.
    data
        Folder of the files.
    reference
        Whether the reference is read.
    hide, seed
        Share of entries, and of the chance.
    """
    case = CASES[name]
    config = EvaluateImputeConfig.of(hide=hide, seed=seed, section=case.section)
    if case.file:
        known = data / case.reference if reference and case.reference else None
        return open_entries(data / case.file, known, None, config)
    made = st.simulate(n_sections=3, cells_per_section=600, n_genes=60, n_extra_genes=0)
    return open_entries(made.sdata, made.reference if reference else None, None, config)


@dataclass
class Runs:
    """Scores of every row that was run, kept in a file so that a run can be stopped and resumed.

    Attributes
    ----------
    path
        JSON file, or None.
    protocol
        What all rows share; a file of another is refused.
    """

    path: Path | None
    protocol: dict[str, Any]
    cases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take up what an earlier run has left."""
        if self.path is None or not self.path.exists():
            return
        found = json.loads(self.path.read_text(encoding="utf-8"))
        if found["protocol"] != self.protocol:
            raise SystemExit(f"{self.path} is of another protocol; name another file.")
        self.cases = found["cases"]

    def row(
        self, case: str, table: Table, change: Mapping[str, Any], make: Callable[[], Any]
    ) -> dict[str, Any]:
        """Return the scores of a row, made only where they are not there yet."""
        of = self.cases.setdefault(case, {}).setdefault(table.method, {})
        said = ", ".join(f"{name}={value}" for name, value in change.items()) or BASE
        if said not in of:
            of[said] = make()
            say(f"{case}: {table.method}: {said}: " + _line(of[said]))
            if self.path is not None:
                text = json.dumps({"protocol": self.protocol, "cases": self.cases}, indent=1)
                self.path.write_text(text + "\n", encoding="utf-8")
        return of[said]


def run(case: EntryCase, method: str, config: EntrySettings, seed: int) -> dict[str, Any]:
    """Fit a method, fill in what is hidden, and score it.

    Returns
    -------
    dict
        Scores, seconds, and what the run was made smaller in.
    """
    filled = fill(entry_method_class(method), case, config, st.Monitor())
    scores = score_answers(filled.answers, case.visible, seed=seed).means
    sizes = {name: filled.facts[name] for name in SIZES if name in filled.facts}
    seconds = filled.fit_cpu_seconds + filled.sample_cpu_seconds
    full = filled.facts.get("full_seconds_estimated")
    return {**scores, **sizes, "cpu_seconds": round(seconds, 1), "full_seconds": full}


def tables_of(
    name: str,
    tables: list[Table],
    runs: Runs,
    *,
    data: Path,
    hide: float,
    seed: int,
    settings: Mapping[str, Any],
    scale_to: float,
) -> list[str]:
    """Run every row of every table on one case and return the tables in markdown.

    The method as printed comes first, scaled to `scale_to` seconds; the other rows take the
    sizes that it came to.

    Parameters
    ----------
    name
        Key of `CASES`.
    tables
        What to run.
    runs
        Where scores are kept.
    data, hide, seed
        As in :func:`opened`.
    settings
        Of every row; sizes among them are not scaled.
    scale_to
        Seconds of the first fit of a method.
    """
    out, cases = [], {}
    for table in tables:
        if table.reference not in cases:
            cases[table.reference] = opened(
                name, data, reference=table.reference, hide=hide, seed=seed
            )
        case = cases[table.reference]

        def made(change: Mapping[str, Any], table: Table = table) -> dict[str, Any]:
            own = dict(settings) | {"seed": seed}
            if not change:
                own |= {} if "epochs" in own else {"scale_to": scale_to}
            else:
                base = runs.row(name, table, {}, lambda: made({}, table))
                own |= {size: base[size] for size in SIZES if size in base}
            config = EntrySettings.of(**own, **change)
            return run(case, table.method, config, seed)  # noqa: B023 - called at once

        base = runs.row(name, table, {}, lambda: made({}))
        found = {
            label: runs.row(name, table, change, lambda change=change: made(change))
            for label, change in table.rows.items()
        }
        out.append(f"{table.title}\n\n{markdown_of(found)}")
        say(f"\n{CASES[name].title}: {out[-1]}\n")
    sizes = ", ".join(f"{size} {_cell(base[size])}" for size in SIZES if size in base)
    title = f"**{CASES[name].title}** ({case.visible.n_cells} spots, {case.visible.n_genes} genes)"
    return [f"{title}: {sizes}.", *out]


def markdown_of(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table with a line for each row."""
    drawn = [name for name in DRAWN if any(row.get(name) is not None for row in rows.values())]
    shown = [*SCORES, *drawn, "cpu_seconds"]
    lines = ["| | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for label, row in rows.items():
        lines.append(f"| {label} | " + " | ".join(_cell(row.get(n)) for n in shown) + " |")
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(row.get(name))}" for name in (*SCORES, "cpu_seconds"))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if 0.001 <= abs(value) < 10 else f"{value:.3g}"
    return str(value)
