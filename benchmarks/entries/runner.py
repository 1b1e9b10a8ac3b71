"""Which units there are, and running them in processes of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from console import process
from units import Say
from units import run as run_waiting

from napari_stdiff.methods.entries.registry import entry_methods

from .cases import ALL, FIRST, PROTOCOLS, available, suits
from .peers import PEERS, runnable
from .unit import PAPERS, Unit, lent

SCRIPT = Path(__file__).resolve().parents[1] / "imputation.py"
# in the order in which they are run and shown
METHODS = (
    *("mean", "spatial-knn", "expression-knn", "soft-svd", "ridge", "blend"),
    *("masked-network", "vae", "stack", "stack-network", "stmcdi", "spotdiff"),
    *("stmcdi-paper", "spotdiff-paper", "magic", "gimvi", "tangram"),
)
SWEPT = ("soft-svd", "blend", "masked-network", "stack", "stmcdi", "spotdiff")
SHARES = (10, 30, 50, 70, 90)

_process = partial(process, SCRIPT, threads=1)


def known_methods() -> tuple[str, ...]:
    """Return every method that can be compared, whether or not it is installed."""
    own = {*entry_methods(), *(name for name, peer in PEERS.items() if peer.module)}
    return tuple(m for m in METHODS if m in own)


def default_methods() -> tuple[str, ...]:
    """Return every method that can run here."""
    there = {*entry_methods(), *runnable()}
    return tuple(m for m in METHODS if m in there)


def with_results(methods: Sequence[str], cases: Sequence[str], work: Path) -> list[str]:
    """Return the methods, and the peers that left results in `work` when they were installed."""
    left = {path.stem for case in cases for path in (work / case).glob("*/*/*.json")}
    return [m for m in METHODS if m in methods or (m in PEERS and m in left)]


def installed(units: Sequence[Unit], say: Say) -> list[Unit]:
    """Return the units that can run here; what a missing peer has not done is said."""
    missing = {u.method for u in units if u.method in PEERS and not PEERS[u.method].installed}
    for name in sorted(missing):
        say(f"{PEERS[name].title} is not installed here; what it did before is in the report.")
    return [u for u in units if u.method not in missing]


def there(cases: Sequence[str], data: Path, say: Say) -> list[str]:
    """Return the cases whose files are there; the others are said."""
    out = []
    for case in cases:
        if available(case, data):
            out.append(case)
        else:
            say(f"{ALL[case].title}: {', '.join(ALL[case].files)} not in {data}; left out.")
    return out


def plan(
    cases: Sequence[str],
    protocols: Sequence[str],
    methods: Sequence[str],
    *,
    seed: int,
    draws: int,
    scale_to: float,
) -> list[Unit]:
    """Return the units in the order they are run: first protocol first, slow methods last.

    Papers' configurations and peers take part in the first protocol and where whole genes are
    hidden: their minutes for each of the others would tell nothing more of them.
    """
    units = []
    for slow in (False, True):
        for protocol in protocols:
            for case in cases:
                if not suits(case, protocol):
                    continue
                for method in sorted(methods, key=METHODS.index):
                    unit = Unit(case, protocol, method, seed, draws, scale_to)
                    if unit.slow == slow and (not slow or protocol in (FIRST, "genes")):
                        units.append(unit)
    return units


def sweep(
    cases: Sequence[str], methods: Sequence[str], shares: Sequence[int], seed: int
) -> list[Unit]:
    """Return the units of a sweep of the share that is hidden, without draws."""
    chosen = [m for m in SWEPT if m in methods]
    return [
        Unit(case, f"entries{share}", method, seed, 0)
        for case in cases
        for share in shares
        for method in chosen
    ]


def run(
    units: Sequence[Unit],
    data: Path,
    work: Path,
    say: Say,
    *,
    jobs: int = 1,
    limit: float = 2 * 3600.0,
    again: bool = False,
) -> None:
    """Run what is not there yet, with a reference only what looks at one; see `units.run`.

    Parameters
    ----------
    units
        In order.
    data, work
        Folders of data and results.
    say
        Told a line for each process.
    jobs
        Processes at a time; seconds are honest with 1 only.
    limit
        Seconds after which a process is ended, and its units recorded as errors.
    again
        Also run what ended with an error before.
    """

    def one(group: list[Unit]) -> str:
        said = json.dumps([asdict(unit) for unit in group])
        return _process(["--units", said], data, work, limit)

    def fail(unit: Unit, problem: str) -> dict[str, Any]:
        return {**asdict(unit), "error": problem}

    own = [lent(unit) for unit in units]
    run_waiting(own, one, work, say, fail, jobs=jobs, again=again)


__all__ = ["METHODS", "PAPERS", "PROTOCOLS", "SHARES", "SWEPT", "plan", "run", "sweep", "there"]
