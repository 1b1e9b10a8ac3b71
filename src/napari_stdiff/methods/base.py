"""What every method is: two verbs, a cost, and a folder it can be kept in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..compute.monitor import Cancelled, Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from .settings import InterpolationSettings


@dataclass(frozen=True)
class Cost:
    """What a run will take, estimated before it starts.

    Attributes
    ----------
    parameters
        Trainable parameters.
    seconds
        Fit and prediction on this machine.
    memory_mib
        Peak memory above that of the loaded data.
    """

    parameters: int
    seconds: float
    memory_mib: float


class Method(ABC):
    """Predicts expression at new positions of a tissue it was fitted on.

    The tissue given to `fit` holds what is visible and nothing else, so that nothing hidden can
    leak. `sample` depends on the fitted method, the query and the seed alone: not on the order
    of the query's cells, nor on how they are batched.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    # settings that are read when drawing and leave the fit as it is
    draw_fields: ClassVar[frozenset[str]] = frozenset()

    def configure(self, config: InterpolationSettings) -> None:
        """Take the `draw_fields` of `config` on a method that is already fitted."""
        return

    def facts(self) -> dict[str, Any]:
        """Return what the fit chose or fixed by itself, as JSON can hold it, for the record."""
        return {}

    @abstractmethod
    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Learn from `tissue`; return self. `reference` is None where a task has none."""

    @abstractmethod
    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Predict `query`: the mean, and with ``n_draws > 0`` draws and their spread.

        A run that is cancelled once the mean is there returns what is done, with
        ``complete=False``.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted method to `folder` as safetensors and JSON."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted method; refuses, by name, a tissue whose genes or types do not fit."""

    @classmethod
    @abstractmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate what fitting on `tissue` and predicting `n_cells` cells will take."""


def collect(
    draw: Callable[[int], np.ndarray],
    n_draws: int,
    shape: tuple[int, ...],
    monitor: Monitor,
    before: int = 1,
) -> np.ndarray | None:
    """Make draws one by one, and keep those that are done when the run is cancelled.

    Parameters
    ----------
    draw
        Returns the draw with a number, (cells, genes).
    n_draws
        Draws wanted.
    shape
        (cells, genes).
    monitor
        Progress and cancel.
    before
        Steps of the work that was done before, as long as one draw each.

    Returns
    -------
    np.ndarray or None
        (draws, cells, genes) float32; None without any.
    """
    draws = np.empty((n_draws, *shape), dtype=np.float32)
    kept = 0
    try:
        while kept < n_draws:
            monitor.step(before + kept, before + n_draws, f"draw {kept + 1} of {n_draws}")
            draws[kept] = draw(kept)
            kept += 1
    except Cancelled:
        draws = draws[:kept]
    return draws if kept else None


def complete(draws: np.ndarray | None, n_draws: int) -> bool:
    """Return whether as many draws are there as were wanted."""
    return (0 if draws is None else len(draws)) == n_draws
