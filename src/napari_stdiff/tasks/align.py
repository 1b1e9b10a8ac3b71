"""Bring the sections of a tissue into one frame."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.alignment import Alignment
from ..data.checks import need_sections, no_such
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord, describe_input
from ..data.tissue import Tissue
from ..registration.frames import describe
from ..registration.histology import match_pictures
from ..registration.landmarks import fit_landmarks, read_landmarks
from ..registration.places import Places, places_of
from ..registration.quality import agreement, better, neighbour_correlation
from ..registration.transport import match
from .config import AlignConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_FEW = 10


def align(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: AlignConfig | None = None,
    monitor: Monitor | None = None,
    landmarks: Mapping[str, np.ndarray] | str | Path | None = None,
    **settings: Any,
) -> Alignment:
    """Find how the sections of a tissue move to lie in one frame; nothing is changed.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes, with at least two sections.
    read
        How to read it.
    config
        By what, and with which transformations; see :class:`AlignConfig`.
    monitor
        Progress and cancel.
    landmarks
        Section -> (n, 2) points (y, x) in the tissue's frame; row i means the same place in
        every section, NaN where it was not marked. A path is that of a CSV file, as
        ``config.landmarks``.
    **settings
        Fields of the config, for example ``transform="affine"`` or ``flip=True``.

    Returns
    -------
    Alignment
        One transformation a section, and how well neighbours agreed before and after;
        ``alignment.apply(tissue)`` moves a tissue, :func:`napari_stdiff.save_alignment` keeps it.

    Raises
    ------
    StdiffError
        One sentence on what is wrong: one section only, no such section, too few landmarks, no
        pictures.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=100, image_size=60, seed=1)
    >>> alignment = st.align(sample.sdata, starts=4)
    >>> alignment.fixed, sorted(alignment.transforms)
    ('section_2', ['section_1', 'section_2', 'section_3'])
    """
    monitor = monitor or Monitor()
    if isinstance(landmarks, str | Path):
        settings["landmarks"], landmarks = str(landmarks), None
    config = (config or AlignConfig()).but(**settings)
    seconds: dict[str, float] = {}
    with monitor.stage("Reading", 0.05):
        start = perf_counter()
        tissue = read_tissue(data, read or ReadConfig())
        need_sections(tissue, 2)
        order = tissue.sections
        fixed = _fixed(order, config.fixed)
        points = landmarks if landmarks is not None else _landmarks(config)
        how = _how(config, points)
        _check(tissue, how, points)
        seconds["read"] = perf_counter() - start
    with monitor.stage("Comparing expression", 0.1):
        start = perf_counter()
        places = places_of(tissue, config.spots, config.components, config.seed)
        seconds["prepare"] = perf_counter() - start
    start = perf_counter()
    pairs = []
    for number, (moving, anchor) in enumerate(_towards(order, fixed)):
        with monitor.stage(f"Aligning {moving} to {anchor}", 1 / (len(order) - 1 - number)):
            pairs.append(_pair(tissue, places, moving, anchor, how, points, config, monitor))
    seconds["align"] = perf_counter() - start
    transforms = _composed(pairs, fixed)
    quality = _quality(order, places, transforms, pairs)
    record = RunRecord(
        task="align",
        method=how,
        generated=False,
        parameters=config.model_dump(mode="json"),
        chosen={
            "transforms": {s: m.tolist() for s, m in transforms.items()},
            "pairs": [{k: v for k, v in pair.items() if k != "matrix"} for pair in pairs],
        },
        target={"fixed": fixed, "sections": len(order)},
        seed=config.seed,
        input=describe_input(tissue),
        scores={
            "neighbour_correlation_before": quality["before"],
            "neighbour_correlation_after": quality["after"],
        },
        seconds={k: round(v, 3) for k, v in seconds.items()},
        notes=_notes(pairs, transforms, how),
    )
    return Alignment(transforms, fixed, quality, tissue.unit, record)


def _fixed(order: list[str], said: str) -> str:
    if said in order:
        return said
    if said not in ("middle", ""):
        raise no_such("section", said, order)
    return order[(len(order) - 1) // 2]


def _landmarks(config: AlignConfig) -> Mapping[str, np.ndarray] | None:
    return read_landmarks(config.landmarks) if config.landmarks else None


def _how(config: AlignConfig, points: Mapping[str, np.ndarray] | None) -> str:
    if config.method == "auto":
        return "expression" if points is None else "landmarks"
    if config.method == "landmarks" and points is None:
        raise StdiffError(
            "Aligning by landmarks needs some: name a CSV file with columns section, x, y, name."
        )
    return config.method


def _check(tissue: Tissue, how: str, points: Mapping[str, np.ndarray] | None) -> None:
    """Refuse what the way of aligning cannot work with."""
    order = tissue.sections
    if how == "histology":
        without = [s for s in order if s not in tissue.histology]
        if without:
            raise StdiffError(
                f"Aligning by histology needs a picture of every section and there is none of "
                f"{', '.join(without)}; align by expression or landmarks."
            )
    if how == "landmarks":
        strange = [s for s in points or {} if s not in order]
        if strange:
            raise no_such("section", strange[0], order)
    flat = [s for s in order if not np.ptp(tissue.coords[tissue.section == s, 1:], axis=0).any()]
    if flat and how != "landmarks":
        raise StdiffError(
            f"All cells or spots of section '{flat[0]}' lie at one place, so nothing tells how it "
            "is turned; check its x and y."
        )
    sizes = {s: int((tissue.section == s).sum()) for s in order}
    small = [s for s, n in sizes.items() if n < _FEW]
    if small and how == "expression":
        raise StdiffError(
            f"Section '{small[0]}' has {sizes[small[0]]} cells or spots; at least {_FEW} are "
            "needed to align by expression, so take landmarks or leave the section out."
        )


def _towards(order: list[str], fixed: str) -> list[tuple[str, str]]:
    """Return (section, its neighbour on the way to the fixed one), nearest to that one first."""
    middle = order.index(fixed)
    down = [(a, b) for a, b in pairwise(order[: middle + 1])][::-1]
    up = [(b, a) for a, b in pairwise(order[middle:])]
    return down + up


def _pair(
    tissue: Tissue,
    places: Mapping[str, Places],
    moving: str,
    anchor: str,
    how: str,
    points: Mapping[str, np.ndarray] | None,
    config: AlignConfig,
    monitor: Monitor,
) -> dict[str, Any]:
    """Align two sections; ``matrix`` maps `moving` into the frame of `anchor`."""
    a, b = places[moving], places[anchor]
    affine = config.transform == "affine"
    if how == "landmarks":
        assert points is not None
        matrix = fit_landmarks(points, moving, anchor, affine=affine, flip=config.flip)
    elif how == "histology":
        matrix = match_pictures(
            tissue.histology[moving],
            tissue.histology[anchor],
            a,
            b,
            affine=affine,
            flip=config.flip,
            step=monitor.step,
        )
    else:
        matrix = match(
            a,
            b,
            affine=affine,
            flip=config.flip,
            alpha=config.alpha,
            starts=config.starts,
            step=monitor.step,
        ).matrix
    before, after = agreement(a, b, np.eye(3)), agreement(a, b, matrix)
    moved = how == "landmarks" or not config.keep or better(after, before)
    used = matrix if moved else np.eye(3)
    return {
        "moving": moving,
        "fixed": anchor,
        "how": how,
        "before": neighbour_correlation(a, b, np.eye(3)),
        "after": neighbour_correlation(a, b, used),
        "tried": neighbour_correlation(a, b, matrix),
        "kept": not moved,
        "matrix": used,
    }


def _composed(pairs: list[dict[str, Any]], fixed: str) -> dict[str, np.ndarray]:
    """Return each section's map into the frame of the fixed one."""
    out = {fixed: np.eye(3)}
    for pair in pairs:
        out[pair["moving"]] = out[pair["fixed"]] @ pair["matrix"]
    return out


def _quality(
    order: list[str],
    places: Mapping[str, Places],
    transforms: Mapping[str, np.ndarray],
    pairs: list[dict[str, Any]],
) -> dict[str, Any]:
    sections: dict[str, dict[str, Any]] = {}
    for name in order:
        mine = [p for p in pairs if name in (p["moving"], p["fixed"])]
        move = describe(transforms[name], places[name].centre)
        sections[name] = {
            "before": float(np.mean([p["before"] for p in mine])),
            "after": float(np.mean([p["after"] for p in mine])),
            "rotation": move.rotation,
            "mirrored": move.mirrored,
            "scale": move.scale,
            "shift_y": move.shift[0],
            "shift_x": move.shift[1],
        }
    return {
        "before": float(np.mean([p["before"] for p in pairs])),
        "after": float(np.mean([p["after"] for p in pairs])),
        "pairs": [{k: v for k, v in p.items() if k != "matrix"} for p in pairs],
        "sections": sections,
    }


def _notes(
    pairs: list[dict[str, Any]], transforms: Mapping[str, np.ndarray], how: str
) -> tuple[str, ...]:
    notes = []
    for pair in pairs:
        if pair["kept"]:
            notes.append(
                f"'{pair['moving']}' and '{pair['fixed']}' stay as they lie to each other: "
                f"aligning them did not raise the correlation of neighbours ({pair['before']:.3f} "
                f"before, {pair['tried']:.3f} after)."
            )
        elif pair["after"] < pair["before"]:
            notes.append(
                f"'{pair['moving']}' and '{pair['fixed']}' agree less after alignment by {how} "
                f"({pair['before']:.3f} before, {pair['after']:.3f} after); look at them."
            )
        if 0 <= pair["after"] < 0.2 or pair["after"] < 0:
            notes.append(
                f"'{pair['moving']}' and '{pair['fixed']}' hardly agree ({pair['after']:.3f}); "
                "check them by eye, or set landmarks."
            )
    if all(np.allclose(m, np.eye(3)) for m in transforms.values()):
        notes.append("No section moves: the stack is aligned already, as far as this can tell.")
    mirrored = [s for s, m in transforms.items() if np.linalg.det(m[:2, :2]) < 0]
    if mirrored:
        notes.append(f"Mirrored: {', '.join(mirrored)}.")
    return tuple(notes)
