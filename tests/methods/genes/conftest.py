from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.data.panel import Panel

MakePanel = Callable[..., Panel]


def _panel(
    shared: int = 24,
    wanted: int = 4,
    cells: int = 260,
    reference_cells: int = 300,
    seed: int = 0,
    sections: int = 2,
) -> Panel:
    """Return counts of 5 cell types that lie in bands of y, sequenced at different depths."""
    rng = np.random.default_rng(seed)
    profile = rng.gamma(0.6, 2.0, (5, shared + wanted))
    coords = np.c_[np.zeros(cells), rng.random((cells, 2)) * 100]
    kind = np.clip((coords[:, 1] / 20).astype(int), 0, 4)
    donor = rng.integers(0, 5, reference_cells)
    brightness = rng.gamma(4, 0.25, shared)
    tissue = rng.poisson(profile[kind][:, :shared] * brightness)
    reference = rng.poisson(profile[donor] * rng.gamma(5, 0.3, (reference_cells, 1)))
    return Panel(
        genes=np.array([f"G{i}" for i in range(shared)], dtype=object),
        wanted=np.array([f"W{i}" for i in range(wanted)], dtype=object),
        tissue_raw=tissue.astype(np.float32),
        reference_raw=sparse.csr_matrix(reference.astype(np.float32)),
        tissue_values="counts",
        reference_values="counts",
        coords=coords,
        section=np.array([f"s{i % sections}" for i in range(cells)], dtype=object),
        tissue_name="bands",
        reference_name="donors",
    )


@pytest.fixture(scope="session")
def make_panel() -> MakePanel:
    return _panel
