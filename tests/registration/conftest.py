"""Two sections of one made-up tissue, whose right answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue

# Bumps of expression without any symmetry: (y, x, width).
BUMPS = [(20, 30, 18), (70, 15, 12), (45, 80, 20), (85, 75, 10), (10, 75, 14), (60, 45, 9)]


@pytest.fixture(scope="session")
def blobs(make_tissue: Callable[..., Tissue]) -> Callable[..., Tissue]:
    """Return a maker of tissue in which every gene is a bump that all sections share."""

    def make(
        sections: int = 2, n: int = 220, seed: int = 0, depth: tuple[float, ...] = ()
    ) -> Tissue:
        tissue = make_tissue(sections, n, seed)
        y, x = tissue.coords[:, 1], tissue.coords[:, 2]
        keep = ((y - 50) / 50) ** 2 + ((x - 48) / 42) ** 2 < 1  # an oval
        level = np.column_stack(
            [6 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * w**2)) for a, b, w in BUMPS]
        )
        level = np.column_stack([level, np.full((len(y), 2), 3.0)])
        for i, factor in enumerate(depth):
            level[tissue.section == f"s{i}"] *= factor
        counts = np.random.default_rng(seed + 1).poisson(level).astype(np.float32)
        fields = {**tissue.__dict__, "expression": counts}
        return Tissue(**fields).rows(keep)

    return make
