"""How much memory a stage takes at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

_EVERY = 0.02  # seconds


@dataclass
class Peak:
    """Memory of the process above where it began, in MiB."""

    mib: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the memory of this process, and keep the most it took above where it began.

    Examples
    --------
    >>> import numpy as np
    >>> with peak_memory() as peak:
    ...     held = np.ones(20_000_000)
    >>> peak.mib > 50
    True
    """
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    peak, done = Peak(), Event()

    def look() -> None:
        peak.mib = max(peak.mib, (process.memory_info().rss - before) / 2**20)

    def watch() -> None:
        while not done.wait(_EVERY):
            look()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        look()
