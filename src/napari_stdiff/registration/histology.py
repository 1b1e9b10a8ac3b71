"""Two sections brought together by their pictures: rotations by phase correlation, then refined.

Only the picture around the spots counts, so that marks on the slide and neighbouring pieces of
tissue do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..data.tissue import Histology
from .frames import about, moved, sane
from .places import Places

# Pixels along the longer side of a section, and the empty border around it as a share of that.
_SIZE, _MARGIN = 128, 0.25
_TURNS, _REFINED = 72, 4


@dataclass(frozen=True)
class _Patch:
    """A section's darkness on a square grid of the tissue frame, 0 outside the section.

    `corner` is the tissue position (y, x) of the first pixel's centre, `step` the pixel size.
    """

    image: np.ndarray
    corner: np.ndarray
    step: float

    @property
    def to_tissue(self) -> np.ndarray:
        out = np.diag([self.step, self.step, 1.0])
        out[:2, 2] = self.corner
        return out


def match_pictures(
    moving: Histology,
    fixed: Histology,
    moving_places: Places,
    fixed_places: Places,
    *,
    affine: bool = False,
    flip: bool = False,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Return the map from the tissue frame of one picture to that of another.

    Parameters
    ----------
    moving, fixed
        Pictures of two sections.
    moving_places, fixed_places
        Where the sections' spots are: only the picture there is compared.
    affine, flip
        Whether it may stretch and shear, and whether it may be mirrored.
    step
        Told how many of how many steps are done.
    """
    extent = max(float(np.ptp(p.coords, axis=0).max()) for p in (moving_places, fixed_places))
    size = extent / _SIZE
    a, b = _patch(moving, moving_places, size), _patch(fixed, fixed_places, size)
    mirrors = (False, True) if flip else (False,)
    total = _TURNS * len(mirrors) + _REFINED + 1
    tried: list[tuple[float, np.ndarray]] = []
    for mirrored in mirrors:
        for angle in np.arange(_TURNS) * 360.0 / _TURNS:
            tried.append(_shifted(a, b, angle, mirrored))
            step(len(tried), total)
    best = sorted(tried, key=lambda t: -t[0])[:_REFINED]
    finished = []
    for i, (_, matrix) in enumerate(best):
        finished.append(_refined(a, b, matrix, affine=False))
        step(len(tried) + i + 1, total)
    score, matrix = max(finished, key=lambda t: t[0])
    if affine:
        wide, stretched = _refined(a, b, matrix, affine=True)
        if wide > score and sane(stretched):
            matrix = stretched
    step(total, total)
    # from pixels of one grid to pixels of the other; then in the tissue frames
    return b.to_tissue @ matrix @ np.linalg.inv(a.to_tissue)


def _patch(picture: Histology, places: Places, size: float) -> _Patch:
    """Return the darkness of the tissue around the places, smoothed."""
    from skimage.filters import gaussian
    from skimage.transform import downscale_local_mean

    grey = np.asarray(picture.image)[..., :3].astype(np.float32).mean(axis=2)
    own = float(np.sqrt(abs(np.linalg.det(picture.to_tissue[:2, :2]))))
    factor = max(1, int(size / own))
    if factor > 1:
        grey = downscale_local_mean(grey, (factor, factor), cval=float(grey.max()))
    to_tissue = picture.to_tissue @ np.array(
        [[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1.0]]
    )
    side = round(_SIZE * (1 + 2 * _MARGIN))
    corner = (places.coords.min(axis=0) + places.coords.max(axis=0)) / 2 - size * (side - 1) / 2
    patch = _Patch(np.zeros((side, side)), corner, size)
    dark = _warped(grey, np.linalg.inv(patch.to_tissue) @ to_tissue, side, float(grey.max()))
    at = moved(np.argwhere(np.ones((side, side))).astype(float), patch.to_tissue)
    distance, _ = cKDTree(places.coords).query(at)
    inside = (np.asarray(distance) < 1.5 * places.spacing).reshape(side, side)
    values = dark[inside]
    spread = float(values.std()) or 1.0
    image = np.where(inside, 1.5 - np.clip((dark - values.mean()) / spread, -2.5, 2.5) / 2, 0.0)
    return _Patch(gaussian(image, 1.0), corner, size)


def _warped(image: np.ndarray, matrix: np.ndarray, side: int, outside: float) -> np.ndarray:
    """Return the image after a map (row, column) -> (row, column), on a square grid."""
    from scipy.ndimage import affine_transform

    back = np.linalg.inv(matrix)
    return np.asarray(
        affine_transform(
            image, back[:2, :2], back[:2, 2], (side, side), order=1, mode="constant", cval=outside
        )
    )


def _shifted(a: _Patch, b: _Patch, angle: float, mirrored: bool) -> tuple[float, np.ndarray]:
    """Return the score and the map of the best shift at one rotation."""
    from skimage.registration import phase_cross_correlation

    side = len(a.image)
    centre = np.full(2, (side - 1) / 2)
    turn = about(angle, centre, mirrored=mirrored)
    turned = _warped(a.image, turn, side, 0.0)
    shift = phase_cross_correlation(b.image, turned, normalization=None, upsample_factor=1)[0]
    place = np.eye(3)
    place[:2, 2] = shift
    matrix = place @ turn
    return _alike(a, b, matrix), matrix


def _alike(a: _Patch, b: _Patch, matrix: np.ndarray) -> float:
    """Return the correlation of the pictures over the whole grid."""
    there = _warped(a.image, matrix, len(b.image), 0.0)
    if there.std() == 0:
        return -1.0
    return float(np.corrcoef(there.ravel(), b.image.ravel())[0, 1])


def _refined(a: _Patch, b: _Patch, start: np.ndarray, *, affine: bool) -> tuple[float, np.ndarray]:
    """Return score and map after a search nearby for the highest correlation of the pictures."""
    from scipy.optimize import minimize

    side = len(a.image)
    centre = np.full(2, (side - 1) / 2)
    rim = side / 3
    n = 6 if affine else 3

    def at(move: np.ndarray) -> np.ndarray:
        if affine:
            nudge = np.eye(3)
            nudge[:2, :2] += move[2:].reshape(2, 2) / rim
            nudge[:2, 2] = centre - nudge[:2, :2] @ centre
        else:
            nudge = about(float(np.rad2deg(move[2] / rim)), centre)
        nudge[:2, 2] += move[:2]
        return nudge @ start

    def loss(move: Any) -> float:
        return -_alike(a, b, at(np.asarray(move)))

    options: Any = {
        "initial_simplex": np.vstack([np.zeros(n), 2 * np.eye(n)]),
        "maxfev": 80 * n,
        "xatol": 0.02,
        "fatol": 1e-5,
    }
    found: Any = minimize(loss, np.zeros(n), method="Nelder-Mead", options=options)
    return float(-found.fun), at(found.x)
