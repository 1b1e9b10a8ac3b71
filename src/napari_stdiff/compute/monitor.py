"""One small object that every long loop reports to: progress, ETA and cancel are its readers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Cancelled(Exception):
    """The user asked for the run to stop.

    An `Exception` on purpose: workers that catch `Exception` still report it as an ended run.
    """


@dataclass(frozen=True)
class Progress:
    """What a listener gets.

    Attributes
    ----------
    stage
        What is being done, in words a user reads ("Fitting", "Drawing").
    done, total
        Steps of this stage.
    fraction
        Of the whole run, 0 to 1.
    eta_seconds
        Seconds left of the whole run, estimated from the time taken so far; None until known.
    message
        Detail, for example the loss.
    preview
        Anything a listener may show (an array, a picture); None as a rule.
    """

    stage: str
    done: int
    total: int
    fraction: float
    eta_seconds: float | None
    message: str = ""
    preview: Any = None


class Monitor:
    """Reports progress to a listener and raises :class:`Cancelled` when asked to stop.

    Parameters
    ----------
    listener
        Called with a :class:`Progress`, at most once per `interval` seconds and always at the
        end of a stage. Called from the thread that does the work.
    interval
        Seconds between two calls of the listener.

    Examples
    --------
    >>> seen = []
    >>> monitor = Monitor(seen.append, interval=0)
    >>> with monitor.stage("Counting", share=1.0):
    ...     for i in range(2):
    ...         monitor.step(i + 1, 2)
    >>> [p.fraction for p in seen]
    [0.5, 1.0]
    """

    def __init__(
        self, listener: Callable[[Progress], None] | None = None, interval: float = 0.1
    ) -> None:
        self._listener = listener
        self._interval = interval
        self._event = threading.Event()
        self._stages: list[tuple[str, float, float]] = [("Working", 0.0, 1.0)]
        self._started = time.monotonic()
        self._last = -float("inf")

    def cancel(self) -> None:
        """Ask the run to stop at its next step; safe from any thread."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the user asked for that."""
        if self._event.is_set():
            raise Cancelled("The run was cancelled.")

    @contextmanager
    def stage(self, name: str, share: float = 1.0) -> Iterator[None]:
        """Name the work inside the block; it is worth `share` of what is left of the outer block.

        Stages nest: a method's own stages fill the share that the task gave it.
        """
        _, start, end = self._stages[-1]
        stop = start + (end - start) * min(max(share, 0.0), 1.0)
        self._stages.append((name, start, stop))
        self.check()
        try:
            yield
        finally:
            self._stages.pop()
            outer, _, outer_end = self._stages[-1]
            self._stages[-1] = (outer, stop, outer_end)

    def step(self, done: int, total: int, message: str = "", preview: Any = None) -> None:
        """Report that `done` of `total` steps of the present stage are finished."""
        self.check()
        if self._listener is None:
            return
        now = time.monotonic()
        if done < total and now - self._last < self._interval:
            return
        self._last = now
        name, start, end = self._stages[-1]
        fraction = start + (end - start) * (done / total if total else 1.0)
        spent = now - self._started
        eta = spent * (1 - fraction) / fraction if fraction > 0.02 and spent > 0.5 else None
        self._listener(Progress(name, done, total, fraction, eta, message, preview))
