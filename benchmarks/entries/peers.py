"""Public tools that fill in entries, behind the interface of the package's methods.

Tangram and gimVI were made for genes that the tissue lacks. Here they are asked for every gene
that the reference shares, also those that train them, and see a zero where an entry is hidden:
neither takes a mask. What they answer for a gene is brought to the scale of its visible entries
by one factor (least squares), so that only the scale changes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from genes.peers import PEERS as GENE_PEERS
from genes.peers import peer_class as gene_peer_class
from genes.peers.base import silence
from scipy import sparse

import napari_stdiff as st
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.base import Cost
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.genes.settings import GeneSettings


class EntryPeer(EntryMethod):
    """A public tool that answers for all entries in one go; `sample` hands out its answers."""

    def __init__(self) -> None:
        self.mean = np.zeros((0, 0), dtype=np.float32)
        self.draws: np.ndarray | None = None
        self.visible: Visible | None = None
        self.denoise = False

    def fit(self, visible: Visible, config: EntrySettings, monitor: st.Monitor) -> Self:
        """Train the peer on what is visible and ask it for every entry."""
        monitor.check()
        with silence():
            mean, draws = self.ask(visible, config)
        if mean.shape != visible.raw.shape or not np.isfinite(mean).all():
            raise st.StdiffError(f"{self.title} gave no finite answer for every cell and gene.")
        self.visible, self.denoise = visible, config.denoise
        self.mean, self.draws = np.maximum(mean, 0).astype(np.float32), draws
        monitor.check()
        return self

    @abstractmethod
    def ask(self, visible: Visible, config: EntrySettings) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (cells, genes) mean on the scale of ``visible.expression``, and draws or None."""

    def sample(self, cells: np.ndarray, n_draws: int, monitor: st.Monitor) -> Prediction:
        """Hand out what was answered; draws where the peer has its own."""
        known = self.visible
        if known is None:
            raise st.StdiffError(f"{self.title} was not fitted.")
        keep = np.zeros_like(known.seen[cells]) if self.denoise else known.seen[cells]
        mean = np.where(keep, known.expression[cells], self.mean[cells])
        draws = None
        if self.draws is not None and n_draws > 0:
            draws = np.where(keep, known.expression[cells], self.draws[:n_draws, cells])
        spread = None if draws is None else draws.std(axis=0)
        return Prediction(known.genes, mean, spread, draws)

    def save(self, folder: Path) -> None:
        """Refuse: a peer is run for a comparison, and its model is its own."""
        raise st.StdiffError(f"A fitted {self.title} is not kept.")

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Refuse, as :meth:`save`."""
        raise st.StdiffError(f"A fitted {cls.title} is not kept.")

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Say nothing about what it takes."""
        return Cost(0, 0.0, 0.0)


class Magic(EntryPeer):
    """MAGIC: values diffuse over a graph of cells that are alike; as its documentation runs it.

    Counts are scaled to the median library and square-rooted; a hidden entry is a zero to it, as
    any dropout.
    """

    id = "magic"
    title = "MAGIC"
    description = "Diffuses expression over a graph of cells that are alike."
    reference = "none"

    def ask(self, visible: Visible, config: EntrySettings) -> tuple[np.ndarray, np.ndarray | None]:
        """Denoise the whole table."""
        import magic

        counts = visible.values == "counts"
        scaled = np.expm1(visible.expression) if counts else visible.expression
        root = np.sqrt(np.maximum(scaled, 0)) if counts else scaled
        tool = magic.MAGIC(random_state=config.seed, n_jobs=1, verbose=0)
        found = np.asarray(tool.fit_transform(root), dtype=np.float64)
        values = np.maximum(found, 0) ** 2 if counts else found
        return on_scale(visible, np.log1p(values) if counts else values), None


class PanelPeer(EntryPeer):
    """A tool that predicts unmeasured genes, asked for every gene that the reference shares."""

    reference = "needed"
    peer: ClassVar[str]

    def ask(self, visible: Visible, config: EntrySettings) -> tuple[np.ndarray, np.ndarray | None]:
        """Map the reference onto the tissue by genes with visible entries; ask for all."""
        columns, raw = visible.reference_columns, visible.reference_raw
        if columns is None or raw is None:
            raise st.StdiffError(f"{self.title} needs a single-cell reference.")
        known = np.flatnonzero(visible.seen[:, columns].any(axis=0))
        settings = GeneSettings.of(seed=config.seed, draws=config.draws, epochs=config.epochs)
        panel = Panel(
            genes=visible.genes[columns[known]],
            wanted=np.array([f"{g} (asked)" for g in visible.genes[columns]], dtype=object),
            tissue_raw=visible.raw[:, columns[known]],
            reference_raw=sparse.csr_matrix(sparse.hstack([raw[:, known], raw])),
            tissue_values=visible.values,
            reference_values=visible.reference_values,
            coords=visible.coords,
            section=visible.section,
            reference_type=visible.reference_type,
        )
        fitted = gene_peer_class(self.peer)().fit(panel, settings, st.Monitor())
        answer = fitted.sample(panel.wanted, config.draws, st.Monitor())
        mean = np.tile(visible.mean, (visible.n_cells, 1)).astype(np.float64)
        mean[:, columns] = answer.mean
        factor = scales(visible, mean)
        mean[:, columns] *= factor[columns]
        if answer.draws is None:
            return mean, None
        draws = np.repeat(mean[None].astype(np.float32), len(answer.draws), axis=0)
        draws[:, :, columns] = answer.draws * factor[columns].astype(np.float32)
        return mean, draws


class Tangram(PanelPeer):
    """Tangram in mode `cells`."""

    id = peer = "tangram"
    title = "Tangram"
    description = "Places reference cells on the tissue by gradient descent."


class GimVI(PanelPeer):
    """gimVI with everything as scvi-tools has it."""

    id = peer = "gimvi"
    title = "gimVI"
    description = "A variational autoencoder of both modalities."


def scales(visible: Visible, values: np.ndarray) -> np.ndarray:
    """Return (genes,) what brings `values` nearest to the visible entries; 1 without any."""
    own = np.where(visible.seen, values, 0.0)
    size = (own**2).sum(axis=0)
    factor = (own * visible.expression).sum(axis=0) / np.maximum(size, 1e-12)
    return np.where(size > 1e-12, factor, 1.0)


def on_scale(visible: Visible, values: np.ndarray) -> np.ndarray:
    """Return (cells, genes) `values`, each gene on the scale of its visible entries."""
    return np.asarray(values * scales(visible, values))


@dataclass(frozen=True)
class Known:
    """A public tool.

    Attributes
    ----------
    title
        As tables call it.
    module
        What has to be importable; "" where there is no adapter.
    note
        How it is run, or why it is not.
    """

    title: str
    module: str = ""
    note: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return bool(self.module) and find_spec(self.module) is not None


_CLASSES: dict[str, type[EntryPeer]] = {"magic": Magic, "tangram": Tangram, "gimvi": GimVI}
_SHARED = "a hidden entry is a zero to it; asked for the shared genes, others take their mean; "
PEERS: dict[str, Known] = {
    "magic": Known(
        "MAGIC (magic-impute 3.0)",
        "magic",
        "in the extra `peers`; everything as it comes, on square roots of scaled counts; a hidden "
        "entry is a zero to it, and each gene is brought to the scale of its visible entries",
    ),
    "tangram": Known(GENE_PEERS["tangram"].title, "tangram", _SHARED + GENE_PEERS["tangram"].note),
    "gimvi": Known(GENE_PEERS["gimvi"].title, "scvi", _SHARED + GENE_PEERS["gimvi"].note),
    "stmcdi-official": Known(
        "stMCDI, the official code",
        note="not a package; its sampler starts from the measured values, hidden ones too, so "
        "that its figures cannot be compared; `stmcdi-paper` is the model of the paper without "
        "that",
    ),
    "spotdiff-official": Known(
        "SpotDiff, the official code",
        note="no code was published; `spotdiff-paper` is the model of the paper",
    ),
}


def runnable() -> tuple[str, ...]:
    """Return the ids of the peers that are installed."""
    return tuple(name for name, peer in PEERS.items() if peer.module and peer.installed)


def peer_class(name: str) -> type[EntryPeer]:
    """Return the adapter of a peer."""
    return _CLASSES[name]
