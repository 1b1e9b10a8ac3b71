"""A virtual section and a measured tissue as elements of a SpatialData store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .tissue import Histology, Tissue
from .virtual import VirtualSection

if TYPE_CHECKING:
    from anndata import AnnData

REGION, INSTANCE = "region", "instance_id"
DISTANCE, CONFIDENCE = "distance_to_measured", "confidence"
# An image larger than this is written with smaller copies of itself, for quick zooming.
_LARGE = 4096


def result_elements(
    section: VirtualSection, name: str, system: str, tissue: Tissue | None
) -> dict[str, Any]:
    """Return the points element ``<name>_points`` and the table `name` that annotates it."""
    from anndata import AnnData
    from spatialdata.models import TableModel

    points = f"{name}_points"
    query, prediction = section.query, section.prediction
    n_cells = query.n_cells
    z, y, x = np.asarray(query.coords, float).T
    obs = pd.DataFrame(
        {
            REGION: pd.Categorical([points] * n_cells),
            INSTANCE: np.arange(n_cells),
            "section": pd.Categorical([name] * n_cells),
            "z": z,
            "generated": True,  # predicted, not measured: said beside every cell too
        },
        index=[f"{name}-{i}" for i in range(n_cells)],
    )
    if query.cell_type is not None:
        obs["cell_type"] = pd.Categorical(np.asarray(query.cell_type).astype(str))
    for column, values in ((DISTANCE, section.distance), (CONFIDENCE, section.confidence)):
        if values is not None:
            obs[column] = np.asarray(values, float)
    table = AnnData(
        np.asarray(section.values, np.float32),
        obs=obs,
        var=pd.DataFrame(index=np.asarray(prediction.genes).astype(str)),
    )
    if section.values is not prediction.mean:
        table.layers["mean"] = np.asarray(prediction.mean, np.float32)
    if prediction.std is not None:
        table.layers["std"] = np.asarray(prediction.std, np.float32)
    if prediction.draws is not None:
        for i, draw in enumerate(prediction.draws, start=1):
            table.layers[f"draw_{i}"] = np.asarray(draw, np.float32)
    table.obsm["spatial"] = np.stack([x, y], axis=1)
    table.obsm["spatial3d"] = np.stack([x, y, z], axis=1)
    if tissue is not None:
        _add_colors(table, tissue)
    return {
        points: _points(x, y, z, obs.get("cell_type"), system),
        name: TableModel.parse(table, region=points, region_key=REGION, instance_key=INSTANCE),
    }


def tissue_elements(tissue: Tissue, taken: set[str]) -> dict[str, Any]:
    """Return the measured tissue as elements: points and image a section, one table "measured".

    `taken` are names that the elements must not have.
    """
    from anndata import AnnData
    from spatialdata.models import TableModel

    from .store import free_name

    taken = set(taken)
    system = tissue.origin.coordinate_system
    elements: dict[str, Any] = {}
    region = np.empty(tissue.n_cells, object)
    instance = np.empty(tissue.n_cells, np.int64)
    for section in tissue.sections:
        rows = np.flatnonzero(tissue.section == section)
        stem = free_name(section, taken, ("_points", "_image"))
        taken |= {f"{stem}_points", f"{stem}_image"}
        z, y, x = tissue.coords[rows].T
        kind = None if tissue.cell_type is None else _labels(tissue.cell_type[rows])
        elements[f"{stem}_points"] = _points(x, y, z, kind, system)
        region[rows], instance[rows] = f"{stem}_points", np.arange(len(rows))
        if section in tissue.histology:
            elements[f"{stem}_image"] = _image(tissue.histology[section], system)
    obs = pd.DataFrame(
        {
            REGION: pd.Categorical(region),
            INSTANCE: instance,
            "section": pd.Categorical(tissue.section.astype(str), tissue.sections),
            "z": tissue.coords[:, 0],
        },
        index=tissue.names.astype(str),
    )
    if tissue.cell_type is not None:
        obs["cell_type"] = _labels(tissue.cell_type)
    if tissue.layer is not None:
        obs["layer"] = _labels(tissue.layer)
    table = AnnData(
        tissue.expression.copy(), obs=obs, var=pd.DataFrame(index=tissue.genes.astype(str))
    )
    if tissue.missing is not None:  # its X is 0 there
        table.layers["missing"] = tissue.missing.copy()
    table.obsm["spatial"] = tissue.coords[:, [2, 1]]
    table.obsm["spatial3d"] = tissue.coords[:, [2, 1, 0]]
    if tissue.unit == "um":
        table.uns["spatial_unit"] = "um"
    _add_colors(table, tissue)
    elements[free_name("measured", taken)] = TableModel.parse(
        table,
        region=list(obs[REGION].cat.categories),
        region_key=REGION,
        instance_key=INSTANCE,
    )
    return elements


def _labels(values: np.ndarray) -> Any:
    """Return labels as categories; a missing one stays missing."""
    series = pd.Series(np.asarray(values, object))
    return pd.Categorical(series.where(series.isna(), series.astype(str)))


def _points(x: np.ndarray, y: np.ndarray, z: np.ndarray, cell_type: Any, system: str) -> Any:
    """Return a points element that lies as it is in the coordinate system."""
    from spatialdata.models import PointsModel
    from spatialdata.transformations import Identity

    frame = pd.DataFrame({"x": x, "y": y, "z": z})
    if cell_type is not None:
        frame["cell_type"] = pd.Categorical(cell_type)
    return PointsModel.parse(frame, npartitions=1, transformations={system: Identity()})


def _image(picture: Histology, system: str) -> Any:
    """Return the histology as an image element with its affine."""
    import dask.array as da
    from spatialdata.models import Image2DModel
    from spatialdata.transformations import Affine

    pixels = da.moveaxis(da.asarray(picture.image), -1, 0)[:3]
    # A picture has the centre of its first pixel at 0, SpatialData has it at 0.5.
    corner = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    matrix = np.asarray(picture.to_tissue, float) @ corner
    affine = Affine(matrix, input_axes=("y", "x"), output_axes=("y", "x"))
    large = max(pixels.shape[1:]) > _LARGE
    return Image2DModel.parse(
        pixels,
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations={system: affine},
        scale_factors=[2, 2, 2] if large else None,
    )


def _add_colors(table: AnnData, tissue: Tissue) -> None:
    """Give the table's label columns the colours that the tissue has for them."""
    for column, role in (("cell_type", "cell_type"), ("layer", "layer"), ("section", "section")):
        source = tissue.origin.keys.get(role, column)
        palette = tissue.colors.get(source, tissue.colors.get(column, {}))
        if column not in table.obs or not palette:
            continue
        labels = table.obs[column].cat.categories
        if all(label in palette for label in labels):
            table.uns[f"{column}_colors"] = [palette[label] for label in labels]
