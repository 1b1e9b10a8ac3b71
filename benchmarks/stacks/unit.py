"""One unit of work, in a process of its own: fit, predict, score, and write what came out."""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

import napari_stdiff as st
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.registry import method_class
from napari_stdiff.scoring.bins import N_BINS
from napari_stdiff.scoring.correlation import column_pearson, row_spearman
from napari_stdiff.scoring.distribution import energy_by_group
from napari_stdiff.scoring.enrichment import LabelTransfer, label_agreement
from napari_stdiff.scoring.moran import moran_error
from napari_stdiff.scoring.section import pcc_binned, score_section

from .cases import ALL, Case, Loaded, load

SCORES = (
    "pcc",
    "pcc_binned",
    "spearman",
    "nmse",
    "crps",
    "coverage80",
    "energy_distance",
    "variance_ratio",
    "coexpression",
    "moran_error",
    "label_agreement",
    "enrichment_agreement",
    "density_pcc",
)
OWN: dict[str, str] = {
    "spateo-deep": "stacks.spateo:Spateo",
}
# settings of a method of the package that stand as a method of their own
SET: dict[str, tuple[str, dict[str, Any]]] = {
    "stdiffusion-quick": ("stdiffusion", {"effort": "quick"}),
}
_LARGE = 1000  # cells of a section that the usual grid is made for
_PER_BIN = 20


@dataclass(frozen=True)
class Unit:
    """What is run once: a method with a seed on a case.

    Attributes
    ----------
    case
        What is hidden.
    method
        Id.
    seed
        Of the method.
    tier
        What is given of the hidden section: "auto", "A", "B" or "C".
    draws
        Draws a cell.
    scale_to, full_limit
        Seconds that a paper's configuration is scaled to where its full run would take longer
        than `full_limit`.
    """

    case: Case
    method: str
    seed: int
    tier: str = "auto"
    draws: int = 16
    scale_to: float = 600.0
    full_limit: float = 3600.0

    @property
    def key(self) -> str:
        """Name of the unit, good for a file; what differs gives another name."""
        paper = self.method.endswith("-paper")
        scaled = f"-over{self.full_limit:g}-to{self.scale_to:g}" if paper else ""
        return f"{self.case.key}/{self.tier}-{self.draws}/{self.method}{scaled}-s{self.seed}"

    def dump(self) -> str:
        """Return the unit as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Unit:
        """Undo :meth:`dump`."""
        said = json.loads(text)
        return cls(**{**said, "case": Case(**said["case"])})


def class_of(method: str) -> type[Method]:
    """Return the class of a method of the package, or of one that lives here."""
    method = SET[method][0] if method in SET else method
    if method not in OWN:
        return method_class(method)
    module, _, name = OWN[method].partition(":")
    found: type[Method] = getattr(import_module(module), name)
    return found


def run_unit(unit: Unit, data: Path, work: Path) -> None:
    """Run a unit and write ``<key>.json`` and, for tests and figures, ``<key>.npz``."""
    loaded = load(unit.case, data, work)
    config = st.InterpolateConfig(seed=unit.seed, draws=unit.draws)
    config = config.but(**SET[unit.method][1]) if unit.method in SET else config
    tier, query = _query(loaded, unit, config)
    cls = class_of(unit.method)
    estimate = cls.cost(loaded.visible, config, query.n_cells)
    full = estimate.seconds
    if unit.method.endswith("-paper") and full > unit.full_limit:
        config = config.but(scale_to=unit.scale_to)
    before = _reset_peak()
    start, start_cpu = perf_counter(), process_time()
    method = cls().fit(loaded.visible, None, config, st.Monitor())
    between, between_cpu = perf_counter(), process_time()
    prediction = method.sample(query, unit.draws, st.Monitor())
    end, end_cpu = perf_counter(), process_time()
    memory = max(_peak() - before, 0.0)
    result: dict[str, Any] = {
        "dataset": unit.case.dataset,
        "hidden": unit.case.hidden,
        "distance": unit.case.distance,
        "skip": unit.case.skip,
        "tier": tier,
        "method": unit.method,
        "seed": unit.seed,
        "draws": unit.draws,
        "fit_seconds": round(between - start, 3),
        "sample_seconds": round(end - between, 3),
        # of all cores; unlike the others, hardly longer where something else runs beside it
        "fit_cpu_seconds": round(between_cpu - start_cpu, 3),
        "sample_cpu_seconds": round(end_cpu - between_cpu, 3),
        "peak_mib": round(memory, 1),
        "gpu_mib": _gpu_peak(),
        "parameters": estimate.parameters,
        "estimated_seconds": round(full, 1),
        "facts": method.facts(),
        "notes": [*loaded.notes, *prediction.notes],
        "cells": loaded.hidden.n_cells,
        "visible_cells": loaded.visible.n_cells,
        "genes": loaded.hidden.n_genes,
        "source": source_hash(),
    }
    scores, arrays = score(loaded, query, prediction, tier)
    result["scores"] = scores
    write(work, unit, result, arrays)


def score(
    loaded: Loaded, query: st.Query, prediction: st.Prediction, tier: str
) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
    """Return every score of a prediction, and the arrays that tests and figures need."""
    visible, hidden = loaded.visible, loaded.hidden
    normaliser = Normaliser.fit(visible)
    truth, seen = normaliser(hidden), normaliser(visible)
    scale = seen.std(axis=0)
    own = tier != "C"
    where = hidden.coords if own else query.coords
    scores = score_section(
        truth,
        hidden.coords,
        hidden.cell_type,
        prediction,
        query=None if own else query,
        scale=scale,
    )
    n_bins = bins_for(hidden.n_cells)
    if n_bins != N_BINS:
        scores["pcc_binned"] = pcc_binned(truth, hidden.coords, prediction.mean, where, n_bins)
    arrays: dict[str, np.ndarray] = {
        "coords": where,
        "truth_coords": hidden.coords,
        "genes": hidden.genes.astype(str),
    }
    if own:
        arrays["pcc_genes"] = column_pearson(truth, prediction.mean)
        arrays["spearman_cells"] = row_spearman(truth, prediction.mean)
    draws = prediction.draws
    if draws is not None and len(draws):
        kinds = (hidden.cell_type, hidden.cell_type if own else query.cell_type)
        if kinds[0] is None or kinds[1] is None or tier == "B":
            kinds = (None, None)
        energy, cells = energy_by_group(
            truth, hidden.coords, draws, where, *kinds, scale, n_bins=n_bins
        )
        found = float(energy.mean(axis=0) @ cells / cells.sum()) if energy.size else None
        scores["energy_distance"] = found
        scores["moran_error"] = moran_error(
            truth, hidden.coords, draws[0], None if own else query.coords
        )
        arrays |= {"energy": energy, "energy_cells": cells}
        arrays |= _labels(visible, hidden, seen, truth, draws[0])
        if own:
            scores["label_agreement"] = label_agreement(arrays["truth_labels"], arrays["labels"])
    return {k: _plain(scores.get(k)) for k in SCORES}, arrays


def bins_for(cells: int) -> int:
    """Return the bins a side: the usual 15, fewer where a section has too few cells for them."""
    return N_BINS if cells >= _LARGE else max(3, int(math.sqrt(cells / _PER_BIN)))


def _labels(
    visible: st.Tissue,
    hidden: st.Tissue,
    seen: np.ndarray,
    truth: np.ndarray,
    draw: np.ndarray,
) -> dict[str, np.ndarray]:
    """Label truth and draw by one classifier that knows the flanking sections alone."""
    depth, z = visible.section_z, float(hidden.coords[:, 0].mean())
    below = max((s for s in depth if depth[s] <= z), key=lambda s: depth[s], default="")
    above = min((s for s in depth if depth[s] > z), key=lambda s: depth[s], default="")
    rows = np.isin(visible.section, [below, above])
    types = None if visible.cell_type is None else visible.cell_type[rows]
    transfer = LabelTransfer.fit(seen[rows], types)
    return {
        "label_names": np.array(transfer.labels),
        "truth_labels": transfer(truth),
        "labels": transfer(draw),
    }


def _query(loaded: Loaded, unit: Unit, config: st.InterpolateConfig) -> tuple[str, st.Query]:
    hidden = loaded.hidden
    tier = unit.tier
    if tier == "auto":
        tier = "B" if hidden.cell_type is None else "A"
    if tier == "A":
        if hidden.cell_type is None:
            raise st.StdiffError(f"{ALL[unit.case.dataset].title} has no cell types for tier A.")
        return tier, st.Query(hidden.coords, hidden.cell_type)
    if tier == "B":
        return tier, st.Query(hidden.coords)
    from napari_stdiff.tasks.placement import place

    return tier, place(loaded.visible, float(hidden.coords[:, 0].mean()), config)


def write(
    work: Path, unit: Unit, result: dict[str, Any], arrays: dict[str, np.ndarray] | None = None
) -> None:
    """Write the result so that it is there whole or not at all."""
    place = work / f"{unit.key}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    if arrays is not None:
        part = place.with_suffix(".part.npz")
        small = {
            k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in arrays.items()
        }
        np.savez_compressed(part, **small)  # type: ignore[arg-type]
        part.replace(place.with_suffix(".npz"))
    part = place.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1, default=str) + "\n")
    part.replace(place)


def done(unit: Unit, work: Path) -> dict[str, Any] | None:
    """Return the result of a unit, or None where it was not run."""
    place = work / f"{unit.key}.json"
    if not place.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(place.read_text())
    except ValueError:  # the disk was full, or somebody edited it
        return None
    return found


def source_hash() -> str:
    """Return a hash of the code that decides about results: models, scores and data."""
    root = Path(st.__file__).parent
    h = hashlib.sha256()
    for folder in ("data", "diffusion", "methods", "scoring"):
        for file in sorted((root / folder).glob("*.py")):
            h.update(file.name.encode() + file.read_bytes())
    return h.hexdigest()[:12]


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _reset_peak() -> float:
    """Forget the peak so far; return the memory in use, in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:  # not Linux: the peak of reading the data stands in for it
        return _peak()


def _peak() -> float:
    """Return the highest memory in use so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # rusage also counts what the process that started this one used
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / (2**20 if os.uname().sysname == "Darwin" else 2**10)


def _gpu_peak() -> float | None:
    import torch

    if not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 2**20, 1)
