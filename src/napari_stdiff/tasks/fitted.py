"""Fitted models are kept, so that the same fit is never done twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np

from ..compute.cache import cache_root
from ..compute.device import choose_device
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.prediction import Prediction
from ..data.record import versions
from ..data.tissue import Tissue
from ..methods.base import Method
from ..methods.files import read_model
from ..methods.registry import load_method, method_class
from ..methods.settings import InterpolationSettings

# where a model came from: this run, an earlier one, or the user
Kept = Literal["", "earlier", "given"]
_IN_MEMORY = 4
_ON_DISK = 20
_recent: OrderedDict[str, Method] = OrderedDict()
_lock = Lock()

# how many draws and where they are computed does not change the fit; nor does anything that a
# task asks of a fitted method, so that only the methods' own settings are looked at
_NOT_OF_THE_FIT = frozenset({"draws", "device"})


def cache_folder() -> Path:
    """Return the folder that keeps fitted models."""
    return cache_root() / "models"


def key_of(tissue: Tissue, config: InterpolationSettings) -> str:
    """Return the name of the fit: of what is visible, the settings, device and versions."""
    name = _method_of(config)
    cls = method_class(name)
    names = set(InterpolationSettings.model_fields) - _NOT_OF_THE_FIT - cls.draw_fields
    settings = config.model_dump(include=names) | {"method": name, "within": config.within}
    said = sorted(config.model_fields_set & set(settings))
    parts = [tissue.fingerprint(), settings, said, choose_device(config.device).type, versions()]
    text = json.dumps(parts, sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def fitted(
    tissue: Tissue, config: InterpolationSettings, monitor: Monitor, folder: Path | None = None
) -> tuple[Method, bool]:
    """Return the method fitted on `tissue`, and whether it was kept from an earlier run.

    Parameters
    ----------
    tissue
        What the method may see.
    config
        Settings of a task that names a method (its field ``method``).
    monitor
        Progress and cancel of the fit.
    folder
        Where models are kept; None takes :func:`cache_folder`.
    """
    name, key = _method_of(config), key_of(tissue, config)
    place = (folder or cache_folder()) / key
    with _lock:
        found = _recent.get(key)
    if found is None and place.is_dir():
        try:
            found = load_method(name, place, tissue)
        except StdiffError:  # half-written by a run that was killed; it is fitted anew
            shutil.rmtree(place, ignore_errors=True)
    kept = found is not None
    if found is None:
        found = method_class(name)().fit(tissue, None, config, monitor)
        _keep(found, place)
    found.configure(config)
    with _lock:
        _recent[key] = found
        _recent.move_to_end(key)
        while len(_recent) > _IN_MEMORY:
            _recent.popitem(last=False)
    return found, kept


def is_kept(tissue: Tissue, config: InterpolationSettings, folder: Path | None = None) -> bool:
    """Return whether :func:`fitted` has this model already, in memory or on disk."""
    key = key_of(tissue, config)
    with _lock:
        found = key in _recent
    return found or ((folder or cache_folder()) / key).is_dir()


def saved(
    folder: str | Path, tissue: Tissue, config: InterpolationSettings, hidden: Tissue | None = None
) -> Method:
    """Return the method that was saved to `folder`, ready for a task.

    Parameters
    ----------
    folder
        Where it was saved.
    tissue
        What the method may see.
    config
        Settings of the task; names the method.
    hidden
        What it must not have seen, in the frame of `tissue`.

    Raises
    ------
    StdiffError
        When it does not fit the tissue, was fitted for the other task, or has seen `hidden`.
    """
    method = load_method(_method_of(config), folder, tissue)
    meta, tensors = read_model(Path(folder).expanduser())
    if meta.get("within", config.within) != config.within:
        other, this = "interpolate", "generate cells"
        if not config.within:
            other, this = this, other
        raise StdiffError(f"The model in '{folder}' was fitted to {other}; fit one to {this}.")
    seen = tensors.get("coords")
    if hidden is not None and seen is not None:
        places = {tuple(row) for row in np.asarray(seen, dtype=np.float64).tolist()}
        if any(tuple(row) in places for row in np.asarray(hidden.coords, float).tolist()):
            raise StdiffError(
                f"The model in '{folder}' was fitted with the hidden cells visible, so it cannot "
                "be scored on them; fit one without them."
            )
    method.configure(config)
    return method


def _method_of(config: InterpolationSettings) -> str:
    name: str = config.model_dump(include={"method"})["method"]
    return name


def _keep(method: Method, place: Path) -> None:
    """Write the model, and drop the oldest ones; a full or read-only disk only costs the reuse."""
    try:
        method.save(place)
        old = sorted(place.parent.iterdir(), key=lambda p: p.stat().st_mtime)[:-_ON_DISK]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, StdiffError):
        shutil.rmtree(place, ignore_errors=True)


def forget() -> None:
    """Drop the models kept in memory."""
    with _lock:
        _recent.clear()


def run_notes(prediction: Prediction, draws: int, kept: Kept) -> list[str]:
    """Return sentences about where the model came from, and about a run that was cancelled."""
    notes = []
    if kept == "earlier":
        notes.append("The model was kept from an earlier fit on the same data and settings.")
    elif kept == "given":
        notes.append("The model was given, not fitted in this run.")
    if not prediction.complete:
        done = 0 if prediction.draws is None else len(prediction.draws)
        notes.append(f"Cancelled after {done} of {draws} draws; the mean is complete.")
    return notes
