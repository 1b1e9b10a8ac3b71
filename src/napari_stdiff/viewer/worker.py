"""Run a task in the background: progress, cancel, and every error reaching the user."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import WorkerBase

from ..compute.errors import StdiffError
from ..compute.monitor import Cancelled, Monitor

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "alloc_cpu", "cannot allocate memory")


@dataclass(frozen=True)
class Problem:
    """An error in a user's words.

    Attributes
    ----------
    sentence
        What went wrong and what to do, in one sentence.
    details
        The traceback, to copy into a report.
    """

    sentence: str
    details: str

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Put `error` into one sentence."""
        details = "".join(traceback.format_exception(error))
        if isinstance(error, StdiffError):
            return cls(str(error), details)
        text = str(error).strip()
        low = text.lower()
        if isinstance(error, MemoryError) or any(word in low for word in _OUT_OF_MEMORY):
            where = "The GPU" if "cuda" in low or "mps" in low else "The computer"
            return cls(
                f"{where} ran out of memory; choose a smaller batch size or width, fewer draws, "
                "or the device 'cpu'.",
                details,
            )
        first = text.splitlines()[0] if text else "no message"
        if len(first) > 160:
            first = first[:157] + "..."
        return cls(
            f"Something unexpected went wrong ({type(error).__name__}: {first}); "
            "please report it with the details.",
            details,
        )


class JobSignals(QObject):
    """The signals of superqt's workers, and two of ours."""

    started = Signal()
    finished = Signal()
    _finished = Signal(object)  # the base class lets go of the worker
    returned = Signal(object)
    errored = Signal(object)
    warned = Signal(tuple)
    progressed = Signal(object)  # Progress
    cancelled = Signal()  # stopped before there was anything to hand back


class Job(WorkerBase):
    """Calls ``fn(monitor)`` in a thread of Qt's pool.

    Exactly one of `returned`, `cancelled` and `errored` is emitted, then `finished`; all arrive
    in the thread of whoever connected. A cancelled call that returns what it has is `returned`
    like any other. The thread emits signals and touches no widget and no layer.

    Parameters
    ----------
    fn
        The work. It reports to the monitor, which raises `Cancelled` in it when asked to stop.
    interval
        Seconds between two `progressed` signals.
    """

    started: Any
    finished: Any
    returned: Any
    errored: Any
    progressed: Any
    cancelled: Any

    def __init__(self, fn: Callable[[Monitor], Any], interval: float = 0.1) -> None:
        super().__init__(SignalsClass=cast(Any, JobSignals))
        self._fn = fn
        self._muted = False
        self.monitor = Monitor(lambda progress: self._emit("progressed", progress), interval)

    def deliver(
        self,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        ended: Callable[[], None],
    ) -> None:
        """Connect what is to be called, in the main thread, with the result, error and end.

        A StdiffError that `done` raises goes to `failed` as well.
        """

        def returned(result: Any) -> None:
            if self._muted:
                return
            try:
                done(result)
            except StdiffError as error:
                failed(error)

        self.returned.connect(returned)
        self.errored.connect(lambda error: None if self._muted else failed(error))
        self.finished.connect(lambda: None if self._muted else ended())

    def mute(self) -> None:
        """Call nobody any more; for when the window that asked is gone."""
        self._muted = True

    def cancel(self) -> None:
        """Ask the work to stop at its next step; safe from any thread."""
        self.monitor.cancel()

    def quit(self) -> None:
        """Ask the work to stop; napari calls this on every worker when it closes."""
        self.cancel()

    def work(self) -> Any:
        """Do the work."""
        return self._fn(self.monitor)

    def run(self) -> None:
        """Do the work and say how it ended; called by the thread pool.

        The base class drops what a cancelled worker returns, replaces the process-wide warning
        hook while it runs (two workers at once leave it broken) and aborts Qt when its signals
        are gone because the window was closed; this one does none of that.
        """
        self._running = True
        self._emit("started")
        try:
            result = self.work()
        except Cancelled:
            self._emit("cancelled")
        except Exception as error:
            # the frames hold tensors: let go of them before anybody starts again
            traceback.clear_frames(error.__traceback__)
            self._emit("errored", error)
        else:
            self._emit("returned", result)
        self._running = False
        self._emit("finished")
        self._emit("_finished", self)

    def _emit(self, name: str, *args: Any) -> None:
        try:
            getattr(self.signals, name).emit(*args)
        except RuntimeError as error:  # Qt has deleted the receiver: nobody is left to tell
            warnings.warn(f"A background run ended unheard: {error}", RuntimeWarning, stacklevel=2)


def end(job: Job | None, wait_ms: int = 2000, mute: bool = False) -> None:
    """Cancel `job` and wait briefly for its thread; for when its window goes away."""
    if job is None:
        return
    if mute:
        job.mute()
    job.cancel()  # a job that is still queued stops at its first step
    pool = QThreadPool.globalInstance()
    if job.is_running and pool is not None:
        pool.waitForDone(wait_ms)
