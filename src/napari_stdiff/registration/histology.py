"""Two sections brought together by their pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..compute.errors import StdiffError
from ..data.tissue import Histology
from .places import Places


def match_pictures(
    moving: Histology,
    fixed: Histology,
    moving_places: Places,
    fixed_places: Places,
    *,
    affine: bool = False,
    flip: bool = False,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Return the map from the tissue frame of one picture to that of another."""
    raise StdiffError("Aligning by histology is not there yet; align by expression or landmarks.")
