"""The same virtual section at several lambdas, from one fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.read_config import ReadConfig
from ..data.record import RunRecord
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from ..methods.base import Method
from .config import InterpolateConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

LAMBDAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Sweep:
    """What :func:`sweep_lambda` returns.

    Attributes
    ----------
    values
        (n,) lambdas: 0 is the parent below, 1 the parent above.
    sections
        (n,) the virtual section at each. ``prediction.mean`` is the mean of its few draws, since
        the mean that a method predicts does not depend on lambda.
    geometric
        Mean over the cells of the lambda that follows from the distances to the two parents.
    chosen
        Lambda that predicts left-out *training* sections best, or None where there are too few.
    training
        Lambda -> CRPS on the left-out training sections; lower is better.
    record
        How it was made; ``scores`` stays empty, each section's own record has its scores.
    """

    values: tuple[float, ...]
    sections: tuple[VirtualSection, ...]
    geometric: float
    chosen: float | None
    training: dict[float, float]
    record: RunRecord


def sweep_lambda(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: InterpolateConfig | None = None,
    values: Sequence[float] = LAMBDAS,
    monitor: Monitor | None = None,
    model: str | Path | Method | None = None,
) -> Sweep:
    """Predict one section at several lambdas from one fit."""
    raise StdiffError("The sweep is not there yet.")
