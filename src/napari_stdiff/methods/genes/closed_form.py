"""The closed-form predictors as methods: one of them, smoothing, and a spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ..base import Cost
from ..files import read_model, write_model
from .base import GeneMethod, with_draws
from .files import panel_tie, refuse_other_panel
from .folds import out_of_fold
from .settings import GeneSettings
from .singles import SINGLES, Single
from .smoothing import Neighbourhood, Smoothing
from .spread import Spread

# seconds: of a product of cells, reference cells and genes; of an eigenvector's entry times a
# gene; of a value that is drawn
_PAIR, _SOLVE, _DRAWN = 6e-11, 4e-10, 7.5e-8
_PAIRED = {"knn": 3.0, "sinkhorn": 2.7, "spage-like": 1.3}


class ClosedForm(GeneMethod):
    """One closed-form predictor.

    Folds over the visible genes say how strongly predictions are averaged over neighbouring
    cells and how far the truth lies from them. What it keeps beside its choices is the panel, so
    that a model is fitted in full again, from the same data, when it is loaded.
    """

    single: ClassVar[type[Single]]

    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        """Predict visible genes from each other, choose smoothing and spread, fit to all."""
        self.config = config
        with monitor.stage("Predicting visible genes from each other", share=0.85):
            hidden = out_of_fold(panel, self._once, config.inner_folds, config.seed, monitor)
        near = Neighbourhood(panel.coords, panel.section)
        truth = panel.tissue
        with monitor.stage("Smoothing and spread", share=0.7):
            self.smoothing = Smoothing()
            if config.smoothing == "auto":
                self.smoothing = near.choose(hidden, truth)
            monitor.step(1, 2)
            self.spread = Spread.fit(near.smooth(hidden, self.smoothing), truth, config.seed)
            monitor.step(2, 2)
        with monitor.stage("Fitting"):
            self._take(panel, near)
            monitor.step(1, 1)
        return self

    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes`; each draw takes its values from the spread."""
        names = np.array([str(gene) for gene in genes], dtype=object)
        raw = self._panel.floored(self._single.predict(self._panel.profiles(names)))
        raw = self._near.smooth(raw, self.smoothing)
        mean = self._panel.floored(self.spread.calibrated(raw))

        def drawing() -> Callable[[int], np.ndarray]:
            return self.spread.drawing(raw, names, self.config.seed).draw

        return with_draws(names, mean, n_draws, drawing, monitor)

    def facts(self) -> dict[str, Any]:
        """Return what was chosen: smoothing, the spread's pool, and the predictor's own."""
        return {
            "smoothing_strength": self.smoothing.strength,
            "smoothing_neighbours": self.smoothing.neighbours,
            **self.spread.facts(),
            **self._single.facts(),
        }

    def save(self, folder: Path) -> None:
        """Write choices and spread to `folder`, and which tissue and reference they are for."""
        meta, tensors = self.spread.pack()
        kept = {
            "config": self.config.model_dump(),
            "panel": panel_tie(self._panel),
            "smoothing": [self.smoothing.strength, self.smoothing.neighbours],
        }
        write_model(folder, self.id, meta | kept, tensors)

    @classmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        """Read a fitted method; the panel must be the one it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_panel(meta, panel)
        method = cls()
        method.config = GeneSettings.kept(meta["config"])
        strength, neighbours = meta["smoothing"]
        method.smoothing = Smoothing(float(strength), int(neighbours))
        method.spread = Spread.unpack(meta, tensors)
        method._take(panel, Neighbourhood(panel.coords, panel.section))
        return method

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate from cells, reference cells, genes and folds."""
        cells, shared = panel.n_cells, len(panel.genes)
        reference = panel.reference_raw.shape[0]
        pairs = float(cells) * reference * (shared + 60)
        once = _PAIR * _PAIRED.get(cls.id, 0.0) * pairs + _SOLVE * 12 * shared**3
        once += 3e-9 * (cells + reference) * shared * min(shared, 200) ** 0.5
        seconds = 0.2 + (config.inner_folds + 1) * once + 3e-3 * min(shared, 200)
        seconds += _DRAWN * (config.draws + 2) * cells * n_genes
        block = 3 * min(cells, 4096) * reference if cls.id in _PAIRED else 0
        values = 4 * (cells + reference) * shared + (config.draws + 4) * cells * n_genes
        values += reference * n_genes + 4 * shared**2 + block
        return Cost(0, seconds, 50 + 4 * values / 2**20)

    def _take(self, panel: Panel, near: Neighbourhood) -> None:
        self._panel, self._near = panel, near
        self._single = self.single().fit(panel.tissue, panel.reference)

    def _once(self, panel: Panel, names: np.ndarray) -> np.ndarray:
        fitted = self.single().fit(panel.tissue, panel.reference)
        return panel.floored(fitted.predict(panel.profiles(names)))


class RidgeMethod(ClosedForm):
    """Ridge regression of each gene on the shared genes."""

    single = SINGLES["ridge"]
    id, title, description = single.id, single.title, single.description


class PlsMethod(ClosedForm):
    """Partial least squares of each gene on the shared genes."""

    single = SINGLES["pls"]
    id, title, description = single.id, single.title, single.description


class KnnMethod(ClosedForm):
    """The mean of the most similar reference cells."""

    single = SINGLES["knn"]
    id, title, description = single.id, single.title, single.description


class GeneKernelRidgeMethod(ClosedForm):
    """Maps of visible genes weighted by likeness to the gene in the reference."""

    single = SINGLES["gene-kernel-ridge"]
    id, title, description = single.id, single.title, single.description


class SinkhornMethod(ClosedForm):
    """The mean of the reference cells that optimal transport assigns to a cell."""

    single = SINGLES["sinkhorn"]
    id, title, description = single.id, single.title, single.description


class SpageLikeMethod(ClosedForm):
    """Neighbours in the directions that tissue and reference have in common."""

    single = SINGLES["spage-like"]
    id, title, description = single.id, single.title, single.description
