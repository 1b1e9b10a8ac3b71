"""The picture of a simulated section: stains mixed as light passes them, nuclei, fibres."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from .simulate_anatomy import Anatomy

# How strongly haematoxylin and eosin absorb red, green and blue (optical density).
_HAEMATOXYLIN = np.array([0.62, 0.72, 0.30])
_EOSIN = np.array([0.10, 0.88, 0.34])
# By layer: eosin (neuropil), how fibrous it looks.
_PINK = np.array([0.27, 0.31, 0.33, 0.36, 0.52, 0.22])
_FIBROUS = np.array([0.02, 0.02, 0.03, 0.05, 0.16, 0.04])
# By type: radius relative to the common one, darkness of the nucleus, pinkness of the soma.
_SIZE = np.array([1.05, 0.95, 1.25, 1.0, 1.15, 0.85, 0.72, 0.75])
_DARK = np.array([0.62, 0.68, 0.55, 0.72, 0.62, 0.75, 1.15, 1.05])
_SOMA = np.array([0.16, 0.12, 0.26, 0.18, 0.20, 0.03, 0.02, 0.02])


def render(
    anatomy: Anatomy,
    z: float,
    cells: np.ndarray,
    types: np.ndarray,
    radius: float,
    pixels: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the section at `z` as a microscope would show it.

    Parameters
    ----------
    anatomy
        Shape of the tissue.
    z
        Depth of the section, in um.
    cells
        (cells, 2) x, y in um.
    types
        (cells,) index of the cell type.
    radius
        Radius of a common cell, in um.
    pixels
        Width of the image; the height follows from the field of view.
    rng
        Source of all chance.

    Returns
    -------
    image : ndarray
        (y, x, 3) uint8.
    labels : ndarray
        (y, x) int32; 0 outside cells, i + 1 in cell i.
    """
    step = anatomy.width / pixels
    rows = round(anatomy.height / step)
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * step, (np.arange(pixels) + 0.5) * step, indexing="ij"
    )
    edge = 1 / (1 + np.exp(np.clip((anatomy.outline(x, y, z) - 1) / 0.025, -40, 40)))
    layer = anatomy.layer(x, y, z)
    depth = anatomy.depth(x, y, z)

    # Neuropil: pink by layer, cloudy, with fibres that run along the layers in white matter.
    soft = 6 / step
    eosin = gaussian_filter(_PINK[layer], soft)
    fibrous = gaussian_filter(_FIBROUS[layer], soft)
    # A thin capsule around the nucleus.
    shell = np.sqrt(np.maximum(anatomy.nucleus(x, y, z), 0))
    eosin += 0.10 * np.exp(-(((shell - 1.0) / 0.05) ** 2))
    eosin += 0.09 * _cloud(rng, x.shape, 60 / step) * eosin
    eosin += 0.14 * _cloud(rng, x.shape, 3.5 / step) * eosin
    warp = 2.5 * _cloud(rng, x.shape, 40 / step)
    eosin += fibrous * np.sin(2 * np.pi * depth * 38 + warp) * _cloud_mask(rng, x.shape, 18 / step)
    haem = 0.035 + 0.012 * _cloud(rng, x.shape, 4 / step)

    nearest, inside, far = _cells_of(x, y, cells, types, radius, rng)
    dark = _DARK[types] * rng.normal(1, 0.12, len(types))
    body = 1 / (1 + np.exp(np.clip((far - 1.0) / 0.16, -40, 40)))
    core = 1 / (1 + np.exp(np.clip((far - 0.70) / 0.08, -40, 40)))
    chromatin = 1 + 0.30 * _cloud(rng, x.shape, 1.2 / step)
    haem = haem + core * dark[nearest] * chromatin * 1.25
    eosin = eosin + body * _SOMA[types][nearest]
    # A thin pale cleft around cells, as fixation leaves it.
    eosin *= 1 - 0.35 * np.exp(-(((far - 1.25) / 0.16) ** 2))

    # Vessels: a pale lumen with a pink wall.
    vessel = anatomy.to_vessel(x, y, z) + 1.1 * _cloud(rng, x.shape, 9 / step)
    eosin += 0.16 * np.exp(-(((vessel - 5.0) / 1.8) ** 2))
    lumen = 1 / (1 + np.exp(np.clip((vessel - 2.6) / 0.7, -40, 40)))
    eosin *= 1 - 0.75 * lumen
    haem = haem * (1 - 0.8 * lumen)

    density = (edge * np.maximum(haem, 0))[..., None] * _HAEMATOXYLIN
    density = density + (edge * np.maximum(eosin, 0))[..., None] * _EOSIN
    light = np.array([243.0, 241.0, 244.0]) * np.exp(-1.15 * density)
    light += rng.normal(0, 1.6, light.shape)
    image = np.clip(light, 0, 255).astype(np.uint8)
    labels = np.where(inside & (edge > 0.3), nearest + 1, 0).astype(np.int32)
    return image, labels


def _cells_of(
    x: np.ndarray,
    y: np.ndarray,
    cells: np.ndarray,
    types: np.ndarray,
    radius: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each pixel the nearest cell, whether it lies in it, and the relative distance."""
    found = cKDTree(cells).query(np.stack([x.ravel(), y.ravel()], axis=1))[1]
    nearest = np.asarray(found).reshape(x.shape)
    size = radius * _SIZE[types] * rng.normal(1, 0.10, len(types)).clip(0.7, 1.3)
    flat = rng.uniform(0.72, 1.0, len(types))
    turn = rng.uniform(0, np.pi, len(types))
    dx, dy = x - cells[nearest, 0], y - cells[nearest, 1]
    c, s = np.cos(turn)[nearest], np.sin(turn)[nearest]
    along, across = dx * c + dy * s, dy * c - dx * s
    far = np.hypot(along, across / flat[nearest]) / size[nearest]
    return nearest, far < 1, far


def _cloud(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Return smooth noise of standard deviation 1."""
    noise = gaussian_filter(rng.normal(size=shape), max(sigma, 0.3), mode="wrap")
    return np.asarray(noise / noise.std())


def _cloud_mask(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Return smooth noise between 0.3 and 1, so that fibres come in bundles."""
    return np.asarray(0.3 + 0.7 / (1 + np.exp(-2 * _cloud(rng, shape, sigma))))
