"""SpotDiff as its paper has it, with the equations put right.

A spot is a sample. Some of its visible entries are hidden and noised; a transformer denoises them
from the others, from the spot's prompt, and from the reference cells most like it once a network
has mapped these into the tissue. What is kept: the template, T5 and the attention of spot to
genes, the integration network with its three losses, fusion of the top N, a DiT that joins both
conditions block by block, the mask ratio. What is put right, and what stands where the paper is
silent, is listed in `spot.printed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np
import torch

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
from .integration import STEPS, Integration
from .paper.settled import as_printed, in_force, likely_speed, refuse_too_large, scaled
from .settings import EntrySettings
from .spot.drawing import Drawing, schedule
from .spot.known import Known, Shown
from .spot.needs import joins, needs, shape_of
from .spot.network import Shape, SpotdiffNetwork
from .spot.printed import DEVIATIONS, PRESET
from .spot.training import Training
from .text import Speaker

_LEAST_OMEGA = 60  # steps of the integration network in a scaled run at least
_FOLDS = 5  # in which visible entries are hidden to denoise them
_TIMED = 512  # spots that a sampling step is timed on
_IN_FORCE = (
    *("epochs", "batch_size", "width", "depth", "heads", "learning_rate", "mask_ratio"),
    *("n_high", "n_low", "top_cells", "mse_weight", "location_weight", "pearson_weight"),
    *("noise_steps", "sampler", "sampler_steps"),
)


class SpotdiffPaper(EntryMethod):
    """The paper's configuration with corrected equations."""

    id: ClassVar[str] = "spotdiff-paper"
    title: ClassVar[str] = "SpotDiff (paper)"
    description: ClassVar[str] = "The configuration of the paper, with its equations put right."
    reference: ClassVar[str] = "optional"

    config: EntrySettings
    visible: Visible
    known: Known
    network: SpotdiffNetwork
    scaled: Scaled | None = None
    trained: Mapping[str, Any] | None = None  # how the training went; None before it
    _spots: list[np.ndarray]  # vectors of the prompts of what is shown, by a T5

    def facts(self) -> dict[str, Any]:
        """Return the settings in force, how the training went, and what departs from the paper."""
        speaker, integration = self.known.speaker, self.known.integration
        return {
            **{name: getattr(self.config, name) for name in _IN_FORCE},
            "text": speaker.kind,
            **({"text_model": self.config.text_model} if speaker.kind == "t5" else {}),
            **({"no_t5_because": speaker.reason} if speaker.reason else {}),
            "reference_cells_joined": integration is not None,
            **({"integration": integration.facts()} if integration else {}),
            "genes_from_reference_alone": [str(g) for g in self.visible.genes[self._unseen]],
            "heads_used": self.network.shape.heads_used,
            "mean_is": "one evaluation at step T",
            **(self.trained or {}),
            **(self.scaled.facts() if self.scaled else {}),
            "deviations": list(DEVIATIONS),
        }

    @few_threads()
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Train the integration network, then the transformer, on the visible entries."""
        self.trained, self.scaled = None, None
        self.config, self.visible = as_printed(config, PRESET), visible
        self._refuse_unknown()
        device = choose_device(self.config.device)
        cost = needs(self.config, visible)
        refuse_too_large(self.title, visible, cost, device)
        words = f"{counted(cost.parameters)}, about {spelled(cost.seconds)} in all"
        monitor.step(0, 100, f"{words} and {cost.memory_mib:.0f} MiB")
        integration = None
        if joins(self.config, visible):
            with monitor.stage("Reference", 0.1):
                integration = self._integrated(device, monitor)
        with monitor.stage("Prompts", 0.1):
            speaker = Speaker.of(self.config, visible.genes, visible.raw, device)
            self._know(speaker, integration, device)
            self._spots = self._spoken(monitor)
            shape = self._shape(speaker.t5.dim if speaker.t5 else 0)
            process = schedule(self.config.noise_steps)
            training = Training(self.known, self.config, shape, process, monitor)
        if self.config.scale_to:
            with monitor.stage("Timing", 0.05):
                self._scale_down(training, config, monitor)
        said, began = self.config, perf_counter()
        steps = said.epochs * training.per_epoch
        with monitor.stage("Fitting"):
            self.network = training.run(said.width, said.depth, steps, said.learning_rate, monitor)
        if self.scaled is not None:
            self.scaled = self.scaled.after(said.epochs, perf_counter() - began)
        parameters = sum(p.numel() for p in self.network.parameters())
        self.trained = {"parameters": parameters, "training_steps": steps}
        return self

    @few_threads()
    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        """Return the mean by one evaluation at step T, and draws from noise."""
        cells = np.asarray(cells, dtype=np.int64)
        drawings = self._drawings(monitor)
        measured, kept = self.visible.expression[cells], self.visible.seen[cells]
        if self.config.denoise:
            kept = np.zeros_like(kept)

        def filled(standard: np.ndarray) -> np.ndarray:
            return np.where(kept, measured, self._restored(standard, cells))

        with monitor.stage("Predicting", 1 / (1 + n_draws * self.config.sampler_steps)):
            mean = np.zeros(measured.shape, dtype=np.float32)
            for one in drawings:
                mean += one.means(cells, monitor)
            mean = filled(mean)
        total = 1000 * (1 + n_draws)

        def draw(number: int) -> np.ndarray:
            out = np.zeros(measured.shape, dtype=np.float32)
            for place, one in enumerate(drawings):

                def tell(share: float, place: int = place) -> None:
                    done = 1 + number + (place + share) / len(drawings)
                    monitor.step(int(1000 * done), total, f"draw {number + 1} of {n_draws}")

                out += one.draw(cells, number, tell)
            return filled(out)

        with monitor.stage("Drawing"):
            draws = collect(draw, n_draws, mean.shape, monitor)
        return Prediction(
            self.visible.genes,
            mean,
            draws.std(axis=0, ddof=1) if draws is not None and len(draws) > 1 else None,
            draws,
            complete(draws, n_draws),
            self.notes(),
        )

    def notes(self) -> tuple[str, ...]:
        """Return what a user should know of this run beside its result."""
        out = [self.scaled.note()] if self.scaled is not None else []
        speaker = self.known.speaker
        if speaker.reason:
            out.append(
                "Prompts were encoded by a small encoder that was trained here: " + speaker.reason
            )
        if self.known.integration is None:
            why = "there is none" if self.config.use_reference else "it was switched off"
            out.append(f"SpotDiff ran without a reference, since {why}.")
        alone = [str(g) for g in self.visible.genes[self._unseen]]
        if alone:
            out.append(
                f"Nothing was visible of {listing(alone)}: what is given comes from the reference "
                "cells joined to each spot alone, on their scale and without a spread."
            )
        return tuple(out)

    def save(self, folder: Path) -> None:
        """Write networks and settings to `folder`."""
        integration, speaker = self.known.integration, self.known.speaker
        meta = {
            "visible": visible_tie(self.visible, integration is not None),
            "config": self.config.model_dump(mode="json"),
            "shape": asdict(self.network.shape),
            "reason": speaker.reason,
            "integration": integration.facts() if integration else None,
            "trained": self.trained,
            "scaled": self.scaled.dump() if self.scaled else None,
        }
        tensors = weights_of(self.network)
        tensors |= integration.weights() if integration else {}
        tensors |= {f"spot.{i}": v for i, v in enumerate(self._spots)}
        write_model(folder, self.id, meta, tensors)

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted model; refuses a tissue or reference that it was not fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method.config, method.visible = EntrySettings.kept(meta["config"]), visible
        method.trained = meta["trained"]
        method.scaled = Scaled.of(meta["scaled"]) if meta["scaled"] else None
        device = choose_device(method.config.device)
        integration = None
        if meta["integration"] is not None:
            facts = meta["integration"]
            integration = Integration().restore(visible, method.config, device, tensors, facts)
        shape = Shape(**meta["shape"])
        plain = method.config.model_copy(update={"text": "off"})
        speaker = Speaker.of(plain, visible.genes, visible.raw, device)
        speaker = replace(speaker, kind=shape.text, reason=meta["reason"])
        method._know(speaker, integration, device)
        method._spots = [
            tensors[f"spot.{i}"] for i in range(len(tensors)) if f"spot.{i}" in tensors
        ]
        network = shape.build(method.config.seed)
        put_weights(network, tensors)
        method.network = network.to(device)
        return method

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate parameters, seconds and memory.

        With `scale_to` they are those of the sizes that are likely to be taken; the fit, which
        times its steps, may come to others.
        """
        said = as_printed(config, PRESET)
        if said.scale_to:
            sizes = scaled(config, said, partial(_estimated_speed, said, visible))
            said = said.model_copy(update=asdict(sizes.used))
        cost = needs(said, visible)
        return replace(cost, seconds=min(cost.seconds, said.scale_to or cost.seconds))

    @property
    def _unseen(self) -> np.ndarray:
        """(genes,) bool, True for genes without any visible value."""
        return np.asarray(~self.visible.seen.any(axis=0))

    def _refuse_unknown(self) -> None:
        """Raise where nothing could tell a gene: not visible, and in no reference that is used."""
        unknown = self._unseen.copy()
        columns = self.visible.reference_columns
        if joins(self.config, self.visible) and columns is not None:
            unknown[columns] = False
        if unknown.any():
            raise StdiffError(
                f"Nothing is visible of {listing([str(g) for g in self.visible.genes[unknown]])}, "
                "and no reference that is used has it; give a reference, or leave it out."
            )

    def _know(
        self, speaker: Speaker, integration: Integration | None, device: torch.device
    ) -> None:
        self.known = Known(self.visible, speaker, integration, self.config.top_cells, device)

    def _shape(self, dim: int) -> Shape:
        shape = shape_of(self.config, self.visible, dim)
        return replace(shape, text=self.known.speaker.kind)

    def _integrated(self, device: torch.device, monitor: Monitor) -> Integration:
        """Train the integration network, for a tenth of the time where a time is asked for."""
        said, steps = self.config, STEPS
        if said.scale_to:
            began = perf_counter()
            Integration().fit(self.visible, said, device, Monitor(), steps=4)
            each = (perf_counter() - began) / 4
            steps = int(np.clip(0.1 * said.scale_to / each, _LEAST_OMEGA, STEPS))
        return Integration().fit(self.visible, said, device, monitor, steps)

    def _shares(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return what is shown and what is asked for, such that no entry predicts itself."""
        seen, alone = self.visible.seen, self._unseen
        shares = [(seen, ~seen & ~alone)]
        if self.config.denoise:
            chance = np.random.default_rng([self.config.seed, 5]).random(seen.shape)
            fold = (chance * _FOLDS).astype(int)
            shares += [(seen & (fold != f), seen & (fold == f)) for f in range(_FOLDS)]
        return [(shown, asked) for shown, asked in shares if asked.any()]

    def _spoken(self, monitor: Monitor) -> list[np.ndarray]:
        """Return the T5's vectors of the prompts of each share; none without one."""
        speaker, out = self.known.speaker, []
        if speaker.t5 is not None:
            for shown, _ in self._shares():
                told = speaker.tell(self.visible.raw, shown, self.known.device, monitor)
                assert told is not None
                assert told.spot is not None
                out.append(told.spot.cpu().numpy())
        return out

    def _drawings(self, monitor: Monitor) -> list[Drawing]:
        return [
            Drawing.of(self.network, self.config, self.known, whole)
            for whole in self._wholes(monitor)
        ]

    def _wholes(self, monitor: Monitor) -> list[Shown]:
        quiet = replace(self.known, speaker=replace(self.known.speaker, t5=None))
        return [
            quiet.at(shown, asked, monitor, self._spots[i] if self._spots else None)
            for i, (shown, asked) in enumerate(self._shares())
        ]

    def _restored(self, standard: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Bring answers to the scale of expression; unseen genes are those of joined cells."""
        out, alone = self.visible.restored(standard), self._unseen
        columns, cells_there = self.visible.reference_columns, self.visible.reference
        if not alone.any() or columns is None or cells_there is None:
            return out
        x, seen = (self.known.table(t) for t in (self.visible.standard, self.visible.seen))
        fused = self.known.fused(x, seen)
        assert fused is not None
        mine = np.isin(columns, np.flatnonzero(alone))
        level, spread = cells_there[:, mine].mean(axis=0), cells_there[:, mine].std(axis=0)
        found = fused.cpu().numpy()[np.ix_(cells, columns[mine])] * spread + level
        out[:, columns[mine]] = np.maximum(found, 0) if self.visible.never_negative else found
        return out

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
        asked = (
            int((~visible.seen).any(axis=1).sum()) if not said.denoise else 6 * len(visible.seen)
        )
        wholes = self._wholes(monitor)
        if not said.draws or not wholes:
            return Speed(epoch, guess.sampler_step)
        whole = wholes[0]
        network = training.network(width, depth).eval()
        drawing = Drawing.of(network, said, self.known, whole)
        some = np.flatnonzero(whole.asked.any(dim=1).cpu().numpy())[:_TIMED]

        def evaluated(steps: int) -> None:
            for _ in range(steps):
                drawing.means(some, monitor)

        calls = said.draws * (2 if said.sampler == "heun" else 1) * asked / len(some)
        return Speed(epoch, seconds_each(evaluated, lasts) * float(calls))


def _estimated_speed(said: EntrySettings, visible: Visible, width: int, depth: int) -> Speed:
    return likely_speed(lambda s, epochs: needs(s, visible, epochs=epochs), said, width, depth)
