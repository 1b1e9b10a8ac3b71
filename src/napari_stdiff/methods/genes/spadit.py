"""spadit: diffusion of what the stack and its network leave open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr
from torch import nn

from ...compute.device import few_threads
from ...compute.monitor import Monitor
from ...data.prediction import Prediction
from ..base import collect, complete
from .corrections import fit_on, groups_of_genes, pack, some_cells, unpack
from .noise import SharedNoise, scores_of
from .residual import between, loss_of, make, solve
from .spread import Spread, generator_of
from .stack import Guessed, floored
from .stack_network import StackNetwork

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDTH, _DEPTH, _STEPS = 48, 1, 250
_JUDGED = 40_000  # entries that the strength is chosen on
_LEVELS = (np.arange(16) + 0.5) / 16  # of the distributions, in that choice
_MEAN = 32  # levels that the mean is taken over


class Spadit(StackNetwork):
    """Expected expression from the stack and its network; its distribution by diffusion."""

    id = "spadit"
    title = "SpaDiT"
    description = (
        "Closed-form guesses weighted on hidden visible genes, corrected by a network, and a "
        "diffusion model for how far, and in which direction, the truth lies from them."
    )

    @few_threads()
    def _learn_spread(
        self, hidden: Guessed, expected: np.ndarray, truth: np.ndarray, monitor: Monitor
    ) -> None:
        """Learn the spread around the expectation, and diffusion around that spread."""
        raw = hidden.on_scale(expected)
        self.spread = Spread.fit(raw, truth, self.config.seed)
        errors = self._errors(raw, truth, monitor)
        basis = SharedNoise.patterns(self._panel.tissue, self._near)
        self._noise = SharedNoise.fit(basis, errors)
        cells = some_cells(len(truth), truth.shape[1], self.config.seed)
        entries = self._entries(hidden, expected, errors, cells)
        conditions, goal = entries.conditions.to(self._device), entries.goal.to(self._device)
        loss = loss_of(conditions, goal, self._device)
        group = groups_of_genes(truth.shape[1], self.config.seed + 1)

        def fit(rows: np.ndarray) -> nn.Module:
            return fit_on(self._make, loss, rows, _STEPS, self.config.seed, monitor)

        with monitor.stage("Diffusion, some genes left out", share=0.45):
            trial = fit(np.flatnonzero(group[entries.gene] != 0))
        mine = np.flatnonzero(group == 0)
        rows = np.flatnonzero(group[entries.gene] == 0)
        if len(rows) > _JUDGED:
            rows = np.sort(np.random.default_rng(self.config.seed).choice(rows, _JUDGED, False))
        with monitor.stage("Choosing its strength", share=0.2):
            self.diffusion_strength = self._choose(
                trial, entries.conditions[rows].numpy(), cells, mine, rows, raw, truth, monitor
            )
        with monitor.stage("Diffusion, all genes"):
            self._denoiser = fit(np.arange(len(entries.gene)))

    def _make(self) -> nn.Module:
        width, depth = self.config.width or _WIDTH, self.config.depth or _DEPTH
        return make(self._conditions.width(len(self.weights)), width, depth).to(self._device)

    def _errors(self, raw: np.ndarray, truth: np.ndarray, monitor: Monitor) -> np.ndarray:
        """Return (cells, judged) float32 normal scores of the truth's places in the spread."""
        out = np.empty_like(truth)
        for j in range(truth.shape[1]):
            monitor.check()
            u = generator_of(self.config.seed, str(self._panel.genes[self.judged[j]])).random(
                len(truth)
            )
            out[:, j] = scores_of(self.spread.entries(raw[:, j], j).places(truth[:, j], u))
        return np.clip(out, -3.2, 3.2)

    def _choose(
        self,
        network: nn.Module,
        conditions: np.ndarray,
        cells: np.ndarray,
        genes: np.ndarray,
        rows: np.ndarray,
        raw: np.ndarray,
        truth: np.ndarray,
        monitor: Monitor,
    ) -> float:
        """Return the strength with the lowest CRPS on genes that `network` was not trained on."""
        gene, cell = rows // len(cells), cells[rows % len(cells)]
        levels = scores_of(np.repeat(_LEVELS[:, None], len(rows), 1))
        losses = []
        for strength in _STRENGTHS:
            nodes = solve(network, conditions, strength, "dpm++2m", 6, self._device, monitor.check)
            places = ndtr(between(nodes, levels))
            loss = 0.0
            for j in genes:
                mine = np.flatnonzero(gene == j)
                entries = self.spread.entries(raw[:, j], int(j)).some(cell[mine])
                for level, place in zip(_LEVELS, places[:, mine], strict=True):
                    apart = truth[cell[mine], j] - entries.at(place.astype(np.float32))
                    loss += float(np.maximum(level * apart, (level - 1) * apart).sum())
            losses.append(loss)
        return _STRENGTHS[int(np.argmin(losses))]

    @few_threads()
    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes`: the mean of each entry's distribution, and draws from it."""
        names = np.array([str(gene) for gene in genes], dtype=object)
        guessed = Guessed.of(self._guesses, self._panel.profiles(names))
        expected = self._expect(guessed)
        raw = guessed.on_scale(expected)
        mean = floored(self.spread.calibrated(raw), self._panel)
        nodes = np.empty((10, *raw.shape), dtype=np.float32)
        for some in self._blocks(np.arange(len(names))):
            conditions = self._conditions.of(guessed, expected, some)
            flat = conditions.reshape(-1, conditions.shape[-1])
            solved = solve(
                self._denoiser,
                flat,
                self.diffusion_strength,
                self.config.sampler,
                self.config.sampler_steps,
                self._device,
                monitor.check,
            )
            nodes[:, :, some] = solved.reshape(len(solved), len(raw), len(some))
        entries = [self.spread.entries(raw[:, j]) for j in range(len(names))]
        if self.diffusion_strength > 0:
            mean = self._mean(mean, nodes, entries)
        monitor.step(1, 1 + n_draws)
        if not n_draws:
            return Prediction(names, mean)
        uniforms = [
            self._noise.uniforms(n_draws, generator_of(self.config.seed, str(name)))
            for name in names
        ]

        def draw(number: int) -> np.ndarray:
            out = np.empty_like(mean)
            for j, entry in enumerate(entries):
                x0 = between(nodes[:, :, j], scores_of(uniforms[j][number][None]))[0]
                out[:, j] = entry.at(ndtr(x0).astype(np.float32))
            return out

        draws = collect(draw, n_draws, mean.shape, monitor)
        std = None if draws is None else draws.std(axis=0)
        return Prediction(names, mean, std, draws, complete(draws, n_draws))

    def _mean(self, mean: np.ndarray, nodes: np.ndarray, entries: list[Any]) -> np.ndarray:
        """Return the average of `mean` and the means of the entries' distributions."""
        out = np.empty_like(mean)
        for j, entry in enumerate(entries):
            total = np.zeros(len(mean))
            for level in (np.arange(_MEAN) + 0.5) / _MEAN:
                noise = scores_of(np.full((1, len(mean)), level))
                total += entry.at(ndtr(between(nodes[:, :, j], noise)[0]).astype(np.float32))
            out[:, j] = total / _MEAN
        return np.asarray((mean + out) / 2, dtype=np.float32)

    def facts(self) -> dict[str, Any]:
        """Return what stack and network chose, and the strength of the diffusion."""
        shared = float(self._noise.variances.sum())
        return super().facts() | {
            "diffusion_strength": self.diffusion_strength,
            "shared_error": round(shared, 4),
        }

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = super()._pack()
        tensors |= pack([self._denoiser], "denoiser") | self._noise.pack()
        return meta | {"diffusion_strength": self.diffusion_strength}, tensors

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super()._unpack(meta, tensors)
        self.diffusion_strength = float(meta["diffusion_strength"])
        basis = SharedNoise.patterns(self._panel.tissue, self._near)
        self._noise = SharedNoise.unpack(tensors, basis)
        self._denoiser = unpack(tensors, "denoiser", self._make)[0]
