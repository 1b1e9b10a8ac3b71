"""What a run does and costs, said before it starts and worked out in the background."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import NamedTuple

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel

from ...compute.errors import StdiffError
from ...methods.base import Cost
from ..worker import Job, Problem, end
from .run_bar import duration


class Estimate(NamedTuple):
    """What a run will do, in one sentence, what it costs, and more about it for the tooltip."""

    about: str
    cost: Cost
    more: str = ""


class CostLine(QLabel):
    """Asks for an estimate shortly after the last change, one at a time.

    Parameters
    ----------
    ask
        Called in the main thread; returns the function that estimates (called in a worker), or
        None when there is nothing to estimate. Its StdiffError is shown.
    """

    def __init__(self, ask: Callable[[], Callable[[], Estimate] | None]) -> None:
        super().__init__()
        self.setWordWrap(True)
        self._ask = ask
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(300)
        self._timer.timeout.connect(self._estimate)

    def refresh(self, *_: object) -> None:
        """Estimate anew, soon."""
        self._timer.start()

    def end(self) -> None:
        """Stop estimating."""
        self._timer.stop()
        end(self._job, mute=True)
        self._job = None

    def _estimate(self) -> None:
        if self._job is not None:
            self._timer.start()
            return
        try:
            estimate = self._ask()
        except StdiffError as error:
            self.setText(str(error))
            return
        if estimate is None:
            self.setText("")
            return
        if not self.text():
            self.setText("Working out what it takes …")
        self._job = job = Job(lambda _: estimate())
        job.deliver(self._show, self._fail, self._ended)
        job.start()

    def _show(self, told: Estimate) -> None:
        self.setText("\n".join(part for part in (told.about, words_of(told.cost)) if part))
        self.setToolTip(f"<p>{escape(told.more)}</p>" if told.more else "")

    def _fail(self, error: Exception) -> None:
        self.setText(Problem.of(error).sentence)

    def _ended(self) -> None:
        self._job = None


def words_of(cost: Cost) -> str:
    """Put a cost into one line."""
    if cost.parameters >= 1e9:
        size = f"{cost.parameters / 1e9:.2g} billion parameters"
    elif cost.parameters >= 1e5:
        size = f"{cost.parameters / 1e6:.2g} M parameters"
    else:
        size = f"{cost.parameters:,} parameters" if cost.parameters else "no network"
    memory = (
        f"{cost.memory_mib / 1024:.1f} GiB"
        if cost.memory_mib > 1000
        else f"{max(cost.memory_mib, 1):.0f} MiB"
    )
    time = duration(cost.seconds)
    about = "" if time.startswith("under") else "about "
    return f"Takes {about}{time} and {memory} of memory ({size})."
