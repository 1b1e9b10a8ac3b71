"""The record of a run: everything needed to know how a result was made, as one JSON string."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .tissue import Tissue

_PACKAGES = ("napari-stdiff", "torch", "numpy", "anndata", "spatialdata", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_input(tissue: Tissue) -> dict[str, Any]:
    """Return what a record says about the tissue that went in."""
    origin = tissue.origin
    return {
        "path": origin.path,
        "kind": origin.kind,
        "table": origin.table,
        "coordinate_system": origin.coordinate_system,
        "keys": dict(origin.keys),
        "notes": list(origin.notes),
        "unit": tissue.unit,
        "values": tissue.values,
        "fingerprint": tissue.fingerprint(),
    }


class RunRecord(BaseModel):
    """How a result was made; stored whole in ``uns["stdiff"]`` of the result's table.

    Attributes
    ----------
    task, method
        Ids, for example "interpolate" and "stdiffusion".
    generated
        Always True: a table with a record holds predictions, not measurements.
    parameters
        Every parameter of the task's config.
    chosen
        What the method chose or fixed by itself, for example by leaving out a training section.
    target
        What was asked for: ``z``, ``hidden`` (section name or ""), ``tier``, ``cells`` (how
        positions and types were had) and ``n_cells``.
    seed, device, versions, input
        What a rerun needs to be the same.
    scores
        Held-out scores, where a section was hidden; {} otherwise.
    seconds
        Stage -> wall time.
    notes
        Sentences a user should read beside the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    method: str
    generated: bool = True
    parameters: dict[str, Any] = Field(default_factory=dict)
    chosen: dict[str, Any] = Field(default_factory=dict)
    target: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    versions: dict[str, str] = Field(default_factory=versions)
    input: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, float | None] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
