"""The shell: every task and every evaluation, with the same settings as Python and the docks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``napari-stdiff`` and leave the process.

    Parameters
    ----------
    arguments
        What stands behind the program's name; None takes it from the shell.

    Raises
    ------
    SystemExit
        Code 0 when it worked, 2 for input that cannot be used, 130 when it was cancelled, 1 when
        memory did not suffice.
    """
    try:  # Ctrl-C may come while the rest is still being imported
        from .run import run

        code = run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("Cancelled; nothing was written.\n")
        code = 130
    sys.exit(code)
