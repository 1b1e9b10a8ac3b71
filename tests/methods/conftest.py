"""A small tissue made by hand: layered, typed, noisy, in a few sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_stdiff.data.tissue import Tissue


@pytest.fixture(scope="session")
def make_tissue() -> Callable[..., Tissue]:
    """Return a maker of tissue: `sections` of `n` cells 10 um apart, 3 types, 8 genes, counts."""

    def make(sections: int = 5, n: int = 150, seed: int = 0, **changes: Any) -> Tissue:
        rng = np.random.default_rng(seed)
        total = sections * n
        z = np.repeat(np.arange(sections) * 10.0, n)
        coords = np.column_stack([z, rng.uniform(0, 100, (total, 2))])
        kind = np.array(["glia", "neuron", "vessel"], dtype=object)[rng.integers(0, 3, total)]
        level = np.column_stack(
            [3 * np.exp(-(((coords[:, 1] + z - 15 * g) / 25) ** 2)) for g in range(5)]
            + [4.0 * (kind == name) for name in ("glia", "neuron", "vessel")]
        )
        counts = rng.poisson(level * rng.lognormal(0.5, 0.2, (total, 1)) + 0.1)
        names = np.array([f"cell{i}" for i in range(total)])
        values: dict[str, Any] = {
            "expression": sparse.csr_matrix(counts.astype(np.float32)),
            "values": "counts",
            "genes": np.array([f"gene{g}" for g in range(8)]),
            "names": names,
            "coords": coords,
            "unit": "um",
            "section": np.repeat([f"s{i}" for i in range(sections)], n),
            "cell_type": kind,
            "obs": pd.DataFrame(index=names),
        }
        return Tissue(**{**values, **changes})

    return make
