"""Makes docs/images from the simulated tissue: run `make docs-pictures`.

    python docs/pictures.py [NAME ...]

With names of docks ("predict-genes", "impute", "align", "microtome", "lambda", "generate") or of
parts of the canvas (those of docs/canvas_pictures.py), only their pictures.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from PIL import Image
from qtpy.QtCore import Qt

from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate, write_sample
from napari_stdiff.data.tissue import Histology, Tissue
from napari_stdiff.viewer import remember
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.show import settle, show, take_pictures
from napari_stdiff.viewer.widgets.align import AlignWidget
from napari_stdiff.viewer.widgets.dock import frame_of
from napari_stdiff.viewer.widgets.generate import GenerateWidget
from napari_stdiff.viewer.widgets.impute import ImputeWidget
from napari_stdiff.viewer.widgets.interpolate import InterpolateWidget
from napari_stdiff.viewer.widgets.microtome import MicrotomeWidget
from napari_stdiff.viewer.widgets.predict_genes import PredictGenesWidget
from napari_stdiff.viewer.widgets.run_dock import RunDock

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "scripts"))

import canvas_pictures  # noqa: E402
import demo  # noqa: E402

# Picture of the demo -> its name here.
KEPT = {
    "stack-above.png": "stack-above.png",
    "stack-below.png": "stack-below.png",
    "virtual-beside-truth.png": "virtual-beside-truth.png",
    "virtual-beside-truth_window.png": "docks.png",
}


def main(names: Sequence[str] = ()) -> None:
    """Make every picture of the docs, or those of the docks that are named."""
    # the last one leaves a result in the store
    docks = {
        "predict-genes": predicted,
        "impute": imputed,
        "align": aligned,
        "microtome": cut,
        "lambda": swept,
        "generate": generated,
    }
    every = [*docks, *canvas_pictures.PICTURES]
    wrong = [name for name in names if name not in every]
    if wrong:
        sys.exit(f"There is no picture of {', '.join(wrong)}; there are {', '.join(every)}.")
    demo.quiet()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "demo"
        # settings that somebody used last do not belong in pictures
        remember.remembered_path = lambda: Path(folder) / "docks.json"
        IMAGES.mkdir(exist_ok=True)
        if not names:
            tissue, hidden, caption = demo.fit(work)
            demo.open_window(tissue, hidden, caption, work, watched=False).close()
            for source, target in KEPT.items():
                shrink(work / source, IMAGES / target)
        for name in names or every:
            if name in canvas_pictures.PICTURES:
                canvas_pictures.PICTURES[name](keep)
        tissue = read(write_sample(Path(folder) / "docks.zarr", seed=0))
        for name in docks:
            if names and name not in names:
                continue
            press = docks[name]
            dock(tissue if press is not aligned else scattered(tissue), press, work / name)
            shrink(work / f"{name}_window.png", IMAGES / f"{name}-dock.png")


def dock(tissue: Tissue, press: Callable[[Viewer], Any], picture: Path) -> None:
    """Open `tissue`, let `press` press the buttons of a dock, and take its picture."""
    viewer = show(tissue, block=False)
    viewer.window.resize(1280, 800)
    settle()
    widget = press(viewer)
    while widget._job is not None:
        settle(1)
    take_pictures(viewer, picture.with_suffix(".png"))
    viewer.close()


def opened(viewer: Viewer, kind: type[RunDock[Any]], name: str) -> Any:
    """Return the dock called `name`, wide enough for its words."""
    window = viewer.window._qt_window
    widget = window.findChild(kind)
    if widget is None:
        _, widget = viewer.window.add_plugin_dock_widget("napari-stdiff", name)
    frame = frame_of(widget)
    frame.raise_()
    settle()
    window.resizeDocks([frame], [380], Qt.Orientation.Horizontal)
    settle()
    session_of(viewer).stack.look()
    return widget


def generated(viewer: Viewer) -> Any:
    """Draw a section once more."""
    widget = opened(viewer, GenerateWidget, "Generate cells")
    widget.form.fields["method"].value = "typed-knn"
    widget.run_bar.run_button.click()
    return widget


def cut(viewer: Viewer) -> Any:
    """Cut the stack live, and wait until it is known how sure that is."""
    widget = opened(viewer, MicrotomeWidget, "Virtual microtome")
    tissue = widget.session.tissue
    gene = demo.telling_gene(tissue, tissue.sections[len(tissue.sections) // 2])
    widget.session.stack.colour_by("gene", gene)
    while widget.microtome is None or widget.microtome.busy:
        settle(1)
    return widget


def aligned(viewer: Viewer) -> Any:
    """Bring sections into one frame."""
    widget = opened(viewer, AlignWidget, "Align sections")
    widget.run_bar.run_button.click()
    return widget


def swept(viewer: Viewer) -> Any:
    """Lay a section at several lambdas side by side."""
    widget = opened(viewer, InterpolateWidget, "Interpolate sections")
    widget.form.fields["effort"].value = "quick"
    widget.where.hiding.click()
    gene = demo.telling_gene(widget.session.tissue, widget.where.values()["hide"])
    widget.session.stack.colour_by("gene", gene)
    widget.sweep.unfold()
    widget.sweep.go.click()
    return widget


def scattered(tissue: Tissue) -> Tissue:
    """Return the tissue with every section but the middle one turned and shifted."""
    rng = np.random.default_rng(0)
    coords, pictures = tissue.coords.copy(), dict(tissue.histology)
    for section in tissue.sections[::2]:
        turn = rng.uniform(-1.2, 1.2)
        matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0],
                           [0, 0, 1.0]])  # fmt: skip
        rows = tissue.section == section
        middle = coords[rows, 1:].mean(axis=0)
        matrix[:2, 2] = middle - matrix[:2, :2] @ middle + rng.uniform(-200, 200, 2)
        coords[rows, 1:] = coords[rows, 1:] @ matrix[:2, :2].T + matrix[:2, 2]
        picture = pictures[section]
        pictures[section] = Histology(picture.image, matrix @ picture.to_tissue)
    return replace(tissue, coords=coords, histology=pictures)


def predicted(viewer: Viewer) -> Any:
    """Predict genes that the panel never measured, and fade the cells that are least sure."""
    session = session_of(viewer)
    session.reference = simulate().reference
    widget = opened(viewer, PredictGenesWidget, "Predict genes")
    widget.on_layers()
    widget.reference.choice.setCurrentIndex(1)
    widget.reference.choice.activated.emit(1)
    while widget.reference.is_reading:
        settle(1)
    widget.genes.tick(widget.reference.read.match.only_reference[:40:8])
    session.stack.set_ndisplay(2)
    widget.run_bar.run_button.click()
    while widget._job is not None:
        settle(1)
    widget.genes.view.setCurrentIndex(widget.genes.model.index(0))
    widget.genes.view.clicked.emit(widget.genes.model.index(0))
    widget.trust.fade.box.setValue(30.0)
    return widget


def imputed(viewer: Viewer) -> Any:
    """Fill in the zeros of a section, measured and imputed side by side."""
    session = session_of(viewer)
    widget = opened(viewer, ImputeWidget, "Impute")
    middle = session.tissue.sections[len(session.tissue.sections) // 2]
    widget.form.fields["section"].value = middle
    widget.form.fields["method"].value = "blend"
    for section in session.stack.sections:
        session.stack.set_visible(section, section.name == middle)
    session.stack.set_ndisplay(2)
    session.stack.go_to(session.stack.section(middle))
    widget.run_bar.run_button.click()
    while widget._job is not None:
        settle(1)
    widget.panel.buttons["both"].click()
    widget.bring_into_sight(widget.results.remove)
    return widget


def keep(picture: Image.Image, name: str) -> None:
    """Write a picture of the canvas or of a window."""
    shrink(picture, IMAGES / name)


def shrink(source: Path | Image.Image, target: Path, width: int = 1200) -> None:
    """Write a small PNG: at most `width` pixels wide, 256 colours."""
    image = (source if isinstance(source, Image.Image) else Image.open(source)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)))
    # kmeans: without it, the greys of the window get a tint
    small = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    small.save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
