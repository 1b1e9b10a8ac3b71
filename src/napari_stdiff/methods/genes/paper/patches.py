"""Spots in groups of neighbours, as the tokens of a gene."""

from __future__ import annotations

import numpy as np

PATCHES = 8


def patch_order(coords: np.ndarray) -> np.ndarray:
    """Return the (cells,) order in which each eighth of the cells is one patch of neighbours.

    Cells are halved three times along the axis on which they are spread furthest.

    Parameters
    ----------
    coords
        (cells, 3) z, y, x.
    """
    parts = [np.arange(len(coords))]
    size = -(-len(coords) // PATCHES)
    for level in range(1, PATCHES.bit_length()):
        share = size * (PATCHES >> level)
        halves: list[np.ndarray] = []
        for part in parts:
            where = coords[part]
            axis = int(np.ptp(where, axis=0).argmax()) if len(part) else 0
            ranked = part[np.argsort(where[:, axis], kind="stable")]
            halves += [ranked[:share], ranked[share:]]
        parts = halves
    return np.concatenate(parts)
