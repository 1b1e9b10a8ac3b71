"""Units in processes of their own; what is finished is never run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from console import process, shorten
from units import Say
from units import run as run_waiting

from napari_stdiff.methods.genes.registry import gene_methods
from napari_stdiff.methods.genes.settings import GeneSettings

from .cases import ALL, available
from .peers import PEERS, runnable
from .studies import Timing, timed
from .unit import Unit

SCRIPT = Path(__file__).resolve().parents[1] / "gene_prediction.py"
# in the order in which they are run and shown
METHODS = (
    *("ridge", "pls", "knn", "gene-kernel-ridge", "sinkhorn", "spage-like"),
    *("stack", "stack-network", "spadit", "spadit-paper", "gimvi", "transimp", "tangram"),
)

_process = partial(process, SCRIPT, threads=1)


def known_methods() -> tuple[str, ...]:
    """Return every method that can be compared, whether or not it is installed."""
    own = set(gene_methods()) | {name for name, peer in PEERS.items() if peer.place}
    return tuple(m for m in METHODS if m in own)


def default_methods() -> tuple[str, ...]:
    """Return every method that can run here."""
    there = {*gene_methods(), *runnable()}
    return tuple(m for m in METHODS if m in there)


def with_results(methods: Sequence[str], pairs: Sequence[str], work: Path) -> list[str]:
    """Return the methods, and the peers that left results in `work` when they were installed."""
    left = {
        path.parent.name for pair in pairs for path in (work / pair).glob("*/removed0/*/*.json")
    }
    return [m for m in METHODS if m in methods or (m in PEERS and m in left)]


def installed(units: Sequence[Unit], say: Say) -> list[Unit]:
    """Return the units that can run here; what a missing peer has not done is said."""
    missing = {u.method for u in units if u.method in PEERS and not PEERS[u.method].installed}
    for name in sorted(missing):
        say(f"{PEERS[name].title} is not installed here; what it did before is in the report.")
    return [u for u in units if u.method not in missing]


def plan(
    pairs: Sequence[str],
    methods: Sequence[str],
    *,
    folds: int,
    seed: int,
    draws: int,
    scale_to: float,
    data: Path,
    say: Say,
) -> list[Unit]:
    """Return the units of the comparison in the order they are run: quick methods first."""
    there = []
    for pair in pairs:
        if available(pair, data):
            there.append(pair)
        else:
            say(f"{ALL[pair].title}: {', '.join(ALL[pair].files)} not in {data}; left out.")
    order = sorted(methods, key=METHODS.index)
    return [
        Unit(pair, method, fold, folds, seed, draws=draws, scale_to=scale_to)
        for method in order
        for pair in there
        for fold in range(folds)
    ]


def thinned(units: Sequence[Unit], shares: Sequence[float], slow: bool) -> list[Unit]:
    """Return the units again on tissues with fewer counts, without draws.

    Intensities have no counts to lose; slow methods take part only where that is asked for.
    """
    return [
        replace(unit, removed=share, draws=0)
        for unit in units
        if ALL[unit.pair].counts and (slow or not unit.slow)
        for share in shares
    ]


def stepped(
    units: Sequence[Unit], method: str, steps: Sequence[int], pairs: Sequence[str]
) -> dict[int, list[Unit]]:
    """Return number of sampling steps -> the units of a method with it, on some pairs."""
    own = [u for u in units if u.method == method and (not pairs or u.pair in pairs)]
    usual = GeneSettings().sampler_steps
    return {
        n: own if n == usual else [replace(u, settings=(("sampler_steps", n),)) for u in own]
        for n in steps
    }


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
    """Run what is not there yet; an error is a result, too, and does not stop the rest.

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
        Seconds after which a process is ended, and its unit recorded as an error.
    again
        Also run what ended with an error before.
    """

    def process(group: list[Unit]) -> str:
        said = json.dumps([asdict(unit) for unit in group])
        return _process(["--units", said], data, work, limit)

    def fail(unit: Unit, problem: str) -> dict[str, Any]:
        return {**asdict(unit), "error": problem}

    run_waiting(units, process, work, say, fail, jobs=jobs, again=again)


def time_alone(timing: Timing, data: Path, work: Path, say: Say, limit: float = 3600.0) -> None:
    """Time the whole task on a tissue of a stated size, in a process, where it was not done."""
    if timed(timing, work) is not None:
        return
    say(f"Timing {timing.title}.")
    problem = _process(
        ["--timing", json.dumps(asdict(timing))], data, work, limit, threads=timing.cores
    )
    if problem:
        say(f"That failed: {shorten(problem)}")
