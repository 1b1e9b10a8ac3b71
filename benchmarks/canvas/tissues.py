"""Synthetic stores of any size: circles in five sections, and cells segmented as labels."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from spatialdata import SpatialData
from spatialdata.models import Labels2DModel, ShapesModel, TableModel

SECTIONS = 5
GENES = 300
EXPRESSED = 30  # genes a cell
PIXELS = 6  # a side of a cell
ELEMENT = "cells"


def counts(cells: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return (cells, GENES) counts, each cell with EXPRESSED of them."""
    width = GENES // EXPRESSED
    columns = rng.integers(0, width, (cells, EXPRESSED)) + width * np.arange(EXPRESSED)
    values = (rng.poisson(2, cells * EXPRESSED) + 1).astype(np.float32)
    starts = np.arange(0, cells * EXPRESSED + 1, EXPRESSED)
    return sparse.csr_matrix(
        (values, columns.ravel().astype(np.int32), starts), shape=(cells, GENES)
    )


def _annotated(obs: pd.DataFrame, rng: np.random.Generator) -> AnnData:
    obs["region"] = pd.Categorical([ELEMENT] * len(obs))
    var = pd.DataFrame(index=[f"gene{i}" for i in range(GENES)])
    table = AnnData(counts(len(obs), rng), obs=obs, var=var)
    return TableModel.parse(table, region=ELEMENT, region_key="region", instance_key="instance_id")


def circles(cells: int, seed: int = 0) -> SpatialData:
    """Return one element of circles with a depth, and a sparse table that annotates it."""
    rng = np.random.default_rng(seed)
    section = np.arange(cells) % SECTIONS
    side = 10.0 * np.sqrt(cells / SECTIONS)
    x, y = rng.uniform(0, side, (2, cells))
    z = section * side / 5
    frame = gpd.GeoDataFrame(
        {"radius": np.full(cells, 4.0), "z": z}, geometry=gpd.points_from_xy(x, y)
    )
    obs = pd.DataFrame(
        {
            "section": pd.Categorical([f"section{i}" for i in section]),
            "z": z,
            "instance_id": np.arange(cells),
        },
        index=np.arange(cells).astype(str),
    )
    return SpatialData(
        shapes={ELEMENT: ShapesModel.parse(frame)}, tables={"table": _annotated(obs, rng)}
    )


def labels(cells: int, seed: int = 0) -> SpatialData:
    """Return one flat labels element of round cells on a grid, and its sparse table."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(cells)))
    row, column = np.divmod(np.arange(side * PIXELS), PIXELS)
    own = row[:, None] * side + row + 1
    middle = (PIXELS - 1) / 2
    inside = (column[:, None] - middle) ** 2 + (column - middle) ** 2 < (PIXELS / 2) ** 2
    image = np.where(inside & (own <= cells), own, 0).astype(np.int32)
    obs = pd.DataFrame(
        {"instance_id": np.arange(1, cells + 1)}, index=np.arange(cells).astype(str)
    )
    element = Labels2DModel.parse(image, dims=("y", "x"))
    return SpatialData(labels={ELEMENT: element}, tables={"table": _annotated(obs, rng)})
