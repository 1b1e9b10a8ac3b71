"""A model is refused for data it was not fitted on, in a sentence that names them."""

from __future__ import annotations

from typing import Any

import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.methods.ties import refuse_other

KEPT: dict[str, Any] = {
    "genes": ["A", "B"],
    "tissue": "t1",
    "reference": "r1",
    "tissue_name": "cortex",
    "reference_name": "cells",
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tissue": "t2", "tissue_name": "heart"}, "on the tissue 'cortex', not 'heart'"),
        ({"reference": "r2", "reference_name": "mice"}, "on the reference 'cells', not 'mice'"),
        ({"tissue": "t2"}, "tissue 'cortex' holds other values or cells"),
        ({"reference": "r2"}, "reference 'cells' holds other values or cells"),
        ({"reference": "", "reference_name": ""}, "fitted with a reference, and none is given"),
        ({"genes": ["A", "C"]}, "other genes \\(differing: 'B', 'C'\\)"),
        ({"genes": ["B", "A"]}, "differing: their order"),
        ({"genes": list("ABCDEFGH")}, "'C', 'D', 'E', 'F' and 2 more"),
    ],
)
def test_other_data_are_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(StdiffError, match=match):
        refuse_other(KEPT, KEPT | change)


def test_a_reference_is_refused_where_there_was_none() -> None:
    without = KEPT | {"reference": "", "reference_name": ""}
    with pytest.raises(StdiffError, match="without a reference, and one is given"):
        refuse_other(without, KEPT)


def test_another_name_of_the_same_data_is_taken() -> None:
    refuse_other(KEPT, KEPT | {"tissue_name": "copy"})
