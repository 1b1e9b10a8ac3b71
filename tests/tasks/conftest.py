"""The tissue of the tests, made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from napari_stdiff.data.tissue import Tissue


@pytest.fixture(scope="session")
def tissue(make_tissue: Callable[..., Tissue]) -> Tissue:
    """Five sections 10 um apart of 150 cells, three types, eight genes, counts."""
    return make_tissue()
