"""Pictures of the Stack dock and the Cells dock, for docs/pictures.py.

Expression over histology is shown on the olfactory bulb where `../shared/data` is present; without
it those pictures stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import demo
import numpy as np
import pandas as pd
from napari import Viewer
from PIL import Image
from qtpy.QtCore import Qt
from scipy.spatial import cKDTree

from napari_stdiff import (
    ImputeConfig,
    PredictGenesConfig,
    Tissue,
    impute,
    predict_genes,
    read,
    simulate,
)
from napari_stdiff.data.tissue import Segmentation
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.show import settle, show
from napari_stdiff.viewer.widgets.cell_table import CellsWidget
from napari_stdiff.viewer.widgets.dock import frame_of
from napari_stdiff.viewer.widgets.stack import StackWidget

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "olfactory_bulb.h5ad"
BULB, FIRST, SECOND = "MOB1", "Penk", "Doc2g"  # granule cells; the layer of the glomeruli

Keep = Callable[[Image.Image, str], None]  # writes a picture under a name


def overlays(keep: Keep) -> None:
    """Take points, a heat map and two genes over the histology of a real section."""
    if not REAL.is_file():
        print(f"The pictures of overlays stay as they are: there is no {REAL.name}.")
        return
    tissue = read(REAL, gaps=True)
    viewer, dock = opened(tissue.rows(tissue.section == BULB), height=600)
    stack = session_of(viewer).stack
    flat(viewer, BULB)
    stack.colour_by("gene", FIRST)
    keep(canvas(viewer), "overlay-points.png")
    dock.overlay.ways["heat"].click()
    stack.set_opacity(points=0.8)
    keep(canvas(viewer), "overlay-heat.png")
    stack.second.choose(SECOND)
    keep(canvas(viewer), "overlay-two-genes.png")
    viewer.close()


def outlines(keep: Keep) -> None:
    """Take cells in their outlines, and the panel that says so."""
    viewer, dock = opened(segmented(simulated()))
    stack = session_of(viewer).stack
    middle = flat(viewer)
    stack.colour_by("gene", demo.telling_gene(session_of(viewer).tissue, middle))
    dock.overlay.ways["outlines"].click()
    dock.bring_into_sight(dock.overlay)
    keep(window(viewer), "overlay-dock.png")
    viewer.close()


def maps(keep: Keep) -> None:
    """Take measured, imputed, difference and uncertainty side by side, over histology."""
    real = REAL.is_file()
    tissue = read(REAL, gaps=True) if real else simulated()
    section = BULB if real else tissue.sections[len(tissue.sections) // 2]
    tissue = tissue.rows(tissue.section == section)
    config = ImputeConfig(method="blend")
    viewer, dock = opened(tissue)
    session = session_of(viewer)
    session.imputations.keep(impute(tissue, config=config), persist=False)
    flat(viewer, section)
    session.stack.colour_by("gene", FIRST if real else demo.telling_gene(tissue, section))
    dock.overlay.ways["heat"].click()
    dock.overlay.several.click()
    wait()
    viewer.reset_view()
    dock.bring_into_sight(dock.overlay.several)
    keep(window(viewer), "overlay-maps.png")
    viewer.close()


def moved(keep: Keep) -> None:
    """Take a section moved by hand, and the stack exploded."""
    viewer, dock = opened(simulated())
    session = session_of(viewer)
    dock.moving_fold.unfold()
    wait()
    adjust = dock.moving.adjust
    name = session.tissue.sections[-1]
    adjust.choose(name)
    adjust.move({name: adjust.hand(name).shifted(y=60.0, x=-180.0).turned(25.0)})
    adjust.rest()
    while not dock.moving.agrees.text():
        settle(1)
    session.stack.look()
    dock.bring_into_sight(dock.moving_fold)
    keep(window(viewer), "stack-move.png")
    dock.moving_fold.unfold(False)
    adjust.reset(name)
    session.stack.set_ndisplay(2)
    session.stack.set_explosion(1.0)
    session.stack.look()
    keep(canvas(viewer), "stack-exploded.png")
    viewer.close()


def finding(keep: Keep) -> None:
    """Take the search box with its badges, and the walk through a pasted list."""
    made = simulate(n_sections=4, cells_per_section=400, n_reference_cells=500, image_size=200)
    some = ImputeConfig(method="blend", genes="Upp1,Upp2,Grad1")
    tissue = read(made.sdata)
    viewer, dock = opened(tissue)
    session = session_of(viewer)
    config = PredictGenesConfig(method="pls", which="all-missing")
    session.predictions.keep(predict_genes(tissue, made.reference, config=config), persist=False)
    session.imputations.keep(impute(tissue, config=some), persist=False)
    search = dock.colours.search
    search.ask()
    search.setText("up")
    search.textEdited.emit("up")
    keep(right(window(viewer)), "search-box.png")
    search.leave()
    text = ", ".join([*map(str, tissue.genes[:9:2]), "Nowhere1"])
    search.pasted.emit(search.index.pasted(text))
    dock.colours.walk.step(1)
    keep(right(window(viewer)), "gene-walk.png")
    viewer.close()


def table(keep: Keep) -> None:
    """Take the legend with types hidden, and the table of cells with some picked."""
    viewer, dock = opened(simulated())
    session = session_of(viewer)
    flat(viewer)
    labels = list(dock.colours.legend.swatches.colours)
    for label in labels[1::2]:
        dock.colours.legend.toggled.emit(label)
    keep(right(window(viewer)), "legend.png")
    _, cells = viewer.window.add_plugin_dock_widget("napari-stdiff", "Cells")
    assert isinstance(cells, CellsWidget)
    wide(viewer, cells)
    session.stack.filter.show_all("cell_type")
    middle = session.tissue.sections[len(session.tissue.sections) // 2]
    rows = np.flatnonzero(session.tissue.section == middle)
    centre = session.tissue.coords[rows].mean(axis=0)
    near = np.argsort(np.linalg.norm(session.tissue.coords[rows] - centre, axis=1))
    cells.pick.pick(rows[near[:200:25]])
    keep(window(viewer), "cells-dock.png")
    viewer.close()


PICTURES: dict[str, Callable[[Keep], None]] = {
    "overlays": overlays,
    "outlines": outlines,
    "maps": maps,
    "moved": moved,
    "finding": finding,
    "table": table,
}


# -- how they are made ----------------------------------------------------------------------------


def simulated() -> Tissue:
    """Return the simulated tissue."""
    return read(simulate().sdata)


def segmented(tissue: Tissue) -> Tissue:
    """Return the tissue with its cells as labels: what is nearest to a cell, up to a radius."""
    found = {}
    for section in tissue.sections:
        rows = np.flatnonzero(tissue.section == section)
        plane = tissue.coords[rows, 1:]
        low, size = plane.min(axis=0) - 20, np.ptp(plane, axis=0) + 40
        side = float(size.max()) / 900
        at = np.indices(np.ceil(size / side).astype(int))
        tree = cKDTree(plane)
        near = float(np.median(tree.query(plane, 2)[0][:, 1]))
        apart, cell = tree.query(low + side * at.reshape(2, -1).T)
        image = np.where(apart < near, cell + 1, 0).reshape(at.shape[1:]).astype(np.int32)
        to_tissue = np.array([[side, 0, low[0]], [0, side, low[1]], [0, 0, 1.0]])
        ids = pd.Series(np.arange(1, len(rows) + 1), tissue.names[rows])
        found[section] = Segmentation(image, to_tissue, ids)
    return replace(tissue, segmentation=found)


def opened(tissue: Tissue, height: int = 800) -> tuple[Viewer, Any]:
    """Open a window of the size of a small screen; return it and its Stack dock."""
    viewer = show(tissue, block=False)
    viewer.window.resize(1280, height)
    dock = viewer.window._qt_window.findChild(StackWidget)
    wide(viewer, dock)
    return viewer, dock


def wide(viewer: Viewer, dock: Any) -> None:
    """Make a dock wide enough for its words."""
    frame = frame_of(dock)
    frame.raise_()
    settle()
    viewer.window._qt_window.resizeDocks([frame], [380], Qt.Orientation.Horizontal)
    wait()
    session_of(viewer).stack.look()


def flat(viewer: Viewer, section: str = "") -> str:
    """Show one section in 2D, the middle one unless it is named; return its name."""
    session = session_of(viewer)
    section = section or session.tissue.sections[len(session.tissue.sections) // 2]
    session.stack.set_ndisplay(2)
    for shown in session.stack.sections:
        session.stack.set_visible(shown, shown.name == section)
    session.stack.go_to(session.stack.section(section))
    settle()
    viewer.reset_view()
    return section


def canvas(viewer: Viewer) -> Image.Image:
    """Return the canvas alone."""
    wait()
    return Image.fromarray(viewer.screenshot(canvas_only=True, flash=False))


def window(viewer: Viewer) -> Image.Image:
    """Return the whole window."""
    wait()
    return Image.fromarray(viewer.screenshot(canvas_only=False, flash=False))


def wait(seconds: float = 1.5) -> None:
    """Let everything be drawn: layers come in the turns of the event loop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        settle(1)


def right(picture: Image.Image, share: float = 0.62) -> Image.Image:
    """Return the right part of a window: the canvas and the dock."""
    return picture.crop((round((1 - share) * picture.width), 0, picture.width, picture.height))
