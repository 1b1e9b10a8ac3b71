"""Where models that were fitted and samples that were downloaded are kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "NAPARI_STDIFF_CACHE"
_chosen: list[Path] = []


def cache_root() -> Path:
    """Return the folder of everything that is kept.

    What was chosen (:func:`choose_cache_root`), else the environment variable
    ``NAPARI_STDIFF_CACHE``, else the user's folder for caches.
    """
    if _chosen:
        return _chosen[0]
    said = os.environ.get(VARIABLE, "").strip()
    if said:
        return Path(said).expanduser()
    return Path(user_cache_path("napari-stdiff", appauthor=False))


def choose_cache_root(folder: str | Path) -> None:
    """Keep everything in `folder` from now on; "" takes the choice back."""
    text = str(folder).strip()
    _chosen[:] = [Path(text).expanduser()] if text else []
