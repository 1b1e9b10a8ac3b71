"""The one error a user is meant to read."""

from __future__ import annotations

from pydantic import ValidationError


class StdiffError(ValueError):
    """Something the user can mend: one plain sentence saying what is wrong and what to do.

    The dock shows the sentence, the shell prints it; neither shows a traceback for it.
    """


def sentence_of(error: ValidationError) -> str:
    """Turn a pydantic validation error into one sentence that names the setting and the bound.

    Parameters
    ----------
    error
        What pydantic raised while a config was built.

    Returns
    -------
    str
        For example ``"epochs: input should be greater than or equal to 1 (got 0)."``.
    """
    parts = []
    for item in error.errors():
        where = ".".join(str(p) for p in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            parts.append(f"{where}: there is no such setting")
            continue
        message = item["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {message[:1].lower()}{message[1:]} (got {item['input']!r})")
    return "; ".join(parts) + "."
