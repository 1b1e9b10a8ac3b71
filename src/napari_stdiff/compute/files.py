"""Files of ours: whole or not at all, and never instead of another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .errors import StdiffError


def refuse_taken(path: Path) -> None:
    """Refuse to write where something is; asked before the work is done that would be lost.

    Parameters
    ----------
    path
        Where to write.

    Raises
    ------
    StdiffError
        When something is there.

    Examples
    --------
    >>> refuse_taken(Path("result.h5ad"))
    """
    if path.exists():
        raise StdiffError(f"{path} exists and is not overwritten; choose another name.")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside where it belongs, then put it there in one step.

    What was there goes in that step; a write that fails or is stopped leaves it as it was.

    Parameters
    ----------
    path
        The file; its folder is made.
    write
        Writes to the path that it is given, which ends as `path` does.

    Raises
    ------
    StdiffError
        When it cannot be written; nothing is left behind then.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new" / "note.txt"
    >>> write_whole(path, lambda part: part.write_text("whole"))
    >>> path.read_text(), [file.name for file in path.parent.iterdir()]
    ('whole', ['note.txt'])
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.replace(part, path)
    except OSError as error:
        raise StdiffError(
            f"{path} cannot be written ({error.strerror or error}); choose another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)
