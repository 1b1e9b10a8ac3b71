"""stDiffusion as its paper has it, with the equations put right.

What is kept: the noise process, the network's inputs [x; Embed(type); Lin(x, y)], the loss on the
noise, optimiser, epochs and early stopping; the nearest cell of each parent, noised to a step,
mixed by lambda and denoised; cells within a section generated from noise alone. What is put right
or filled in is listed in `DEVIATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from ..compute.device import choose_device, few_threads
from ..compute.monitor import Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from ..diffusion.process import Ddpm
from .base import Cost, Method, collect, complete
from .cells import VisibleCells, unmatched_note
from .context import Context
from .cost import network_cost, whole_chunks
from .files import known_labels, read_model, refuse_misfit, write_model
from .flanks import SectionTrees, flank_groups, label_codes
from .network import ROWS, denoise_from, process_called, put_weights, weights_of
from .paper_network import CHECKS, VALIDATION, PaperNetwork, PaperTraining
from .scaling import Scaled, Sizes, Speed, scale, seconds_each
from .settings import InterpolationSettings
from .streams import cell_uniforms

DEVIATIONS = (
    "The forward chain uses single steps, or their product in one go, not the product in each "
    "step (equations 4 and 7).",
    "The network predicts the noise and the variance of the reverse steps is the fixed posterior "
    "one (equations 5, 6 and 10 disagree).",
    "Both parents get the same noise before they are mixed, so that the mix has the variance the "
    "network was trained on (equation 9).",
    "Lambda follows from the depths of the parents and never from the hidden section.",
    "One scale for both axes and all sections keeps the shape of the tissue (equation 8).",
    "T is 1,000 and parents are noised to step 100; the paper does not say.",
    "The step enters as an embedding; embeddings of 32, two linear layers with 256 between "
    "them, batches of 256; the paper does not say.",
    "Genes are standardised for the network, and the clean estimate of a step stays within the "
    "values seen of each gene.",
    "A tenth of the visible cells, chosen at random over all sections, stops the training after "
    "a tenth of its length without a better error.",
    "The type is withheld in a tenth of the training rows, so that it need not be known.",
    "Gradients are clipped to norm 1.",
    "The mean is that of at least 16 draws.",
)

# what the paper prints, or its code where the paper does not say
PRESET: dict[str, Any] = {
    "process": "ddpm-linear",
    "epochs": 300,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "width": 256,
    "depth": 2,
    "mixing": "average",
    "sampler": "ancestral",
    "sampler_steps": 100,
}
# cells within a section come from noise alone, by every one of the T steps
GENERATING: dict[str, Any] = {"sampler_steps": 1000}
_LEVEL = float(Ddpm.make("linear", 1000).table[99])  # step 100
_OF_THE_FIT = ("process", "epochs", "batch_size", "learning_rate", "width", "depth")
_MEAN_DRAWS = 16


class StDiffusionPaper(Method):
    """The paper's configuration with corrected equations."""

    id: ClassVar[str] = "stdiffusion-paper"
    title: ClassVar[str] = "stDiffusion (paper)"
    description: ClassVar[str] = "The configuration of the paper, with its equations put right."
    draw_fields: ClassVar[frozenset[str]] = frozenset(
        {"blend", "blend_value", "noise_level", "mixing", "carry", "neighbours"}
        | {"sampler", "sampler_steps"}
    )

    config: InterpolationSettings
    cells: VisibleCells
    network: nn.Module
    scaled: Scaled | None = None
    trained: Mapping[str, Any] | None = None  # how the training went; None before it

    def configure(self, config: InterpolationSettings) -> None:
        """Take lambda, noise level and sampler; what was not said is as in the paper.

        Once fitted, the sizes are those of the fit.
        """
        fitted = self.trained is not None
        within = self.cells.within if fitted else config.within
        told = _as_printed(config, within)
        if fitted:
            told = told.model_copy(update={n: getattr(self.config, n) for n in _OF_THE_FIT})
        if self.scaled is not None and "sampler_steps" not in config.model_fields_set:
            told = told.model_copy(update={"sampler_steps": self.scaled.used.sampler_steps})
        self.config = told

    def facts(self) -> dict[str, Any]:
        """Return the settings in force, how the training went, and what departs from the paper."""
        in_force = {name: getattr(self.config, name) for name in PRESET}
        return {
            **in_force,
            "noise_level": self._noise_level(),
            **(self.trained or {}),
            **(self.scaled.facts() if self.scaled else {}),
            "deviations": list(DEVIATIONS),
        }

    @few_threads()
    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Train on the noise of nine tenths of the visible cells."""
        self.trained, self.scaled = None, None
        self.configure(config)
        self._take(VisibleCells.of(tissue, config.within))
        cond = self._condition(self.cells.coords, self.cells.code)
        training = PaperTraining(
            self.values, cond, len(self.cells.types), self.config, self.device
        )
        if config.scale_to:
            full = Sizes(**{f.name: getattr(self.config, f.name) for f in fields(Sizes)})
            with monitor.stage("Timing", 0.05):
                self.scaled = scale(
                    full,
                    config.scale_to,
                    lambda width, depth: self._speed(training, width, depth, monitor),
                    steps_said="sampler_steps" in config.model_fields_set,
                    least_depth=2,
                )
            self.config = self.config.model_copy(update=asdict(self.scaled.used))
        said, began, per_epoch = self.config, perf_counter(), training.per_epoch
        with monitor.stage("Fitting"):
            out, steps = training.run(
                said.width,
                said.depth,
                said.epochs * per_epoch,
                monitor,
                checks=min(CHECKS, said.epochs),
            )
        self.network = out.network
        if self.scaled is not None:
            self.scaled = self.scaled.after(steps / per_epoch, perf_counter() - began)
        self.trained = {
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "epochs_run": round(steps / per_epoch, 1),
            "best_epoch": round(out.best_steps / per_epoch, 1),
        }
        return self

    @few_threads()
    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Return draws and their mean."""
        cells, n = self.cells, query.n_cells
        coords = np.asarray(query.coords, dtype=np.float64)
        code = label_codes(query.cell_type, cells.types, n)
        cond, start = self._condition(coords, code), self._start(coords)
        wanted = max(n_draws, _MEAN_DRAWS)
        draws = collect(
            lambda number: self._draw(number, start, cond, coords, monitor),
            wanted,
            start.shape,
            monitor,
            before=0,
        )
        if draws is None:
            monitor.check()
            raise AssertionError("no draw and not cancelled")
        done, mean = complete(draws, wanted), draws.mean(axis=0, dtype=np.float64)
        draws = draws[:n_draws]
        notes: tuple[str, ...] = ()
        if cells.types:
            notes = unmatched_note(int((code < 0).sum()), n, "they are treated as unknown")
        if self.scaled is not None:
            notes = (*notes, self.scaled.note())
        return Prediction(
            cells.genes,
            mean.astype(np.float32),
            draws.std(axis=0, ddof=1) if len(draws) > 1 else None,
            draws if len(draws) else None,
            done,
            notes,
        )

    def save(self, folder: Path) -> None:
        """Write network, visible cells and settings to `folder`."""
        meta, tensors = self.cells.pack()
        extra = {
            "config": self.config.model_dump(mode="json"),
            "trained": self.trained,
            "scaled": self.scaled.dump() if self.scaled else None,
        }
        write_model(folder, self.id, meta | extra, tensors | weights_of(self.network))

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted model; refuses a tissue whose genes or types do not fit."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.config = InterpolationSettings.kept(meta["config"])
        method.trained = meta["trained"]
        method.scaled = Scaled.of(meta["scaled"]) if meta["scaled"] else None
        method._take(VisibleCells.unpack(meta, tensors))
        network = PaperNetwork(*method._sizes(), method.config.width, method.config.depth)
        put_weights(network, tensors)
        method.network = network.to(method.device)
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate the cost of all epochs; early stopping may end sooner."""
        said = _as_printed(config, config.within)
        types = len(known_labels(tissue.cell_type))
        draws = max(said.draws, _MEAN_DRAWS)
        calls = draws * said.sampler_steps
        cost = network_cost(
            PaperNetwork(tissue.n_genes, types, said.width, said.depth),
            trained_rows=int((1 - VALIDATION) * said.epochs * tissue.n_cells),
            drawn_rows=calls * whole_chunks(n_cells) + int(CHECKS * VALIDATION * tissue.n_cells),
            random_numbers=calls * n_cells * tissue.n_genes,
            values=2 * tissue.n_cells * tissue.n_genes + n_cells * tissue.n_genes * (draws + 3),
            device=said.device,
            batch_size=said.batch_size,
        )
        return replace(cost, seconds=min(cost.seconds, said.scale_to or cost.seconds))

    def _take(self, cells: VisibleCells) -> None:
        self.cells = cells
        self.device = choose_device(self.config.device)
        self.context = Context(cells)
        mean, std = self.context.scale
        self.values = ((cells.expression - mean) / std).astype(np.float32)
        self._trees = SectionTrees(cells.coords, cells.section)

    def _sizes(self) -> tuple[int, int]:
        return len(self.cells.genes), len(self.cells.types)

    def _condition(self, coords: np.ndarray, code: np.ndarray) -> np.ndarray:
        """Return type (0: not known) and place in one scale, (cells, 3) float32."""
        centre, extent = self.context.frame
        place = (coords[:, 1:] - centre[1:]) / extent
        return np.column_stack([code + 1, place]).astype(np.float32)

    def _noise_level(self) -> float:
        """Return the level that draws start from: as said, step 100, or T within sections."""
        if self.cells.within:
            return self.config.noise_level or process_called(self.config.process).sigma_max
        return self.config.noise_level or _LEVEL

    def _start(self, coords: np.ndarray) -> np.ndarray:
        """Return the parents' nearest cells, mixed by lambda (equation 9 without its noise).

        Beyond the stack both parents are the one cell of the outermost section. Within sections
        draws come from noise alone, unless a noise level is said, which the nearest cell is then
        brought to.
        """
        start = np.zeros((len(coords), len(self.cells.genes)), dtype=np.float32)
        if self.cells.within and not self.config.noise_level:
            return start
        depth = self.cells.section_z
        groups = flank_groups(depth, coords[:, 0], 2, within=self.cells.within)
        for rows, sections in groups:
            index, away = self._trees.near(coords[rows], None, sections, 1)
            first, second = index[:, 0, 0], index[:, -1, 0]
            low, high = depth[sections[0]], depth[sections[-1]]
            if self.config.blend == "fixed":
                weight = np.full(len(rows), self.config.blend_value)
            elif high > low:
                weight = (coords[rows, 0] - low) / (high - low)
            else:  # one parent, or two at one depth
                weight = away[:, 0, 0] / np.maximum(away[:, 0, 0] + away[:, -1, 0], 1e-9)
            if self.config.mixing == "mixture":
                weight = cell_uniforms(self.config.seed, coords[rows], 1, stream=5)[0] < weight
            share = np.asarray(weight, dtype=np.float32)[:, None]
            start[rows] = (1 - share) * self.values[first] + share * self.values[second]
        return start

    def _draw(
        self,
        number: int,
        start: np.ndarray,
        cond: np.ndarray,
        coords: np.ndarray,
        monitor: Monitor,
    ) -> np.ndarray:
        grid = process_called(self.config.process).grid(
            self.config.sampler_steps, self._noise_level()
        )
        stream = 8 * number + 2
        out = self._denoised(self.network, start, cond, coords, grid, stream, monitor)
        mean, std = self.context.scale
        return np.maximum(out * std + mean, 0).astype(np.float32)

    def _denoised(
        self,
        network: nn.Module,
        start: np.ndarray,
        cond: np.ndarray,
        coords: np.ndarray,
        grid: Tensor,
        stream: int,
        monitor: Monitor,
    ) -> np.ndarray:
        return denoise_from(
            start,
            cond,
            coords,
            network=network,
            process=process_called(self.config.process),
            grid=grid,
            sampler=self.config.sampler,
            seed=self.config.seed,
            stream=stream,
            device=self.device,
            monitor=monitor,
            limits=(self.values.min(axis=0), self.values.max(axis=0)),
        )

    def _speed(self, training: PaperTraining, width: int, depth: int, monitor: Monitor) -> Speed:
        """Time some training steps, and some denoising steps of cells like the first ones."""
        cells, network = self.cells, training.network(width, depth).eval()
        process = process_called(self.config.process)
        n_cells = ceil(len(cells.coords) / len(cells.section_z))
        some = slice(0, min(n_cells, ROWS))
        coords = cells.coords[some]
        cond = self._condition(coords, cells.code[some])
        calls = whole_chunks(n_cells) // ROWS * max(self.config.draws, _MEAN_DRAWS)

        def learn(steps: int) -> None:
            monitor.check()
            training.run(width, depth, steps, Monitor())

        def denoise(steps: int) -> None:
            grid = process.grid(steps)
            self._denoised(network, self.values[some], cond, coords, grid, 1, monitor)

        lasts = min(0.2, self.config.scale_to / 50)
        return Speed(
            seconds_each(learn, lasts) * training.per_epoch,
            seconds_each(denoise, lasts) * calls,
        )


def _as_printed(config: InterpolationSettings, within: bool) -> InterpolationSettings:
    """Return `config` where what was not said is as in the paper."""
    told = config.filled(**(PRESET | (GENERATING if within else {})))
    return told if told.epochs else told.model_copy(update={"epochs": PRESET["epochs"]})
