"""SpaDiT as its paper has it, with the equations put right.

A gene is a sample: its values over the spots are noised and denoised by a network that is told
the gene's profile in the reference. What is kept: latent embedding of tissue and reference,
condition from the whole reference by attention, transformer (or U-Net, or Mamba) with adaLN-zero,
masks, quadratic schedule, averaged weights, AdamW, the printed sizes. What is put right or filled
in is listed in `paper.printed.DEVIATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from ...compute.device import choose_device, few_threads
from ...compute.errors import StdiffError
from ...compute.monitor import Cancelled, Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ..base import Cost
from ..files import read_model, write_model
from ..network import put_weights, weights_of
from ..scaling import Scaled, Sizes, Speed, scale, seconds_each, spelled
from .base import GeneMethod
from .files import panel_tie, refuse_other_panel
from .paper.drawing import ROWS, Drawing, calls_each
from .paper.gene_scale import GeneScale
from .paper.metacells import Metacells
from .paper.needs import counted, free_mib, needs
from .paper.network import Shape
from .paper.patches import patch_order
from .paper.printed import DEVIATIONS, closest
from .paper.process import Rotated
from .paper.training import Training
from .settings import GeneSettings

_GENES_AT_ONCE = 256  # whose reference profiles are dense at one time
_FASTEST = 1e-3  # learning rate of a scaled run at most
_TIMED_GENES = 50  # that a scaled run leaves time to draw
_IN_FORCE = (
    *("epochs", "batch_size", "width", "depth", "heads", "learning_rate", "latent_layers"),
    *("mask_zero", "mask_nonzero", "noise_steps", "backbone", "condition", "concatenate"),
    *("covariance", "sampler", "sampler_steps"),
)


@dataclass(frozen=True)
class _Asked:
    """Genes to predict: reference profiles, and mean and spread expected of them in the tissue."""

    genes: np.ndarray
    profiles: np.ndarray
    mean: np.ndarray
    std: np.ndarray


class SpaditPaper(GeneMethod):
    """The paper's configuration with corrected equations."""

    id: ClassVar[str] = "spadit-paper"
    title: ClassVar[str] = "SpaDiT (paper)"
    description: ClassVar[str] = "The configuration of the paper, with its equations put right."

    config: GeneSettings
    panel: Panel
    metacells: Metacells
    network: nn.Module
    scaled: Scaled | None = None
    trained: Mapping[str, Any] | None = None  # how the training went; None before it

    def facts(self) -> dict[str, Any]:
        """Return the settings in force, how the training went, and what departs from the paper."""
        printed = closest(len(self.panel.genes), self.panel.n_cells)
        return {
            "printed_for": printed.name,
            **{name: getattr(self.config, name) for name in _IN_FORCE},
            "metacells": self.metacells.n,
            "mean_is": "one evaluation at step T",
            **(self.trained or {}),
            **(self.scaled.facts() if self.scaled else {}),
            "deviations": list(DEVIATIONS),
        }

    @few_threads()
    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        """Train on seven ninths of the visible genes; refuses what does not fit into memory."""
        self.trained, self.scaled = None, None
        self.config = said = _as_printed(config, panel)
        device = choose_device(said.device)
        cost = _needed(said, panel, _timed_genes(panel))
        free = free_mib(device)
        if not said.scale_to and cost.memory_mib > free:
            raise StdiffError(
                f"{self.title} with width {said.width} and depth {said.depth} has "
                f"{counted(cost.parameters)} and needs about {cost.memory_mib / 1024:.0f} GiB of "
                f"memory where {free / 1024:.0f} are free; say scale_to (seconds), or a smaller "
                "width and depth."
            )
        with monitor.stage("Reference", 0.03):
            grouped = Metacells.of(panel, said.seed, common=said.condition == "common")
            self._take(panel, grouped)
        training = self._training()
        if said.scale_to:
            with monitor.stage("Timing", 0.05):
                self._scale_down(training, config, free, monitor)
            cost = _needed(self.config, panel, _timed_genes(panel))
        said, began, per_epoch = self.config, perf_counter(), training.per_epoch
        steps = said.epochs * per_epoch
        with monitor.stage("Fitting"):
            monitor.step(
                0,
                steps,
                f"{counted(cost.parameters)}, about {spelled(cost.seconds)} and "
                f"{cost.memory_mib:.0f} MiB",
            )
            out = training.run(
                said.width, said.depth, steps, said.learning_rate, monitor, choosing=True
            )
        self.network = out.network
        if self.scaled is not None:
            self.scaled = self.scaled.after(said.epochs, perf_counter() - began)
        self.trained = {
            "parameters": cost.parameters,
            "heads_used": self._shape().heads_used,
            "validation_genes": [str(panel.genes[i]) for i in sorted(training.held.tolist())],
            "best_epoch": round(out.best_steps / per_epoch, 1),
        }
        return self

    @few_threads()
    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Return the mean by one evaluation at step T, and draws from noise."""
        asked = self._asked(np.array([str(gene) for gene in genes], dtype=object))
        drawing = self._drawing(monitor)
        with monitor.stage("Predicting", 1 / (1 + n_draws * self.config.sampler_steps)):
            mean = self._scale.back(drawing.means(asked.profiles), asked.mean, asked.std)
        draws, kept = np.empty((n_draws, *mean.shape), dtype=np.float32), 0
        try:
            with monitor.stage("Drawing"):
                for some in drawing.draws(asked.genes, asked.profiles, n_draws):
                    for z in some:
                        draws[kept] = self._scale.back(z, asked.mean, asked.std)
                        kept += 1
        except Cancelled:
            draws = draws[:kept]
        return Prediction(
            asked.genes,
            mean,
            draws.std(axis=0, ddof=1) if len(draws) > 1 else None,
            draws if len(draws) else None,
            len(draws) == n_draws,
            (self.scaled.note(),) if self.scaled is not None else (),
        )

    def save(self, folder: Path) -> None:
        """Write network, metacells and settings to `folder`."""
        meta = {
            "panel": panel_tie(self.panel),
            "config": self.config.model_dump(mode="json"),
            "trained": self.trained,
            "scaled": self.scaled.dump() if self.scaled else None,
        }
        tensors = {"label": self.metacells.label, "features": self.metacells.features}
        write_model(folder, self.id, meta, tensors | weights_of(self.network))

    @classmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        """Read a fitted model; refuses a tissue or reference that it was not fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_panel(meta, panel)
        method = cls()
        method.config = GeneSettings.kept(meta["config"])
        method.trained = meta["trained"]
        method.scaled = Scaled.of(meta["scaled"]) if meta["scaled"] else None
        method._take(panel, Metacells(tensors["label"], tensors["features"]))
        network = method._shape().build(method.config.seed)
        put_weights(network, tensors)
        method.network = network.to(method.device)
        return method

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate parameters, seconds and memory.

        With `scale_to` they are those of the sizes that are likely to be taken; the fit, which
        times its steps, may come to others.
        """
        said = _as_printed(config, panel)
        if said.scale_to:
            kept = "sampler_steps" in config.model_fields_set
            timed = partial(_estimated_speed, said, panel, n_genes)
            sizes = scale(_sizes(said), said.scale_to, timed, steps_said=kept)
            said = said.model_copy(update=asdict(sizes.used))
        cost = _needed(said, panel, n_genes)
        return replace(cost, seconds=min(cost.seconds, said.scale_to or cost.seconds))

    def _take(self, panel: Panel, metacells: Metacells) -> None:
        """Hold what follows from panel and metacells alone."""
        self.panel, self.metacells = panel, metacells
        self.device = choose_device(self.config.device)
        self._scale = GeneScale.of(panel)
        self._values = self._scale.standardised(panel.tissue)
        profiles = metacells.profiles(panel.reference)
        self._size = max(float(np.sqrt((profiles**2).mean())), 1e-6)
        self._profiles = profiles / self._size
        self._process = Rotated.quadratic(self.config.noise_steps)

    def _shape(self) -> Shape:
        return _shape(
            self.config, self.panel.n_cells, self.metacells.n, self.metacells.features.shape[1]
        )

    def _training(self) -> Training:
        return Training(
            self._values,
            np.ascontiguousarray((self.panel.tissue_raw == 0).T),
            self._profiles,
            self.metacells.features,
            patch_order(self.panel.coords),
            self._shape(),
            self.config,
            self.device,
        )

    def _drawing(self, monitor: Monitor) -> Drawing:
        return Drawing(
            self.network,
            self._process,
            self.config,
            (float(self._values.min()), float(self._values.max())),
            self.panel.n_cells,
            self.device,
            monitor,
        )

    def _asked(self, genes: np.ndarray) -> _Asked:
        parts = []
        for first in range(0, max(len(genes), 1), _GENES_AT_ONCE):
            values = self.panel.profiles(genes[first : first + _GENES_AT_ONCE])
            profiles = self.metacells.profiles(values) / self._size
            parts.append((profiles, *self._scale.expected(values)))
        return _Asked(genes, *(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _scale_down(
        self, training: Training, config: GeneSettings, free: float, monitor: Monitor
    ) -> None:
        """Take smaller sizes, that end near the time asked for, and steps that make up for it."""
        full = self.config
        self.scaled = scale(
            _sizes(full),
            full.scale_to,
            lambda width, depth: self._speed(training, width, depth, free, monitor),
            steps_said="sampler_steps" in config.model_fields_set,
        )
        used = self.scaled.used
        self.config = full.model_copy(update=asdict(used))
        if not config.learning_rate:
            longer = full.epochs / used.epochs * full.width / used.width
            rate = min(full.learning_rate * longer, max(_FASTEST, full.learning_rate))
            self.config = self.config.model_copy(update={"learning_rate": rate})

    def _speed(
        self, training: Training, width: int, depth: int, free: float, monitor: Monitor
    ) -> Speed:
        """Time training and denoising, or estimate them where a trial would take too long."""
        said, genes = self.config, _timed_genes(self.panel)
        sized = said.model_copy(update={"width": width, "depth": depth, "epochs": 1})
        guess = _estimated_speed(said, self.panel, genes, width, depth)
        needed = _needed(sized, self.panel, 0).memory_mib
        if needed > free or guess.epoch > said.scale_to / 40:
            return guess
        network = training.network(width, depth).eval()
        cond = torch.from_numpy(np.zeros((ROWS, self.metacells.n), dtype=np.float32))

        def learned(steps: int) -> None:
            monitor.check()
            training.run(width, depth, steps, said.learning_rate, Monitor())

        def evaluated(steps: int) -> None:
            monitor.check()
            x = torch.zeros(ROWS, self.panel.n_cells, device=self.device)
            with torch.no_grad():
                for _ in range(steps):
                    float(self._process.mean(network, cond.to(self.device), x)[0, 0])

        lasts = min(0.2, said.scale_to / 50)
        return Speed(
            seconds_each(learned, lasts) * training.per_epoch,
            seconds_each(evaluated, lasts) * _rows_a_step(said, genes) / ROWS,
        )


def _as_printed(config: GeneSettings, panel: Panel) -> GeneSettings:
    """Return `config` where what was not said, or is 0, is as printed for the nearest data set."""
    preset = closest(len(panel.genes), panel.n_cells).preset()
    told = config.filled(**preset)
    blank = ("epochs", "batch_size", "width", "depth", "heads", "learning_rate")
    told = told.model_copy(update={n: preset[n] for n in blank if not getattr(told, n)})
    if told.width % 8:
        raise StdiffError(f"The width has to be a multiple of 8 (got {told.width}).")
    if told.covariance and told.sampler != "ancestral":
        raise StdiffError(
            "The learned covariance is of the steps of the ancestral sampler; choose that "
            "sampler, or leave the covariance out."
        )
    steps = min(told.sampler_steps, told.noise_steps)
    return told.model_copy(update={"sampler_steps": steps})


def _shape(said: GeneSettings, cells: int, metacells: int, axes: int) -> Shape:
    names = (
        *("width", "depth", "heads", "latent_layers", "backbone", "condition"),
        *("concatenate", "covariance"),
    )
    return Shape(cells, metacells, axes, **{name: getattr(said, name) for name in names})


def _sizes(said: GeneSettings) -> Sizes:
    return Sizes(**{f.name: getattr(said, f.name) for f in fields(Sizes)})


def _timed_genes(panel: Panel) -> int:
    """Return how many genes a scaled run leaves time to draw; it is not told how many come."""
    return min(len(panel.wanted), _TIMED_GENES)


def _rows_a_step(said: GeneSettings, n_genes: int) -> int:
    """Return the rows that the network sees for one sampling step of all draws."""
    return -(-n_genes * said.draws // ROWS) * ROWS * calls_each(said.sampler)


def _needed(said: GeneSettings, panel: Panel, n_genes: int, *, epochs: int | None = None) -> Cost:
    """Estimate the cost of a run of exactly these settings."""
    cells, genes = panel.reference_raw.shape
    sizes = Metacells.sizes(cells, len(panel.genes) if said.condition == "common" else genes)
    return needs(
        _shape(said, panel.n_cells, *sizes),
        genes=len(panel.genes),
        epochs=said.epochs if epochs is None else epochs,
        batch_size=said.batch_size,
        evaluations=n_genes + _rows_a_step(said, n_genes) * said.sampler_steps,
        answers=panel.n_cells * n_genes * (said.draws + 2),
        device=said.device,
    )


def _estimated_speed(
    said: GeneSettings, panel: Panel, n_genes: int, width: int, depth: int
) -> Speed:
    """Return how quick a network of these sizes is likely to be, without a trial."""
    sized = said.model_copy(update={"width": width, "depth": depth, "sampler_steps": 1})
    learned = _needed(sized, panel, 0, epochs=1).seconds
    nothing = _needed(sized, panel, 0, epochs=0).seconds
    return Speed(learned - nothing, _needed(sized, panel, n_genes, epochs=0).seconds - nothing)
