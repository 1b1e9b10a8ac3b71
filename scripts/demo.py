"""The main job on the simulated tissue: hide a section, predict it, look at it beside the truth.

Leaves demo/tissue.zarr (the tissue and, in it, the result) and demo/scores.json. On a desktop it
then opens napari and stays; without a display it leaves pictures in demo/ and ends.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stdiff import InterpolateConfig, Monitor, VirtualSection, interpolate, read
from napari_stdiff.compute.monitor import Progress
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.results import save
from napari_stdiff.data.simulate import write_sample
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.evaluation.interpolate import evaluate_interpolate

if TYPE_CHECKING:
    import napari

    from napari_stdiff.viewer.stack import Stack

OUT = Path(__file__).resolve().parents[1] / "demo"
SHOWN = ("pcc", "pcc_binned", "crps")
BASELINES = ("typed-knn", "linear")


def main() -> None:
    """Run the demo."""
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    say("Simulating a tissue of serial sections")
    store = write_sample(OUT / "tissue.zarr", seed=0)
    tissue = read(store)
    hidden = tissue.sections[len(tissue.sections) // 2]

    say(f"Hiding {hidden} and fitting stDiffusion to the other {len(tissue.sections) - 1}")
    result = interpolate(tissue, config=InterpolateConfig(hide=hidden), monitor=bar())
    save(result, store, tissue)
    say(f"Scoring beside {' and '.join(BASELINES)}")
    scores = compare(tissue, hidden, result)
    (OUT / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    caption = describe(hidden, scores)
    say(f"{caption}\nSaved in {time.monotonic() - started:.0f} s: {store}, {OUT}/scores.json")
    show(tissue, store, hidden, caption)


def compare(tissue: Tissue, hidden: str, result: VirtualSection) -> dict[str, Any]:
    """Score the baselines on the same section and put the result's own scores first."""
    scores = evaluate_interpolate(
        tissue, hide=hidden, methods=list(BASELINES), seed=result.record.seed, monitor=bar()
    )
    own = {**result.record.scores, **{f"{k}_seconds": v for k, v in result.record.seconds.items()}}
    return {**scores, "methods": {result.record.method: own, **scores["methods"]}}


def describe(hidden: str, scores: dict[str, Any]) -> str:
    """Return the scores in a few lines, for the terminal and for the canvas."""
    lines = [f"{hidden} was hidden and predicted from the others"]
    for method, values in scores["methods"].items():
        known = [f"{s} {values[s]:.3f}" for s in SHOWN if values.get(s) is not None]
        lines.append(f"{method}: {', '.join(known)}")
    return "\n".join(lines)


def telling_gene(tissue: Tissue, hidden: str) -> str:
    """Return the gene that varies most over the sections that were not hidden."""
    visible, _ = tissue.split(hidden)
    variance = np.var(Normaliser.fit(visible)(visible), axis=0)
    return str(tissue.genes[int(np.argmax(variance))])


def show(tissue: Tissue, store: Path, hidden: str, caption: str) -> None:
    """Show the virtual section in the stack; with nobody watching, leave pictures instead."""
    import napari

    from napari_stdiff.viewer.session import session_of

    viewer = napari.Viewer(title="napari-stdiff demo", show=True)
    viewer.window.resize(1400, 950)
    session = session_of(viewer)
    session.set_tissue(tissue, store)
    session.stack.colour_by("gene", telling_gene(tissue, hidden))
    viewer.text_overlay.position = "bottom_left"
    viewer.text_overlay.font_size = 12
    viewer.text_overlay.text = caption
    viewer.text_overlay.visible = True
    if "STDIFF_VIRTUAL_DISPLAY" not in os.environ:
        viewer.window.add_plugin_dock_widget("napari-stdiff", "Stack")
        napari.run()
        return
    pictures(viewer, session.stack, hidden)
    viewer.close()


def pictures(viewer: napari.Viewer, stack: Stack, hidden: str) -> None:
    """Leave demo/*.png: the stack from both sides, and truth and prediction side by side."""
    caption = viewer.text_overlay.text
    measured = stack.section(hidden)
    viewer.text_overlay.text = f"{caption}\nin the stack: measured; to its right: virtual"
    picture(viewer, "stack-with-truth")
    stack.set_side_by_side(False)
    measured.points.visible = False  # its histology stays, under the virtual section
    viewer.text_overlay.text = f"{caption}\nits place in the stack is taken by the virtual one"
    picture(viewer, "stack-above")
    z, y, x = viewer.camera.angles
    viewer.camera.angles = (z, y, x + 180)
    picture(viewer, "stack-below")
    measured.points.visible = True
    stack.set_side_by_side(True)
    stack.set_ndisplay(2)
    stack.go_to(measured)
    viewer.reset_view()
    viewer.text_overlay.text = f"{caption}\nleft: measured; right: virtual"
    picture(viewer, "virtual-beside-truth")


def picture(viewer: napari.Viewer, name: str) -> None:
    """Save what the canvas shows to demo/NAME.png."""
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    viewer.screenshot(str(OUT / f"{name}.png"), canvas_only=True, flash=False)
    say(f"Picture: {OUT / name}.png")


def bar() -> Monitor:
    """Return a monitor that prints one line a stage."""
    seen: set[str] = set()

    def listen(progress: Progress) -> None:
        if progress.stage not in seen:
            seen.add(progress.stage)
            say(f"  {progress.stage}")

    return Monitor(listen)


def say(sentence: str) -> None:
    """Print at once, also into a pipe."""
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
