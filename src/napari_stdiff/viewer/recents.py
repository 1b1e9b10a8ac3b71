"""What a tissue was coloured by last, from one session to the next."""

from __future__ import annotations

from typing import get_args

from .colors import Choice
from .remember import about_data, remember_about_data

MOST = 8
_NAME = "recent"


class Recents:
    """The genes and annotations that were chosen last, the newest first."""

    def __init__(self) -> None:
        self._path = ""
        self.keys: list[tuple[Choice, str]] = []

    def open(self, path: str) -> None:
        """Recall what the tissue at `path` was coloured by; "" for one in memory."""
        self._path = path
        held = about_data(path).get(_NAME) if path else None
        pairs = [p for p in held if isinstance(p, list)] if isinstance(held, list) else []
        self.keys = [
            (choice, str(name))
            for choice, name in (p for p in pairs if len(p) == 2)
            if choice in get_args(Choice)
        ][:MOST]

    def add(self, key: tuple[Choice, str]) -> None:
        """Put what was chosen on top."""
        keys = [key, *(k for k in self.keys if k != key)][:MOST]
        if keys == self.keys:
            return
        self.keys = keys
        if self._path:
            remember_about_data(self._path, **{_NAME: [list(k) for k in keys]})
