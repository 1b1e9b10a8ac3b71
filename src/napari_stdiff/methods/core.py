"""The fitted heart of stDiffusion: means of a cell, and draws from its parents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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
from .context import Context, Surroundings, one_hot, rank_of
from .donors import Donors
from .experts import Experts
from .network import (
    DrawAndMean,
    Shape,
    denoise_from,
    in_chunks,
    process_called,
    put_weights,
    weights_of,
)
from .process_guess import worth_it
from .settings import InterpolationSettings
from .stack import Stack
from .streams import cell_uniforms

TYPE_DROPOUT = 0.1
MEAN_SHARE = 0.4  # of a batch, trained on the means; the rest is noised
_TIES = 4  # ways that ties are broken for training, where genes go through their axes


@dataclass(frozen=True)
class Around:
    """What is known of cells before the network is asked.

    Attributes
    ----------
    condition
        (cells, features) float32, what the network is given.
    values, scores
        (cells, rank) float32 closed-form guesses at expression and at normal scores, as
        coefficients.
    """

    condition: np.ndarray
    values: np.ndarray
    scores: np.ndarray


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
    share
        Of the closed-form guess in the means of scores; the rest is the network's.
    sampler, steps
        How it is denoised.
    """

    noise: float
    carry: float
    share: float
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
    plain
        No network: the closed-form guess is the mean, and near cells are drawn as they are.
    """

    def __init__(
        self, cells: VisibleCells, config: InterpolationSettings, plain: bool = False
    ) -> None:
        self.cells = cells
        self.plain = plain
        self.seed = config.seed
        self.device = choose_device(config.device)
        self.process: Process = process_called(config.process)
        self.context = Context(cells)
        targets = [self.context.basis.encode(self.context.standard(cells.expression))]
        if not plain:
            targets.append(self.basis.encode(self._middle))
        self._targets = np.hstack(targets).astype(np.float32)
        # closed-form and learned means of the visible cells' scores; None: no carrying
        self._parents: tuple[np.ndarray, np.ndarray] | None = None
        smooth = not plain and worth_it(*cells.expression.shape)
        self.experts = Experts(cells, self._targets, self.context.trees, with_process=smooth)

    @cached_property
    def normal(self) -> NormalScores:
        """The scale on which cells are mixed, noised and denoised."""
        return NormalScores.fit(self.cells.expression)

    @cached_property
    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        return self.normal.ranks(self.cells.expression)

    @property
    def _middle(self) -> np.ndarray:
        return self.normal.scores(*self._levels, np.float32(0.5))

    @cached_property
    def basis(self) -> Basis:
        """Basis of the normal scores."""
        shape = self.cells.expression.shape
        return Basis.fit(self._middle, rank_of(*shape), self.seed)

    def guess_only(self, at_most: int, monitor: Monitor) -> None:
        """Weigh the closed-form guesses on so many of the visible cells, in place of training."""
        seen = np.arange(len(self.cells.code))
        if at_most < len(seen):
            rng = np.random.default_rng([self.seed, 17])
            seen = np.sort(rng.choice(seen, at_most, replace=False))
        unknown = self._described(seen, np.full(len(seen), -1), monitor)
        self._weigh(seen, unknown.kind, monitor)
        self.experts.forget()

    def train(
        self,
        steps: int,
        config: InterpolationSettings,
        monitor: Monitor,
        score: Score | None = None,
    ) -> Trained:
        """Fit the network; `score` looks at it now and then."""
        seen = np.arange(len(self.cells.code))
        typed, untyped = self._own(seen, monitor)
        values = self._targets[seen, : self.context.basis.rank]
        shape = Shape(
            self.basis.rank,
            self.context.basis.rank,
            typed.condition.shape[1],
            config.width,
            config.depth,
        )
        self.network = shape.build(config.seed).to(self.device)
        with_type = torch.from_numpy(typed.condition)
        without_type = torch.from_numpy(untyped.condition)
        targets = torch.from_numpy(np.ascontiguousarray(values))
        scores = self._broken_ties(seen, config.seed)
        dropout = TYPE_DROPOUT if self.cells.types else 0.0

        def loss(net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
            assert isinstance(net, DrawAndMean)
            x0 = scores(rows, generator)
            drop = torch.rand(len(rows), 1, generator=generator) < dropout
            cond = torch.where(drop, without_type[rows], with_type[rows]).to(self.device)
            few = max(int(MEAN_SHARE * len(rows)), 1)
            value_mean, score_mean = net.means(cond[:few])
            plain = ((value_mean - targets[rows[:few]].to(self.device)) ** 2).mean()
            plain = plain + ((score_mean - x0[:few]) ** 2).mean()
            noised = (
                self.process.loss(net, x0[few:], cond[few:], generator) if few < len(rows) else 0
            )
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
        self._parents = typed.scores, self.means(typed.condition)[1]
        return trained

    def around(self, coords: np.ndarray, code: np.ndarray) -> Around:
        """Describe new cells by what is measured around them."""
        if self.plain and (code >= 0).all():  # nobody asks what is around them
            kind = one_hot(code, len(self.cells.types))
            return self._around(kind[:, :0], self.stack.predict(coords, code, kind))
        there = self.context.around(coords, code)
        return self._around(there.condition, self.stack.predict(coords, code, there.kind))

    def _around(self, condition: np.ndarray, guesses: np.ndarray) -> Around:
        values, scores = np.split(guesses, [self.context.basis.rank], axis=1)
        return Around(np.hstack([condition, values]), values, scores)

    def _broken_ties(
        self, seen: np.ndarray, seed: int
    ) -> Callable[[Tensor, torch.Generator], Tensor]:
        """Return a function that gives rows of `seen` as scores with ties broken at random.

        Through principal axes this is costly, so it is done a few times beforehand.
        """
        n, genes = len(seen), self.cells.expression.shape[1]
        if self.basis.vectors is None:

            def fresh(rows: Tensor, generator: torch.Generator) -> Tensor:
                u = torch.rand(len(rows), genes, generator=generator).numpy()
                return self._tensor(self._scores(seen[rows.numpy()], u))

            return fresh
        every, rng = np.arange(n), np.random.default_rng([seed, 11])
        made = np.empty((_TIES, n, self.basis.rank), dtype=np.float32)
        for out in made:
            for rows in np.array_split(every, n // 500 + 1):
                u = rng.random((len(rows), genes), dtype=np.float32)
                out[rows] = self.basis.encode(self._scores(seen[rows], u))
        ways = torch.from_numpy(made)

        def kept(rows: Tensor, generator: torch.Generator) -> Tensor:
            way = torch.randint(_TIES, (len(rows),), generator=generator)
            return ways[way, rows].to(self.device)

        return kept

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return expression (cells, genes) of coefficients (cells, rank)."""
        mean, std = self.context.scale
        return self.context.basis.decode(values) * std + mean

    def means(
        self, condition: np.ndarray, network: DrawAndMean | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the network's means of expression and of scores, as coefficients."""
        values, scores = in_chunks((network or self.network).means, self.device, condition)
        return values, scores

    def draw(
        self,
        number: int,
        donors: Donors,
        coords: np.ndarray,
        around: Around,
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
        chosen = np.where(second, rows[:, 1], rows[:, 0])
        if not (how.noise or how.carry or how.average):
            return self.cells.expression[chosen]
        stream = 8 * number + 1
        genes = self.cells.expression.shape[1]
        u = cell_uniforms(self.seed, coords, genes, stream).T.astype(np.float32)
        if how.average:
            share = donors.weight[:, None].astype(np.float32)
            first, rest1 = self._parent(rows[:, 0], u, score_mean, how)
            other, rest2 = self._parent(rows[:, 1], u, score_mean, how)
            start = (1 - share) * first + share * other
            rest = (1 - share) * rest1 + share * rest2
        else:
            start, rest = self._parent(chosen, u, score_mean, how)
        if how.noise > 0:
            start = self._denoise(start, coords, around.condition, stream + 1, how, monitor)
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
        self, rows: np.ndarray, u: np.ndarray, score_mean: np.ndarray, how: How
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a parent's coefficients, moved to the target, and what the basis leaves out."""
        share = np.float32(how.share)
        scores = self._scores(rows, u)
        code = self.basis.encode(scores)
        rest = np.float32(0) * scores
        if self.basis.vectors is not None:
            rest = scores - self.basis.decode(code)
        if self._parents and how.carry:
            guessed, learned = (part[rows] for part in self._parents)
            mean = share * guessed + (np.float32(1) - share) * learned
            code = code + np.float32(how.carry) * (score_mean - mean)
        return code, rest

    def _scores(self, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
        low, high = self._levels
        return self.normal.scores(low[rows], high[rows], u)

    def encode(self, expression: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients of (cells, genes) expression, and of its normal scores."""
        middle = self.normal.scores(*self.normal.ranks(expression), np.float32(0.5))
        values = self.context.basis.encode(self.context.standard(expression))
        return values, self.basis.encode(middle)

    @staticmethod
    def blend(around: Around, learned: np.ndarray, share: float) -> np.ndarray:
        """Return means of scores: the closed-form guess and what the network learned, mixed."""
        return np.float32(share) * around.scores + np.float32(1 - share) * learned

    def _own(self, seen: np.ndarray, monitor: Monitor) -> tuple[Around, Around]:
        """Describe the visible cells `seen`, with and without type, as if not measured."""
        code, blind = self.cells.code[seen], np.full(len(seen), -1)
        unknown = self._described(seen, blind, monitor)
        known = unknown.told(code)
        self._weigh(seen, unknown.kind, monitor)
        out = [
            self._around(there.condition, self.stack.predict_own(seen, kinds, there.kind, monitor))
            for there, kinds in ((known, code), (unknown, blind))[: 2 if self.cells.types else 1]
        ]
        self.experts.forget()
        return out[0], out[-1]

    def _weigh(self, seen: np.ndarray, around: np.ndarray, monitor: Monitor) -> None:
        """Put the closed-form guesses together by how they do at the visible cells `seen`."""
        rank = self.context.basis.rank
        blocks, importance = [slice(0, rank)], self.context.basis.scale
        if not self.plain:
            blocks.append(slice(rank, None))
            importance = np.concatenate([importance, self.basis.scale])
        self.stack = Stack.fit(self.experts, blocks, importance**2, around, seen, monitor)

    def _described(self, seen: np.ndarray, code: np.ndarray, monitor: Monitor) -> Surroundings:
        """Describe types and places of visible cells by other sections, or other cells."""
        cells, coords = self.cells, self.cells.coords[seen]
        if cells.within:
            return self.context.around(coords, code, skip=seen)
        parts: dict[str, Surroundings] = {}
        order = [np.flatnonzero(cells.section[seen] == name) for name in cells.section_z]
        for name, rows in zip(cells.section_z, order, strict=True):
            monitor.check()
            parts[name] = self.context.around(coords[rows], code[rows], without=name)
        back = np.argsort(np.concatenate(order))
        condition = np.concatenate([p.condition for p in parts.values()])[back]
        return Surroundings(condition, np.concatenate([p.kind for p in parts.values()])[back])

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(self.device)

    # -- files -----------------------------------------------------------------------------

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return meta data and tensors that :meth:`unpack` makes the same core of."""
        meta, tensors = self.cells.pack()
        meta["shape"] = None
        if self.plain:
            return meta, tensors | self.stack.pack()
        shape = self.network.shape
        meta["shape"] = {k: getattr(shape, k) for k in Shape.__dataclass_fields__}
        if self._parents:
            guessed, learned = self._parents
            tensors |= {"parents.guessed": guessed, "parents.learned": learned}
        return meta, tensors | self.stack.pack() | weights_of(self.network)

    @classmethod
    def unpack(
        cls, meta: dict[str, Any], tensors: dict[str, np.ndarray], config: InterpolationSettings
    ) -> Self:
        """Undo :meth:`pack`."""
        core = cls(VisibleCells.unpack(meta, tensors), config, plain=meta["shape"] is None)
        if not core.plain:
            core.network = Shape(**meta["shape"]).build(0).to(core.device)
            put_weights(core.network, tensors)
        core.stack = Stack.unpack(tensors, core.experts)
        core._parents = None
        if "parents.guessed" in tensors:
            core._parents = tensors["parents.guessed"], tensors["parents.learned"]
        return core
