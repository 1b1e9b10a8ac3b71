"""Reports that grow: methods that an earlier run of the same protocol has done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compute.errors import StdiffError


def taken_over(
    done: Mapping[str, Any] | None, protocol: Mapping[str, Any], aside: Sequence[str] = ("read",)
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Return the methods of an earlier report and their notes.

    Parameters
    ----------
    done
        The report, or None.
    protocol
        Of the run; the report's must say the same.
    aside
        What of it may differ.

    Raises
    ------
    StdiffError
        When the report is of another protocol.
    """
    if not done:
        return {}, {}
    before = done.get("protocol", {})
    differ = [key for key in protocol if key not in aside and before.get(key) != protocol[key]]
    if differ:
        raise StdiffError(
            f"The earlier report is of another protocol ({', '.join(differ)} differ); write to a "
            "new file."
        )
    rows = {name: dict(row) for name, row in done.get("methods", {}).items()}
    return rows, {name: list(said) for name, said in before.get("notes", {}).items()}


def plain(value: Any) -> float | None:
    """Return a score as JSON can hold it; None for one that is not finite."""
    return None if value is None or not np.isfinite(value) else float(value)


def differences(
    methods: Mapping[str, Mapping[str, Any]],
    own: str,
    others: Sequence[str],
    scores: Sequence[str],
) -> dict[str, Any]:
    """Return what a method gains over others, score by score; {} where it was not run.

    Of another method that was not run it is None, as is a score that one of the two lacks.
    """
    if own not in methods:
        return {}
    ours = methods[own]
    out: dict[str, Any] = {}
    for other in others:
        row = methods.get(other)
        out[other] = row and {
            score: None
            if ours.get(score) is None or row.get(score) is None
            else ours[score] - row[score]
            for score in scores
        }
    return out
