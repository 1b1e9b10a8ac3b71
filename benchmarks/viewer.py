"""How fluid the canvas is: this plugin, napari-spatialdata and napari itself, side by side.

    python benchmarks/viewer.py [--cells N ...] [--runs N] [--json FILE] [--markdown FILE]

Needs a display (scripts/with-display.sh gives a virtual one) and napari-spatialdata 0.7. Each
side runs in a process of its own on the same synthetic store; runs are interleaved, step by step,
so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "canvas"))

STEPS = ("open", "gene", "z", "spacing", "select")
SIDES = ("ours", "nsd", "napari")
_NOTHING = 2e-3  # seconds
LABELS = 100_000  # most cells of the labels: napari-spatialdata takes seconds a gene there
Times = dict[str, dict[str, list[tuple[float, float]]]]  # step -> side -> (call, drawn) of runs


class Worker:
    """One side, in a process of its own."""

    def __init__(self, side: str, store: Path) -> None:
        self.side = side
        self._said = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "canvas" / "worker.py"), side, str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self.peak = self.base = self._answer()["peak"]

    def do(self, step: str, argument: Any = None) -> tuple[float, float]:
        """Take a step; return the seconds of the call, and until the picture was drawn."""
        assert self._process.stdin is not None
        print(json.dumps({"do": step, "with": argument}), file=self._process.stdin, flush=True)
        answer = self._answer()
        self.peak = answer["peak"]
        return answer["call"], answer["drawn"]

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._said.seek(0)
            said = self._said.read().strip()[-2000:]
            raise SystemExit(f"The side '{self.side}' ended: {said}")
        found: dict[str, float] = json.loads(line)
        return found

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def rounds(kind: str, cells: int, runs: int, folder: Path) -> tuple[Times, dict[str, float]]:
    """Return the times of every step and side, and the memory that each side took on top (MB).

    Parameters
    ----------
    kind
        "circles" (every step) or "labels" (a gene alone).
    cells
        How many.
    runs
        How often each side takes each step, by turns.
    folder
        Where the store is written.
    """
    import tissues

    store = folder / f"{kind}_{cells}.zarr"
    getattr(tissues, kind)(cells).write(store)
    workers = [Worker(side, store) for side in SIDES]
    times: Times = defaultdict(lambda: defaultdict(list))
    try:
        for run in range(runs):
            turn = workers[run % len(workers) :] + workers[: run % len(workers)]
            plan: list[tuple[str, Any]] = [("gene", f"gene{7 * run + 5}")]
            if kind == "circles":
                plan = [
                    ("dimensions", 3),
                    ("open", None),
                    ("dimensions", 3),
                    *plan,
                    ("spacing", 2.0 + run % 2),
                    ("leave", None),
                    ("select", None),
                    ("dimensions", 2),
                    ("z", 0),
                    ("z", 1 + run % 4),
                    ("close", None),
                ]
            elif run == 0:
                plan = [("dimensions", 2), ("open", None), ("dimensions", 2), *plan]
            for step, argument in plan:
                counts = step in STEPS and (step, argument) != ("z", 0)
                for worker in turn:
                    took = worker.do(step, argument)
                    if counts:
                        times[step][worker.side].append(took)
                    if step == "open":  # with nothing between: it goes on in the next turns
                        rest = worker.do("rest")
                        if rest[0] < _NOTHING:  # all was there: the second picture is no part
                            rest = (0.0, 0.0)
                        whole = took[1] + rest[0], took[1] + rest[1]
                        times["whole"][worker.side].append(whole)
    finally:
        for worker in workers:
            worker.stop()
    return times, {w.side: w.peak - w.base for w in workers}


def medians(times: Times, drawn: bool) -> dict[str, dict[str, float]]:
    """Return step -> side -> seconds, the median over runs."""
    return {
        step: {side: median(t[drawn] for t in taken) for side, taken in sides.items()}
        for step, sides in times.items()
    }


def measure(cells: int, runs: int, folder: Path) -> dict[str, Any]:
    """Return everything about one size: seconds of calls and until drawn, memory, runs."""
    times, memory = rounds("circles", cells, runs, folder)
    labelled, _ = rounds("labels", min(cells, LABELS), runs, folder)
    times["labels_gene"] = labelled["gene"]
    return {
        "call": medians(times, drawn=False),
        "drawn": medians(times, drawn=True),
        "memory": memory,
        "runs": runs,
        "labels": min(cells, LABELS),
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return all that was measured, as `as_json` has it, in Markdown."""
    told = {
        "open": "open, to the first picture",
        "whole": "open, to all sections",
        "gene": "switch gene",
        "z": "step z (2D)",
        "spacing": "move spacing (3D)",
        "select": "select the layer again",
        "labels_gene": "switch gene on labels",
    }
    head = (
        "step",
        "napari-stdiff",
        "napari-spatialdata",
        "napari",
        "there / here",
        "here / napari",
    )
    lines = []
    for cells, one in sorted(found.items(), key=lambda pair: int(pair[0])):
        lines += [f"### {int(cells):,} cells ({one['runs']} interleaved runs)", ""]
        lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for step, words in told.items():
            if step == "labels_gene":
                words += f", {one['labels']:,} cells"
            for key, label in ((step, words), (f"{step}_drawn", "· until it is drawn")):
                lines.append(_row(label, one[key], "{:.3f} s"))
        lines += [_row("memory on top of the store", one["memory_mb"], "{:,.0f} MB"), ""]
    return "\n".join(lines)


def _row(label: str, sides: dict[str, float], form: str) -> str:
    ours, nsd, plain = (sides[side] for side in SIDES)
    ratios = f"{nsd / max(ours, 1e-9):.1f}× | {ours / max(plain, 1e-9):.2f}×"
    return (
        f"| {label} | {form.format(ours)} | {form.format(nsd)} | {form.format(plain)} | {ratios} |"
    )


def page(found: dict[str, dict[str, Any]]) -> str:
    """Return docs/benchmark-viewer.md."""
    names = ("napari", "napari-spatialdata", "vispy", "spatialdata")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    text = (HERE / "canvas" / "page.md").read_text(encoding="utf-8")
    where = f"{platform.system()}, {os.cpu_count()} processor cores"
    return text.format(versions=versions, where=where, tables=table(found))


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=0, help="default: 10; 3 from a million on")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    if options.json and options.json.exists():  # other sizes that were measured before
        found = json.loads(options.json.read_text(encoding="utf-8"))
    for cells in options.cells:
        runs = options.runs or (3 if cells >= 1_000_000 else 10)
        with tempfile.TemporaryDirectory() as folder:
            found[str(cells)] = as_json(measure(cells, runs, Path(folder)))
        print(table({str(cells): found[str(cells)]}), flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(page(found), encoding="utf-8")


def as_json(one: dict[str, Any]) -> dict[str, Any]:
    """Return step -> side -> seconds of the call, and the same until drawn, and MB."""
    drawn = {f"{step}_drawn": sides for step, sides in one["drawn"].items()}
    rest = {"memory_mb": one["memory"], "runs": one["runs"], "labels": one["labels"]}
    return {**one["call"], **drawn, **rest}


if __name__ == "__main__":
    main()
