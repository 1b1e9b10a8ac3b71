"""Progress of a run on stderr, and Ctrl-C as a clean way to stop it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as RichProgress

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor, Progress
from .text import of_cost

if TYPE_CHECKING:
    from ..data.read_config import ReadConfig
    from ..data.tissue import Tissue
    from ..tasks.config import GenerateConfig, InterpolateConfig


@contextmanager
def monitored() -> Iterator[Monitor]:
    """Yield a monitor that shows its progress on stderr and is cancelled by Ctrl-C.

    A second Ctrl-C interrupts at once. Where stderr is no terminal, one line is written for each
    stage.
    """
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[message]}", style="dim"),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Starting", total=1.0, left="", message="")

            def show(progress: Progress) -> None:
                bar.update(
                    task,
                    completed=progress.fraction,
                    description=progress.stage,
                    left=left(progress.eta_seconds),
                    message=progress.message,
                )

            with _interruptible(Monitor(show)) as monitor:
                yield monitor
    else:
        said: list[str] = []

        def line(progress: Progress) -> None:
            if said[-1:] != [progress.stage]:
                said.append(progress.stage)
                sys.stderr.write(f"{progress.fraction:4.0%} {progress.stage}\n")
                sys.stderr.flush()

        with _interruptible(Monitor(line)) as monitor:
            yield monitor


def say_cost(tissue: Tissue, config: InterpolateConfig | GenerateConfig, read: ReadConfig) -> None:
    """Say on stderr what a method with a network will take, before it starts.

    Nothing is said where the run cannot start, which it says better itself.
    """
    from ..tasks.estimate import estimate

    try:
        cost = estimate(tissue, read=read, config=config)
    except StdiffError:
        return
    if cost.parameters:
        sys.stderr.write(of_cost(config.method, cost, config.scale_to) + "\n")
        sys.stderr.flush()


def left(seconds: float | None) -> str:
    """Return for example ``"1:05 left"``; "" while it is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} left"


@contextmanager
def _interruptible(monitor: Monitor) -> Iterator[Monitor]:
    if threading.current_thread() is not threading.main_thread():
        yield monitor
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if monitor.cancelled:
            raise KeyboardInterrupt
        monitor.cancel()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield monitor
    finally:
        signal.signal(signal.SIGINT, before)
