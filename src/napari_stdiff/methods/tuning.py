"""What stDiffusion chooses by leaving out a training section, never by looking at the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..compute.monitor import Monitor
from ..scoring.distribution import crps
from .cells import VisibleCells
from .core import Core, How
from .donors import Donors
from .network import DrawAndMean
from .settings import InterpolationSettings

_CHECKED = 1500  # cells that the mean is checked on
_DRAWN = 500  # cells that are drawn
_DRAWS = 8
_NOISE = (0.3, 0.6, 1.0)
TRIAL_DRAWS = _DRAWN * _DRAWS * 2 * len(_NOISE)  # cells drawn at most when settings are chosen
_AS_GOOD = 1.005  # a score this close to the best is as good
_CARRY = {"off": 0.0, "half": 0.5, "full": 1.0}
_SHARES = np.linspace(0, 1, 11)
_SHORTEST = 0.2


@dataclass(frozen=True)
class Chosen:
    """Settings that follow from the data.

    Attributes
    ----------
    neighbour_share
        Share of the neighbours' average in the mean; the rest is the network's.
    noise
        Level t.
    carry
        Share of the difference of means that parents are moved by.
    length
        Share of the training steps after which the left-out error was lowest.
    """

    neighbour_share: float = 0.3
    noise: float = 0.3
    carry: float = 0.5
    length: float = 1.0

    def how(self, config: InterpolationSettings) -> How:
        """Return how to draw: what the user said, and what was chosen where they did not."""
        return How(
            noise=config.noise_level or self.noise,
            carry=self.carry if config.carry == "auto" else _CARRY[config.carry],
            average=config.mixing == "average",
            sampler=config.sampler,
            steps=config.sampler_steps,
        )

    def dump(self) -> dict[str, Any]:
        """Return the fields, for a model file."""
        return asdict(self)


def choose(
    cells: VisibleCells,
    out: np.ndarray,
    steps: int,
    config: InterpolationSettings,
    monitor: Monitor,
) -> Chosen:
    """Fit without some cells, predict them, and keep what predicts them best.

    Parameters
    ----------
    cells
        The visible cells.
    out
        (cells,) mask of those to leave out: a section, or cells of every section.
    steps
        Training steps of the final fit.
    config
        Settings of the fit.
    monitor
        Progress and cancel.
    """
    kept, left = ~out, np.flatnonzero(out)
    rng = np.random.default_rng([config.seed, 7])
    if len(left) > _CHECKED:
        left = np.sort(rng.choice(left, _CHECKED, replace=False))
    core = Core(cells.rows(kept), config)
    coords, code, truth = cells.coords[left], cells.code[left], cells.expression[left]
    around = core.around(coords, code)

    def error(network: Any) -> float:
        assert isinstance(network, DrawAndMean)
        return float(((core.means(around.condition, network)[0] - truth) ** 2).mean())

    with monitor.stage("Fitting without some cells", 0.85):
        trained = core.train(steps, config, monitor, error)
    values, scores = core.means(around.condition)
    errors = [
        float(((np.maximum(s * around.average + (1 - s) * values, 0) - truth) ** 2).mean())
        for s in _SHARES
    ]
    some = np.arange(min(_DRAWN, len(left)))
    donors = Donors.of(core.context, coords[some], code[some], None, config.neighbours)
    options = [(t, c) for t in _NOISE for c in (0.5, 1.0)]
    losses: list[float] = []
    for i, (t, c) in enumerate(options):
        how = How(t, c, config.mixing == "average", config.sampler, config.sampler_steps)
        monitor.check()
        draws = [
            core.draw(k, donors, coords[some], around.condition[some], scores[some], how, monitor)
            for k in range(_DRAWS)
        ]
        monitor.step(i + 1, len(options), f"noise level {t:g}")
        losses.append(crps(truth[some], np.array(draws)) or 0.0)
    noise, carry = _least_noise(options, losses)
    return Chosen(
        neighbour_share=float(_SHARES[int(np.argmin(errors))]),
        noise=noise,
        carry=carry,
        length=max(trained.best_steps / steps, _SHORTEST),
    )


def _least_noise(
    options: Sequence[tuple[float, float]], losses: Sequence[float]
) -> tuple[float, float]:
    """Return the least noise that is as good as any, and the carry that goes with it best.

    Noise costs co-expression, which the score hardly sees, so it has to earn its place.
    """
    good = min(losses) * _AS_GOOD
    least = min(t for (t, _), loss in zip(options, losses, strict=True) if loss <= good)
    here = [(loss, c) for (t, c), loss in zip(options, losses, strict=True) if t == least]
    return least, min(here)[1]
