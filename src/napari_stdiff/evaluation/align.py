"""Known rotations are put in and found again; genes that took no part judge the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.alignment import Alignment
from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.record import RunRecord
from ..data.tissue import Tissue
from ..registration.frames import about, describe, moved
from ..registration.places import places_of
from ..registration.quality import neighbour_correlation
from ..tasks.align import align
from ..tasks.config import AlignConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

# Sections are shifted by up to this share of their extent.
_SHIFT = 0.3


def evaluate_align(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: AlignConfig | None = None,
    monitor: Monitor | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Score alignment by rotations that are put in, and on genes that are left out.

    Every section but the fixed one is turned by a random angle, shifted, and (where mirror images
    are allowed) perhaps mirrored. Alignment should then lead to where it leads without that.

    Parameters
    ----------
    data, read, config, monitor, **settings
        As for :func:`napari_stdiff.align`; the seed also draws the rotations. Landmarks are not
        scored, and nothing is left as it lies (``keep``).

    Returns
    -------
    dict
        ``sections``: section -> ``rotation_put``, ``rotation_error`` (degrees),
        ``distance_error`` (mean over cells, in ``unit``), ``mirror_found``; ``before``,
        ``after``, ``after_from_scrambled``: neighbour correlation; ``held_out_genes``:
        ``before`` and ``after`` on the half of the genes that did not take part; ``seconds``.

    Raises
    ------
    StdiffError
        As :func:`napari_stdiff.align`; also for fewer than 8 genes.
    """
    monitor = monitor or Monitor()
    # what is left as it lies would not show whether the turn was found
    config = (config or AlignConfig()).but(**{**settings, "keep": False})
    if config.method == "landmarks" or config.landmarks:
        raise StdiffError("Landmarks are not scored; score expression or histology.")
    tissue = read_tissue(data, read or ReadConfig())
    if tissue.n_genes < 8:
        raise StdiffError(f"The tissue has {tissue.n_genes} genes; scoring needs at least 8.")
    with monitor.stage("Aligning as it is", 0.33):
        own = align(tissue, config=config, monitor=monitor)
    put = scramble(tissue, own.fixed, config.seed, flip=config.flip)
    with monitor.stage("Aligning what was turned", 0.5):
        again = align(_moved(tissue, put), config=config.but(fixed=own.fixed), monitor=monitor)
    sections = {}
    for name in tissue.sections:
        at = tissue.coords[tissue.section == name, 1:]
        centre = at.mean(axis=0)
        found = again.transforms[name] @ put[name]
        error = describe(found @ np.linalg.inv(own.transforms[name]), centre)
        apart = moved(at, found) - moved(at, own.transforms[name])
        sections[name] = {
            "rotation_put": describe(put[name], centre).rotation,
            "mirrored": describe(put[name], centre).mirrored,
            "rotation_error": abs(error.rotation),
            "distance_error": float(np.sqrt((apart**2).sum(axis=1)).mean()),
            "mirror_found": not error.mirrored,
        }
    with monitor.stage("Aligning by half of the genes"):
        held_out = _held_out(tissue, config.but(fixed=own.fixed), monitor)
    places = places_of(tissue, config.spots, config.components, config.seed)
    return {
        "task": "align",
        "dataset": Path(tissue.origin.path).stem or tissue.origin.kind,
        "method": own.record.method,
        "parameters": config.model_dump(mode="json"),
        "unit": tissue.unit,
        "spacing": float(np.mean([p.spacing for p in places.values()])),
        "fixed": own.fixed,
        "sections": sections,
        "before": own.quality["before"],
        "after": own.quality["after"],
        "before_from_scrambled": again.quality["before"],
        "after_from_scrambled": again.quality["after"],
        "held_out_genes": held_out,
        "seconds": round(sum(own.record.seconds.values()), 2),
        "notes": list(own.record.notes),
    }


def scramble(
    tissue: Tissue, fixed: str, seed: int, *, flip: bool = False
) -> dict[str, np.ndarray]:
    """Return a random rigid map a section, which leaves the fixed one where it is."""
    rng = np.random.default_rng(seed)
    out = {}
    for name in tissue.sections:
        at = tissue.coords[tissue.section == name, 1:]
        centre = at.mean(axis=0)
        shift = rng.uniform(-_SHIFT, _SHIFT, 2) * np.ptp(at, axis=0)
        matrix = about(
            rng.uniform(-180, 180), centre, centre + shift, bool(rng.random() < 0.5 and flip)
        )
        out[name] = np.eye(3) if name == fixed else matrix
    return out


def _moved(tissue: Tissue, transforms: Mapping[str, np.ndarray]) -> Tissue:
    record = RunRecord(task="align", method="given", generated=False)
    return Alignment(transforms, "", {}, tissue.unit, record).apply(tissue)


def _held_out(tissue: Tissue, config: AlignConfig, monitor: Monitor) -> dict[str, float]:
    """Align by one half of the genes and return the neighbour correlation of the other half."""
    order = np.random.default_rng(config.seed).permutation(tissue.n_genes)
    used, left = np.sort(order[::2]), np.sort(order[1::2])
    found = align(tissue.columns(used), config=config, monitor=monitor)
    places = places_of(tissue.columns(left), config.spots, config.components, config.seed)
    before, after = [], []
    for pair in found.quality["pairs"]:
        a, b = places[pair["moving"]], places[pair["fixed"]]
        between = np.linalg.inv(found.transforms[pair["fixed"]]) @ found.transforms[pair["moving"]]
        before.append(neighbour_correlation(a, b, np.eye(3)))
        after.append(neighbour_correlation(a, b, between))
    return {"before": float(np.mean(before)), "after": float(np.mean(after))}
