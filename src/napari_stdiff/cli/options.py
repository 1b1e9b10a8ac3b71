"""Small helpers between options and configs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..compute.config import Config
from ..compute.device import DeviceName
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..methods.settings import InterpolationSettings

if TYPE_CHECKING:
    from ..data.read_config import ReadConfig
    from ..data.tissue import Tissue
    from ..tasks.config import InterpolateConfig

Settings = TypeVar("Settings", bound=InterpolationSettings)


def with_lambda(config: Settings, text: str) -> Settings:
    """Return `config` with the blend of ``--lambda``: "geometric", "chosen", a number, or ""."""
    if not text:
        return config
    if text in ("geometric", "chosen"):
        return config.but(blend=text)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise StdiffError(
            f"--lambda takes 'geometric', 'chosen' or a number from 0 to 1 (got '{text}')."
        )
    return config.but(blend="fixed", blend_value=value)


def said_of(config: Config, other: type[Config]) -> dict[str, Any]:
    """Return the fields of `config` that were said and that `other` has too."""
    names = config.model_fields_set & set(other.model_fields)
    return {name: getattr(config, name) for name in sorted(names)}


def keep_model(
    tissue: Tissue, read: ReadConfig, config: InterpolateConfig, model: str, folder: str
) -> None:
    """Save to `folder` the method that a run used: the one from `model`, or the one it fitted.

    The fit itself is not done again: it is kept by the run.
    """
    from ..methods.registry import load_method
    from ..tasks.fitted import fitted
    from ..tasks.target import target_of

    visible = target_of(tissue, config, read).visible
    if model:
        method = load_method(config.method, model, visible)
    else:
        method, _ = fitted(visible, config, Monitor())
    method.save(Path(folder))


def prepare(device: DeviceName, *methods: str) -> None:
    """Refuse a device or method that is not there, and import what the run will need.

    Done before the run, so that Ctrl-C during the slow imports ends them at once.
    """
    from ..compute.device import choose_device
    from ..methods.registry import interpolation_methods, method_class

    for method in methods or interpolation_methods():
        method_class(method)
    choose_device(device)


def check_outputs(store: str, files: Iterable[str] = (), folder: str = "") -> None:
    """Refuse what cannot be written before the work is done that would be lost.

    Parameters
    ----------
    store
        A SpatialData store, or a path where nothing is; "" for none.
    files
        Files to be written or replaced; "" for none.
    folder
        A folder, which may be there; "" for none.
    """
    from ..data.store import is_store, refuse_file_name, writable

    for name in (store, folder, *files):
        if not name:
            continue
        path = Path(name).expanduser()
        if name == store:
            refuse_file_name(path)
        if name == store and path.exists():
            if not is_store(path):
                raise StdiffError(
                    f"{path} exists and is no SpatialData store; choose a store or a free path."
                )
            try:
                writable(path)
            except OSError as error:
                raise StdiffError(f"{path} cannot be written ({error.strerror}).") from error
        if name == folder and path.exists() and not path.is_dir():
            raise StdiffError(f"{path} is a file; name a folder for the model.")
        if name not in (store, folder) and path.is_dir():
            raise StdiffError(f"{path} cannot be written (it is a folder); name a file.")
        above = next(p for p in (path, *path.absolute().parents) if p.exists())
        if above != path and not above.is_dir():
            raise StdiffError(f"{path} cannot be written ({above} is a file).")
        if not os.access(above, os.W_OK):
            raise StdiffError(f"{path} cannot be written ({above} is read-only).")


def need_display() -> None:
    """Refuse to open a window where there is no display; Qt would end the process."""
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise StdiffError(
            "There is no display to open napari on; put 'xvfb-run -a' before the command to make "
            "a picture all the same."
        )


def write_json(value: Any, to: str) -> None:
    """Write `value` as JSON to the file `to`, making its folder."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    try:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        Path(to).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StdiffError(f"{to} cannot be written ({error.strerror or error}).") from error


def earlier(path: str, task: str, what: str) -> dict[str, Any] | None:
    """Return the report of `task` in a file, None where there is no file.

    `what` says in a sentence what the report would be of.
    """
    file = Path(path).expanduser()
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StdiffError(f"{path} cannot be read as a report; write to a new file.") from error
    if not isinstance(found, dict) or found.get("task") != task:
        raise StdiffError(f"{path} holds no report of {what}; write to a new file.")
    return found


def place_of_table(
    data: str, out: str, json: str, screenshot: str, show: bool, save_model: str
) -> str:
    """Return where a table that annotates `data` goes; refuses outputs before the work.

    `data` itself where that is a store and `out` is left away.
    """
    from ..data.store import is_store

    if not out and is_store(Path(data).expanduser()):
        out = data
    if not (out or json or screenshot or show or save_model):
        raise StdiffError("Say where the result goes, for example --out result.zarr.")
    if screenshot or show:
        need_display()
    check_outputs(out, files=(json, screenshot), folder=save_model)
    return out
