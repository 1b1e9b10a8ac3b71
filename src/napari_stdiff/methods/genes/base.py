"""What every method that predicts genes is: two verbs, a cost, and a folder it can be kept in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ..base import Cost, collect, complete
from .held_out import HeldOut
from .settings import GeneSettings


def with_draws(
    genes: np.ndarray,
    mean: np.ndarray,
    n_draws: int,
    drawing: Callable[[], Callable[[int], np.ndarray]],
    monitor: Monitor,
) -> Prediction:
    """Put draws to a mean that is there; a run that is cancelled by then keeps what is done.

    Parameters
    ----------
    genes, mean
        (genes,) names and (cells, genes) of the prediction.
    n_draws
        Draws wanted.
    drawing
        Returns the function that makes the draw with a number; not called without draws.
    monitor
        Progress, of which the mean is one step and each draw another.
    """
    monitor.step(1, 1 + n_draws)
    if not n_draws:
        return Prediction(genes, mean)
    draws = collect(drawing(), n_draws, mean.shape, monitor)
    std = None if draws is None else draws.std(axis=0)
    return Prediction(genes, mean, std, draws, complete(draws, n_draws))


class GeneMethod(ABC):
    """Predicts the expression of wanted genes in the cells of the tissue it was fitted on.

    The panel given to `fit` holds the tissue's visible genes and nothing of the others, so that
    nothing hidden can leak. What `sample` answers for a gene depends on the fitted method, the
    gene and the seed alone: not on which other genes are asked for, nor on their order.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    #: whether a fit hides visible genes by itself and tells how they were predicted
    keeps_folds: ClassVar[bool] = False

    def held_out(self) -> HeldOut | None:
        """Return the visible genes, each predicted as the method does while it was hidden.

        What a fit chooses is then chosen on other genes. None where a fit does not hide genes by
        itself, and for a loaded model.
        """
        return None

    def facts(self) -> dict[str, Any]:
        """Return what the fit chose or fixed by itself, as JSON can hold it, for the record."""
        return {}

    @abstractmethod
    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        """Learn from `panel`; return self."""

    @abstractmethod
    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes` (of ``panel.wanted``) on the scale of ``panel.tissue``.

        Returns the mean (cells, genes), never below zero where the tissue's values are not, and
        with ``n_draws > 0`` draws (draws, cells, genes) and their spread. A run that is cancelled
        once the mean is there returns what is done, with ``complete=False``.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted method to `folder` as safetensors and JSON."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        """Read a fitted method; refuses, by name, a tissue or reference it was not fitted on."""

    @classmethod
    @abstractmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate what fitting on `panel` and predicting `n_genes` genes will take."""
