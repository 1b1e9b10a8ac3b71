"""File > Open Sample: the samples open as a stack, not as loose layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_error

from ..compute.errors import StdiffError
from ..data.read_config import ReadConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def no_layers() -> list[tuple[Any, ...]]:
    """Return what napari takes for "no layers, and no error": an image without channels.

    The stack adds its own layers, and napari reports an empty answer as an error.
    """
    return [(np.zeros((0, 1, 1), np.uint8), {"channel_axis": 0}, "image")]


def simulated() -> list[tuple[Any, ...]]:
    """Open the simulated tissue."""

    def load() -> SpatialData:
        from ..data.simulate import simulate

        return simulate().sdata

    return _open(load, ReadConfig(z_unit="um"))


def merfish() -> list[tuple[Any, ...]]:
    """Open squidpy's MERFISH sections of the mouse hypothalamus; downloads them once."""

    def load() -> AnnData:
        from ..data.samples import squidpy_merfish

        return squidpy_merfish()

    return _open(load)


def visium() -> list[tuple[Any, ...]]:
    """Open a Visium section with its histology; downloads it once."""

    def load() -> AnnData:
        from ..data.samples import visium_he

        return visium_he()

    return _open(load)


def _open(load: Callable[[], Any], config: ReadConfig | None = None) -> list[tuple[Any, ...]]:
    from ..data.reading import read
    from .session import session_of

    viewer = napari.current_viewer()
    try:
        data = load()
        tissue = read(data, config or ReadConfig())
        if viewer is not None:
            session_of(viewer).set_tissue(tissue, data, config)
    except StdiffError as error:
        show_error(str(error))
    return no_layers()
