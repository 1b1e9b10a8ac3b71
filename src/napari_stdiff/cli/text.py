"""What the commands print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.read_config import ReadConfig

if TYPE_CHECKING:
    from ..data.imputed import Imputed
    from ..data.predicted import PredictedGenes
    from ..data.virtual import VirtualSection
    from ..methods.base import Cost

_SHOWN = 20
_CHECKED = ("pcc", "cosine", "rmse", "mae", "crps", "coverage80")
_CLUSTERS = ("ari", "ami", "nmi")


def describe_any(data: str, read_config: ReadConfig) -> dict[str, Any]:
    """Return what is in a store or in an ``.h5ad`` file, in plain values that JSON can hold."""
    from ..data.results import describe
    from ..data.store import is_store

    if is_store(Path(data)):
        return describe(data, read_config)
    from ..data.reading import read

    tissue = read(data, read_config)
    depth = tissue.section_z
    return {
        "path": data,
        "tables": [],
        "images": sorted(tissue.histology),
        "results": [],
        "alignments": [],
        "sections": [
            {"name": name, "z": depth[name], "cells": int((tissue.section == name).sum())}
            for name in tissue.sections
        ],
        "genes": tissue.n_genes,
        "cells": tissue.n_cells,
        "unit": tissue.unit,
        "coordinate_system": tissue.origin.coordinate_system,
        "notes": list(tissue.origin.notes),
    }


def of_store(described: Mapping[str, Any]) -> str:
    """Return the lines of ``info``."""
    unit = described["unit"]
    lines = [
        f"{described['path']}: {described['cells']} cells or spots, {described['genes']} genes"
    ]
    lines += ["", "Sections"]
    lines += [
        f"  {s['name']}  z {s['z']:g} {unit}, {s['cells']} cells or spots"
        for s in described["sections"]
    ] or ["  none"]
    if described["tables"]:
        lines += ["", "Tables"]
        lines += [
            f"  {t['name']}  {t['cells']} x {t['genes']}, annotates {', '.join(t['regions'])}"
            + (", predicted" if t["generated"] else "")
            for t in described["tables"]
        ]
    if described["images"]:
        lines += ["", "Images", f"  {', '.join(described['images'])}"]
    lines += ["", "Results"]
    for result in described["results"]:
        record = result["record"]
        lines.append(
            f"  {result['name']}  {record['task']} by {record['method']}, {result['cells']} cells "
            f"x {result['genes']} genes, {record['created']}"
        )
        lines += [f"    {line}" for line in _of_record(record)]
    if not described["results"]:
        lines.append("  none")
    if described["alignments"]:
        lines += ["", "Alignments (coordinate systems)"]
    for alignment in described["alignments"]:
        record = alignment["record"]
        lines.append(f"  {alignment['name']}  by {record['method']}, {record['created']}")
        lines += [f"    {line}" for line in _of_record(record)]
    if described["notes"]:
        lines += ["", "How it was read"]
        lines += [f"  {note}" for note in described["notes"]]
    return "\n".join(lines)


def of_cost(method: str, cost: Cost, scale_to: float = 0) -> str:
    """Return what is said about a method with a network before it starts."""
    from ..methods.scaling import spelled

    count = cost.parameters
    size = f"{count / 1e6:.2g} million" if count >= 1e5 else f"{count:,}"
    memory = (
        f"{cost.memory_mib / 1024:.1f} GB"
        if cost.memory_mib >= 1000
        else f"{cost.memory_mib:.0f} MB"
    )
    time = spelled(cost.seconds)
    full = ", made smaller to end near that time" if scale_to and cost.seconds >= scale_to else ""
    return f"{method}: {size} parameters, {time}{full}, {memory} of memory."


def of_section(section: VirtualSection) -> str:
    """Return what ``interpolate`` says about its result."""
    record = section.record.model_dump(mode="json")
    head = (
        f"{section.name}: {section.query.n_cells} cells x {len(section.prediction.genes)} genes "
        f"at z {section.z:g} {section.unit}, by {section.record.method}"
    )
    return "\n".join([head, *(f"  {line}" for line in _of_record(record))])


def of_genes(predicted: PredictedGenes) -> str:
    """Return what ``predict-genes`` says: a line a gene, at most 20, the best expected first."""
    trust = predicted.reliability
    n = len(predicted.genes)
    lines = [
        f"{predicted.name}: {n} gene{'s' * (n != 1)} in {len(predicted.names)} cells or spots, by "
        f"{predicted.record.method}",
        f"  {'gene':<20}{'expected Pearson':>17}{'80 % of the time':>20}  reliability",
    ]
    order = sorted(range(n), key=lambda i: -float(trust.expected[i]))
    for i in order[:_SHOWN]:
        span = f"{trust.low[i]:.2f} to {trust.high[i]:.2f}"
        lines.append(
            f"  {str(predicted.genes[i])[:19]:<20}{trust.expected[i]:>17.2f}{span:>20}  "
            f"{trust.badges[i]}"
        )
    if n > _SHOWN:
        lines.append(f"  and {n - _SHOWN} more")
    record = predicted.record.model_dump(mode="json")
    return "\n".join([*lines, *(f"  {line}" for line in _of_record(record))])


def of_imputed(imputed: Imputed) -> str:
    """Return what ``impute`` says: the held-out check, a line a method, and the clusters."""
    n, record = len(imputed.genes), imputed.record
    lines = [
        f"{imputed.name}: {int(imputed.filled.sum()):,} entries of {n} gene{'s' * (n != 1)} in "
        f"{len(imputed.names)} cells or spots, by {record.method}"
    ]
    for title, rows, names in (
        ("hidden values", imputed.scores, _CHECKED),
        ("clusters", imputed.clusters, _CLUSTERS),
    ):
        known = [k for k in names if any(row.get(k) is not None for row in rows.values())]
        if known:
            lines.append(f"  {title:<16}" + "".join(f"{k:>12}" for k in known))
            for name, row in rows.items():
                lines.append(f"  {name:<16}" + "".join(_cell(row.get(k)) for k in known))
    told = record.model_dump(mode="json") | {"scores": {}}  # they are above
    return "\n".join([*lines, *(f"  {line}" for line in _of_record(told))])


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.3f'):>12}"


def _of_record(record: Mapping[str, Any]) -> list[str]:
    """Return the target, scores, seconds and notes of a record, a line each."""
    lines = []
    target = ", ".join(
        f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
        for k, v in record["target"].items()
        if v not in (None, "") and k != "given"  # the notes say it
    )
    scores = ", ".join(f"{k} {v:.3f}" for k, v in record["scores"].items() if v is not None)
    seconds = ", ".join(f"{k} {v:.1f} s" for k, v in record["seconds"].items())
    for name, text in (("target", target), ("scores", scores), ("time", seconds)):
        if text:
            lines.append(f"{name}: {text}")
    return [*lines, f"seed {record['seed']}, {record['device']}", *record["notes"]]
