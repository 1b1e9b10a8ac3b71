"""How long the whole task takes on a tissue of a stated size, reliability folds included."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from stacks.unit import _peak, _reset_peak

import napari_stdiff as st


@dataclass(frozen=True)
class Timing:
    """What is timed.

    Attributes
    ----------
    method
        Id of a method of the package.
    cells, genes, reference
        Cells and measured genes of the tissue, cells of the reference.
    wanted
        Genes that are predicted.
    cores
        Threads.
    limit
        Seconds that it may take.
    """

    method: str = "spadit"
    cells: int = 5000
    genes: int = 200
    reference: int = 5000
    wanted: int = 50
    cores: int = 2
    limit: float = 120.0

    @property
    def title(self) -> str:
        """The sizes in words."""
        return (
            f"{self.method} on {self.cells:,} cells, {self.genes} genes and {self.reference:,} "
            f"reference cells, {self.cores} core(s)"
        )

    @property
    def key(self) -> str:
        """Name, good for a file."""
        sizes = f"{self.cells}x{self.genes}x{self.reference}-{self.wanted}"
        return f"timing/{self.method}-{sizes}-on{self.cores}"


def run_timing(timing: Timing, work: Path) -> None:
    """Simulate a tissue of the size, predict genes as a user would, and write what it took."""
    import torch

    torch.set_num_threads(timing.cores)
    made = st.simulate(
        n_sections=3,
        cells_per_section=round(1.2 * timing.cells),
        n_genes=timing.genes,
        n_extra_genes=timing.wanted,
        n_reference_cells=timing.reference,
        image_size=60,
    )
    tissue = st.read(made.sdata)
    rows = np.flatnonzero(tissue.section == made.hidden_section)
    rng = np.random.default_rng(0)
    keep = np.zeros(tissue.n_cells, dtype=bool)
    keep[rng.choice(rows, min(timing.cells, len(rows)), replace=False)] = True
    tissue = tissue.rows(keep)
    before = _reset_peak()
    start, start_cpu = perf_counter(), process_time()
    found = st.predict_genes(
        tissue, made.reference, method=timing.method, which="all-missing", device="cpu"
    )
    end, end_cpu = perf_counter(), process_time()
    result: dict[str, Any] = {
        **asdict(timing),
        "seconds": round(end - start, 2),
        "cpu_seconds": round(end_cpu - start_cpu, 2),
        "peak_mib": round(max(_peak() - before, 0.0), 1),
        "stages": dict(found.record.seconds),
        "found": {
            "cells": found.prediction.mean.shape[0],
            "genes": found.prediction.mean.shape[1],
        },
    }
    path = work / f"{timing.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(path)


def timed(timing: Timing, work: Path) -> dict[str, Any] | None:
    """Return what was measured, or None."""
    path = work / f"{timing.key}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found
