"""What went wrong, in one sentence."""

from __future__ import annotations

from cyclopts import CycloptsError
from pydantic import ValidationError


def sentence(error: Exception) -> str:
    """Return what a person should read about `error`, on one line."""
    cause = error if isinstance(error, ValidationError) else error.__cause__
    if isinstance(cause, ValidationError):
        return _about_settings(cause)
    text = " ".join(str(error).split())
    if isinstance(error, CycloptsError) and not text.endswith((".", "?", "!")):
        text += "."
    return text


def _about_settings(error: ValidationError) -> str:
    """Return for example ``"--epochs: input should be greater than or equal to 1 (got 0)."``."""
    messages: dict[str, list[str]] = {}
    given: dict[str, object] = {}
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else "settings"
        text = item["msg"].removeprefix("Value error, ").split(", unable to parse")[0]
        known = messages.setdefault(name, [])
        # "input should be a number or 'middle'", not "... or input should be 'middle'"
        known.append(
            text.removeprefix("Input should be ") if known else text[:1].lower() + text[1:]
        )
        given.setdefault(name, item["input"])
    return (
        "; ".join(
            f"--{name.replace('_', '-')}: {' or '.join(texts)} (got {given[name]})"
            for name, texts in messages.items()
        )
        + "."
    )
