"""What the adapters share: a peer is trained and asked once, and its answers are kept."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file, save_file

import napari_stdiff as st
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.methods.base import Cost
from napari_stdiff.methods.genes.base import GeneMethod
from napari_stdiff.methods.genes.settings import GeneSettings


@dataclass(frozen=True)
class Answer:
    """What a peer says about the wanted genes of a panel.

    Attributes
    ----------
    mean
        (cells, wanted) on the scale of ``panel.tissue``.
    draws
        (draws, cells, wanted), or None where the peer has none.
    """

    mean: np.ndarray
    draws: np.ndarray | None = None


class Peer(GeneMethod):
    """A public tool that learns and predicts in one go, for all wanted genes of the panel.

    Most of these tools have to be told in training which genes will be asked for. So `fit` does
    all the work, and `sample` hands out what was answered. A peer sees the panel: the tissue's
    visible genes and the reference's visible and wanted ones.
    """

    #: epochs that its authors advise
    epochs: int = 0

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.genes: np.ndarray = np.zeros(0, dtype=object)
        self.answer = Answer(np.zeros((0, 0), dtype=np.float32))
        self.tied = ""

    def fit(self, panel: Panel, config: GeneSettings, monitor: st.Monitor) -> Self:
        """Train the peer on `panel` and ask it for every wanted gene."""
        if not len(panel.wanted):
            raise st.StdiffError(f"{self.title} has to be told in training what will be asked.")
        monitor.check()
        with silence():
            answer = self.ask(panel, config, config.epochs or self.epochs)
        shape = (panel.n_cells, len(panel.wanted))
        if answer.mean.shape != shape or not np.isfinite(answer.mean).all():
            raise st.StdiffError(f"{self.title} gave no finite answer for every cell and gene.")
        self.genes = np.asarray(panel.wanted, dtype=object)
        draws = None if answer.draws is None else answer.draws.astype(np.float32)
        self.answer = Answer(answer.mean.astype(np.float32), draws)
        self.tied = panel.fingerprint()
        monitor.check()
        return self

    @abstractmethod
    def ask(self, panel: Panel, config: GeneSettings, epochs: int) -> Answer:
        """Train on `panel` for `epochs` and predict ``panel.wanted``."""

    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: st.Monitor
    ) -> Prediction:
        """Hand out what was answered for `genes`; draws where the peer has its own."""
        place = {str(g): i for i, g in enumerate(self.genes)}
        missing = [str(g) for g in genes if str(g) not in place]
        if missing:
            raise st.StdiffError(f"{self.title} was not asked for the gene '{missing[0]}'.")
        columns = [place[str(g)] for g in genes]
        draws = self.answer.draws
        held = draws[:n_draws, :, columns] if draws is not None and n_draws > 0 else None
        return Prediction(
            genes=np.asarray([str(g) for g in genes], dtype=object),
            mean=self.answer.mean[:, columns],
            std=None if held is None else held.std(axis=0),
            draws=held,
            complete=held is None or len(held) == n_draws,
        )

    def save(self, folder: Path) -> None:
        """Write the answers, which are all that is left of the training."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"mean": self.answer.mean}
        if self.answer.draws is not None:
            arrays["draws"] = self.answer.draws
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / "peer.st")
        said = {"id": self.id, "genes": [str(g) for g in self.genes], "tied": self.tied}
        (folder / "peer.json").write_text(json.dumps(said) + "\n")

    @classmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        """Read what :meth:`save` wrote; refuses another tissue or reference."""
        said = json.loads((folder / "peer.json").read_text())
        if said["id"] != cls.id or said["tied"] != panel.fingerprint():
            raise st.StdiffError(f"The answers in {folder} are not {cls.title}'s for this panel.")
        arrays = load_file(folder / "peer.st")
        made = cls()
        made.genes = np.asarray(said["genes"], dtype=object)
        made.answer = Answer(arrays["mean"], arrays.get("draws"))
        made.tied = said["tied"]
        return made

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate from the number of pairs of cells and epochs, roughly, for one core."""
        cells, reference = panel.n_cells, panel.reference_raw.shape[0]
        seconds = (config.epochs or cls.epochs) * cls.epoch_seconds(cells, reference)
        return Cost(0, seconds, cls.bytes_needed(cells, reference) / 2**20)

    @classmethod
    @abstractmethod
    def epoch_seconds(cls, cells: int, reference: int) -> float:
        """Guess the seconds of an epoch."""

    @classmethod
    @abstractmethod
    def bytes_needed(cls, cells: int, reference: int) -> float:
        """Guess the peak memory."""


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep the tools' bars and log lines off the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
