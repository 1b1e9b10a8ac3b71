"""The few models that were fitted last, kept in memory under what they were fitted on."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

from ..compute.config import Config
from ..compute.device import DeviceName, choose_device

M = TypeVar("M")


class Recent(Generic[M]):
    """Models of one kind; safe from any thread.

    Parameters
    ----------
    most
        How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, M] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, fit: Callable[[], M]) -> tuple[M, bool]:
        """Return the model kept under `key`, or fit and keep it; and whether it was there."""
        with self._lock:
            found = self._held.get(key)
        known = found is not None
        if found is None:
            found = fit()
        with self._lock:
            self._held[key] = found
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return found, known

    def values(self) -> list[M]:
        """Return the models that are kept, the last used one last."""
        with self._lock:
            return list(self._held.values())

    def forget(self) -> None:
        """Drop all of them."""
        with self._lock:
            self._held.clear()


def key_of(
    seen: str, config: Config, device: DeviceName, settings: type[Config], more: Iterable[str]
) -> str:
    """Return what a fit is kept under.

    Parameters
    ----------
    seen
        Fingerprint of what the method sees.
    config
        Of the task.
    device
        Where to compute; its kind is part of the key, since it decides the last digits.
    settings
        The methods' own settings, which the fit depends on.
    more
        Further fields of `config` that it depends on.
    """
    names = (set(settings.model_fields) - {"device"}) | set(more)
    said = sorted(config.model_fields_set & names)
    parts = [seen, config.model_dump(include=names), said, choose_device(device).type]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
