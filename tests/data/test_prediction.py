"""Cells to predict are refused where no method could answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Query


@pytest.mark.parametrize(
    ("coords", "types", "message"),
    [
        (np.zeros((4, 2)), None, r"\(cells, 3\) of z, y, x \(got shape \(4, 2\)\)"),
        ([[1.0, 2.0, 3.0]], None, "need an array"),
        (np.array([[1.0, np.nan, 3.0]]), None, "NaN or infinite"),
        (np.array([[1.0, 1e200, 3.0]]), None, "too far to compute with"),
        (np.zeros((1, 3)), np.array(["a", "b"]), "1 cells to predict and 2 cell types"),
    ],
)
def test_unusable_cells_get_one_sentence(coords: Any, types: Any, message: str) -> None:
    with pytest.raises(StdiffError, match=message):
        Query(coords, types)


def test_no_cells_are_a_query_too() -> None:
    assert Query(np.empty((0, 3))).n_cells == 0
