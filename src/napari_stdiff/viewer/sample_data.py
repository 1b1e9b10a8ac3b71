"""File > Open Sample: the samples open as a stack, not as loose layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_error, show_info

from ..data.read_config import ReadConfig
from ..data.reading import read
from ..data.tissue import Tissue
from .session import session_of
from .worker import Job, Problem

if TYPE_CHECKING:
    from napari.components import ViewerModel

LayerData = list[tuple[Any, ...]]


def simulated() -> LayerData:
    """Open the simulated tissue."""
    from ..data.simulate import simulate

    config = ReadConfig(z_unit="um")
    viewer = napari.current_viewer()
    if viewer is not None:
        sdata = simulate().sdata
        session_of(viewer).set_tissue(read(sdata, config), sdata, config)
    return no_layers()


def merfish() -> LayerData:
    """Open squidpy's MERFISH sections of the mouse hypothalamus, in the background."""

    def load() -> Any:
        from ..data.samples import squidpy_merfish

        return squidpy_merfish()

    return _open_later(load, "the MERFISH sections")


def visium() -> LayerData:
    """Open a Visium section with its histology, in the background."""

    def load() -> Any:
        from ..data.samples import visium_he

        return visium_he()

    return _open_later(load, "the Visium section")


def no_layers() -> LayerData:
    """Return what napari takes for "no layers, and no error": an image without channels.

    The stack adds its own layers, and napari reports an empty answer as an error.
    """
    return [(np.zeros((0, 1, 1), np.uint8), {"channel_axis": 0}, "image")]


def _open_later(load: Callable[[], Any], title: str) -> LayerData:
    """Download and read in a worker: it takes a while, and napari must not stand still."""
    viewer = napari.current_viewer()
    if viewer is None:
        return no_layers()
    show_info(f"Opening {title} (downloaded the first time).")
    job = Job(lambda _: _loaded(load))
    job.deliver(lambda pair: _open(viewer, *pair), _tell, lambda: None)
    job.start()
    return no_layers()


def _loaded(load: Callable[[], Any]) -> tuple[Any, Tissue]:
    data = load()
    return data, read(data)


def _open(viewer: ViewerModel, data: Any, tissue: Tissue) -> None:
    session = session_of(viewer)
    if not session.is_closed:
        session.set_tissue(tissue, data, ReadConfig())


def _tell(error: Exception) -> None:
    show_error(Problem.of(error).sentence)
