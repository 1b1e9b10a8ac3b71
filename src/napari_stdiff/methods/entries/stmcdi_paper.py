"""stMCDI as its paper has it, with the equations put right.

A spot is a sample and its genes are tokens. Some visible entries are hidden and noised; the
network denoises them from the others, from the latent that an encoder of the tissue graph makes
of what is visible, and from nothing else. What is kept: the graph, the encoders, masks of the
input and of the latent, cross-attention on the observed part, quadratic schedule, averaged
weights, AdamW, the printed sizes. What is put right or filled in is listed in
`paper.printed.DEVIATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.device import choose_device, few_threads
from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.checks import listing
from ...data.prediction import Prediction
from ...data.visible import Visible
from ..base import Cost, collect, complete
from ..files import read_model, write_model
from ..genes.paper.needs import counted
from ..network import put_weights, weights_of
from ..scaling import Scaled, Speed, seconds_each, spelled
from .base import EntryMethod
from .files import refuse_other_visible, visible_tie
from .graph import Graph
from .paper.drawing import Drawing
from .paper.needs import Amount, needs, shape_of
from .paper.printed import DEVIATIONS, PRINTED
from .paper.score_network import StmcdiNetwork
from .paper.settled import as_printed, in_force, likely_speed, refuse_too_large, scaled
from .paper.training import Training
from .settings import EntrySettings

_TIMED_SPOTS = 512  # that a sampling step is timed on
_FOLDS = 5  # in which visible entries are hidden to denoise them
_IN_FORCE = (
    *("epochs", "batch_size", "width", "depth", "heads", "learning_rate", "neighbours"),
    *("encoder", "mask_strategy", "mask_phase", "mask_ratio", "noise_steps"),
    *("sampler", "sampler_steps"),
)


class StmcdiPaper(EntryMethod):
    """The paper's configuration with corrected equations."""

    id: ClassVar[str] = "stmcdi-paper"
    title: ClassVar[str] = "stMCDI (paper)"
    description: ClassVar[str] = "The configuration of the paper, with its equations put right."

    config: EntrySettings
    visible: Visible
    graph: Graph
    network: StmcdiNetwork
    scaled: Scaled | None = None
    trained: Mapping[str, Any] | None = None  # how the training went; None before it

    def facts(self) -> dict[str, Any]:
        """Return the settings in force, how the training went, and what departs from the paper."""
        return {
            **{name: getattr(self.config, name) for name in _IN_FORCE},
            "heads_used": shape_of(self.config, self.visible.n_genes).heads_used,
            "mean_is": "one evaluation at step T",
            **(self.trained or {}),
            **(self.scaled.facts() if self.scaled else {}),
            "deviations": list(DEVIATIONS),
        }

    @few_threads()
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Train on the visible entries; refuses what does not fit into memory."""
        self.trained, self.scaled = None, None
        self.config, self.visible = as_printed(config, PRINTED), visible
        _refuse_unseen(visible)
        self.device = choose_device(self.config.device)
        cost = _needed(self.config, visible)
        refuse_too_large(self.title, visible, cost, self.device)
        with monitor.stage("Graph", 0.03):
            self.graph = Graph.of(visible, self.config.neighbours)
        training = self._training()
        if self.config.scale_to:
            with monitor.stage("Timing", 0.05):
                self._scale_down(training, config, monitor)
            cost = _needed(self.config, visible)
        said, began = self.config, perf_counter()
        steps = said.epochs * training.per_epoch
        with monitor.stage("Fitting"):
            words = f"{counted(cost.parameters)}, about {spelled(cost.seconds)} in all"
            monitor.step(0, steps, f"{words} and {cost.memory_mib:.0f} MiB")
            self.network = training.run(said.width, said.depth, steps, said.learning_rate, monitor)
        if self.scaled is not None:
            self.scaled = self.scaled.after(said.epochs, perf_counter() - began)
        self.trained = {"parameters": cost.parameters, "training_steps": steps}
        return self

    @few_threads()
    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        """Return the mean by one evaluation at step T, and draws from noise.

        A visible entry that is denoised is hidden, with a fifth of the others, while it is
        predicted: it is what another measurement would give.
        """
        cells = np.asarray(cells, dtype=np.int64)
        drawings = self._drawings()
        measured = self.visible.expression[cells]
        kept = self.visible.seen[cells]
        if self.config.denoise:
            kept = np.zeros_like(kept)

        def filled(standard: np.ndarray) -> np.ndarray:
            return np.where(kept, measured, self._restored(standard))

        steps = n_draws * self.config.sampler_steps
        with monitor.stage("Predicting", 1 / (1 + steps)):
            mean = filled(sum((d.means(cells, monitor) for d in drawings), _nothing(kept)))
        total = 1000 * (1 + n_draws)

        def draw(number: int) -> np.ndarray:
            out = _nothing(kept)
            for place, one in enumerate(drawings):

                def tell(share: float, place: int = place) -> None:
                    done = 1 + number + (place + share) / len(drawings)
                    monitor.step(int(1000 * done), total, f"draw {number + 1} of {n_draws}")

                out += one.draw(cells, number, tell)
            return filled(out)

        with monitor.stage("Drawing"):
            draws = collect(draw, n_draws, mean.shape, monitor)
        std = None
        if draws is not None and len(draws) > 1:  # rounding leaves some where all are the same
            std = np.where(kept, np.float32(0), draws.std(axis=0, ddof=1))
        notes = (self.scaled.note(),) if self.scaled is not None else ()
        whole = complete(draws, n_draws)
        return Prediction(self.visible.genes, mean, std, draws, whole, notes)

    def save(self, folder: Path) -> None:
        """Write network and settings to `folder`."""
        meta = {
            "visible": visible_tie(self.visible, reference=False),
            "config": self.config.model_dump(mode="json"),
            "trained": self.trained,
            "scaled": self.scaled.dump() if self.scaled else None,
        }
        write_model(folder, self.id, meta, weights_of(self.network))

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted model; refuses a tissue that it was not fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method.config, method.visible = EntrySettings.kept(meta["config"]), visible
        method.trained = meta["trained"]
        method.scaled = Scaled.of(meta["scaled"]) if meta["scaled"] else None
        method.device = choose_device(method.config.device)
        method.graph = Graph.of(visible, method.config.neighbours)
        network = shape_of(method.config, visible.n_genes).build(method.config.seed)
        put_weights(network, tensors)
        method.network = network.to(method.device)
        return method

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate parameters, seconds and memory.

        With `scale_to` they are those of the sizes that are likely to be taken; the fit, which
        times its steps, may come to others.
        """
        said = as_printed(config, PRINTED)
        if said.scale_to:
            timed = partial(_estimated_speed, said, visible)
            sizes = scaled(config, said, timed)
            said = said.model_copy(update=asdict(sizes.used))
        cost = _needed(said, visible)
        return replace(cost, seconds=min(cost.seconds, said.scale_to or cost.seconds))

    def _training(self) -> Training:
        return Training(self.visible, self.graph, self.config, self.device)

    def _drawings(self) -> list[Drawing]:
        """Return what predicts each entry that is asked for, from entries without itself."""
        seen = self.visible.seen
        shares = [(seen, ~seen)]
        if self.config.denoise:
            chance = np.random.default_rng([self.config.seed, 5]).random(seen.shape)
            fold = (chance * _FOLDS).astype(int)
            shares += [(seen & (fold != f), seen & (fold == f)) for f in range(_FOLDS)]
        return [
            self._drawing(self.network, shown, asked) for shown, asked in shares if asked.any()
        ]

    def _drawing(self, network: StmcdiNetwork, shown: np.ndarray, asked: np.ndarray) -> Drawing:
        x = self.visible.standard
        return Drawing.of(network, self.graph, self.config, self.device, x, shown, asked)

    def _restored(self, standard: np.ndarray) -> np.ndarray:
        return self.visible.restored(standard)

    def _scale_down(self, training: Training, config: EntrySettings, monitor: Monitor) -> None:
        """Take smaller sizes, that end near the time asked for, and steps that make up for it."""
        self.scaled = scaled(config, self.config, partial(self._speed, training, monitor))
        self.config = in_force(config, self.config, self.scaled)

    def _speed(self, training: Training, monitor: Monitor, width: int, depth: int) -> Speed:
        """Time training and denoising, or estimate them where a trial would take too long."""
        said, visible = self.config, self.visible
        guess = _estimated_speed(said, visible, width, depth)
        if guess.epoch / training.per_epoch > said.scale_to / 40:
            return guess
        lasts = min(0.2, said.scale_to / 50)

        def learned(steps: int) -> None:
            monitor.check()
            training.run(width, depth, steps, said.learning_rate, Monitor())

        epoch = seconds_each(learned, lasts) * training.per_epoch
        hidden = (~visible.seen).any(axis=1)
        if not said.draws or not hidden.any():
            return Speed(epoch, guess.sampler_step)
        network = training.network(width, depth).eval()
        drawing = self._drawing(network, visible.seen, ~visible.seen)
        some = np.flatnonzero(hidden)[:_TIMED_SPOTS]

        def evaluated(steps: int) -> None:
            for _ in range(steps):
                drawing.means(some, monitor)

        calls = said.draws * (2 if said.sampler == "heun" else 1) * hidden.sum() / len(some)
        if said.denoise:
            calls *= visible.seen.size / max(int((~visible.seen).sum()), 1)
        return Speed(epoch, seconds_each(evaluated, lasts) * float(calls))


def _needed(said: EntrySettings, visible: Visible, *, epochs: int | None = None) -> Cost:
    """Estimate the cost of a run of exactly these settings."""
    amount = Amount.of(visible, denoise=said.denoise)
    return needs(said, amount, said.draws, epochs=epochs)


def _estimated_speed(said: EntrySettings, visible: Visible, width: int, depth: int) -> Speed:
    return likely_speed(lambda s, epochs: _needed(s, visible, epochs=epochs), said, width, depth)


def _nothing(like: np.ndarray) -> np.ndarray:
    return np.zeros(like.shape, dtype=np.float32)


def _refuse_unseen(visible: Visible) -> None:
    """Raise where a gene has no visible value: nothing here could tell it."""
    unseen = [str(g) for g in visible.genes[~visible.seen.any(axis=0)]]
    if unseen:
        raise StdiffError(
            f"Nothing is visible of the gene(s) {listing(unseen)}; choose a method that takes a "
            "reference, or leave them out."
        )
