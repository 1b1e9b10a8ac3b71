"""One side in a process of its own: takes a step a line, and says how long it took.

    python benchmarks/canvas/worker.py SIDE STORE

Reads ``{"do": step, "with": argument}`` a line, writes ``{"call": s, "drawn": s, "peak": MB}``;
``open`` is timed to the first picture, ``rest`` is what that went without, right after it.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from time import perf_counter

from qtpy.QtWidgets import QApplication
from sides import SIDES
from spatialdata import SpatialData

TIMED = ("open", "rest", "gene", "z", "spacing", "select")


def settle() -> None:
    """Let Qt finish what is left of a step."""
    for _ in range(5):
        QApplication.processEvents()


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Serve steps until there are no more."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever libraries print is not an answer
    sdata = SpatialData.read(sys.argv[2])
    side = SIDES[sys.argv[1]](sdata)
    settle()
    side.viewer.screenshot(flash=False)
    print(json.dumps({"call": 0.0, "drawn": 0.0, "peak": peak()}), file=answers, flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        gc.collect()
        arguments = [] if step.get("with") is None else [step["with"]]
        start = perf_counter()
        getattr(side, step["do"])(*arguments)
        call = perf_counter() - start
        if step["do"] in TIMED:
            side.viewer.screenshot(flash=False)  # draws the canvas, once
        drawn = perf_counter() - start
        if step["do"] != "open":
            settle()
        answer = {"call": call, "drawn": drawn, "peak": peak()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
