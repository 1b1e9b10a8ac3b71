"""Where the instances of a SpatialData element lie, with its transformation applied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError


def systems_of(element: Any) -> list[str]:
    """Return the coordinate systems that an element can be brought to."""
    from spatialdata.transformations import get_transformation

    return [str(s) for s in get_transformation(element, get_all=True)]


def axes_of(element: Any) -> tuple[str, ...]:
    """Return the axes of an element, for example ("x", "y")."""
    from spatialdata.models import get_axes_names

    return tuple(get_axes_names(element))


def centroids(element: Any, system: str, name: str) -> pd.DataFrame:
    """Return where every instance of an element lies.

    Parameters
    ----------
    element
        Points, circles, polygons or labels (single- or multiscale), 2D or 3D.
    system
        Coordinate system; the element's transformation to it is applied, its depth included.
    name
        Name of the element, for messages.

    Returns
    -------
    DataFrame
        Columns x, y, z (0 where there is no depth), indexed by instance.

    Raises
    ------
    StdiffError
        When the element is an image, or has an instance twice.
    """
    own = _intrinsic(element, name)
    if not own.index.is_unique:
        raise StdiffError(
            f"The element '{name}' has the same instance more than once, so its table cannot be "
            "matched to it; give each instance its own index."
        )
    matrix = to_xyz(element, system)
    xyz1 = np.column_stack([own[["x", "y", "z"]].to_numpy(dtype=float), np.ones(len(own))])
    return pd.DataFrame(xyz1 @ matrix[:3].T, columns=["x", "y", "z"], index=own.index)


def to_xyz(element: Any, system: str) -> np.ndarray:
    """Return the (4, 4) affine of an element to a coordinate system, axes x, y, z.

    A flat element may still be moved along z: its own z is 0 then.
    """
    from spatialdata.transformations import get_transformation

    transformation = get_transformation(element, system)
    deep = ("x", "y", "z")
    try:
        return np.asarray(transformation.to_affine_matrix(deep, deep), dtype=float)
    except ValueError:  # an affine declared on x, y alone
        out = np.eye(4)
        try:
            flat = np.asarray(transformation.to_affine_matrix(("x", "y"), deep), dtype=float)
            out[:3, [0, 1, 3]] = flat[:3]
        except ValueError:
            flat = np.asarray(transformation.to_affine_matrix(("x", "y"), ("x", "y")), dtype=float)
            out[np.ix_([0, 1], [0, 1, 3])] = flat[:2]
        return out


def is_flat_raster(element: Any) -> bool:
    """Tell whether an element is a picture or labels without a z axis."""
    from spatialdata.models import Image2DModel, Labels2DModel, get_model

    return get_model(element) in (Image2DModel, Labels2DModel)


def _intrinsic(element: Any, name: str) -> pd.DataFrame:
    """Return x, y, z of every instance in the element's own frame."""
    from dask.dataframe import DataFrame as DaskDataFrame
    from geopandas import GeoDataFrame
    from spatialdata.models import Labels2DModel, Labels3DModel, get_model

    if isinstance(element, DaskDataFrame):
        axes = [a for a in ("x", "y", "z") if a in axes_of(element)]
        out = element[axes].compute()
    elif isinstance(element, GeoDataFrame):
        points = element.geometry
        if not (points.geom_type == "Point").all():
            points = points.centroid
        held = points.get_coordinates(include_z=bool(points.has_z.any()))
        out = pd.DataFrame(held.to_numpy(), columns=list(held.columns), index=element.index)
    elif get_model(element) in (Labels2DModel, Labels3DModel):
        out = _label_centroids(element)
    else:
        raise StdiffError(
            f"The table annotates '{name}', which is an image; only points, circles, polygons "
            "and labels hold cells or spots."
        )
    out = pd.DataFrame(out).astype(float)
    return out if "z" in out else out.assign(z=0.0)


def _label_centroids(element: Any) -> pd.DataFrame:
    """Return the centroid of every label but the background, block by block.

    Blocks keep memory small where a whole slide does not fit.
    """
    from xarray import DataTree

    tree: Any = element
    array = next(iter(tree["scale0"].values())) if isinstance(element, DataTree) else element
    axes = [str(d) for d in array.dims]
    positions = {a: np.asarray(array[a].values, dtype=float) for a in axes}
    blocks = array.data
    starts = [np.cumsum([0, *sizes]) for sizes in blocks.chunks]
    parts = []
    for at in np.ndindex(*blocks.numblocks):
        block = np.asarray(blocks.blocks[at])
        ids, inverse = np.unique(block, return_inverse=True)
        inverse = inverse.reshape(block.shape)
        sums = {"count": np.bincount(inverse.ravel(), minlength=len(ids)).astype(float)}
        for d, axis in enumerate(axes):
            begin = starts[d][at[d]]
            line = positions[axis][begin : begin + block.shape[d]]
            shape = [-1 if i == d else 1 for i in range(block.ndim)]
            weights = np.broadcast_to(line.reshape(shape), block.shape).ravel()
            sums[axis] = np.bincount(inverse.ravel(), weights=weights, minlength=len(ids))
        parts.append(pd.DataFrame(sums, index=ids))
    total = pd.concat(parts).groupby(level=0).sum()
    total = total.drop(index=0, errors="ignore")
    return total[axes].div(total["count"], axis=0)
