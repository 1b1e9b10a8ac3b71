"""File > Open, drag and drop, and ``viewer.open``: a store or a file opens as a stack.

napari asks which reader to take where several know a file. The stack draws its own layers, in step
with each other, so what napari is handed is its word for "read, and no layers": ``[(None,)]``.
Where nobody looks (no window), plain layers are handed over instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_error, show_info

from ..compute.errors import StdiffError
from ..data.read_config import ReadConfig
from ..data.reading import read
from .layers import make_histology, point_size
from .remember import about_data
from .session import session_of
from .worker import Job, Problem

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ..data.tissue import Tissue

LayerData = list[tuple[Any, ...]]
PathOrPaths = str | Path | Sequence[str | Path]

NO_LAYERS: LayerData = [(None,)]
_PICTURES = {"ome", "multiscales", "plate", "well"}  # what the root of an OME-Zarr says
ONE_AT_A_TIME = "One tissue is open at a time; open one store or file."


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], LayerData] | None:
    """Return what opens `path`, or None where it is not ours.

    Ours are ``.h5ad`` files and ``.zarr`` folders of SpatialData or AnnData that hold a table. A
    ``.zarr`` that is an image or an array is left to others. Only the folder's names and one small
    file are looked at.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    return open_path if paths and all(_is_ours(Path(p)) for p in paths) else None


def open_path(path: PathOrPaths) -> LayerData:
    """Open `path` in the session of the current viewer, in the background.

    Returns
    -------
    list of tuple
        ``[(None,)]``: the stack adds its layers when all is read. Without a viewer the layers
        themselves: points of each section, and its picture.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    viewer = napari.current_viewer()
    if len(paths) != 1:
        if viewer is None:
            raise StdiffError(ONE_AT_A_TIME)
        show_error(ONE_AT_A_TIME)
        return NO_LAYERS
    store = str(Path(paths[0]).expanduser())
    config = known_config(store)
    if viewer is None:
        return layer_data(read(store, config, gaps=True))
    open_later(viewer, store, config)
    return NO_LAYERS


def open_later(viewer: ViewerModel, store: str, config: ReadConfig) -> Job:
    """Read `store` in a worker and open it in the session of `viewer`; napari stays usable."""
    name = Path(store).name
    show_info(f"Opening {name} …")

    def opened(tissue: Tissue) -> None:
        session = session_of(viewer)
        if session.is_closed:
            return
        session.set_tissue(tissue, store, config, in_turns=True)
        show_info(
            f"{name}: {len(tissue.sections)} section{'s' * (len(tissue.sections) != 1)}, "
            f"{tissue.n_cells:,} cells. Plugins ▸ napari-stdiff ▸ Stack colours and lays them out."
        )

    job = Job(lambda _: read(store, config, gaps=True))  # a task that takes no gaps says so
    job.deliver(opened, _tell, lambda: None)
    job.start()
    return job


def known_config(store: str) -> ReadConfig:
    """Return how `store` was read the last time, or the defaults."""
    held = about_data(store).get("reading", {})
    try:
        return ReadConfig.of(**held)
    except (StdiffError, TypeError):  # of another version
        return ReadConfig()


def layer_data(tissue: Tissue) -> LayerData:
    """Return plain layers of a tissue: points of each section with its obs columns, its picture.

    They belong to no session: nothing keeps them in step.
    """
    depth = tissue.section_z
    size = point_size([tissue.coords[tissue.section == name] for name in tissue.sections])
    out: LayerData = []
    for name in tissue.sections:
        picture = tissue.histology.get(name)
        if picture is not None:
            image = make_histology(picture, depth[name], f"histology {name}", name)
            data, facts, kind = image.as_layer_data_tuple()
            out.append((data, {**facts, "metadata": {}}, kind))
        inside = tissue.section == name
        facts = {
            "name": name,
            "size": size,
            "border_width": 0.0,
            "features": tissue.obs[inside].reset_index(drop=True),
        }
        out.append((tissue.coords[inside], facts, "points"))
    return out


def _is_ours(path: Path) -> bool:
    """Return whether a path looks like a table of cells; what cannot be looked at is no error."""
    path = path.expanduser()
    if path.suffix.lower() == ".h5ad":
        return path.is_file()
    try:
        return path.is_dir() and _holds_table(path)
    except OSError:
        return False


def _holds_table(path: Path) -> bool:
    """Return whether a zarr folder is SpatialData with a table, or AnnData."""
    names = {child.name for child in path.iterdir()}
    facts = _attributes(path)
    if facts.keys() & _PICTURES:
        return False  # others keep tables beside a picture, too
    return bool({"tables", "table"} & names) or {"obs", "var"} <= names


def _attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a zarr folder, of either version; {} where there are none."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", "")):
        file = path / name
        if not file.is_file():
            continue
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(held, dict):
            found = held.get(key, {}) if key else held
            return found if isinstance(found, dict) else {}
    return {}


def _tell(error: Exception) -> None:
    show_error(Problem.of(error).sentence)
