"""Two sections matched by fused Gromov-Wasserstein transport, from many starting rotations.

Transport matches places that look alike and keep their distances. It finds a local optimum only,
so the best of several rotations is taken, and the match is then refined in place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from .frames import about, fit_affine, fit_rigid, moved, sane
from .places import Places
from .quality import agreement, better, neighbour_correlation

# Candidates that go through transport; the others are only refined.
_TRANSPORTED = 3
# Weight of looking alike against lying near, and the share of places without a counterpart.
_SHARPNESS, _OUTLIERS = 0.3, 0.1


@dataclass(frozen=True)
class Pose:
    """Where a section may lie.

    Attributes
    ----------
    matrix
        Map into the frame of the other section.
    score
        Neighbour correlation there.
    """

    matrix: np.ndarray
    score: float


def match(
    moving: Places,
    fixed: Places,
    *,
    affine: bool = False,
    flip: bool = False,
    alpha: float = 0.1,
    starts: int = 24,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Pose:
    """Return where `moving` lies best on `fixed`.

    Parameters
    ----------
    moving, fixed
        Two sections on shared expression axes.
    affine, flip
        Whether it may stretch and shear, and whether it may be mirrored.
    alpha
        Weight of distances against expression in the transport, 0 to 1.
    starts
        Rotations to start from.
    step
        Told how many of how many steps are done.
    """
    mirrors = (False, True) if flip else (False,)
    total = starts * len(mirrors) + _TRANSPORTED * len(mirrors) + 1
    poses: list[Pose] = []
    done = 0
    for mirrored in mirrors:
        tried = []
        for angle in np.arange(starts) * 360.0 / starts:
            start = about(angle, moving.centre, fixed.centre, mirrored)
            tried.append(_refined(moving, fixed, start, widths=(6.0, 4.0), passes=3))
            done += 1
            step(done, total)
        poses += tried
        for pose in distinct(tried, moving)[:_TRANSPORTED]:
            start = transported(moving, fixed, pose.matrix, alpha, flip=mirrored)
            poses.append(_refined(moving, fixed, start))
            done += 1
            step(done, total)
    poses.append(_refined(moving, fixed, np.eye(3)))
    finished = [_refined(moving, fixed, pose.matrix) for pose in distinct(poses, moving)[:4]]
    best = max([*poses, *finished], key=lambda p: p.score)
    best = polished(moving, fixed, best)
    if affine:
        wide = _refined(moving, fixed, best.matrix, widths=(2.0, 1.5, 1.0), affine=True)
        wide = polished(moving, fixed, wide, affine=True)
        # a stretch has to earn its place: squeezing a section a little nearly always scores more
        gained = agreement(moving, fixed, wide.matrix), agreement(moving, fixed, best.matrix)
        if sane(wide.matrix) and better(*gained):
            best = wide
    step(total, total)
    return best


def transported(
    moving: Places, fixed: Places, start: np.ndarray, alpha: float, *, flip: bool
) -> np.ndarray:
    """Return the rigid map that fused Gromov-Wasserstein transport gives from a start.

    The plan starts from the transport between places as they lie at `start`.
    """
    import ot

    a, b = moved(moving.coords, start), fixed.coords
    unlike = 1.0 - moving.features @ fixed.features.T
    far_a, far_b = cdist(a, a), cdist(b, b)
    size = float(max(far_a.mean(), far_b.mean()))
    p, q = ot.unif(len(a)), ot.unif(len(b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an iteration limit: a start is all that is needed
        begin = ot.emd(p, q, unlike + 4 * (cdist(a, b) / size) ** 2)
        plan = ot.gromov.fused_gromov_wasserstein(
            unlike,
            far_a / size,
            far_b / size,
            p,
            q,
            loss_fun="square_loss",
            alpha=alpha,
            G0=begin,
            max_iter=50,
            tol_rel=1e-5,
        )
    rows, columns = np.nonzero(plan)
    return fit_rigid(
        moving.coords[rows], fixed.coords[columns], np.asarray(plan[rows, columns]), flip=flip
    )


def distinct(poses: list[Pose], moving: Places) -> list[Pose]:
    """Return poses, best first, without those that are nearly a better one."""
    kept: list[Pose] = []
    for pose in sorted(poses, key=lambda p: -p.score):
        there = moved(moving.coords, pose.matrix)
        near = 2 * moving.spacing
        if all(np.abs(there - moved(moving.coords, k.matrix)).mean() > near for k in kept):
            kept.append(pose)
    return kept


def polished(moving: Places, fixed: Places, pose: Pose, affine: bool = False) -> Pose:
    """Return the pose after a search nearby for the highest neighbour correlation itself."""
    from scipy.optimize import minimize

    centre = moving.centre
    reach = float(np.sqrt(((moving.coords - centre) ** 2).sum(axis=1).mean()))
    n = 6 if affine else 3

    def at(step: np.ndarray) -> np.ndarray:
        # steps are in spacings at the rim, so that all of them are of one size
        unit = fixed.spacing
        if affine:
            change = np.eye(2) + step[2:].reshape(2, 2) * unit / reach
            nudge = np.eye(3)
            nudge[:2, :2] = change
        else:
            nudge = about(float(np.rad2deg(step[2] * unit / reach)), np.zeros(2))
        back, forth = np.eye(3), np.eye(3)
        middle = moved(centre[None], pose.matrix)[0]
        back[:2, 2] = -middle
        forth[:2, 2] = middle + step[:2] * unit
        return forth @ nudge @ back @ pose.matrix

    simplex = np.vstack([np.zeros(n), np.eye(n) * 0.7])
    options: Any = {"initial_simplex": simplex, "maxfev": 60 * n, "xatol": 0.02, "fatol": 1e-5}

    def loss(step: Any) -> float:
        return -neighbour_correlation(moving, fixed, at(np.asarray(step)))

    found: Any = minimize(loss, np.zeros(n), method="Nelder-Mead", options=options)
    return Pose(at(found.x), float(-found.fun)) if -found.fun > pose.score else pose


def _refined(
    moving: Places,
    fixed: Places,
    start: np.ndarray,
    *,
    widths: tuple[float, ...] = (4.0, 3.0, 2.0, 1.5, 1.0),
    passes: int = 4,
    affine: bool = False,
) -> Pose:
    """Return the pose after matching each place softly to what lies near and looks alike.

    The neighbourhood narrows from the first to the last of `widths` (in spacings). Places
    without a counterpart count less, so that sections need not overlap whole.
    """
    # in single precision and in spacings: most of the time of a run is spent here
    unit, centre = fixed.spacing, fixed.centre
    target = ((fixed.coords - centre) / unit).astype(np.float32)
    likeness = moving.features.astype(np.float32) @ fixed.features.T.astype(np.float32)
    likeness /= np.float32(_SHARPNESS)
    norm = (target**2).sum(axis=1)
    matrix = start
    flip = bool(np.linalg.det(start[:2, :2]) < 0)
    for width in widths:
        reach = np.float32(2 * width**2)
        for _ in range(passes):
            here = ((moved(moving.coords, matrix) - centre) / unit).astype(np.float32)
            squared = (here**2).sum(axis=1)[:, None] + norm - 2 * (here @ target.T)
            squared /= -reach
            squared += likeness
            plan = np.exp(squared, out=squared)
            total = plan.sum(axis=1)
            weight = (total / (total + _OUTLIERS * np.median(total) + 1e-12)).astype(float)
            mean = (plan @ target) / np.maximum(total, 1e-30)[:, None]
            onto = mean.astype(float) * unit + centre
            if affine:
                new = fit_affine(moving.coords, onto, weight)
                if not sane(new):
                    break
            else:
                new = fit_rigid(moving.coords, onto, weight, flip=flip)
            matrix = new
    return Pose(matrix, neighbour_correlation(moving, fixed, matrix))
