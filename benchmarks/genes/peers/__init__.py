"""Public tools that predict unmeasured genes, behind the interface of the package's methods."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from .base import Peer


@dataclass(frozen=True)
class Known:
    """A public tool.

    Attributes
    ----------
    title
        As tables call it.
    module
        What has to be importable; "" where there is no adapter.
    place
        Module and class of the adapter in this package.
    note
        How it is run, or why it is not.
    """

    title: str
    module: str = ""
    place: str = ""
    note: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return bool(self.module) and find_spec(self.module) is not None


_DATE = "2026-11-21"
PEERS: dict[str, Known] = {
    "tangram": Known(
        "Tangram (tangram-sc 1.0.4)",
        "tangram",
        "tangram:Tangram",
        "in the extra `peers`; mode `cells`, 1,000 epochs, learning rate .1, on the CPU, "
        "log-normalised values; density prior `uniform` for cells and `rna_count_based` for "
        "spots, as its documentation says",
    ),
    "gimvi": Known(
        "gimVI (scvi-tools 1.4.2)",
        "scvi",
        "gimvi:GimVI",
        "in the extra `peers`; 200 epochs, everything else as it comes, raw counts, empty cells "
        "left out of training; its draws are of its own model: latent value and count",
    ),
    "transimp": Known(
        "TransImp (transpa 0.1.1)",
        "transpa",
        "transimp:TransImp",
        "not in the extra, because it asks for torchvision, which does not load beside the CPU "
        "build of torch, and does not need it here: `pip install --no-deps transpa`; low-rank "
        "mapping of single cells with the spatial term, 1,000 epochs, as its documentation shows",
    ),
    "stplus": Known(
        "stPlus 0.0.6",
        note="on the package index, but it moves its network to CUDA without asking and makes "
        "CUDA tensors the default when it is imported, so it cannot run on a CPU unless its "
        f"source is changed ({_DATE})",
    ),
    "spage": Known(
        "SpaGE",
        note=f"not on the package index as of {_DATE}; `spage-like` is the same idea written anew",
    ),
    "envi": Known(
        "ENVI (scenvi)",
        note="on the package index, but it imports only beside versions of jax, flax and "
        "tensorflow-probability that are years old, in an environment of its own; not run",
    ),
    "stdiff": Known("stDiff (stDiff-sc)", note="needs CUDA, ray and torchvision; not run"),
    "spadit-official": Known(
        "SpaDiT, the official code",
        note="not a package; its sampler writes measured values of the hidden genes back into "
        "what it predicts, so its figures cannot be compared; `spadit-paper` is the model of the "
        "paper without that",
    ),
}


def runnable() -> tuple[str, ...]:
    """Return the ids of the peers that are installed."""
    return tuple(name for name, peer in PEERS.items() if peer.place and peer.installed)


def peer_class(name: str) -> type[Peer]:
    """Return the adapter of a peer."""
    module, _, cls = PEERS[name].place.partition(":")
    found: type[Peer] = getattr(import_module(f"{__name__}.{module}"), cls)
    return found


__all__ = ["PEERS", "Known", "Peer", "peer_class", "runnable"]
