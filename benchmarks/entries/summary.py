"""From results of units to one account of each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stacks.significance import Comparison, compare
from units import done

from napari_stdiff.scoring.entries import LOWER

from .cases import ALL, FIRST, WITH
from .peers import PEERS
from .unit import PAPERS, Unit, lent, table_of

OURS = ("stmcdi", "spotdiff")
STACKS = ("stack", "stack-network")
AVERAGE = "blend"
SINGLES = (
    *("mean", "spatial-knn", "expression-knn", "soft-svd", "ridge", "masked-network", "vae"),
)


@dataclass(frozen=True)
class Row:
    """One method on one case and protocol.

    Attributes
    ----------
    unit
        What was run: without a reference, for a method that looks at none.
    result
        What was written.
    """

    unit: Unit
    result: Mapping[str, Any] = field(repr=False)

    @property
    def method(self) -> str:
        """Id."""
        return self.unit.method

    def score(self, name: str) -> float | None:
        """Return a score, of a part as ``zeros.rmse``; None where there is none."""
        part, _, inner = name.partition(".")
        value = self.result.get(part)
        return (value or {}).get(inner) if inner else value

    @property
    def per_gene(self) -> pd.DataFrame:
        """Scores of every gene."""
        return table_of(self.result["per_gene"])

    @property
    def seconds(self) -> float:
        """On the clock, fit and filling in."""
        return float(self.result["fit_seconds"] + self.result["sample_seconds"])

    @property
    def cpu_seconds(self) -> float:
        """Of all cores."""
        return float(self.result["fit_cpu_seconds"] + self.result["sample_cpu_seconds"])

    @property
    def full_seconds(self) -> float | None:
        """What a paper's configuration takes in full, by its own extrapolation."""
        found = self.result["facts"].get("full_seconds_estimated")
        return None if found is None else float(found)

    @property
    def scaled(self) -> bool:
        """Whether a paper's configuration was made smaller."""
        facts = self.result["facts"]
        full = facts.get("full_configuration", {})
        return self.method in PAPERS and any(facts.get(k) != v for k, v in full.items())


@dataclass
class Account:
    """Everything about one case.

    Attributes
    ----------
    case
        Key in `cases.ALL`.
    protocols
        Protocol -> method -> row.
    swept
        Method -> share hidden -> row.
    errors
        What went wrong.
    left_out
        Protocol -> method -> why it cannot take part.
    """

    case: str
    protocols: dict[str, dict[str, Row]] = field(default_factory=dict)
    swept: dict[str, dict[int, Row]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """As tables call it."""
        return ALL[self.case].title

    @property
    def referred(self) -> bool:
        """Whether a reference takes part."""
        return self.case.endswith(WITH)

    @property
    def first(self) -> dict[str, Row]:
        """The rows of the first protocol."""
        return self.protocols.get(FIRST, {})

    @property
    def sizes(self) -> dict[str, Any]:
        """What was hidden, of the first protocol or of another, with the reference."""
        for rows in (self.first, *self.protocols.values()):
            held = [dict(row.result["hidden"]) for row in rows.values()]
            if held:  # what looks at no reference was run without
                return max(held, key=lambda hidden: hidden["reference_cells"])
        return {}

    def comparisons(self, own: str, protocol: str = FIRST) -> dict[str, Comparison]:
        """Test a method against every other, by its Pearson gene by gene."""
        rows = self.protocols.get(protocol, {})
        if own not in rows:
            return {}
        ours = rows[own].per_gene["pcc"]
        others = {
            m: row.per_gene["pcc"].reindex(ours.index).to_numpy()
            for m, row in rows.items()
            if m != own
        }
        return {c.other: c for c in compare(ours.to_numpy(), others)}


def best(rows: Mapping[str, Row], score: str, methods: Sequence[str]) -> tuple[str, float] | None:
    """Return the best of `methods` by a score, or None where none has it."""
    held = {m: v for m in methods if m in rows and (v := rows[m].score(score)) is not None}
    if not held:
        return None
    first = max(held, key=lambda m: sign(score) * held[m])
    return first, held[first]


def sign(score: str) -> int:
    """Return 1 where more is better, -1 where less is."""
    return -1 if score.rpartition(".")[2] in LOWER else 1


def gather(units: Sequence[Unit], swept: Sequence[Unit], work: Path) -> list[Account]:
    """Return an account of every case of which something was run."""
    accounts: dict[str, Account] = {}

    def account(unit: Unit) -> Account:
        return accounts.setdefault(unit.case, Account(unit.case))

    for unit in dict.fromkeys(units):
        source = lent(unit)
        result = done(source, work)
        if result is None or (source != unit and "error" in result):
            continue
        own = account(unit)
        if "error" in result:
            own.errors[f"{unit.method}, {unit.protocol}"] = result["error"]
        elif "left_out" in result:
            own.left_out.setdefault(unit.protocol, {})[unit.method] = result["left_out"]
        else:
            own.protocols.setdefault(unit.protocol, {})[unit.method] = Row(source, result)
    for unit in dict.fromkeys(swept):
        result = done(unit, work)
        if result is not None and "pcc" in result:
            share = int(unit.protocol.removeprefix("entries"))
            account(unit).swept.setdefault(unit.method, {})[share] = Row(unit, result)
    order = list(ALL)
    return sorted(accounts.values(), key=lambda a: order.index(a.case))


def filled(row: Row, work: Path) -> np.ndarray | None:
    """Return (cells, genes) what a method filled in, or None where that was not kept."""
    path = work / f"{row.unit.key}.npz"
    return np.load(path)["mean"].astype(np.float32) if path.exists() else None


__all__ = ["AVERAGE", "OURS", "PAPERS", "PEERS", "SINGLES", "STACKS", "Account", "Row", "gather"]
