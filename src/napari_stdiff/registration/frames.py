"""Rigid and affine maps of the plane, fitted to pairs of points by least squares.

A map is a (3, 3) matrix that takes (y, x, 1) of one frame to (y, x, 1) of another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Move:
    """What a map does, in words that a user reads.

    Attributes
    ----------
    rotation
        Degrees, clockwise on the canvas (where y points down), -180 to 180.
    mirrored
        Whether it turns the section over (left and right are swapped before it is rotated).
    scale
        Linear size after over before; 1 for a rigid map.
    shift
        How far the centre of the section moves, (y, x).
    """

    rotation: float
    mirrored: bool
    scale: float
    shift: tuple[float, float]


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return (n, 2) points y, x after the map."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def about(
    degrees: float, centre: np.ndarray, to: np.ndarray | None = None, mirrored: bool = False
) -> np.ndarray:
    """Return the rigid map that turns by `degrees` about `centre` and carries that to `to`.

    Parameters
    ----------
    degrees
        Clockwise on the canvas.
    centre, to
        (2,) y, x; None leaves the centre where it is.
    mirrored
        Swap left and right first.

    Examples
    --------
    >>> import numpy as np
    >>> turn = about(90.0, np.zeros(2))
    >>> moved(np.array([[0.0, 1.0]]), turn).round(6)  # right becomes down
    array([[1., 0.]])
    """
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[c, s], [-s, c]])  # on (y, x)
    if mirrored:
        turn = turn @ np.diag([1.0, -1.0])
    return _placed(turn, centre, centre if to is None else to)


def fit_rigid(
    source: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    flip: bool = False,
) -> np.ndarray:
    """Return the rotation and translation that bring `source` nearest to `target`.

    Parameters
    ----------
    source, target
        (n, 2) matching points.
    weights
        (n,) or None for equal ones.
    flip
        Also allow a mirror image, where that fits better.
    """
    w = _normal(weights, len(source))
    a, b = w @ source, w @ target
    u, _, vt = np.linalg.svd((target - b).T @ ((source - a) * w[:, None]))
    sign = 1.0 if flip else float(np.sign(np.linalg.det(u @ vt)) or 1.0)
    return _placed(u @ np.diag([1.0, sign]) @ vt, a, b)


def fit_affine(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the affine map that brings `source` nearest to `target` (see :func:`fit_rigid`)."""
    w = np.sqrt(_normal(weights, len(source)))[:, None]
    a = source.mean(axis=0)
    design = np.column_stack([source - a, np.ones(len(source))])
    solution, *_ = np.linalg.lstsq(design * w, target * w, rcond=None)
    return _placed(solution[:2].T, a, solution[2])


def sane(matrix: np.ndarray, most: float = 1.5) -> bool:
    """Tell whether a map stretches and shrinks by at most `most` in every direction."""
    if not np.isfinite(matrix).all():
        return False
    stretch = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    return bool(stretch[0] <= most and stretch[1] >= 1 / most)


def describe(matrix: np.ndarray, centre: np.ndarray) -> Move:
    """Return what a map does to a section with this centre (y, x)."""
    u, stretch, vt = np.linalg.svd(matrix[:2, :2])
    turn = u @ vt
    mirrored = bool(np.linalg.det(turn) < 0)
    if mirrored:
        turn = turn @ np.diag([1.0, -1.0])
    angle = float(np.rad2deg(np.arctan2(turn[0, 1], turn[0, 0])))
    dy, dx = moved(centre[None], matrix)[0] - centre
    scale = float(np.sqrt(stretch[0] * stretch[1]))
    return Move(angle, mirrored, scale, (float(dy), float(dx)))


def _placed(linear: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the map with this linear part that carries the point `source` to `target`."""
    out = np.eye(3)
    out[:2, :2] = linear
    out[:2, 2] = target - linear @ source
    return out


def _normal(weights: np.ndarray | None, n: int) -> np.ndarray:
    if weights is None:
        return np.full(n, 1.0 / n)
    total = float(weights.sum())
    return weights / total if total > 0 else np.full(n, 1.0 / n)
