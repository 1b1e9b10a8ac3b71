"""Which image of a SpatialData shows which section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import listing
from .elements import axes_of, systems_of
from .pictures import as_rgb, carry_over, inside
from .tissue import Histology, Tissue

if TYPE_CHECKING:
    from spatialdata import SpatialData

_LARGEST = 2000
_KINDS = {
    *("circles", "spots", "cells", "labels", "shapes", "points", "polygons", "nuclei", "masks"),
    *("boundaries", "cell", "nucleus", "segmentation", "beads", "table"),
}
_BETTER = {"hires": 3, "he": 3, "histology": 3, "full": 2, "image": 1}
_WORSE = {"lowres": -1, "dapi": -2, "mask": -5, "morphology": -1}


def section_pictures(
    sdata: SpatialData,
    system: str,
    tissue: Tissue,
    elements: Mapping[str, str],
    xy: np.ndarray,
) -> tuple[dict[str, Histology], list[str]]:
    """Return section -> its picture, and what to say about it.

    Parameters
    ----------
    sdata
        Its flat images are looked at; none is loaded.
    system
        Coordinate system that a picture must be in.
    tissue
        Its sections.
    elements
        Section -> element that its rows annotate.
    xy
        (cells, 2) positions in `system`, which may differ from the tissue's.
    """
    names = [n for n in sdata.images if "z" not in axes_of(sdata[n])]
    names = [n for n in names if system in systems_of(sdata[n])]
    if not names:
        return {}, []
    found: dict[str, Histology] = {}
    chosen: list[str] = []
    for section in tissue.sections:
        rows = tissue.section == section
        alone = len(tissue.sections) == 1
        for name in fitting(names, section, elements[section], alone):
            picture = picture_of(sdata[name], system)
            if inside(picture, xy[rows]) < 0.5:
                continue
            moved = carry_over(picture, xy[rows], tissue.coords[rows][:, [2, 1]])
            if moved is not None:
                found[section] = moved
                chosen.append(name)
                break
    if found:
        return found, [f"Histology: {listing(chosen)}."]
    return {}, [f"Histology: no image ({listing(names)}) fits a section by name and place."]


def picture_of(element: Any, system: str) -> Histology:
    """Return an image as a lazy picture of at most about 2000 pixels a side.

    Parameters
    ----------
    element
        (c, y, x) image, single- or multiscale.
    system
        Coordinate system that its pixels are placed in.
    """
    import dask.array as da
    from spatialdata.transformations import get_transformation
    from xarray import DataTree

    tree: Any = element
    if isinstance(element, DataTree):
        scales = [next(iter(tree[k].values())) for k in tree]
    else:
        scales = [element]
    scales = [s.transpose("y", "x", "c") for s in scales]
    full = scales[0].shape
    small = [s for s in scales if max(s.shape[:2]) <= _LARGEST]
    image = as_rgb(da.asarray((small or scales[-1:])[0].data))
    scale = (full[0] / image.shape[0], full[1] / image.shape[1])
    factor = -(-max(image.shape[:2]) // _LARGEST)
    if factor > 1:
        image = da.coarsen(np.mean, image, {0: factor, 1: factor}, trim_excess=True)
        image = image.round().astype(np.uint8)
        scale = (scale[0] * factor, scale[1] * factor)
    matrix = get_transformation(element, system).to_affine_matrix(("y", "x"), ("y", "x"))
    # SpatialData puts the centre of its first pixel at 0.5, a picture at 0
    centre = np.array([[scale[0], 0, scale[0] / 2], [0, scale[1], scale[1] / 2], [0, 0, 1.0]])
    return Histology(image, np.asarray(matrix, dtype=float) @ centre)


def fitting(names: list[str], section: str, element: str, alone: bool) -> list[str]:
    """Return the images that may show a section, best first."""
    stem = [t for t in _tokens(element) if t not in _KINDS]
    for wanted in (_tokens(section), _tokens(element), stem):
        fits = [n for n in names if wanted and _within(wanted, _tokens(n))]
        if fits:
            return sorted(fits, key=_quality)
    return sorted(names, key=_quality) if alone else []


def _quality(name: str) -> tuple[int, str]:
    tokens = _tokens(name)
    return -sum(_BETTER.get(t, 0) + _WORSE.get(t, 0) for t in tokens), name


def _tokens(name: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", name.lower())


def _within(wanted: list[str], tokens: list[str]) -> bool:
    """Tell whether `wanted` occurs in `tokens`, in a row ("s1" is not in "s10")."""
    n = len(wanted)
    return any(tokens[i : i + n] == wanted for i in range(len(tokens) - n + 1))
