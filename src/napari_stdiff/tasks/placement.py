"""Where the cells of a virtual section are, and of which type, when nobody has measured them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from ..compute.errors import StdiffError
from ..data.checks import check_reach
from ..data.prediction import Query
from ..data.tissue import Tissue
from ..methods.files import known_labels
from ..methods.flanks import flanking_sections, label_codes
from .config import InterpolateConfig
from .lines import Lines

_LEAF = 1500  # cells that are matched at once; an assignment grows with the cube
FARTHEST = 3  # spacings beyond the stack
_MOST = 2_000_000  # points of a grid; more is a step in the wrong unit


def parents(tissue: Tissue, z: float, extrapolate: bool = False) -> tuple[str, str, float]:
    """Return the sections below and above depth `z`, and lambda = (z - z1) / (z2 - z1).

    With `extrapolate`, beyond the stack: the two sections nearest to that end, and a lambda below
    0 or above 1.

    Raises
    ------
    StdiffError
        When `z` is not between two measured sections, or farther beyond them than allowed.
    """
    depth = tissue.section_z
    low, high = min(depth.values()), max(depth.values())
    if not low < high:
        raise StdiffError(
            f"All sections are at z = {low:g} {tissue.unit}, so nothing is between them; name "
            "another z column, or 'none' and a spacing (z key, spacing)."
        )
    if low < z < high:
        first, second = flanking_sections(depth, z)
    elif not extrapolate:
        raise StdiffError(
            f"There is no measured section on both sides of z = {z:g} {tissue.unit}; choose a "
            f"depth between {low:g} and {high:g} {tissue.unit}, or allow going beyond the stack "
            "(extrapolate)."
        )
    else:
        first, second = _end(tissue, z, depth, low, high)
    return first, second, (z - depth[first]) / (depth[second] - depth[first])


def _end(
    tissue: Tissue, z: float, depth: dict[str, float], low: float, high: float
) -> tuple[str, str]:
    """Return the two sections at the end of the stack that `z` lies beyond, by depth."""
    most = FARTHEST * spacing_of(tissue)
    beyond = max(low - z, z - high)
    if beyond > most * (1 + 1e-9):
        raise StdiffError(
            f"z = {z:g} lies {beyond:g} {tissue.unit} beyond the stack, and nothing is predicted "
            f"beyond {FARTHEST} spacings; choose a depth between {low - most:g} and "
            f"{high + most:g} {tissue.unit}."
        )
    names = tissue.sections
    if z <= low:
        last = names[0]
        return last, next(s for s in names if depth[s] > low)
    last = names[-1]
    return next(s for s in reversed(names) if depth[s] < high), last


def spacing_of(tissue: Tissue) -> float:
    """Return the median distance between neighbouring sections; 1 where there is none."""
    depths = np.unique(list(tissue.section_z.values()))
    return float(np.median(np.diff(depths))) if len(depths) > 1 else 1.0


def measured_at(depths: Mapping[str, float], z: float, near: float = 0.01) -> str:
    """Return the measured section at depth `z`, or "" where there is none.

    Parameters
    ----------
    depths
        Section name -> its depth.
    z
        Depth; beyond the ends it counts as at the end.
    near
        How far away it still counts, as a share of the gap that `z` lies in.
    """
    low, high = min(depths.values()), max(depths.values())
    name = min(depths, key=lambda s: abs(depths[s] - z))
    if not low < z < high:
        return name
    below = max(v for v in depths.values() if v <= z)
    above = min(v for v in depths.values() if v > z)
    return name if abs(depths[name] - z) <= near * (above - below) else ""


def place(tissue: Tissue, z: float, config: InterpolateConfig) -> Query:
    """Make up the cells of a section at depth `z` from its two measured neighbours.

    Parameters
    ----------
    tissue
        The measured sections.
    z
        Depth, in the tissue's unit.
    config
        ``cells`` says how ("auto" is "transport", and "nearest" beyond the stack, where transport
        goes on moving the cells of the last section as they moved to it), ``grid_step`` and
        ``seed`` are used.

    Returns
    -------
    Query
        Positions and, where the tissue has them, types. Their number follows lambda.

    Raises
    ------
    StdiffError
        When `z` is not between two measured sections, or too far beyond them.
    """
    first, second, weight = parents(tissue, z, config.extrapolate)
    inside = min(max(weight, 0.0), 1.0)
    types = tuple(known_labels(tissue.cell_type))
    sides = [side_of(tissue, name, types) for name in (first, second)]
    rng = np.random.default_rng([config.seed, 11])
    if config.cells == "nearest" or (config.cells == "auto" and inside != weight):
        yx, code = sides[int(weight > 0.5)]
    elif config.cells == "grid":
        yx, code = _grid(sides, inside, config.grid_step, rng)
    elif config.cells == "lines":
        lines = Lines.between(sides[0], sides[1], config.seed)
        there = lines.there(inside)
        yx, code = lines.at(weight)[there], lines.code[there]
    else:
        yx, code = _transport(sides, weight, rng)
    coords = np.column_stack([np.full(len(yx), z), yx])
    if not types:
        return Query(coords)
    names = np.array([*types, ""], dtype=object)
    return Query(coords, names[code])


Side = tuple[np.ndarray, np.ndarray]


def side_of(tissue: Tissue, section: str, types: tuple[str, ...]) -> Side:
    """Return (cells, 2) y, x and (cells,) positions in `types` of the cells of a section."""
    rows = tissue.section == section
    labels = None if tissue.cell_type is None else tissue.cell_type[rows]
    return tissue.coords[rows][:, 1:], label_codes(labels, types, int(rows.sum()))


def _transport(sides: list[Side], weight: float, rng: np.random.Generator) -> Side:
    """Match cells of one type between the parents and stop them on the way, at `weight`.

    With the same number of cells on both sides, the optimal transport for the squared distance
    is an assignment; the displacement interpolation moves each cell along its own line.
    """
    parts, codes = [], []
    for kind in np.unique(np.concatenate([code for _, code in sides])):
        a, b = (yx[code == kind] for yx, code in sides)
        inside = min(max(weight, 0.0), 1.0)  # beyond the stack: as many as in the last section
        n = round((1 - inside) * len(a) + inside * len(b))
        if not n:
            continue
        if not len(a) or not len(b):  # a type that ends on the way keeps its place
            there = a if len(a) else b
            moved = there[rng.choice(len(there), min(n, len(there)), replace=False)]
        else:
            moved = _displace(_resample(a, n, rng), _resample(b, n, rng), weight)
        parts.append(moved)
        codes.append(np.full(len(moved), kind))
    return np.concatenate(parts), np.concatenate(codes)


def _resample(yx: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return `n` of the points: some left out, or all and some twice, slightly apart."""
    if n <= len(yx):
        return yx[np.sort(rng.choice(len(yx), n, replace=False))]
    extra = rng.choice(len(yx), n - len(yx), replace=n > 2 * len(yx))
    gap = _gap(yx)
    return np.concatenate([yx, yx[extra] + rng.normal(scale=gap / 2, size=(len(extra), 2))])


def _gap(yx: np.ndarray) -> float:
    """Return the median distance of (n, 2) places to the nearest other one; 1 for one place."""
    yx = np.unique(yx, axis=0)  # cells at one place say nothing about how far apart cells are
    if len(yx) < 2:
        return 1.0
    distance = np.asarray(cKDTree(yx).query(yx, k=2)[0])
    return max(float(np.median(distance[:, 1])), 1e-9)


def _displace(a: np.ndarray, b: np.ndarray, weight: float) -> np.ndarray:
    """Move `a` towards its optimal partners in `b`, both (n, 2), by the share `weight`."""
    if len(a) > _LEAF:  # halve both along the longer axis; what is far apart never matches
        axis = int(np.argmax(np.ptp(a, axis=0)))
        half = len(a) // 2
        i, j = np.argsort(a[:, axis], kind="stable"), np.argsort(b[:, axis], kind="stable")
        return np.concatenate(
            [
                _displace(a[i[:half]], b[j[:half]], weight),
                _displace(a[i[half:]], b[j[half:]], weight),
            ]
        )
    cost = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    i, j = linear_sum_assignment(cost)
    return np.asarray((1 - weight) * a[i] + weight * b[j])


def _grid(sides: list[Side], weight: float, step: float, rng: np.random.Generator) -> Side:
    """Fill the interpolated outline with a grid; the type is that of a near parent cell.

    The outline is where the blended signed distances to the parents' outlines are positive
    (shape-based interpolation, Raya and Udupa 1990).
    """
    everything = np.concatenate([yx for yx, _ in sides])
    low, high = everything.min(axis=0), everything.max(axis=0)
    gap = _gap(max((yx for yx, _ in sides), key=len))
    pixel = max(2 * gap, float((high - low).max()) / 512)
    margin = 4
    shape = tuple(np.ceil((high - low) / pixel).astype(int) + 2 * margin + 1)
    depth = np.zeros(shape)
    area = 0.0
    for share, (yx, _) in zip((1 - weight, weight), sides, strict=True):
        mask = np.zeros(shape, dtype=bool)
        mask[tuple((np.rint((yx - low) / pixel).astype(int) + margin).T)] = True
        mask = ndimage.binary_fill_holes(ndimage.binary_closing(mask, iterations=2))
        inside = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
        depth += share * inside
        area += share * mask.sum() * pixel**2 / max(len(yx), 1)
    step = step or float(np.sqrt(area))
    if float(np.prod((high - low) / step + 1)) > _MOST:
        raise StdiffError(
            f"A grid with steps of {step:g} would have more than {_MOST:,} points here; take a "
            "larger grid step, or 0 for the density of the parents."
        )
    axes = [np.arange(lo, hi + step / 2, step) for lo, hi in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    where = np.rint((points - low) / pixel).astype(int) + margin
    points = points[depth[tuple(where.T)] > 0]
    side = (rng.random(len(points)) < weight).astype(int)
    code = np.full(len(points), -1)
    for s, (yx, labels) in enumerate(sides):
        mine = side == s
        if mine.any():
            code[mine] = labels[cKDTree(yx).query(points[mine])[1]]
    return points, code


def given_cells(path: str, z: float) -> Query:
    """Read positions (and types) from a CSV file.

    Parameters
    ----------
    path
        CSV with columns ``x``, ``y`` and, if known, ``cell_type``.
    z
        Depth of all cells.

    Raises
    ------
    StdiffError
        When the file or its columns are not there, or a position is not a number.
    """
    import pandas as pd

    if not path:
        raise StdiffError("Cells are to be given, but no positions file is named (positions).")
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise StdiffError(f"There is no positions file '{path}'; check the path.") from error
    except (OSError, ValueError) as error:
        raise StdiffError(f"The positions file '{path}' is not a readable CSV file.") from error
    if not {"x", "y"} <= set(table.columns) or not len(table):
        raise StdiffError(f"The positions file '{path}' needs rows and the columns x and y.")
    try:
        yx = table[["y", "x"]].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise StdiffError(
            f"The positions file '{path}' has x or y that are no numbers."
        ) from error
    if not np.isfinite(yx).all():
        raise StdiffError(f"The positions file '{path}' has empty or infinite x or y.")
    check_reach(yx)
    types = None
    if "cell_type" in table.columns:
        types = table["cell_type"].fillna("").astype(str).to_numpy(dtype=object)
    return Query(np.column_stack([np.full(len(yx), z), yx]), types)
