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


_DATE = "2026-11-20"
PEERS = (
    Peer(
        "Spateo 1.1.1",
        "`spateo-deep` (its default settings) in the tables where a Python that has it is named "
        "(`STDIFF_SPATEO_PYTHON`): it installs, but "
        f"imports only with scipy < 1.15, numpy < 2.3 and statsmodels < 0.14.5 ({_DATE}). It has "
        "no draws. Its Gaussian process (one variational model a gene) would take hours a section "
        "and is left out.",
    ),
    Peer("SpatialZ", f"not on the package index as of {_DATE}"),
    Peer("isoST", f"not on the package index as of {_DATE}"),
    Peer(
        "stVGP 0.0.6",
        f"on the package index, but as of {_DATE} it declares neither torch, torch_geometric nor "
        "torchvision, which it imports, and the section it predicts goes through a trained "
        "autoencoder with no documented call for positions alone",
    ),
    Peer(
        "GPSA 0.8",
        f"on the package index as of {_DATE}; aligns sections, and its model has a warp for each "
        "section it was fitted on, none for an unseen one",
    ),
)
