"""Cells as they were segmented: a labels element under each section, and which label is whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .elements import axes_of
from .pictures import carry_over
from .tissue import Histology, Segmentation, Tissue

if TYPE_CHECKING:
    from spatialdata import SpatialData

LARGEST = 2048  # pixels a side; what software rendering can take in 3D


def segmentations(
    sdata: SpatialData,
    system: str,
    tissue: Tissue,
    elements: Mapping[str, str],
    instances: np.ndarray,
    xy: np.ndarray,
) -> dict[str, Segmentation]:
    """Return section -> the labels that its cells were segmented as, none of them loaded.

    Parameters
    ----------
    sdata
        The store.
    system
        Coordinate system that the tissue was read in.
    tissue
        Its sections.
    elements
        Section -> element that its rows annotate. Flat labels count; points, shapes and labels
        with a depth have none.
    instances
        (cells,) label of each cell in its element.
    xy
        (cells, 2) positions in `system`, which may differ from the tissue's.
    """
    found: dict[str, Segmentation] = {}
    for section, name in elements.items():
        if name not in sdata.labels or "z" in axes_of(sdata.labels[name]):
            continue
        rows = np.flatnonzero(tissue.section == section)
        image, to_system = labels_of(sdata.labels[name], system)
        moved = carry_over(Histology(image, to_system), xy[rows], tissue.coords[rows][:, [2, 1]])
        if moved is not None:
            ids = pd.Series(np.asarray(instances)[rows].astype(np.int64), tissue.names[rows])
            found[section] = Segmentation(image, moved.to_tissue, ids)
    return found


def labels_of(element: Any, system: str) -> tuple[Any, np.ndarray]:
    """Return a labels element as a lazy (y, x) array, and (3, 3) from its pixels to `system`.

    Of a large one, every n-th pixel is taken (or a coarser scale of it), so that no side is
    longer than `LARGEST`; labels cannot be averaged.
    """
    import dask.array as da
    from spatialdata.transformations import get_transformation
    from xarray import DataTree

    tree: Any = element
    scales: list[Any] = [tree]
    if isinstance(element, DataTree):
        scales = [next(iter(tree[k].values())) for k in tree]
    arrays = [da.asarray(level.transpose("y", "x").data) for level in scales]
    full = arrays[0].shape
    image = next((a for a in arrays if max(a.shape) <= LARGEST), arrays[-1])
    step = -(-max(image.shape) // LARGEST)
    scale = (step * full[0] / image.shape[0], step * full[1] / image.shape[1])
    image = image[::step, ::step]
    matrix = get_transformation(element, system).to_affine_matrix(("y", "x"), ("y", "x"))
    # SpatialData puts the centre of its first pixel at 0.5; a strided pixel stands for its first
    middle = (0.5, 0.5) if step > 1 else (scale[0] / 2, scale[1] / 2)
    centre = np.array([[scale[0], 0, middle[0]], [0, scale[1], middle[1]], [0, 0, 1.0]])
    return image, np.asarray(matrix, dtype=float) @ centre
