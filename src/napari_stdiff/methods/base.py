"""What every method is: two verbs, a cost, and a folder it can be kept in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from ..compute.monitor import Monitor
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
