"""Small helpers between options and configs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

from ..compute.config import Config
from ..compute.errors import StdiffError
from ..methods.settings import InterpolationSettings

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


def write_json(value: Any, to: str) -> None:
    """Write `value` as JSON to the file `to`, or to stdout for "-"."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return
    try:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        Path(to).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StdiffError(f"{to} cannot be written ({error.strerror or error}).") from error
