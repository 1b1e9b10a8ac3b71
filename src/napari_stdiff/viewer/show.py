"""Opens a tissue and its results in napari, for a look or for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtWidgets import QApplication

from ..compute.errors import StdiffError
from ..data.imputed import Imputed
from ..data.predicted import PredictedGenes
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from .session import Session, session_of
from .widgets.stack import StackWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from spatialdata import SpatialData

WINDOW_SIZE = (1500, 950)


def show(
    data: str | Path | SpatialData | AnnData | Tissue,
    *,
    read: ReadConfig | None = None,
    color: str | None = None,
    results: Sequence[VirtualSection | PredictedGenes | Imputed] = (),
    screenshot: str | Path | None = None,
    ndisplay: int = 3,
    block: bool = True,
) -> napari.Viewer:
    """Show `data` and the results in it as a stack of sections.

    Parameters
    ----------
    data
        A store, a file, an object in memory, or a tissue that was read already.
    read
        Which column means what.
    color
        Gene or obs column; types, regions or a telling gene if None.
    results
        Virtual sections, predicted genes and imputed values to show with those of the store; they
        are not saved. Imputed genes are shown with what was filled in; key i shows what was
        measured.
    screenshot
        A ``.png`` path: the canvas is written there, the whole window beside it as
        ``<name>_window.png``, and the viewer is closed.
    ndisplay
        3 for the stack, 2 for one section.
    block
        Whether to return only when the window is closed.

    Returns
    -------
    napari.Viewer
        The viewer; closed already after a screenshot.

    Raises
    ------
    StdiffError
        When the data cannot be read or has no such gene or column.
    """
    config = read or ReadConfig()
    store: Any = data
    if isinstance(data, Tissue):
        tissue, store = data, data.origin.path or None
    else:
        tissue = read_tissue(data, config, gaps=True)
    viewer = napari.Viewer(title="napari-stdiff", show=True)
    try:
        session = _fill(viewer, tissue, store, config, results, color)
        session.stack.set_ndisplay(ndisplay)
        session.stack.look()
        if screenshot is not None:
            take_pictures(viewer, Path(screenshot))
    except BaseException:
        viewer.close()
        raise
    if screenshot is not None:
        viewer.close()
    elif block:
        napari.run()
    return viewer


def _fill(
    viewer: napari.Viewer,
    tissue: Tissue,
    store: Any,
    config: ReadConfig,
    results: Sequence[VirtualSection | PredictedGenes | Imputed],
    color: str | None,
) -> Session:
    from .widgets.interpolate import InterpolateWidget

    viewer.window.resize(*WINDOW_SIZE)
    session = session_of(viewer)
    viewer.window.add_dock_widget(
        InterpolateWidget(viewer), name="Interpolate sections", area="right"
    )
    dock = viewer.window.add_dock_widget(
        StackWidget(viewer), name="Stack", area="right", tabify=True
    )
    settle()
    dock.raise_()
    session.set_tissue(tissue, store, config)
    for result in results:
        if isinstance(result, VirtualSection):
            session.add_result(result, persist=False)
        elif isinstance(result, PredictedGenes):
            session.predictions.keep(result, persist=False)
        else:
            session.imputations.keep(result, persist=False)
            session.stack.set_view("imputed")
    if color is not None:
        colour(session, color)
    return session


def colour(session: Session, name: str) -> None:
    """Colour by `name`, a gene, an obs column or a gene of another table, whichever there is.

    Raises
    ------
    StdiffError
        When it is neither.
    """
    tissue = session.tissue
    stack = session.stack
    if stack.knows(name):
        stack.colour_by("gene", name)
    elif tissue is not None and name in tissue.obs:
        stack.colour_by("column", name)
    elif elsewhere := session.tables.named(name):
        stack.colour_by("gene", elsewhere)
    else:
        raise StdiffError(f"'{name}' is neither a gene nor an obs column of this tissue.")


def take_pictures(viewer: napari.Viewer, path: Path) -> tuple[Path, Path]:
    """Write the canvas to `path` and the window beside it; return both paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.stem}_window{path.suffix or '.png'}")
    settle()
    viewer.screenshot(str(path), canvas_only=True, flash=False)
    viewer.screenshot(str(whole), canvas_only=False, flash=False)
    return path, whole


def settle(rounds: int = 10) -> None:
    """Let Qt lay out and paint what has changed."""
    app = QApplication.instance()
    for _ in range(rounds):
        if app is not None:
            app.processEvents()
