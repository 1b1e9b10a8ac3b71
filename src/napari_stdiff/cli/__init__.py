"""The shell: every task and every evaluation, with the same settings as Python and the docks."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
