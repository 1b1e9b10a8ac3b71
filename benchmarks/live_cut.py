"""How long the virtual microtome takes from a move of its slider to the picture.

    python benchmarks/live_cut.py [--cells N] [--sections N] [--moves N] [--data FILE]
                                  [--json FILE] [--no-window]

Without a display, below `scripts/with-display.sh`. Prints medians and the slowest of all moves:
of the core alone, and in a real viewer, in 2D and in 3D, with the time that napari takes to draw
the same picture once more, which nothing can be faster than.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks.live_cut import LiveCut

Times = dict[str, list[float]]

MEASURED = ("layers are changed", "the frame is there", "computed, all threads", "longest pause")
AGAIN = "napari draws once more"


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that `call` takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def gene_of(tissue: Tissue) -> tuple[str, np.ndarray]:
    """Return the gene that varies most, and its values."""
    values = Normaliser.fit(tissue)(tissue)
    best = int(values.var(axis=0).argmax())
    return str(tissue.genes[best]), values[:, best]


def depths_of(tissue: Tissue, moves: int) -> list[float]:
    """Return depths inside the middle gap, no two alike, back and forth."""
    z = np.unique(list(tissue.section_z.values()))
    low = float(z[len(z) // 2 - 1])
    high = float(z[len(z) // 2])
    shares = np.random.default_rng(0).permutation(np.linspace(0.05, 0.95, moves))
    return [low + (high - low) * float(share) for share in shares]


def core(tissue: Tissue, moves: int) -> Times:
    """Time the core without a window."""
    gene, values = gene_of(tissue)
    depths = depths_of(tissue, moves)
    cut = LiveCut(tissue)
    out: Times = {"first cut of a gap": [timed(lambda: cut.coarse(depths[0], values, gene))]}
    out["coarse cut"] = [timed(lambda z=z: cut.coarse(z, values, gene)) for z in depths]
    every = (np.roll(values, shift) for shift in range(1, 6))
    out["coarse cut, another gene"] = [timed(lambda v=v: cut.coarse(depths[0], v)) for v in every]
    out["learning the tissue, once"] = [timed(lambda: cut.fit(Monitor()))]
    out["refined cut"] = [timed(lambda z=z: cut.refined(z, gene, Monitor())) for z in depths[:5]]
    return out


def window(tissue: Tissue, moves: int) -> dict[str, Times]:
    """Time a real window: from the move of the slider to the frame that shows the cut."""
    import napari
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication

    from napari_stdiff.viewer import remember
    from napari_stdiff.viewer.session import session_of
    from napari_stdiff.viewer.widgets.dock import frame_of
    from napari_stdiff.viewer.widgets.microtome import MicrotomeWidget

    folder = tempfile.mkdtemp()
    remember.remembered_path = lambda: Path(folder) / "docks.json"
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    session = session_of(viewer)
    session.set_tissue(tissue, None)
    session.stack.colour_by("gene", gene_of(tissue)[0])
    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Virtual microtome")
    assert isinstance(dock, MicrotomeWidget)
    frame = frame_of(dock)
    assert frame is not None
    viewer.window._qt_window.resizeDocks([frame], [360], Qt.Orientation.Horizontal)
    pulses: list[float] = []
    clock = QTimer()
    clock.timeout.connect(lambda: pulses.append(perf_counter()))
    clock.start(5)
    frames: list[float] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _: frames.append(perf_counter()), position="last")

    def until(there: Callable[[], bool], most: float = 600.0) -> None:
        start = perf_counter()
        while not there():
            QApplication.processEvents()
            if perf_counter() - start > most:
                sys.exit("The microtome did not answer; is the display there?")

    until(lambda: dock.microtome is not None)
    cutter = dock.microtome
    assert cutter is not None
    until(lambda: not cutter.busy)  # the model and the errors by depth are there
    drawn: list[float] = []
    cutter.drawn.connect(lambda: drawn.append(perf_counter()))
    out: dict[str, Times] = {}
    for ndisplay in (2, 3):
        session.stack.set_ndisplay(ndisplay)
        if ndisplay == 2:
            session.stack.go_to(cutter.z or 0.0)
        until(lambda: not cutter.busy)
        times: Times = {name: [] for name in (*MEASURED, AGAIN)}
        for z in depths_of(tissue, moves):
            drawn.clear()
            pulses.clear()
            start, spent = perf_counter(), process_time()
            dock.slider.set_value(z)
            until(lambda: bool(drawn))
            frames.clear()
            until(lambda: bool(frames))
            beats = np.array([start, *pulses, perf_counter()])
            found = (drawn[0] - start, frames[0] - start, process_time() - spent)
            for name, value in zip(MEASURED, (*found, np.diff(beats).max()), strict=True):
                times[name].append(float(value))
            frames.clear()
            start = perf_counter()
            canvas.update()
            until(lambda: bool(frames))
            times[AGAIN].append(frames[0] - start)
        out[f"{ndisplay}D"] = times
    clock.stop()
    viewer.close()
    return out


def lines_of(title: str, times: Times) -> list[str]:
    """Put times into lines: median and slowest, in milliseconds."""
    out = [title]
    for name, seconds in times.items():
        each = np.array(seconds) * 1000
        out.append(f"  {name:28s} median {np.median(each):8.1f} ms   slowest {each.max():8.1f} ms")
    return out


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cells", type=int, default=5000, help="cells of a section")
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--data", default="", help="a file or store in place of simulated tissue")
    parser.add_argument("--json", default="", help="where to write all times, in seconds")
    parser.add_argument("--no-window", action="store_true", help="the core alone")
    said = parser.parse_args(arguments)
    if said.data:
        tissue = read(said.data)
    else:
        sample = simulate(n_sections=said.sections, cells_per_section=said.cells, image_size=200)
        tissue = read(sample.sdata)
    print(f"{tissue.n_cells:,} cells in {len(tissue.sections)} sections, {tissue.n_genes} genes")
    found: dict[str, Times] = {"core": core(tissue, said.moves)}
    if not said.no_window:
        found |= window(tissue, said.moves)
    for name, times in found.items():
        print("\n".join(lines_of(name if name == "core" else f"slider to canvas, {name}", times)))
    if said.json:
        Path(said.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
