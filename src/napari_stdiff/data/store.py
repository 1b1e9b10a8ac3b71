"""Adding elements to a SpatialData store and taking them out, with nothing else touched.

Nothing here reads the store's own elements: an object that holds only the new ones writes itself
beside them, so adding to a large store costs what the result costs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute.errors import StdiffError

if TYPE_CHECKING:
    from spatialdata import SpatialData

KINDS = ("images", "labels", "points", "shapes", "tables")
# What the root of a store keeps about all of its elements (zarr 3, then zarr 2).
ROOT_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zmetadata")


def is_store(path: Path) -> bool:
    """Return whether a SpatialData store lies at `path`."""
    import zarr
    from zarr.errors import GroupNotFoundError

    if not path.is_dir():
        return False
    try:
        root = zarr.open_group(path, mode="r")
    except (GroupNotFoundError, OSError, ValueError):
        return False
    known = "spatialdata_attrs" in root.attrs
    return known or any((path / kind).is_dir() for kind in KINDS)


def refuse_unreadable(path: Path) -> None:
    """Raise `StdiffError` when this user may not read what is at `path`."""
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise StdiffError(
            f"{path} may not be read by this user; change its permissions or take a copy."
        )


def check_store(path: str | Path) -> Path:
    """Return `path` of a SpatialData store.

    Raises
    ------
    StdiffError
        When there is none.
    """
    store = Path(path).expanduser()
    if not store.exists():
        raise StdiffError(f"There is nothing at {store}; give the path of a SpatialData store.")
    refuse_unreadable(store)
    if not is_store(store):
        raise StdiffError(f"{store} is not a SpatialData store; give the path of one (.zarr).")
    return store


def refuse_file_name(path: Path) -> None:
    """Raise `StdiffError` when a new store would be called like a file of another kind."""
    if path.suffix.lower() in (".h5ad", ".h5", ".csv") and not path.exists():
        raise StdiffError(
            f"{path} is the name of a file and a SpatialData store is a folder; end it in .zarr."
        )


def names_on_disk(path: Path) -> set[str]:
    """Return the names of everything in the store, half-written elements included."""
    kinds = [path / kind for kind in KINDS]
    return {
        entry.name for kind in kinds if kind.is_dir() for entry in kind.iterdir() if entry.is_dir()
    }


def names_in(sdata: SpatialData) -> set[str]:
    """Return the names of all elements of an object and of the store behind it."""
    names = {name for _, name, _ in sdata.gen_elements()}
    return names | (names_on_disk(Path(sdata.path)) if sdata.path else set())


def element_name(wish: str) -> str:
    """Return a valid element name near `wish`: letters, digits, "_", "." and "-" alone.

    >>> element_name("virtual_Layer 2/3_typed-knn")
    'virtual_Layer_2_3_typed-knn'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", wish).strip("._") or "virtual"


def free_name(wish: str, taken: Iterable[str], suffixes: Iterable[str] = ("",)) -> str:
    """Return a valid element name near `wish` such that it is free with each of `suffixes`.

    Names count as taken whatever their case, since some file systems do not tell case apart.
    """
    clean = element_name(wish)
    used = {name.casefold() for name in taken}
    name, number = clean, 1
    while any((name + suffix).casefold() in used for suffix in suffixes):
        number += 1
        name = f"{clean}_{number}"
    return name


def add_elements(path: Path, elements: Mapping[str, Any]) -> None:
    """Write `elements` (name -> element, in this order) into the store at `path`, all or none.

    Raises
    ------
    OSError
        When the store cannot be written; it is then as it was.
    """
    from spatialdata import SpatialData

    part = SpatialData.init_from_elements(dict(elements))
    part.path = path
    writable(path)
    with undone_on_error(path, list(elements)):
        for name in elements:
            part.write_element(name, sdata_formats=_formats(path))


def remove_elements(path: Path, names: Iterable[str]) -> None:
    """Remove the elements called `names` from the store at `path`.

    Raises
    ------
    OSError
        When the store cannot be written.
    """
    from spatialdata import SpatialData

    writable(path)
    part = SpatialData()
    part.path = path
    for name in names:
        part.delete_element_from_disk(name)


def writable(path: Path) -> None:
    """Raise PermissionError when files under `path` cannot be written, or it is gone."""
    if not path.exists():
        raise FileNotFoundError(2, "it is not there any more", str(path))
    places = [path, *(path / kind for kind in ("points", "tables"))]
    places += [path / name for name in ROOT_FILES]
    for place in places:
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(13, "it is read-only", str(place))


@contextmanager
def undone_on_error(path: Path, names: Iterable[str]) -> Iterator[None]:
    """Put the store back as it was when the block that adds `names` fails or is interrupted."""
    roots = {p: p.read_bytes() for p in (path / name for name in ROOT_FILES) if p.is_file()}
    kinds = [path / kind for kind in KINDS]
    new_kinds = [kind for kind in kinds if not kind.exists()]
    try:
        yield
    except BaseException:
        for folder in [*new_kinds, *(kind / name for kind in kinds for name in names)]:
            shutil.rmtree(folder, ignore_errors=True)
        for file, content in roots.items():
            if file.read_bytes() != content:
                file.write_bytes(content)
        raise


def _formats(path: Path) -> Any:
    """Return the format to write in: an older store (zarr 2) gets elements of its own kind."""
    from spatialdata._io.format import SpatialDataContainerFormatV01

    return None if (path / "zarr.json").is_file() else SpatialDataContainerFormatV01()
