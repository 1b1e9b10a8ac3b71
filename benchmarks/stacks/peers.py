"""Public tools that predict unseen sections, and whether they could be compared with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A public tool.

    Attributes
    ----------
    name
        And version, where there is one.
    outcome
        What came of trying it.
    """

    name: str
    outcome: str


PEERS = (
    Peer("SpatialZ", "not on the package index as of 2026-11-20"),
    Peer("isoST", "not on the package index as of 2026-11-20"),
)
