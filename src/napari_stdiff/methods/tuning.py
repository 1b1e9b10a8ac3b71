"""What stDiffusion chooses by leaving out a training section, never by looking at the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..compute.monitor import Monitor
from ..scoring.distribution import crps
from .cells import VisibleCells
from .core import Around, Core, How
from .donors import Donors
from .network import DrawAndMean
from .settings import InterpolationSettings

_CHECKED = 1500  # cells that the means are checked on
_DRAWN = 500  # cells that are drawn, fewer where genes are many
_DRAWN_VALUES = 1_000_000
_DRAWS = 8
_NOISE = (0.1, 0.3, 0.6, 1.0)
_AS_GOOD = 1.005  # a score this close to the best is as good
_CARRY = {"off": 0.0, "half": 0.5, "full": 1.0}
_SHARES = np.round(np.linspace(0, 1, 11), 1)
_SHORTEST = 0.2
# cells drawn to choose settings, all draws counted, at most
TRIAL_DRAWS = _DRAWN * _DRAWS * (len(_CARRY) + len(_NOISE) - 1)


@dataclass(frozen=True)
class Chosen:
    """Settings that follow from the data.

    Attributes
    ----------
    guess_share
        Share of the closed-form guess in the mean; the rest is the network's.
    score_share
        The same in the means of scores, which parents are carried by.
    noise
        Level t.
    carry
        Share of the difference of means that parents are moved by.
    length
        Share of the training steps after which the left-out error was lowest.
    """

    guess_share: float = 0.5
    score_share: float = 0.5
    noise: float = 0.3
    carry: float = 0.5
    length: float = 1.0

    def how(self, config: InterpolationSettings) -> How:
        """Return how to draw: what the user said, and what was chosen where they did not."""
        return How(
            noise=config.noise_level or self.noise,
            carry=self.carry if config.carry == "auto" else _CARRY[config.carry],
            share=self.score_share,
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
    values, scores = core.encode(truth)
    sizes = core.context.basis.scale**2, core.basis.scale**2

    with monitor.stage("Fitting without some cells", 0.85):
        around: list[Around] = []

        def error(network: Any) -> float:
            assert isinstance(network, DrawAndMean)
            if not around:
                around.append(core.around(coords, code))
            learned = core.means(around[0].condition, network)[0]
            return float((((learned - values) ** 2) * sizes[0]).mean())

        trained = core.train(steps, config, monitor, error)
    there = around[0] if around else core.around(coords, code)
    learned = core.means(there.condition)
    shares = [
        _best_share(guess, other, wanted, size)
        for guess, other, wanted, size in zip(
            (there.values, there.scores), learned, (values, scores), sizes, strict=True
        )
    ]
    best = Chosen(shares[0], shares[1], length=max(trained.best_steps / steps, _SHORTEST))
    some = np.arange(min(_DRAWN, len(left), max(_DRAWN_VALUES // truth.shape[1], 50)))
    donors = Donors.of(core.context, coords[some], code[some], None, config.neighbours)
    few = Around(there.condition[some], there.values[some], there.scores[some])
    mean = core.blend(few, learned[1][some], shares[1])

    def loss(noise: float, carry: float) -> float:
        how = replace(best, noise=noise, carry=carry).how(config)
        draws = [
            core.draw(k, donors, coords[some], few, mean, how, monitor) for k in range(_DRAWS)
        ]
        return crps(truth[some], np.array(draws)) or 0.0

    carries = [loss(_NOISE[0], c) for c in _CARRY.values()]
    monitor.step(1, 2, "carry")
    # the means are better after the whole training than here, so carrying is, too
    carry = _last_as_good(list(_CARRY.values()), carries)
    noises = [carries[list(_CARRY.values()).index(carry)], *(loss(t, carry) for t in _NOISE[1:])]
    monitor.step(2, 2, "noise level")
    return replace(best, carry=carry, noise=_least_noise(noises))


def _best_share(
    guess: np.ndarray, learned: np.ndarray, truth: np.ndarray, size: np.ndarray
) -> float:
    """Return the least share of the closed-form guess that is as good as any.

    The network is better after the whole training than here, the guess is not.
    """
    errors = [(((s * guess + (1 - s) * learned - truth) ** 2) * size).mean() for s in _SHARES]
    return _last_as_good(_SHARES[::-1].tolist(), errors[::-1])


def _last_as_good(options: Sequence[float], losses: Sequence[float]) -> float:
    """Return the last option whose loss is as good as any."""
    good = min(losses) * _AS_GOOD
    return [o for o, loss in zip(options, losses, strict=True) if loss <= good][-1]


def _least_noise(losses: Sequence[float]) -> float:
    """Return the least noise that is as good as any.

    Noise costs co-expression, which the score hardly sees, so it has to earn its place.
    """
    return _last_as_good(_NOISE[::-1], losses[::-1])
