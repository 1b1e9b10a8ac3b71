"""What every method that fills in entries is: two verbs, a cost, and a folder it is kept in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.monitor import Monitor
from ...data.prediction import Prediction
from ...data.visible import Visible
from ..base import Cost
from .settings import EntrySettings


class EntryMethod(ABC):
    """Fills in entries (cell and gene) of the tissue it was fitted on.

    What is given to `fit` holds the visible entries and nothing of the others, so that nothing
    hidden can leak. What `sample` answers for a cell depends on the fitted method and the seed
    alone: not on which other cells are asked for, nor on their order.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    # "none": a reference is not looked at; "optional": used where there is one; "needed"
    reference: ClassVar[str] = "none"

    def facts(self) -> dict[str, Any]:
        """Return what the fit chose or fixed by itself, as JSON can hold it, for the record."""
        return {}

    @abstractmethod
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Learn from `visible`; return self."""

    @abstractmethod
    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        """Answer for all genes of `cells` (row numbers), on the scale of ``visible.expression``.

        Entries that are not visible are predicted. Visible ones are what was measured, without
        spread, unless the fit was told to denoise (``config.denoise``): then they are the
        expected expression, given what was measured there and everywhere else. The mean is never
        below zero where the tissue's values are not. With ``n_draws > 0`` there are draws and
        their spread; a run that is cancelled once the mean is there returns what is done, with
        ``complete=False``.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted method to `folder` as safetensors and JSON."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted method; refuses, by name, a tissue or reference it was not fitted on."""

    @classmethod
    @abstractmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate what fitting on `visible` and answering for all cells will take."""
