"""Lambda, chosen by leaving out a training section: the target is never looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.normalise import Normaliser
from ..data.prediction import Query
from ..data.tissue import Tissue
from ..methods.registry import interpolation_methods, method_class
from ..scoring.distribution import crps
from .config import InterpolateConfig
from .fitted import fitted

LAMBDAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CELLS = 1000  # that are drawn
_DRAWS = 8

Settings = TypeVar("Settings", bound=InterpolateConfig)


def has_lambda(method: str) -> bool:
    """Tell whether draws of a method depend on lambda."""
    return "blend" in method_class(method).draw_fields


def need_lambda(method: str) -> None:
    """Refuse a method whose draws do not depend on lambda."""
    if not has_lambda(method):
        those = " or ".join(m for m in interpolation_methods() if has_lambda(m))
        raise StdiffError(f"Method '{method}' has no lambda; choose {those}.")


def with_lambda(
    visible: Tissue, config: Settings, monitor: Monitor
) -> tuple[Settings, dict[str, Any]]:
    """Return the settings with lambda fixed where it is to be chosen, and what was found.

    Raises
    ------
    StdiffError
        When lambda is fixed or to be chosen and the method has none, or there are too few
        sections to choose it.
    """
    if config.blend == "fixed":
        need_lambda(config.method)
    if config.blend != "chosen":
        return config, {}
    with monitor.stage("Choosing lambda", 0.45):
        left, losses = choose_lambda(visible, config, monitor)
    best = min(losses, key=lambda v: losses[v])
    facts = {
        "lambda": best,
        "lambda_from": left,
        "lambda_crps": {f"{v:g}": round(loss, 5) for v, loss in losses.items()},
    }
    return config.but(blend="fixed", blend_value=best), facts


def choose_lambda(
    visible: Tissue,
    config: InterpolateConfig,
    monitor: Monitor,
    values: Sequence[float] = LAMBDAS,
) -> tuple[str, dict[float, float]]:
    """Leave out the middle training section, predict it at each lambda, and score the draws.

    Parameters
    ----------
    visible
        What a method may see: the target is not in it.
    config
        Names the method and its settings.
    monitor
        Progress and cancel.
    values
        The lambdas.

    Returns
    -------
    section
        The one that was left out.
    losses
        Lambda -> CRPS of its cells; lower is better.
    """
    need_lambda(config.method)
    sections = visible.sections
    if len(sections) < 3:
        raise StdiffError(
            f"Choosing lambda leaves out a section between two others, and only {len(sections)} "
            "are visible; take lambda 'geometric' or a number."
        )
    left = sections[1:-1][(len(sections) - 2) // 2]
    rest, own = visible.split(left)
    if own.n_cells > _CELLS:
        rng = np.random.default_rng([config.seed, 13])
        own = own.rows(np.sort(rng.choice(own.n_cells, _CELLS, replace=False)))
    settings = config.but(blend="geometric")
    with monitor.stage("Fitting without a section", 0.8):
        method, _ = fitted(rest, settings, monitor)
    truth = Normaliser.fit(rest)(own)
    query = Query(own.coords, own.cell_type)
    losses: dict[float, float] = {}
    for i, value in enumerate(values):
        with monitor.stage(f"lambda {value:g}", 1 / (len(values) - i)):
            method.configure(settings.but(blend="fixed", blend_value=value))
            draws = method.sample(query, _DRAWS, monitor).draws
            monitor.check()
            assert draws is not None
            loss = crps(truth, draws)
            losses[float(value)] = float("inf") if loss is None else loss
    return left, losses
