"""What the plugin's page in napari's Preferences says, and where that counts.

napari writes the values to ``napari-stdiff.yaml`` beside its own settings as they change. Where it
knows no pages of plugins (before 0.9), or the plugin is not installed but run from its sources,
the defaults of the manifest hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compute.cache import choose_cache_root

PLUGIN = "napari-stdiff"
_heard: list[Any] = []  # the settings that are listened to; one object in a process


@dataclass(frozen=True)
class Preferences:
    """What the user prefers.

    Attributes
    ----------
    device
        Where docks compute unless they are told otherwise.
    effort
        How hard docks try unless they are told otherwise.
    data_folder
        Where dialogs begin; "" is where napari was started.
    cache_folder
        Where models and samples are kept; "" is the user's folder for caches.
    most_drawn
        How many cells in sight are drawn at most; of more, a share is.
    """

    device: str = "auto"
    effort: str = "full"
    data_folder: str = ""
    cache_folder: str = ""
    most_drawn: int = 250_000


def preferences() -> Preferences:
    """Return what the Preferences say now."""
    settings = _settings()
    if settings is None:
        return Preferences()
    return Preferences(
        device=str(settings.computing.device),
        effort=str(settings.computing.effort),
        data_folder=_folder(settings.folders.data_folder),
        cache_folder=_folder(settings.folders.cache_folder),
        most_drawn=max(int(settings.drawing.most_drawn), 1),
    )


def form_defaults() -> dict[str, Any]:
    """Return what forms begin with, as far as they have such fields."""
    wanted, plain = preferences(), Preferences()
    return {
        name: getattr(wanted, name)
        for name in ("device", "effort")
        if getattr(wanted, name) != getattr(plain, name)
    }


def data_folder() -> str:
    """Return where dialogs begin; "" where that is not said, or is no folder any more."""
    folder = preferences().data_folder
    return folder if folder and Path(folder).is_dir() else ""


def begin_at(name: str) -> str:
    """Return where a dialog that saves begins: `name` in the folder that dialogs begin in."""
    return str(Path(data_folder()) / name)


def follow() -> None:
    """Keep models and samples where the Preferences say, now and when that changes."""
    settings = _settings()
    if settings is None:
        return
    choose_cache_root(preferences().cache_folder)
    if any(known is settings for known in _heard):
        return
    _heard[:] = [settings]
    settings.folders.events.cache_folder.connect(_moved)


def _moved(_: Any = None) -> None:
    choose_cache_root(preferences().cache_folder)


def _folder(said: Any) -> str:
    text = str(said or "").strip()
    return str(Path(text).expanduser()) if text else ""


def _settings() -> Any:
    """Return napari's settings of this plugin; None where there are none."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # before 0.9
        return None
    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:  # run from its sources, or switched off
        return None
