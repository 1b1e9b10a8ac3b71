"""A small tissue of three sections on their pictures, and virtual sections to put between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from scipy import sparse

from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.tissue import Histology, Origin, Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.session import Session, session_of

GENES = np.array(["Gad1", "Gad2", "Slc17a6", "Zero", "Tac1"])
DEPTHS = {"first": 0.0, "second": 50.0, "third": 130.0}


@pytest.fixture
def small_tissue() -> Tissue:
    """Return 3 x 40 cells with types, numbers, colours and pictures; gene "Zero" is never seen."""
    rng = np.random.default_rng(0)
    n = 40
    names, coords, pictures = [], [], {}
    for name, z in DEPTHS.items():
        plane = rng.uniform(20, 180, size=(n, 2))
        coords.append(np.column_stack([np.full(n, z), plane]))
        names += [name] * n
        image = np.full((100, 100, 3), 230, np.uint8)
        for y, x in plane:  # a black pixel below every cell; two units a pixel
            image[int(y / 2), int(x / 2)] = 0
        pictures[name] = Histology(image, np.diag([2.0, 2.0, 1.0]))
    counts = rng.poisson(3.0, size=(3 * n, len(GENES))).astype(np.float32)
    counts[:, GENES == "Zero"] = 0
    counts[0] = 0  # a cell without any count
    types = np.where(rng.random(3 * n) < 0.5, "neuron", "glia").astype(object)
    index = np.array([f"cell{i}" for i in range(3 * n)])
    obs = pd.DataFrame(
        {
            "section": names,
            "cell_type": pd.Categorical(types),
            "depth": rng.normal(size=3 * n),
            "mark": np.where(np.arange(3 * n) % 5 == 0, None, "yes"),
        },
        index=index,
    )
    return Tissue(
        expression=sparse.csr_matrix(counts),
        values="counts",
        genes=GENES,
        names=index,
        coords=np.concatenate(coords),
        unit="um",
        section=np.array(names, dtype=object),
        cell_type=types,
        colors={"cell_type": {"neuron": "#ff0000", "glia": "#0000ff"}},
        histology=pictures,
        obs=obs,
        origin=Origin(keys={"cell_type": "cell_type"}, notes=("Made for a test.",)),
    )


@pytest.fixture
def viewer(qapp: Any) -> ViewerModel:
    """Return a viewer without a window."""
    return ViewerModel()


@pytest.fixture
def session(viewer: ViewerModel, small_tissue: Tissue) -> Session:
    """Return the session of `viewer`, with the small tissue open."""
    session = session_of(viewer)
    session.set_tissue(small_tissue, None)
    return session


@pytest.fixture
def make_virtual(small_tissue: Tissue) -> Callable[..., VirtualSection]:
    """Return a function from a name and a depth to a virtual section of 30 cells."""

    def make(name: str, z: float, **changes: object) -> VirtualSection:
        rng = np.random.default_rng(1)
        coords = np.column_stack([np.full(30, z), rng.uniform(20, 180, size=(30, 2))])
        mean = rng.random((30, len(GENES))).astype(np.float32)
        section = VirtualSection(
            name,
            Query(coords, np.array(["neuron"] * 30, dtype=object)),
            Prediction(GENES, mean, 0.1 * mean),
            "um",
            RunRecord(task="interpolate", method="knn", target={"z": z, "hidden": ""}),
        )
        return replace(section, **changes)

    return make
