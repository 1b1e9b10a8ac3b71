"""What the docks remember between sessions: one small JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

_MOST_DATA = 50  # data sets remembered


def remembered_path() -> Path:
    """Return the file, in the user's folder for settings."""
    return user_config_path("napari-stdiff", appauthor=False) / "docks.json"


def recall(key: str) -> dict[str, Any]:
    """Return what was remembered under `key`; {} where there is nothing readable."""
    value = _load().get(key)
    return value if isinstance(value, dict) else {}


def remember(key: str, values: dict[str, Any]) -> None:
    """Remember `values` under `key`; a folder that cannot be written is no error."""
    kept = _load()
    kept.pop(key, None)
    kept[key] = values  # last: the newest survive
    data_keys = [k for k in kept if k.startswith("data:")]
    for old in data_keys[:-_MOST_DATA]:
        del kept[old]
    path = remembered_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(kept, indent=1))
        part.replace(path)
    except OSError:
        return


def about_data(path: str) -> dict[str, Any]:
    """Return what was remembered about the data at `path`."""
    return recall(f"data:{path}")


def remember_about_data(path: str, **values: Any) -> None:
    """Remember `values` about the data at `path`, beside what is known."""
    remember(f"data:{path}", about_data(path) | values)


def _load() -> dict[str, Any]:
    try:
        kept = json.loads(remembered_path().read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
