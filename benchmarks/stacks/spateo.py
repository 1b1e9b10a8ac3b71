"""Spateo's deep interpolation as a method, where a Python that has spateo is named.

Spateo needs older numpy, scipy and statsmodels than this project, so it runs in a Python of its
own, ``STDIFF_SPATEO_PYTHON``; what it learns and answers goes through files.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

import napari_stdiff as st
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Cost, Method
from napari_stdiff.methods.cells import VisibleCells
from napari_stdiff.methods.files import read_model, refuse_misfit, write_model
from napari_stdiff.methods.settings import InterpolationSettings

PYTHON = "STDIFF_SPATEO_PYTHON"
_SCRIPT = """
import sys
import numpy as np
import torch
from anndata import AnnData
from spateo.tdr.interpolations import deep_intepretation

held = np.load(sys.argv[1])
torch.manual_seed(int(held["seed"]))
np.random.seed(int(held["seed"]))
cells = AnnData(held["x"])
cells.obsm["spatial"] = held["at"]
rows = min(2000, len(held["x"]))
found = deep_intepretation(
    cells,
    target_points=held["to"],
    keys=cells.var_names.tolist(),
    data_batch_size=rows,
    autoencoder_batch_size=min(50, rows),
)
np.save(sys.argv[2], np.asarray(found.X, dtype=np.float32))
"""


class Spateo(Method):
    """A network from depth and place to expression, with spateo's own settings; no draws."""

    id: ClassVar[str] = "spateo-deep"
    title: ClassVar[str] = "Spateo, deep interpolation"
    description: ClassVar[str] = "Spateo's network from place to expression."

    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Keep the visible cells; spateo learns and answers in one call."""
        self.cells, self.seed = VisibleCells.of(tissue), config.seed
        return self

    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Train and predict in spateo's Python."""
        python = os.environ.get(PYTHON, "")
        if not python:
            raise st.StdiffError(f"Set {PYTHON} to a Python that has spateo, or leave it out.")
        # one scale for all axes, so that the network sees numbers near 1
        centre = self.cells.coords.mean(axis=0)
        scale = float(self.cells.coords[:, 1:].std()) or 1.0
        with tempfile.TemporaryDirectory() as folder:
            told, answer = Path(folder) / "told.npz", Path(folder) / "answer.npy"
            np.savez(
                told,
                x=self.cells.expression,
                at=((self.cells.coords - centre) / scale).astype(np.float32),
                to=((query.coords - centre) / scale).astype(np.float32),
                seed=self.seed,
            )
            ended = subprocess.run(
                [python, "-c", _SCRIPT, str(told), str(answer)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if ended.returncode or not answer.exists():
                lines = ended.stderr.strip().splitlines() or ["it said nothing"]
                raise st.StdiffError(f"Spateo failed: {lines[-1]}")
            mean = np.maximum(np.load(answer), 0)
        return Prediction(self.cells.genes, mean)

    def save(self, folder: Path) -> None:
        """Write the visible cells to `folder`."""
        meta, tensors = self.cells.pack()
        write_model(folder, self.id, meta | {"seed": self.seed}, tensors)

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read the visible cells from `folder`."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.cells, method.seed = VisibleCells.unpack(meta, tensors), int(meta["seed"])
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Say nothing of use: the time is spateo's."""
        return Cost(0, 60.0, 0.0)

    def facts(self) -> dict[str, Any]:
        """Return what is not as for the others."""
        return {"process": "a Python of its own; its memory is not counted"}
