"""Histology: an RGB picture a section, and where its pixels lie in the tissue."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tissue import Histology


def as_rgb(image: Any) -> Any:
    """Return an image as (y, x, 3) uint8; a dask array stays lazy.

    Parameters
    ----------
    image
        (y, x) or (y, x, channels) numpy or dask array: 3 or 4 channels are red, green, blue
        (alpha is left out), otherwise the first channel is shown in grey. Floating point is taken
        to run from 0 to 1, other types from 0 to their largest value.
    """
    if image.ndim == 2:
        image = image[..., None]
    image = image[..., :3] if image.shape[-1] in (3, 4) else image[..., [0, 0, 0]]
    if image.dtype == np.uint8:
        return image
    top = image.max()
    # maximum through the array's own protocol keeps dask lazy
    top = np.maximum(top, 1.0 if np.issubdtype(image.dtype, np.floating) else 1)
    scaled = image / top * 255
    return scaled.clip(0, 255).round().astype(np.uint8)


def inside(histology: Histology, xy: np.ndarray) -> float:
    """Return the share of points (x, y) that lie within the picture."""
    if not len(xy):
        return 0.0
    pixel = np.linalg.inv(histology.to_tissue) @ np.vstack([xy[:, 1], xy[:, 0], np.ones(len(xy))])
    rows, columns = histology.image.shape[:2]
    ok = (pixel[0] >= -1) & (pixel[0] <= rows) & (pixel[1] >= -1) & (pixel[1] <= columns)
    return float(ok.mean())


def carry_over(
    histology: Histology, before: np.ndarray, after: np.ndarray, tolerance: float = 0.02
) -> Histology | None:
    """Move a picture along with its spots, or return None when no affine map does.

    Parameters
    ----------
    histology
        The picture in the frame of `before`.
    before, after
        (spots, 2) x, y of the same spots in the picture's frame and in the tissue's.
    tolerance
        Largest root mean square error of the affine fit, as a share of the extent of `after`.
    """
    if np.allclose(before, after):
        return histology
    if len(before) < 4:
        return None
    design = np.column_stack([before[:, ::-1], np.ones(len(before))])
    solution, _, rank, _ = np.linalg.lstsq(design, after[:, ::-1], rcond=None)
    error = np.sqrt(np.mean((design @ solution - after[:, ::-1]) ** 2))
    if rank < 3 or error > tolerance * float(np.ptp(after, axis=0).max()):
        return None
    affine = np.eye(3)
    affine[:2] = solution.T
    return Histology(histology.image, affine @ histology.to_tissue)
