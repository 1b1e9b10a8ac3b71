"""Run a command, and end with a sentence and an exit code."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence

from cyclopts import CycloptsError
from pydantic import ValidationError

from ..compute.errors import StdiffError
from ..compute.monitor import Cancelled
from .app import app
from .problems import sentence

BAD_INPUT = 2
OUT_OF_MEMORY = 1
CANCELLED = 130


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name (None: those of the process); return its exit code."""
    # Notes of other packages to their developers are not for the person at this shell.
    for category in (DeprecationWarning, FutureWarning, RuntimeWarning, UserWarning):
        warnings.simplefilter("ignore", category)
    logging.getLogger("ome_zarr").setLevel(logging.ERROR)
    return _run(None if arguments is None else list(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, StdiffError, ValidationError) as error:
        return _say(sentence(error), BAD_INPUT)
    except (Cancelled, KeyboardInterrupt):
        return _say("Cancelled; nothing was written.", CANCELLED)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return _say(
            "There is not enough memory; take fewer cells, draws or genes, a smaller batch size, "
            "or --device cpu.",
            OUT_OF_MEMORY,
        )
    return code if isinstance(code, int) else 0


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def _out_of_memory(error: Exception) -> bool:
    # torch's own error is a RuntimeError, on the CPU a plain one; torch may not even be imported
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
