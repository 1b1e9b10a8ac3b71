"""The layers of one section, laid out like a stack, so that every method works between them.

Each visible layer becomes a section of its own, at a depth that is its rank. A cell of the hidden
layer keeps its place; its depth in the stack is lambda = d1 / (d1 + d2), from the distances to
the two parents. In the plane, parents are matched by where they are, so that the cells at the
border count most; or by place along the layer and depth from the border: then cells are moved
along the normal of the layers into the band between the parents, mirrored at the border, so that
what is as deep in a parent as the target is in its own layer comes to lie on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from ..compute.errors import StdiffError
from ..data.checks import listing
from ..data.detect import UNKNOWN
from ..data.tissue import Tissue

Match = Literal["place", "depth"]

_FEW = 3  # nearest cells that a distance to a layer is averaged over: a stray one counts less
_SMOOTH = 30  # cells of a layer that share one normal
_FEWEST = 5  # a layer with fewer cells is left out
_TOUCHING = 0.05  # share of the hidden cells that a layer is the nearest one to
_OPPOSITE = 0.15  # two layers lie on both sides where their directions oppose by this (cosine)
_INSIDE = 0.02  # lambda keeps this far from the parents, so that a cell is between them
_EDGE = 5.0  # per cent of a layer's cells taken to lie at each border


@dataclass(frozen=True)
class Laminar:
    """The visible layers of a section as a stack.

    Attributes
    ----------
    tissue
        The visible cells: ``section`` is the layer, z its rank times `thickness`, y and x where
        they are, or moved into the band of the hidden layer.
    hidden
        The cells of the hidden layer in the same frame: z from lambda, y and x as they are.
    measured
        (cells, 2) y, x of the visible cells, where they are.
    section, z
        Name and depth of the section.
    low, high
        Names of the parents; `high` is "" beyond the outermost layer.
    thickness
        Of the hidden layer, as the visible ones tell it, in the unit of the tissue.
    notes
        What was found, in sentences.
    """

    tissue: Tissue
    hidden: Tissue
    measured: np.ndarray
    section: str
    z: float
    low: str
    high: str
    thickness: float
    notes: tuple[str, ...]

    @property
    def middle(self) -> float:
        """Depth of the middle of the hidden layer in the stack."""
        return self.thickness

    def depth(self, yx: np.ndarray) -> np.ndarray:
        """Return (cells,) depths in the stack of cells at `yx`, (cells, 2)."""
        if not self.high:
            return np.full(len(yx), self.thickness)
        near = [_reach(self.measured[self.tissue.section == n], yx) for n in (self.low, self.high)]
        share = near[0] / np.maximum(near[0] + near[1], 1e-12)
        return np.clip(share, _INSIDE, 1 - _INSIDE) * 2 * self.thickness


def laminar(
    tissue: Tissue,
    hide: str,
    section: str = "auto",
    parents: str = "",
    extrapolate: bool = False,
    match: Match = "place",
) -> Laminar:
    """Lay out the layers around a hidden one.

    Parameters
    ----------
    tissue
        With layers; one of its sections is used.
    hide
        The layer to hide.
    section
        Name of the section; "auto" takes the one with most cells of that layer.
    parents
        "A,B", the layers that it lies between; "" finds them.
    extrapolate
        Allow an outermost layer.
    match
        "place": parents by where they are; "depth": by place along the layer and by depth.

    Raises
    ------
    StdiffError
        When there are no layers, no such layer or section, too few layers, or an outermost layer
        without `extrapolate`.
    """
    tissue, name, notes = _one_section(tissue, hide, section)
    assert tissue.layer is not None
    labels = tissue.layer.astype(str)
    counts = {str(k): int(n) for k, n in zip(*np.unique(labels, return_counts=True), strict=True)}
    small = [k for k, n in counts.items() if n < _FEWEST and k not in (hide, UNKNOWN)]
    if counts.get(UNKNOWN):
        notes.append(f"{counts[UNKNOWN]} cells or spots without a layer are left out.")
    if small:
        notes.append(f"Layers with fewer than {_FEWEST} cells are left out: {listing(small)}.")
    visible = [k for k in counts if k not in (*small, hide, UNKNOWN)]
    if len(visible) < 2:
        raise StdiffError(
            f"Section '{name}' has only the layers {listing([hide, *visible])}, and two beside "
            "the hidden one are needed; take a section with more layers."
        )
    yx = {k: tissue.coords[labels == k][:, 1:] for k in (hide, *visible)}
    low, high = _parents(yx, hide, parents)
    if not high and not extrapolate:
        raise StdiffError(
            f"Layer '{hide}' is an outermost one: '{low}' lies on its one side and nothing on the "
            "other; hide another layer, name its two parents (parents), or allow going beyond "
            "(extrapolate)."
        )
    rank = _ranks(yx, hide, low, high)
    keep = np.isin(labels, visible)
    seen, layer = tissue.rows(keep), labels[keep]
    measured = seen.coords[:, 1:]
    moved, thickness = _moved(measured, layer, rank, low, high)
    if match == "place":
        moved = measured
    depth = np.array([rank[k] for k in layer]) * thickness
    stack = replace(
        seen,
        coords=np.column_stack([depth, moved]),
        section=layer.astype(object),
        layer=None,
        histology={},
    )
    hidden = tissue.rows(labels == hide)
    notes.insert(0, _where(hide, name, low, high))
    out = Laminar(
        stack, hidden, measured, name, float(hidden.coords[:, 0].mean()), low, high, thickness,
        tuple(notes),
    )  # fmt: skip
    own = hidden.coords[:, 1:]
    return replace(
        out,
        hidden=replace(
            hidden,
            coords=np.column_stack([out.depth(own), own]),
            section=np.full(len(own), hide, dtype=object),
            layer=None,
            histology={},
        ),
    )


def _where(hide: str, section: str, low: str, high: str) -> str:
    if high:
        return f"Layer '{hide}' of section '{section}' lies between '{low}' and '{high}'."
    return f"Layer '{hide}' of section '{section}' lies beyond '{low}', the outermost one left."


def layer_names(tissue: Tissue) -> list[str]:
    """Return the layers of a tissue, in alphabetical order; [] where it has none."""
    if tissue.layer is None:
        return []
    return sorted(set(tissue.layer.astype(str)) - {UNKNOWN})


def _one_section(tissue: Tissue, hide: str, section: str) -> tuple[Tissue, str, list[str]]:
    """Return the section that the layer is predicted in, its name, and what to say about it."""
    names = layer_names(tissue)
    if not names:
        raise StdiffError(
            "The data has no layers; name the obs column that holds them (layer key)."
        )
    if hide not in names:
        raise StdiffError(f"There is no layer '{hide}'; the layers are: {listing(names)}.")
    assert tissue.layer is not None
    labels = tissue.layer.astype(str)
    if section != "auto":
        if section not in tissue.sections:
            raise StdiffError(
                f"There is no section '{section}'; the sections are: {listing(tissue.sections)}."
            )
        chosen = tissue.rows(tissue.section == section)
        if hide not in layer_names(chosen):
            raise StdiffError(
                f"Section '{section}' has no layer '{hide}'; its layers are: "
                f"{listing(layer_names(chosen))}."
            )
        return chosen, section, []
    held = [set(labels[tissue.section == s]) for s in tissue.sections]
    if len(held) > 1 and all(len(h) == 1 for h in held):
        # strips of one section, which the column of the layers made look like sections
        return tissue, "all", ["Each section holds one layer alone; all are taken as one section."]
    most = max(tissue.sections, key=lambda s: int((labels[tissue.section == s] == hide).sum()))
    notes = []
    if len(tissue.sections) > 1:
        notes.append(f"Section '{most}' has most cells of layer '{hide}' and is the one used.")
    return tissue.rows(tissue.section == most), most, notes


def _parents(yx: Mapping[str, np.ndarray], hide: str, said: str) -> tuple[str, str]:
    """Return the layers on both sides of the hidden one; the second is "" for an outermost one.

    Of all pairs that touch it and lie on opposite sides, those that are nearest together.
    """
    others = sorted(k for k in yx if k != hide)
    if said:
        names = [p.strip() for p in said.split(",")]
        if len(set(names)) != 2 or not set(names) <= set(others):
            raise StdiffError(
                f"'{said}' are not two layers beside '{hide}'; give two of: {listing(others)}."
            )
        return names[0], names[1]
    own = yx[hide]
    towards = {k: _near(yx[k], own) - own for k in others}
    far = {k: np.linalg.norm(v, axis=1) for k, v in towards.items()}
    nearest = np.argmin([far[k] for k in others], axis=0)
    touching = [k for i, k in enumerate(others) if np.mean(nearest == i) >= _TOUCHING]
    best, least = ("", ""), np.inf
    for a, b in combinations(touching, 2):
        cosine = (towards[a] * towards[b]).sum(axis=1) / np.maximum(far[a] * far[b], 1e-12)
        total = float(np.median(far[a] + far[b]))
        if -float(np.mean(cosine)) > _OPPOSITE and total < least:
            best, least = (a, b), total
    if best[0]:
        return best
    return min(others, key=lambda k: float(np.median(far[k]))), ""


def _ranks(yx: Mapping[str, np.ndarray], hide: str, low: str, high: str) -> dict[str, int]:
    """Return layer -> place in the stack: `low` 0, the hidden one 1, `high` 2, and so on."""
    others = [k for k in yx if k not in (hide, low, high)]
    apart = {
        (k, p): float(np.median(_reach(yx[p], yx[k]))) for k in others for p in (low, high) if p
    }
    under = [k for k in others if not high or apart[k, low] <= apart[k, high]]
    over = [k for k in others if k not in under]
    rank = {low: 0} | ({high: 2} if high else {})
    for i, k in enumerate(sorted(under, key=lambda k: apart[k, low]), start=1):
        rank[k] = -i
    for i, k in enumerate(sorted(over, key=lambda k: apart[k, high]), start=3):
        rank[k] = i
    return rank


def _moved(
    yx: np.ndarray, layer: np.ndarray, rank: Mapping[str, int], low: str, high: str
) -> tuple[np.ndarray, float]:
    """Move the visible cells along the normals into the band of the hidden layer.

    Returns
    -------
    moved
        (cells, 2) y, x.
    thickness
        Of the band.
    """
    order = sorted(rank, key=lambda k: rank[k])
    points = {k: yx[layer == k] for k in order}
    normal, start, end = (np.zeros_like(yx), np.zeros(len(yx)), np.zeros(len(yx)))
    for k in order:
        rows, own = layer == k, points[k]
        if high:
            n, start[rows], end[rows] = _between(own, points[low], points[high], rank[k] <= 0)
        else:
            second = points[order[-2]]
            n, start[rows], end[rows] = _beyond(own, points[low], second, k == low)
        normal[rows] = n
    inner = np.isin(layer, [low, high])
    thickness = max(float(np.median(np.abs(end - start)[inner])), 1e-9)
    depth = np.zeros(len(yx))
    for i, k in enumerate(order):
        below = points[order[i - 1]] if i else None
        above = points[order[i + 1]] if i + 1 < len(order) else None
        depth[layer == k] = _relative(points[k], below, above)
    return yx + normal * (start + (1 - depth) * (end - start))[:, None], thickness


def _between(
    own: np.ndarray, low: np.ndarray, high: np.ndarray, under: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the normals of cells, and how far along them the band begins and ends."""
    if under:
        far = _near(high, own)
        near = _near(low, far)
        begin, end = near, far
    else:
        far = _near(low, own)
        begin, end = far, _near(high, far)
    normal = _unit(_smooth(own, _unit(far - own)))
    first, last = (((_smooth(own, p) - own) * normal).sum(axis=1) for p in (begin, end))
    return normal, first, last


def _beyond(
    own: np.ndarray, low: np.ndarray, second: np.ndarray, outermost: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same beyond the outermost layer; the hidden one counts as thick as that."""
    thickness = float(np.percentile(_reach(second, low), 100 - _EDGE))
    towards = own - _near(second, own) if outermost else _near(low, own) - own
    normal = _unit(_smooth(own, _unit(towards)))
    reach = _reach(second, own) if outermost else -_reach(low, own)
    begin = np.maximum(thickness - reach, 0)
    return normal, begin, begin + thickness


def _relative(
    own: np.ndarray, below: np.ndarray | None, above: np.ndarray | None
) -> np.ndarray:  # fmt: skip
    """Return how deep cells are in their own layer: 0 at the border below, 1 at that above."""
    if below is not None and above is not None:
        first, second = _reach(below, own), _reach(above, own)
        raw = first / np.maximum(first + second, 1e-12)
    elif above is not None:
        raw = -_reach(above, own)
    else:
        assert below is not None
        raw = _reach(below, own)
    low, high = np.percentile(raw, [_EDGE, 100 - _EDGE])
    return np.clip((raw - low) / max(high - low, 1e-12), 0, 1)


def _near(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return (n, 2) means of the few points that are nearest to each of `at`."""
    k = min(_FEW, len(points))
    index = np.asarray(cKDTree(points).query(at, k=list(range(1, k + 1)))[1])
    return np.asarray(points[index].mean(axis=1))


def _reach(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return (n,) mean distances to the few points that are nearest to each of `at`."""
    k = min(_FEW, len(points))
    distance = np.asarray(cKDTree(points).query(at, k=list(range(1, k + 1)))[0])
    return np.asarray(distance.mean(axis=1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _smooth(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Average (n, k) values over near points."""
    k = min(_SMOOTH, len(at))
    index = np.asarray(cKDTree(at).query(at, k=list(range(1, k + 1)))[1])
    return np.asarray(values[index].mean(axis=1))
