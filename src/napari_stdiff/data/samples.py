"""Public data sets as samples: downloaded once, kept in the user's cache."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute.cache import cache_root
from ..compute.errors import StdiffError

if TYPE_CHECKING:
    from anndata import AnnData

# How long a server may stay silent, in seconds.
_PATIENCE = 20.0


def squidpy_merfish() -> AnnData:
    """Return MERFISH of the mouse hypothalamus: 12 serial sections, 73,655 cells, 161 genes.

    Raises
    ------
    StdiffError
        When it is not in the cache and cannot be downloaded.
    """
    return _fetch("merfish", "The MERFISH sample", "merfish.h5ad")


def visium_he() -> AnnData:
    """Return one Visium section of a mouse brain with its H&E image.

    Raises
    ------
    StdiffError
        When it is not in the cache and cannot be downloaded.
    """
    return _fetch("visium_hne_adata", "The Visium sample", "visium_hne.h5ad")


def cache_folder() -> Path:
    """Return the folder where downloaded samples are kept."""
    return cache_root() / "samples"


def _fetch(dataset: str, title: str, file: str) -> AnnData:
    """Load squidpy's `dataset` from the cache, or download it there."""
    path = cache_folder() / file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StdiffError(
            f"{title} cannot be kept in {path.parent} ({error.strerror or error}); make that "
            "folder writable."
        ) from error
    try:
        with _patient(_PATIENCE), _datasets_in(path.parent):
            return _loader(dataset)(path)
    except ExceptionGroup as group:
        # squidpy tries several servers and raises what each of them said.
        raise _no_download(title, next(_leaves(group))) from group
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_download(title, error) from error


def _loader(dataset: str) -> Callable[[Path], Any]:
    """Return squidpy's function for a data set."""
    import squidpy

    found: Callable[[Path], Any] = getattr(squidpy.datasets, dataset)
    return found


def _no_download(title: str, error: BaseException) -> StdiffError:
    """Say in one sentence why a sample did not come."""
    if isinstance(error, OSError):
        return StdiffError(
            f"{title} could not be downloaded: there is no network, or the server does not "
            "answer; try again later, or open a file of your own."
        )
    said = " ".join(str(error).split())[:200].rstrip(".")
    return StdiffError(f"{title} could not be read ({said}); empty {cache_folder()}, try again.")


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    """Yield the errors in a group, those of the network first."""
    flat: list[BaseException] = []
    for error in group.exceptions:
        flat += list(_leaves(error)) if isinstance(error, BaseExceptionGroup) else [error]
    yield from sorted(flat, key=lambda error: not isinstance(error, OSError))


@contextmanager
def _patient(seconds: float) -> Iterator[None]:
    """Let no new socket wait longer than `seconds`, and keep what we say ourselves out of logs."""
    before = socket.getdefaulttimeout()
    level = logging.root.manager.disable
    socket.setdefaulttimeout(seconds)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
        logging.disable(level)


@contextmanager
def _datasets_in(folder: Path) -> Iterator[None]:
    """Keep scanpy and squidpy from making a folder "data" where the user happens to be."""
    from scanpy import settings

    before = settings.datasetdir
    settings.datasetdir = folder
    try:
        yield
    finally:
        settings.datasetdir = before
