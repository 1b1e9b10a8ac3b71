"""stDiffusion as its paper has it, with the equations put right.

What is kept: the noise process, the network's inputs [x; Embed(type); Lin(x, y)], the loss on the
noise, optimiser, epochs and early stopping; the nearest cell of each parent, noised to a step,
mixed by lambda and denoised. What is put right or filled in is listed in `DEVIATIONS`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from ..compute.device import choose_device, few_threads
from ..compute.monitor import Cancelled, Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from ..diffusion.denoiser import NoiseEmbedding
from ..diffusion.fit import train
from ..diffusion.process import Ddpm
from .base import Cost, Method
from .cells import VisibleCells, unmatched_note
from .context import Context
from .cost import network_cost
from .files import known_labels, read_model, refuse_misfit, write_model
from .flanks import SectionTrees, flank_groups, label_codes
from .network import denoise_from, process_called, put_weights, weights_of
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
    "The step enters as an embedding; hidden width 256; genes are standardised; a tenth of the "
    "visible cells stops the training early.",
    "The mean is that of at least 16 draws.",
)

PRESET: dict[str, Any] = {
    "process": "ddpm-linear",
    "epochs": 300,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "width": 256,
    "depth": 2,
    "mixing": "average",
    "noise_level": float(Ddpm.make("linear", 1000).table[99]),
    "sampler": "ancestral",
    "sampler_steps": 100,
}
_EMBED = 32
_MEAN_DRAWS = 16
_VALIDATION = 0.1
_CHECKS = 60
_PATIENCE = 6


class PaperNetwork(nn.Module):
    """Linear layers on the noised expression beside embedded type, place and step.

    Parameters
    ----------
    genes, types
        Sizes; one type more stands for "not known".
    width, depth
        Hidden size, and number of linear layers.
    """

    def __init__(self, genes: int, types: int, width: int, depth: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(types + 1, _EMBED)
        self.place = nn.Linear(2, _EMBED)
        self.step = NoiseEmbedding(_EMBED)
        sizes = [genes + 3 * _EMBED, *[width] * max(depth - 1, 1)]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LeakyReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], genes))

    def forward(self, x: Tensor, level: Tensor, cond: Tensor) -> Tensor:
        """Predict the noise (n, genes); `cond` holds type, y and x."""
        parts = [x, self.kind(cond[:, 0].long()), self.place(cond[:, 1:]), self.step(4 * level)]
        out: Tensor = self.net(torch.cat(parts, dim=1))
        return out


class StDiffusionPaper(Method):
    """The paper's configuration with corrected equations."""

    id: ClassVar[str] = "stdiffusion-paper"
    title: ClassVar[str] = "stDiffusion (paper)"
    description: ClassVar[str] = "The configuration of the paper, with its equations put right."
    draw_fields: ClassVar[frozenset[str]] = frozenset(
        {"blend", "blend_value", "noise_level", "mixing", "sampler", "sampler_steps"}
    )

    config: InterpolationSettings
    cells: VisibleCells
    network: nn.Module

    def configure(self, config: InterpolationSettings) -> None:
        """Take lambda, noise level and sampler; what was not said is as in the paper."""
        self.config = config.filled(**PRESET)

    def facts(self) -> dict[str, Any]:
        """Return the settings in force and what departs from the paper."""
        in_force = {name: getattr(self.config, name) for name in PRESET}
        return {**in_force, "deviations": list(DEVIATIONS)}

    @few_threads()
    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Train on the noise of nine tenths of the visible cells."""
        self.configure(config)
        self._take(VisibleCells.of(tissue))
        said = self.config
        rng = np.random.default_rng([said.seed, 3])
        order = rng.permutation(len(self.cells.code))
        n_check = max(int(_VALIDATION * len(order)), 1)
        check, rows = order[:n_check], order[n_check:]
        process = process_called(said.process)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(said.seed)
            network = PaperNetwork(*self._sizes(), said.width, said.depth).to(self.device)
        x0 = torch.from_numpy(self.values).to(self.device)
        cond = torch.from_numpy(self._condition(self.cells.coords, self.cells.code))
        cond = cond.to(self.device)
        kept, held = torch.from_numpy(rows), torch.from_numpy(check)

        def loss(net: nn.Module, some: Tensor, generator: torch.Generator) -> Tensor:
            return process.loss(net, x0[kept[some]], cond[kept[some]], generator)

        def score(net: nn.Module) -> float:
            with torch.no_grad():
                same = torch.Generator().manual_seed(said.seed)
                return float(process.loss(net, x0[held], cond[held], same))

        per_epoch = max(len(rows) // min(said.batch_size, len(rows)), 1)
        with monitor.stage("Fitting"):
            self.network = train(
                network,
                loss,
                len(rows),
                steps=(said.epochs or PRESET["epochs"]) * per_epoch,
                batch_size=said.batch_size,
                learning_rate=said.learning_rate,
                seed=said.seed,
                monitor=monitor,
                ema=0.0,
                score=score,
                checks=_CHECKS,
                patience=_PATIENCE,
            ).network
        return self

    @few_threads()
    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Return draws and their mean."""
        cells, n = self.cells, query.n_cells
        coords = np.asarray(query.coords, dtype=np.float64)
        code = label_codes(query.cell_type, cells.types, n)
        cond = self._condition(coords, code)
        start = self._start(coords)
        total, wanted = np.zeros((n, len(cells.genes))), max(n_draws, _MEAN_DRAWS)
        draws = np.empty((n_draws, n, len(cells.genes)), dtype=np.float32)
        done = 0
        try:
            while done < wanted:
                draw = self._draw(done, start, cond, coords, monitor)
                total += draw
                if done < n_draws:
                    draws[done] = draw
                done += 1
                monitor.step(done, wanted, f"draw {done} of {wanted}")
        except Cancelled:
            if not done:
                raise
        draws = draws[: min(done, n_draws)]
        notes: tuple[str, ...] = ()
        if cells.types:
            notes = unmatched_note(int((code < 0).sum()), n, "they are treated as unknown")
        return Prediction(
            cells.genes,
            (total / done).astype(np.float32),
            draws.std(axis=0, ddof=1) if len(draws) > 1 else None,
            draws if len(draws) else None,
            done >= wanted,
            notes,
        )

    def save(self, folder: Path) -> None:
        """Write network, visible cells and settings to `folder`."""
        meta, tensors = self.cells.pack()
        extra = {"config": self.config.model_dump(mode="json")}
        write_model(folder, self.id, meta | extra, tensors | weights_of(self.network))

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted model; refuses a tissue whose genes or types do not fit."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.config = InterpolationSettings.kept(meta["config"])
        method._take(VisibleCells.unpack(meta, tensors))
        network = PaperNetwork(*method._sizes(), method.config.width, method.config.depth)
        put_weights(network, tensors)
        method.network = network.to(method.device)
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate the cost of all epochs; early stopping may end sooner."""
        said = config.filled(**PRESET)
        types = len(known_labels(tissue.cell_type))
        return network_cost(
            PaperNetwork(tissue.n_genes, types, said.width, said.depth),
            trained_rows=(said.epochs or PRESET["epochs"]) * tissue.n_cells,
            drawn_rows=n_cells * max(said.draws, _MEAN_DRAWS) * said.sampler_steps,
            values=tissue.n_cells * tissue.n_genes * 2 + n_cells * tissue.n_genes * said.draws,
            device=said.device,
        )

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

    def _start(self, coords: np.ndarray) -> np.ndarray:
        """Return the parents' nearest cells, mixed by lambda (equation 9 without its noise)."""
        start = np.zeros((len(coords), len(self.cells.genes)), dtype=np.float32)
        depth = self.cells.section_z
        for rows, sections in flank_groups(depth, coords[:, 0], 2):
            index, _ = self._trees.near(coords[rows], None, sections, 1)
            first, second = index[:, 0, 0], index[:, -1, 0]
            low, high = depth[sections[0]], depth[sections[-1]]
            weight = (coords[rows, 0] - low) / (high - low) if high > low else np.zeros(len(rows))
            if self.config.blend == "fixed":
                weight = np.full(len(rows), self.config.blend_value)
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
        said, process = self.config, process_called(self.config.process)
        out = denoise_from(
            start,
            cond,
            coords,
            network=self.network,
            process=process,
            grid=process.grid(said.sampler_steps, said.noise_level or PRESET["noise_level"]),
            sampler=said.sampler,
            seed=said.seed,
            stream=8 * number + 2,
            device=self.device,
            monitor=monitor,
        )
        mean, std = self.context.scale
        return np.maximum(out * std + mean, 0).astype(np.float32)
