"""The entry point: run a command, and end with a sentence and an exit code."""

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
    # Notes of other packages to their developers are not for the person at this shell.
    for category in (DeprecationWarning, FutureWarning, UserWarning):
        warnings.simplefilter("ignore", category)
    logging.getLogger("ome_zarr").setLevel(logging.ERROR)
    sys.exit(_run(None if arguments is None else list(arguments)))


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
    # torch's own error is a RuntimeError; torch may not even be imported here
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
