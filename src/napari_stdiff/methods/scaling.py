"""Make a printed configuration smaller, so that it ends near a time asked for, and say so.

The papers' own sizes may take hours. A scaled run trains for fewer epochs first; where that would
leave too few, the network gets narrower and shallower. Sampling gets fewer steps where it would
take more than half of the time. What was made smaller, and what the full run would have taken,
goes to the record and to the notes of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Self

_FEW_EPOCHS = 0.04  # of the printed ones; with fewer the network shrinks before the epochs do
_LEAST_WIDTH, _LEAST_STEPS = 32, 10
_SAID = {
    "epochs": "{} of {} epochs",
    "width": "width {} of {}",
    "depth": "depth {} of {}",
    "sampler_steps": "{} of {} sampling steps",
}


@dataclass(frozen=True)
class Sizes:
    """What a run can be made smaller in."""

    epochs: int
    width: int
    depth: int
    sampler_steps: int


@dataclass(frozen=True)
class Speed:
    """Seconds on this machine for one epoch, and for one sampling step of all cells and draws."""

    epoch: float
    sampler_step: float

    def seconds(self, sizes: Sizes) -> float:
        """Return the seconds of a run of these sizes."""
        return self.epoch * sizes.epochs + self.sampler_step * sizes.sampler_steps


# Timed(width, depth): how quick a network of these sizes is, by a short trial
Timed = Callable[[int, int], Speed]


@dataclass(frozen=True)
class Scaled:
    """A configuration made to fit into a time.

    Attributes
    ----------
    to_seconds
        The time asked for.
    full, used
        Sizes as they are printed (or were asked for), and as they are run.
    full_speed, used_speed
        How quick networks of these sizes are.
    """

    to_seconds: float
    full: Sizes
    used: Sizes
    full_speed: Speed
    used_speed: Speed

    @property
    def full_seconds(self) -> float:
        """Estimated seconds of the full run, where it is not stopped early."""
        return self.full_speed.seconds(self.full)

    def after(self, epochs: float, seconds: float) -> Self:
        """Put the time that the epochs of the run really took in place of the trial's."""
        if epochs <= 0:
            return self
        ratio = seconds / epochs / self.used_speed.epoch
        return replace(
            self,
            full_speed=replace(self.full_speed, epoch=self.full_speed.epoch * ratio),
            used_speed=replace(self.used_speed, epoch=self.used_speed.epoch * ratio),
        )

    def facts(self) -> dict[str, Any]:
        """Return what the record says, as JSON can hold it."""
        return {
            "scaled_to_seconds": self.to_seconds,
            "full_configuration": asdict(self.full),
            "full_seconds_estimated": round(self.full_seconds, 1),
        }

    def note(self) -> str:
        """Return the sentence that goes with the result."""
        smaller = [
            words.format(getattr(self.used, name), getattr(self.full, name))
            for name, words in _SAID.items()
            if getattr(self.used, name) != getattr(self.full, name)
        ]
        if not smaller:
            return f"The full configuration fits into {spelled(self.to_seconds)}; it was run."
        return (
            f"Scaled run: {', '.join(smaller)}, to end near {spelled(self.to_seconds)}; scores "
            f"are those of the scaled run. The full run would take {spelled(self.full_seconds)} "
            "here, extrapolated from measured epochs."
        )

    def dump(self) -> dict[str, Any]:
        """Return the fields, for a model file."""
        return asdict(self)

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Self:
        """Undo :meth:`dump`."""
        return cls(
            meta["to_seconds"],
            Sizes(**meta["full"]),
            Sizes(**meta["used"]),
            Speed(**meta["full_speed"]),
            Speed(**meta["used_speed"]),
        )


def scale(
    full: Sizes, seconds: float, timed: Timed, *, steps_said: bool = False, least_depth: int = 1
) -> Scaled:
    """Make `full` as little smaller as lets it end near `seconds`.

    Parameters
    ----------
    full
        The configuration as printed.
    seconds
        Wall time for fit and prediction together. Trials count, but for the first one, which
        also loads what is loaded once.
    timed
        Times a network by a short trial.
    steps_said
        The sampling steps are the user's own, and stay.
    least_depth
        A network is not made shallower than this.

    Examples
    --------
    >>> quick = lambda width, depth: Speed(width * depth / 100, 0.01)
    >>> scale(Sizes(300, 256, 2, 100), 100, quick).used
    Sizes(epochs=19, width=256, depth=2, sampler_steps=100)
    """
    speed = full_speed = timed(full.width, full.depth)
    began = perf_counter()
    few = max(round(_FEW_EPOCHS * full.epochs), 1)

    def fitting(width: int, depth: int) -> Sizes:
        left = max(seconds - (perf_counter() - began), 0.0)
        steps = full.sampler_steps
        if not steps_said and speed.sampler_step * steps > left / 2:
            most = int(left / 2 / max(speed.sampler_step, 1e-9))
            steps = max(min(most, steps), min(_LEAST_STEPS, steps))
        rest = left - speed.sampler_step * steps
        epochs = int(min(max(rest / max(speed.epoch, 1e-9), 1), full.epochs))
        return Sizes(epochs, width, depth, steps)

    if full_speed.seconds(full) <= seconds:
        return Scaled(seconds, full, full, full_speed, full_speed)
    used, thinner = fitting(full.width, full.depth), True
    while used.epochs < few and (used.width > _LEAST_WIDTH or used.depth > least_depth):
        width, depth = used.width, used.depth
        if (thinner and width > _LEAST_WIDTH) or depth <= least_depth:
            width = max(width // 2, min(width, _LEAST_WIDTH))
        else:
            depth = max(depth // 2, least_depth)
        thinner = not thinner
        speed = timed(width, depth)
        used = fitting(width, depth)
    return Scaled(seconds, full, used, full_speed, speed)


def seconds_each(run: Callable[[int], object], lasts: float = 0.2, at_most: int = 1000) -> float:
    """Return the seconds of one step of ``run(steps)``, by a trial that lasts `lasts` or more.

    The first step, which also loads what is loaded once, does not count; nor are there more than
    `at_most` steps in one trial.
    """
    run(1)
    steps = 1
    while True:
        began = perf_counter()
        run(steps)
        took = perf_counter() - began
        if took >= lasts or steps >= at_most:
            return took / steps
        steps = min(max(2 * steps, int(steps * lasts / max(took, 1e-6))), at_most)


def spelled(seconds: float) -> str:
    """Return for example ``"45 s"``, ``"about 12 min"`` or ``"about 3.5 h"``."""
    if seconds < 99.5:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.2g} h" if seconds < 36_000 else f"about {seconds / 3600:.0f} h"
