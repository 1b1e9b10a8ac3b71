"""Units one after another, each in a process of its own; what is finished is never run again."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from console import process, shorten

import napari_stdiff as st
from napari_stdiff.methods.registry import interpolation_methods

from .cases import ALL, Case, available, cases_of, open_tissue
from .figures import shown_case
from .spateo import PYTHON
from .summary import Account
from .sweeps import place_of
from .unit import OWN, SET, Unit, done, write

SCRIPT = Path(__file__).resolve().parents[1] / "interpolation.py"
METHODS = (
    "linear",
    "knn",
    "typed-knn",
    "typed-donor",
    "field",
    "gaussian-process",
    "spateo-deep",
    "stdiffusion",
    "stdiffusion-quick",
    "stdiffusion-paper",
)
_GUESS = {"stdiffusion": 120.0, "gaussian-process": 90.0, "spateo-deep": 300.0}
Say = Callable[[str], None]

_process = partial(process, SCRIPT)


def default_methods() -> tuple[str, ...]:
    """Return every method that can run here: spateo only where its Python is named."""
    return tuple(m for m in METHODS if m != "spateo-deep" or os.environ.get(PYTHON))


def known_methods() -> tuple[str, ...]:
    """Return every method that can be compared."""
    return tuple(dict.fromkeys([*METHODS, *interpolation_methods(), *OWN, *SET]))


def plan(
    datasets: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    tier: str,
    draws: int,
    scale_to: float,
    full_limit: float,
    data: Path,
    work: Path,
    say: Say,
) -> list[Unit]:
    """Return the units in the order they are run: quick methods of every case first.

    A data set that is not there, or cannot be opened, is left out and said.
    """
    cases: list[Case] = []
    for name in datasets:
        if not available(name, data):
            say(f"{ALL[name].title}: {ALL[name].file} is not in {data}; left out.")
            continue
        try:
            cases += _cases(name, data, work)
        except (st.StdiffError, ImportError, OSError, subprocess.CalledProcessError) as error:
            say(f"{ALL[name].title}: cannot be opened, left out ({shorten(str(error))}).")
    order = sorted(methods, key=lambda m: METHODS.index(m) if m in METHODS else -1)
    return [
        Unit(case, method, seed, tier, draws, scale_to, full_limit)
        for method in order
        for seed in seeds
        for case in cases
    ]


def _cases(name: str, data: Path, work: Path) -> list[Case]:
    """Return the cases of a data set; they are kept, since opening the data takes a while."""
    kept = work / f"cases-{name}.json"
    if kept.exists():
        return [Case(**case) for case in json.loads(kept.read_text())]
    found = cases_of(name, open_tissue(name, data, work))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([vars(case) for case in found], indent=1) + "\n")
    return found


def run(
    units: Sequence[Unit],
    data: Path,
    work: Path,
    say: Say,
    *,
    jobs: int = 1,
    limit: float = 4 * 3600.0,
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
        Told a line for each unit.
    jobs
        Units at a time; seconds are honest with 1 only.
    limit
        Seconds after which a unit is ended and recorded as an error.
    again
        Also run what ended with an error before.
    """
    waiting = []
    for unit in units:
        found = done(unit, work)
        if found is None or (again and "error" in found):
            waiting.append(unit)
    if not waiting:
        say(f"All {len(units)} units are there.")
        return
    say(f"{len(units) - len(waiting)} of {len(units)} units are there; {len(waiting)} to run.")
    clock = _Clock(units, waiting, work, jobs)
    lock = threading.Lock()

    def one(unit: Unit) -> None:
        start = perf_counter()
        problem = _process(["--unit", unit.dump()], data, work, limit)
        took = perf_counter() - start
        if problem:
            write(work, unit, _failed(unit, problem, took))
        with lock:
            say(clock.after(unit, took, problem))

    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        futures = [pool.submit(one, unit) for unit in waiting]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            raise


def sweep(
    accounts: Sequence[Account], datasets: Sequence[str], data: Path, work: Path, say: Say
) -> None:
    """Sweep lambda on the section of each data set that figures show, where it was not done."""
    for dataset in datasets:
        own = [a for a in accounts if a.case.dataset == dataset and not a.case.skip and a.rows]
        if not own:
            continue
        case = shown_case(own).case
        if place_of(case, work).exists():
            continue
        say(f"Sweeping lambda on {case.dataset} {case.hidden}.")
        problem = _process(["--sweep-unit", json.dumps(vars(case))], data, work, 4 * 3600.0)
        if problem:
            say(f"The sweep failed: {shorten(problem)}")


def _failed(unit: Unit, problem: str, took: float) -> dict[str, Any]:
    case = unit.case
    return {
        "dataset": case.dataset,
        "hidden": case.hidden,
        "distance": case.distance,
        "skip": case.skip,
        "method": unit.method,
        "seed": unit.seed,
        "error": problem,
        "seconds": round(took, 1),
    }


class _Clock:
    """Guesses what is left from what units of the same method and data set have taken."""

    def __init__(
        self, units: Iterable[Unit], waiting: Sequence[Unit], work: Path, jobs: int
    ) -> None:
        self.left = list(waiting)
        self.total, self.jobs = len(waiting), max(jobs, 1)
        self.taken: dict[tuple[str, str], list[float]] = defaultdict(list)
        for unit in units:
            found = done(unit, work)
            if found is not None and "error" not in found:
                seconds = found["fit_seconds"] + found["sample_seconds"] + 15
                self.taken[unit.method, unit.case.dataset].append(seconds)

    def after(self, unit: Unit, took: float, problem: str) -> str:
        self.left.remove(unit)
        if not problem:
            self.taken[unit.method, unit.case.dataset].append(took)
        seconds = sum(self._guess(u) for u in self.left) / self.jobs
        what = f"error: {shorten(problem)}" if problem else f"{took:.0f} s"
        number = self.total - len(self.left)
        case = f"{unit.case.dataset} {unit.case.hidden} {unit.case.distance}"
        head = f"[{number}/{self.total}] {case} {unit.method} seed {unit.seed}"
        return f"{head}: {what}; about {_spelled(seconds)} left"

    def _guess(self, unit: Unit) -> float:
        own = self.taken.get((unit.method, unit.case.dataset))
        if own:
            return median(own)
        others = [t for (m, _), taken in self.taken.items() if m == unit.method for t in taken]
        if others:
            return median(others)
        return unit.scale_to if unit.method.endswith("-paper") else _GUESS.get(unit.method, 20.0)


def _spelled(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
