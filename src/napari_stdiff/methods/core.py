"""The fitted heart of stDiffusion: means of a cell, and draws from its parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ..compute.device import choose_device
from ..compute.monitor import Monitor
from ..diffusion.basis import Basis
from ..diffusion.fit import Score, Trained, train
from ..diffusion.process import Process
from ..diffusion.scores import NormalScores
from .cells import VisibleCells
from .context import RANK, Context, Surroundings
from .donors import Donors
from .network import (
    DrawAndMean,
    Shape,
    denoise_from,
    in_chunks,
    process_called,
    put_weights,
    weights_of,
)
from .settings import InterpolationSettings
from .streams import cell_uniforms

TYPE_DROPOUT = 0.1
MEAN_SHARE = 0.4  # of a batch, trained on the means; the rest is noised


@dataclass(frozen=True)
class How:
    """How a draw is made.

    Attributes
    ----------
    noise
        Level t that the parents are brought to, in standard deviations.
    carry
        Share of the difference between the means of target and parent that the parent is moved
        by before that.
    average
        Mix the two parents' values by lambda (the paper), or start from the second with
        probability lambda.
    sampler, steps
        How it is denoised.
    """

    noise: float
    carry: float
    average: bool
    sampler: str
    steps: int


class Core:
    """A network fitted on visible cells, and what it takes to use it.

    Parameters
    ----------
    cells
        The visible cells.
    config
        Sizes, process, seed and device.
    """

    def __init__(self, cells: VisibleCells, config: InterpolationSettings) -> None:
        self.cells = cells
        self.seed = config.seed
        self.device = choose_device(config.device)
        self.process: Process = process_called(config.process)
        self.context = Context(cells)
        self.normal = NormalScores.fit(cells.expression)
        self._low, self._high = self.normal.ranks(cells.expression)
        middle = self.normal.scores(self._low, self._high, np.float32(0.5))
        self.basis = Basis.fit(middle, RANK, config.seed)

    def train(
        self,
        steps: int,
        config: InterpolationSettings,
        monitor: Monitor,
        score: Score | None = None,
    ) -> Trained:
        """Fit the network; `score` looks at it now and then."""
        typed, untyped = self._conditions(monitor)
        values = self.context.basis.encode(self.context.standard(self.cells.expression))
        shape = Shape(
            self.basis.rank, self.context.basis.rank, typed.shape[1], config.width, config.depth
        )
        self.network = shape.build(config.seed).to(self.device)
        with_type, without_type = torch.from_numpy(typed), torch.from_numpy(untyped)
        targets = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        dropout = TYPE_DROPOUT if self.cells.types else 0.0

        def loss(net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
            assert isinstance(net, DrawAndMean)
            n = rows.numpy()
            u = torch.rand(len(n), self._low.shape[1], generator=generator).numpy()
            x0 = self._tensor(self.basis.encode(self._scores(n, u)))
            drop = torch.rand(len(n), 1, generator=generator) < dropout
            cond = torch.where(drop, without_type[rows], with_type[rows]).to(self.device)
            few = max(int(MEAN_SHARE * len(n)), 1)
            value_mean, score_mean = net.means(cond[:few])
            plain = ((value_mean - targets[rows[:few]].to(self.device)) ** 2).mean()
            plain = plain + ((score_mean - x0[:few]) ** 2).mean()
            noised = self.process.loss(net, x0[few:], cond[few:], generator) if few < len(n) else 0
            return noised + plain

        trained = train(
            self.network,
            loss,
            len(values),
            steps=steps,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            seed=config.seed,
            monitor=monitor,
            score=score,
        )
        assert isinstance(trained.network, DrawAndMean)
        self.network = trained.network
        self._parent_means = self.means(typed)[1]
        return trained

    def around(self, coords: np.ndarray, code: np.ndarray) -> Surroundings:
        """Describe new cells by the sections that flank them."""
        return self.context.around(coords, code)

    def means(
        self, condition: np.ndarray, network: DrawAndMean | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean expression (cells, genes), and mean scores (cells, rank)."""
        values, scores = in_chunks((network or self.network).means, self.device, condition)
        mean, std = self.context.scale
        return self.context.basis.decode(values) * std + mean, scores

    def draw(
        self,
        number: int,
        donors: Donors,
        coords: np.ndarray,
        condition: np.ndarray,
        score_mean: np.ndarray,
        how: How,
        monitor: Monitor,
    ) -> np.ndarray:
        """Return one draw of every cell, (cells, genes) float32.

        The parents' scores are moved to the target's mean, brought to the noise level, mixed
        with one shared noise (so that the mix has the variance the network was trained on), and
        denoised under the target's conditions.
        """
        rows, second = donors.pick(self.seed, coords, number)
        stream = 8 * number + 1
        u = cell_uniforms(self.seed, coords, self._low.shape[1], stream).T.astype(np.float32)
        if how.average:
            share = donors.weight[:, None].astype(np.float32)
            first, rest1 = self._parent(rows[:, 0], u, score_mean, how.carry)
            other, rest2 = self._parent(rows[:, 1], u, score_mean, how.carry)
            start = (1 - share) * first + share * other
            rest = (1 - share) * rest1 + share * rest2
        else:
            chosen = np.where(second, rows[:, 1], rows[:, 0])
            start, rest = self._parent(chosen, u, score_mean, how.carry)
        if how.noise > 0:
            start = self._denoise(start, coords, condition, stream + 1, how, monitor)
        return self.normal.values(self.basis.decode(start) + rest)

    def _denoise(
        self,
        start: np.ndarray,
        coords: np.ndarray,
        condition: np.ndarray,
        stream: int,
        how: How,
        monitor: Monitor,
    ) -> np.ndarray:
        """Noise to the level and denoise back, (cells, rank)."""
        return denoise_from(
            start,
            condition,
            coords,
            network=self.network,
            process=self.process,
            grid=self.process.grid(how.steps, how.noise),
            sampler=how.sampler,
            seed=self.seed,
            stream=stream,
            device=self.device,
            monitor=monitor,
        )

    def _parent(
        self, rows: np.ndarray, u: np.ndarray, score_mean: np.ndarray, carry: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a parent's coefficients, moved to the target, and what the basis leaves out."""
        scores = self._scores(rows, u)
        code = self.basis.encode(scores)
        rest = np.float32(0) * scores
        if self.basis.vectors is not None:
            rest = scores - self.basis.decode(code)
        return code + np.float32(carry) * (score_mean - self._parent_means[rows]), rest

    def _scores(self, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
        return self.normal.scores(self._low[rows], self._high[rows], u)

    def _conditions(self, monitor: Monitor) -> tuple[np.ndarray, np.ndarray]:
        """Return conditions of the visible cells with and without their type."""
        cells = self.cells
        blind = np.full(len(cells.code), -1)
        if cells.within:
            own = np.arange(len(cells.code))
            monitor.check()
            typed, untyped = (
                self.context.around(cells.coords, code, skip=own).condition
                for code in (cells.code if cells.types else blind, blind)
            )
            return typed, untyped
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        order: list[np.ndarray] = []
        for name in cells.section_z:
            rows = np.flatnonzero(cells.section == name)
            monitor.check()
            both = [
                self.context.around(cells.coords[rows], code[rows], without=name).condition
                for code in ((cells.code, blind) if cells.types else (blind,))
            ]
            parts.append((both[0], both[-1]))
            order.append(rows)
        back = np.argsort(np.concatenate(order))
        return (
            np.concatenate([p[0] for p in parts])[back],
            np.concatenate([p[1] for p in parts])[back],
        )

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(self.device)

    # -- files -----------------------------------------------------------------------------

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return meta data and tensors that :meth:`unpack` makes the same core of."""
        meta, tensors = self.cells.pack()
        shape = self.network.shape
        meta["shape"] = {k: getattr(shape, k) for k in Shape.__dataclass_fields__}
        tensors["parent_means"] = self._parent_means
        return meta, tensors | weights_of(self.network)

    @classmethod
    def unpack(
        cls, meta: dict[str, Any], tensors: dict[str, np.ndarray], config: InterpolationSettings
    ) -> Self:
        """Undo :meth:`pack`."""
        core = cls(VisibleCells.unpack(meta, tensors), config)
        core.network = Shape(**meta["shape"]).build(0).to(core.device)
        put_weights(core.network, tensors)
        core._parent_means = tensors["parent_means"]
        return core
