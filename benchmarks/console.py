"""What the benchmark commands share: options, lines to whoever watches, other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def listed(text: str) -> list[str]:
    """Return the parts of an option that takes several, separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def say(line: str) -> None:
    """Tell whoever watches; the report itself has the other stream for itself."""
    print(line, file=sys.stderr, flush=True)


def write(path: Path, text: str) -> None:
    """Write a file, and its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def beside(pictures: Sequence[Path], page: Path | None) -> list[str]:
    """Return the paths of pictures as a page links to them; from here without a page."""
    base = page.parent if page else Path()
    return [os.path.relpath(p, base).replace(os.sep, "/") for p in pictures]


def placed(text: str, tables: str, mark: str) -> str:
    """Return `text` with `tables` between the two comments of `mark`, or after it without them."""
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = text.partition(start)
    after = rest.partition(end)[2] if found else "\n"
    return f"{before}{start}\n\n{tables}\n\n{end}{after}"


def shorten(text: str) -> str:
    """Return an error in one line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."


def process(
    script: Path,
    what: Sequence[str],
    data: Path,
    work: Path,
    limit: float,
    threads: int | None = None,
) -> str:
    """Run a benchmark command in a process of its own.

    Parameters
    ----------
    script
        The command.
    what
        Its own options.
    data, work
        Folders of data and results.
    limit
        Seconds after which it is ended.
    threads
        Cores it may use; None: what the environment says, or one.

    Returns
    -------
    str
        What went wrong, or "".
    """
    said = [sys.executable, str(script), *what, "--data", str(data), "--work", str(work)]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    try:
        ended = subprocess.run(
            said, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"It took longer than {limit:g} s and was ended."
    if ended.returncode == 0:
        return ""
    if ended.returncode < 0:
        return f"The process was ended by signal {-ended.returncode} (9: out of memory, perhaps)."
    lines = [line for line in ended.stderr.strip().splitlines() if line.strip()]
    return lines[-1] if lines else f"The process ended with {ended.returncode}."
