"""A small tissue, as the methods' tests have it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.data.tissue import Tissue


@pytest.fixture(scope="session")
def tissue() -> Tissue:
    """Five sections 10 um apart of 150 cells, three types, eight genes, counts."""
    rng = np.random.default_rng(0)
    sections, n = 5, 150
    z = np.repeat(np.arange(sections) * 10.0, n)
    coords = np.column_stack([z, rng.uniform(0, 100, (sections * n, 2))])
    kind = np.array(["glia", "neuron", "vessel"], dtype=object)[rng.integers(0, 3, len(z))]
    level = 1 + 4 * (np.arange(8)[None, :] % 3 == np.unique(kind, return_inverse=True)[1][:, None])
    level = level * (1 + coords[:, 1:2] / 50)
    return Tissue(
        expression=sparse.csr_matrix(rng.poisson(level).astype(np.float32)),
        values="counts",
        genes=np.array([f"gene{g}" for g in range(8)]),
        names=np.array([f"cell{i}" for i in range(len(z))]),
        coords=coords,
        unit="um",
        section=np.repeat([f"s{i}" for i in range(sections)], n),
        cell_type=kind,
    )
