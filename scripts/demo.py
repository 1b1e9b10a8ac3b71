"""The main job on the simulated tissue: hide a section, predict it, look at it beside the truth.

Leaves demo/tissue.zarr (the tissue and, in it, the result) and demo/scores.json. On a desktop it
then opens napari and stays; without a display it leaves pictures in demo/ and ends.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import warnings
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
from napari_stdiff.scoring.bins import Grid

if TYPE_CHECKING:
    import napari

    from napari_stdiff.viewer.stack import Stack

OUT = Path(__file__).resolve().parents[1] / "demo"
STORE = "tissue.zarr"
SHOWN = {"pcc": "Pearson by gene", "pcc_binned": "in tissue bins", "crps": "CRPS"}
BASELINES = ("typed-knn", "linear")


def main() -> None:
    """Run the demo."""
    quiet()
    shutil.rmtree(OUT, ignore_errors=True)
    tissue, hidden, caption = fit(OUT)
    watched = "STDIFF_VIRTUAL_DISPLAY" not in os.environ
    viewer = open_window(tissue, hidden, caption, OUT, watched)
    if watched:
        import napari

        napari.run()
        return
    viewer.close()
    say("Pictures: " + " ".join(str(path) for path in sorted(OUT.glob("*.png"))))


def fit(folder: Path) -> tuple[Tissue, str, str]:
    """Leave the store and the scores in `folder`; return tissue, hidden section and caption."""
    started = time.monotonic()
    folder.mkdir(parents=True)
    say("Simulating a tissue of serial sections")
    store = write_sample(folder / STORE, seed=0)
    tissue = read(store)
    hidden = tissue.sections[len(tissue.sections) // 2]

    say(f"Hiding {hidden} and fitting stDiffusion to the other {len(tissue.sections) - 1}")
    result = interpolate(tissue, config=InterpolateConfig(hide=hidden), monitor=bar())
    save(result, store, tissue)
    say(f"Scoring {' and '.join(BASELINES)} beside it")
    scores = compare(tissue, hidden, result)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    caption = describe(hidden, scores)
    say(f"{caption}\n{time.monotonic() - started:.0f} s; saved {store} and {folder}/scores.json")
    return tissue, hidden, caption


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
        known = [
            f"{word} {values[s]:.3f}" for s, word in SHOWN.items() if values.get(s) is not None
        ]
        lines.append(f"{method}: {', '.join(known)}")
    return "\n".join(lines)


def telling_gene(tissue: Tissue, hidden: str) -> str:
    """Return the gene with the strongest pattern over the sections that were not hidden."""
    visible, _ = tissue.split(hidden)
    grid = Grid.over(visible.coords, 10)
    bins = grid.counts(visible.coords) >= 20
    means = grid.means(Normaliser.fit(visible)(visible), visible.coords)[bins]
    return str(tissue.genes[int(np.argmax(means.var(axis=0)))])


def open_window(
    tissue: Tissue, hidden: str, caption: str, folder: Path, watched: bool
) -> napari.Viewer:
    """Open napari on the stack of sections; with nobody watching, leave pictures of it."""
    from napari_stdiff.viewer.session import session_of
    from napari_stdiff.viewer.show import show

    viewer = show(tissue, color=telling_gene(tissue, hidden), block=False)
    overlay, stack = viewer.text_overlay, session_of(viewer).stack
    overlay.position, overlay.font_size, overlay.visible = "bottom_left", 9, True
    overlay.text = f"{caption}\nin the stack: measured; beside it: virtual"
    if not watched:
        pictures(viewer, stack, hidden, caption, folder)
    return viewer


def pictures(viewer: napari.Viewer, stack: Stack, hidden: str, caption: str, folder: Path) -> None:
    """Leave pictures: the stack from both sides, and truth and prediction side by side."""
    from napari_stdiff.viewer.layers import camera_of
    from napari_stdiff.viewer.show import take_pictures

    overlay, measured, camera = viewer.text_overlay, stack.section(hidden), camera_of(viewer)
    stack.set_spacing(0.6 * stack.spacing)  # closer sections are larger in a picture
    stack.look()
    take_pictures(viewer, folder / "stack-with-truth.png")

    overlay.text = f"{caption}\nthe virtual section in the place of the hidden one"
    stack.set_side_by_side(False)
    measured.points.visible = False  # its histology stays, under the virtual section
    stack.look()
    camera.zoom *= 0.78  # room for the caption
    take_pictures(viewer, folder / "stack-above.png")
    z, y, x = camera.view_direction
    camera.set_view_direction((-z, y, x), (1.0, 0.0, 0.0))
    take_pictures(viewer, folder / "stack-below.png")

    overlay.text = f"{caption}\nleft: measured; right: virtual"
    measured.points.visible = True
    stack.set_side_by_side(True)
    stack.set_ndisplay(2)
    stack.go_to(measured)
    viewer.reset_view()
    take_pictures(viewer, folder / "virtual-beside-truth.png")


def bar() -> Monitor:
    """Return a monitor that prints one line a stage."""
    seen: set[str] = set()

    def listen(progress: Progress) -> None:
        if progress.stage not in seen:
            seen.add(progress.stage)
            say(f"  {progress.stage}")

    return Monitor(listen)


def quiet() -> None:
    """Keep to ourselves what other packages tell their developers."""
    for category in (DeprecationWarning, FutureWarning, UserWarning):
        warnings.simplefilter("ignore", category)
    logging.getLogger("ome_zarr").setLevel(logging.ERROR)


def say(sentence: str) -> None:
    """Print at once, also into a pipe."""
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
