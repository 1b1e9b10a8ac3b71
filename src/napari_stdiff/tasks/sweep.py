"""The same virtual section at several lambdas, from one fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.read_config import ReadConfig
from ..data.record import RunRecord
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from ..methods.base import Method
from .config import InterpolateConfig
from .interpolate import prepare
from .lambdas import LAMBDAS, choose_lambda, need_lambda

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_DRAWS = 4  # a lambda, where nobody says how many
_NOTE = (
    "The map is the mean of {n} draws at lambda {value:g}, since the mean that a method predicts "
    "does not depend on lambda."
)
_SCORES = "Its scores compare with the hidden section and were not used to choose lambda."


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
        Lambda that predicts a left-out *training* section best, or None with too few sections.
    training
        Lambda -> CRPS on the left-out training section; lower is better.
    record
        How it was made; ``scores`` stays empty, each section's own record has its scores.
    """

    values: tuple[float, ...]
    sections: tuple[VirtualSection, ...]
    geometric: float
    chosen: float | None
    training: dict[float, float]
    record: RunRecord

    def dump(self) -> dict[str, Any]:
        """Return everything but the predictions, ready for JSON."""
        return {
            "task": "sweep",
            "values": list(self.values),
            "geometric": self.geometric,
            "chosen": self.chosen,
            "training_crps": [
                {"lambda": value, "crps": loss} for value, loss in self.training.items()
            ],
            "target_scores": {
                "used_for_choosing": False,
                "scores": [
                    {"lambda": value} | section.record.scores
                    for value, section in zip(self.values, self.sections, strict=True)
                    if section.record.scores
                ],
            },
            "record": self.record.model_dump(mode="json"),
        }


def sweep_lambda(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: InterpolateConfig | None = None,
    values: Sequence[float] = LAMBDAS,
    monitor: Monitor | None = None,
    model: str | Path | Method | None = None,
) -> Sweep:
    """Predict one section at several lambdas from one fit.

    Parameters
    ----------
    data, read, monitor, model
        As in :func:`interpolate`.
    config
        What to cut and how. Where it does not say how many draws, each lambda gets 4.
    values
        Lambdas from 0 (the parent below) to 1 (the one above).

    Returns
    -------
    Sweep
        The sections, and the lambda that leaving out a training section chooses. Where a section
        was hidden, the record of each holds its scores; they play no part in the choice.

    Raises
    ------
    StdiffError
        As :func:`interpolate`; for a method without lambda; for values that are no lambdas.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> tissue = st.simulate(n_sections=4, cells_per_section=100, seed=1)
    >>> config = st.InterpolateConfig(hide="section_2", epochs=1, draws=1)
    >>> sweep = st.sweep_lambda(tissue.sdata, config=config, values=(0.2, 0.8))
    >>> [section.record.target["lambda"] for section in sweep.sections]
    [0.2, 0.8]
    """
    monitor = monitor or Monitor()
    config = config or InterpolateConfig()
    said = tuple(float(v) for v in values)
    if not said or not all(0 <= v <= 1 for v in said):
        raise StdiffError("A sweep takes one or more lambdas from 0 to 1.")
    need_lambda(config.method)
    if "draws" not in config.model_fields_set or not config.draws:
        config = config.but(draws=_DRAWS)
    config = config.but(blend="geometric")
    job = prepare(data, read, config, monitor)
    target, query = job.target, job.cells.query
    if target.extrapolated:
        raise StdiffError(
            "Beyond the stack a section has one parent alone, so lambda changes nothing; take a "
            "depth between two measured sections."
        )
    training: dict[float, float] = {}
    left = ""
    if len(target.visible.sections) > 2:
        with monitor.stage("Choosing lambda", 0.4), job.timed("choose"):
            left, training = choose_lambda(target.visible, config, monitor, said)
    with monitor.stage("Fitting", 0.7), job.timed("fit"):
        job.fit(config, monitor, model)
    sections = []
    for i, value in enumerate(said):
        with monitor.stage(f"lambda {value:g}", 1 / (len(said) - i)), job.timed("sample"):
            job.method.configure(config.but(blend="fixed", blend_value=value))
            prediction = job.method.sample(query, config.draws, monitor)
            monitor.check()
        assert prediction.draws is not None
        mean = prediction.draws.mean(axis=0, dtype=np.float64).astype(np.float32)
        at = config.but(blend="fixed", blend_value=value)
        section = job.answer(replace(prediction, mean=mean), at)
        notes = [_NOTE.format(n=config.draws, value=value)]
        notes += [_SCORES] if section.record.scores else []
        record = section.record.model_copy(
            update={
                "task": "sweep",
                "target": section.record.target | {"lambda": value},
                "notes": (*section.record.notes, *notes),
            }
        )
        name = f"{section.name}_lambda{value:g}"
        sections.append(replace(section, name=name, record=record))
    chosen = min(training, key=lambda v: training[v]) if training else None
    first = sections[0].record
    record = first.model_copy(
        update={
            "parameters": config.model_dump(mode="json") | {"values": list(said)},
            "chosen": first.chosen | {"lambda": chosen, "lambda_from": left},
            "target": target.describe(config.hide) | job.cells.describe(),
            "scores": {},
            "seconds": dict(job.seconds),
            "notes": target.notes,
        }
    )
    return Sweep(said, tuple(sections), target.geometric(query), chosen, training, record)
