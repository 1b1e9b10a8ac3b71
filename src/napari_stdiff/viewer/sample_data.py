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
    """Open the simulated tissue, made in the background."""

    def load() -> Any:
        from ..data.simulate import simulate

        return simulate()

    return _open_later(load, "Opening the simulated tissue.", ReadConfig(z_unit="um"))


def merfish() -> LayerData:
    """Open squidpy's MERFISH sections of the mouse hypothalamus, in the background."""

    def load() -> Any:
        from ..data.samples import squidpy_merfish

        return squidpy_merfish()

    return _open_later(load, "Opening the MERFISH sections (downloaded the first time).")


def visium() -> LayerData:
    """Open a Visium section with its histology, in the background."""

    def load() -> Any:
        from ..data.samples import visium_he

        return visium_he()

    return _open_later(load, "Opening the Visium section (downloaded the first time).")


def no_layers() -> LayerData:
    """Return what napari takes for "no layers, and no error": an image without channels.

    The stack adds its own layers, and napari reports an empty answer as an error.
    """
    return [(np.zeros((0, 1, 1), np.uint8), {"channel_axis": 0}, "image")]


def _open_later(
    load: Callable[[], Any], sentence: str, config: ReadConfig | None = None
) -> LayerData:
    """Make or download, and read, in a worker: napari must not stand still meanwhile."""
    viewer = napari.current_viewer()
    if viewer is None:
        return no_layers()
    show_info(sentence)
    reading = config or ReadConfig()

    def loaded() -> tuple[Any, Any, Tissue]:
        data, reference = load(), None
        if hasattr(data, "sdata"):  # the simulated tissue comes with a reference
            data, reference = data.sdata, data.reference
        return data, reference, read(data, reading)

    job = Job(lambda _: loaded())
    job.deliver(lambda got: _open(viewer, got[0], got[1], got[2], reading), _tell, lambda: None)
    job.start()
    return no_layers()


def _open(
    viewer: ViewerModel, data: Any, reference: Any, tissue: Tissue, config: ReadConfig
) -> None:
    session = session_of(viewer)
    if not session.is_closed:
        session.set_tissue(tissue, data, config, reference, in_turns=True)


def _tell(error: Exception) -> None:
    show_error(Problem.of(error).sentence)
