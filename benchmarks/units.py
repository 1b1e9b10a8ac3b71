"""Units of work that are run once: kept whole or not at all, and run in processes of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

import numpy as np
from console import shorten

Say = Callable[[str], None]


class Keyed(Protocol):
    """What is run once; of units that are not slow those of a folder share a process."""

    @property
    def key(self) -> str:
        """Name, good for a file."""

    @property
    def slow(self) -> bool:
        """Whether it has a process of its own."""


U = TypeVar("U", bound=Keyed)


def place(unit: Keyed, work: Path, ending: str) -> Path:
    """Return the file of a unit with an ending; keys have dots, so none is replaced."""
    return work / f"{unit.key}{ending}"


def write(
    unit: Keyed, work: Path, result: dict[str, Any], arrays: dict[str, np.ndarray] | None = None
) -> None:
    """Write the result so that it is there whole or not at all."""
    path = place(unit, work, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    if arrays is not None:
        whole(place(unit, work, ".npz"), arrays)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(path)


def whole(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays so that the file is there whole or not at all."""
    part = path.parent / f"part-{path.name}"
    np.savez_compressed(part, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def done(unit: Keyed, work: Path) -> dict[str, Any] | None:
    """Return the result of a unit, or None where it was not run."""
    path = place(unit, work, ".json")
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError:  # the disk was full, or somebody edited it
        return None
    return found


def run(
    units: Sequence[U],
    process: Callable[[list[U]], str],
    work: Path,
    say: Say,
    fail: Callable[[U, str], dict[str, Any]],
    *,
    jobs: int = 1,
    again: bool = False,
) -> None:
    """Run what is not there yet; an error is a result, too, and does not stop the rest.

    Parameters
    ----------
    units
        In order.
    process
        Runs some units in a process, and returns what went wrong, or "".
    work
        Folder of results.
    say
        Told a line for each process.
    fail
        What is kept of a unit that left no result, and why.
    jobs
        Processes at a time; seconds are honest with 1 only.
    again
        Also run what ended with an error before.
    """
    waiting = []
    for unit in dict.fromkeys(units):
        found = done(unit, work)
        if found is None or (again and "error" in found):
            if found is not None:
                place(unit, work, ".json").unlink()
            waiting.append(unit)
    if not waiting:
        say(f"All {len(units)} units are there.")
        return
    say(f"{len(units) - len(waiting)} of {len(units)} units are there; {len(waiting)} to run.")
    lock, start, finished = threading.Lock(), perf_counter(), 0

    def one(group: list[U]) -> None:
        nonlocal finished
        begun = perf_counter()
        problem = process(group)
        for unit in group:
            if done(unit, work) is None:
                write(unit, work, fail(unit, problem or "It left no result."))
        with lock:
            finished += len(group)
            took = perf_counter() - begun
            left = (perf_counter() - start) / finished * (len(waiting) - finished)
            what = f"error: {shorten(problem)}" if problem else f"{took:.0f} s"
            say(
                f"[{finished}/{len(waiting)}] {group[0].key} and {len(group) - 1} more: {what}; "
                f"about {left / 60:.0f} min left"
            )

    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        futures = [pool.submit(one, group) for group in grouped(waiting)]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            raise


def grouped(units: Sequence[U]) -> list[list[U]]:
    """Group quick units of a folder: starting a process takes longer than they do."""
    groups: dict[str, list[U]] = {}
    for unit in units:
        own = unit.key if unit.slow else unit.key.rsplit("/", 1)[0]
        groups.setdefault(own, []).append(unit)
    return list(groups.values())
