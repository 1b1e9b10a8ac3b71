"""Small helpers between options and configs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..compute.config import Config
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..methods.settings import InterpolationSettings

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from ..tasks.config import InterpolateConfig

Settings = TypeVar("Settings", bound=InterpolationSettings)


def with_lambda(config: Settings, text: str) -> Settings:
    """Return `config` with the blend that ``--lambda`` says: "geometric", a number, or ""."""
    if not text:
        return config
    if text == "geometric":
        return config.but(blend="geometric")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise StdiffError(f"--lambda takes 'geometric' or a number from 0 to 1 (got '{text}').")
    return config.but(blend="fixed", blend_value=value)


def said_of(config: Config, other: type[Config]) -> dict[str, Any]:
    """Return the fields of `config` that were said and that `other` has too."""
    names = config.model_fields_set & set(other.model_fields)
    return {name: getattr(config, name) for name in sorted(names)}


def keep_model(tissue: Tissue, config: InterpolateConfig, model: str, folder: str) -> None:
    """Save to `folder` the method that a run used: the one from `model`, or the one it fitted.

    The fit itself is not done again: it is kept by the run.
    """
    from ..methods.registry import load_method
    from ..tasks.fitted import fitted

    visible = tissue.split(config.hide)[0] if config.hide else tissue
    if model:
        method = load_method(config.method, model, visible)
    else:
        method, _ = fitted(visible, config, Monitor())
    method.save(Path(folder))


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
