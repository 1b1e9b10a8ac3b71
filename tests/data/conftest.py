"""Small tissues to read, made by hand so that every right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse


@pytest.fixture
def make_adata() -> Callable[..., AnnData]:
    """Return a maker of AnnData with 3 sections of 8 cells on a 4 x 2 grid, counts, 5 genes."""

    def make(obs: dict[str, Any] | None = None, **changes: Any) -> AnnData:
        rng = np.random.default_rng(0)
        n = 24
        frame = pd.DataFrame(
            {
                "slice": pd.Categorical(np.repeat(["s1", "s2", "s10"], 8)),
                "cell_type": pd.Categorical(np.tile(["neuron", "glia"], 12)),
                "n_counts": rng.random(n),
            },
            index=[f"cell{i}" for i in range(n)],
        )
        for key, value in (obs or {}).items():
            if value is None:
                del frame[key]
            else:
                frame[key] = value
        grid = np.stack(np.meshgrid(np.arange(4) * 10.0, np.arange(2) * 10.0), -1).reshape(-1, 2)
        adata = AnnData(
            sparse.csr_matrix(rng.poisson(1.0, (n, 5)).astype(np.float32)),
            obs=frame,
            var=pd.DataFrame(index=[f"g{i}" for i in range(5)]),
            obsm={"spatial": np.tile(grid, (3, 1))},
        )
        for key, value in changes.items():
            setattr(adata, key, value)
        return adata

    return make


@pytest.fixture
def make_sdata() -> Callable[..., Any]:
    """Return a maker of SpatialData: elements by name, and a table over all of their instances.

    The table's rows are shuffled, so that a reader which trusts their order is wrong. Gene "id"
    holds the instance, by which a test finds each row's true place again.
    """

    def make(
        elements: dict[str, Any],
        instances: dict[str, list[int]],
        obs: dict[str, dict[int, Any]] | None = None,
        images: dict[str, Any] | None = None,
    ) -> Any:
        from spatialdata import SpatialData
        from spatialdata.models import TableModel

        rows = [(name, i) for name, ids in instances.items() for i in ids]
        order = np.random.default_rng(1).permutation(len(rows))
        rows = [rows[i] for i in order]
        frame = pd.DataFrame(
            {
                "region": pd.Categorical([r for r, _ in rows]),
                "instance_id": [i for _, i in rows],
            },
            index=[f"{r}-{i}" for r, i in rows],
        )
        for key, of in (obs or {}).items():
            frame[key] = [of[i] for _, i in rows]
        x = np.array([[i, 1.0] for _, i in rows], dtype=np.float32)
        table = TableModel.parse(
            AnnData(x, obs=frame, var=pd.DataFrame(index=["id", "one"])),
            region=list(instances),
            region_key="region",
            instance_key="instance_id",
        )
        return SpatialData.init_from_elements({**elements, **(images or {}), "table": table})

    return make
