"""spadit: diffusion of what the stack and its network leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import ndtr

from ...compute.device import few_threads
from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ...scoring.correlation import column_pearson
from ..base import Cost
from .base import with_draws
from .conditions import Conditions
from .corrections import fit_on, groups_of_genes, pack, some_cells, unpack
from .noise import SharedNoise, scores_of
from .residual import NODES, SOLVERS, Residual, between, loss_of, solve
from .settings import GeneSettings
from .spread import Spread, generator_of, on_line
from .stack import Guessed
from .stack_network import StackNetwork

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHARES = (0.0, 0.25, 0.5, 0.75)  # of the distribution's mean in the mean that is shown
_WIDTH, _DEPTH, _STEPS = 48, 1, 250
_WIDENINGS = (1.0, 1.1, 1.2)
_JUDGED = 12_000  # entries that the strength is chosen on
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

    shares = (0.25, 0.3, 0.9)

    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        """Fit stack, network and diffusion."""
        if config.sampler not in SOLVERS:
            raise StdiffError(
                f"spadit solves its diffusion without noise; the sampler '{config.sampler}' has "
                f"some. Choose one of: {', '.join(SOLVERS)}."
            )
        return super().fit(panel, config, monitor)

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

        def fit(rows: np.ndarray) -> Residual:
            return fit_on(self._make, loss, rows, _STEPS, self.config.seed, monitor)

        with monitor.stage("Diffusion, some genes left out", share=0.45):
            trial = fit(np.flatnonzero(group[entries.gene] != 0))
        mine = np.flatnonzero(group == 0)
        rows = np.flatnonzero(group[entries.gene] == 0)
        if len(rows) > _JUDGED:
            rows = np.sort(np.random.default_rng(self.config.seed).choice(rows, _JUDGED, False))
        with monitor.stage("Choosing its strength", share=0.2):
            self.diffusion_strength, self.widening, self.mean_share = self._choose(
                trial, entries.conditions[rows].numpy(), cells, mine, rows, raw, truth, monitor
            )
        with monitor.stage("Diffusion, all genes"):
            self._denoiser = fit(np.arange(len(entries.gene)))

    def _make(self) -> Residual:
        width, depth = self.config.width or _WIDTH, self.config.depth or _DEPTH
        return Residual(self._conditions.width(len(self.weights)), width, depth).to(self._device)

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
        network: Residual,
        conditions: np.ndarray,
        cells: np.ndarray,
        genes: np.ndarray,
        rows: np.ndarray,
        raw: np.ndarray,
        truth: np.ndarray,
        monitor: Monitor,
    ) -> tuple[float, float, float]:
        """Return how much of the diffusion is used, from genes that `network` did not train on.

        Its strength and what x0 is stretched by (genes that were never seen err more than those
        the spread was learned from) are those with the lowest CRPS; with them, the share of the
        distribution's mean in the mean that is shown is that with the highest Pearson.
        """
        gene, cell = rows // len(cells), cells[rows % len(cells)]
        levels = scores_of(np.repeat(_LEVELS[:, None], len(rows), 1))
        goal = {j: np.flatnonzero(gene == j) for j in genes}
        trials = []
        for i, strength in enumerate(_STRENGTHS):
            monitor.step(i, len(_STRENGTHS))
            nodes = solve(network, conditions, strength, "dpm++2m", 5, self._device, monitor.check)
            x0 = between(nodes, levels)
            for widening in _WIDENINGS:
                places = ndtr(widening * x0).astype(np.float32)
                loss, gain = 0.0, np.zeros(len(_SHARES))
                for j, mine in goal.items():
                    some = cell[mine]
                    entries = self.spread.entries(raw[:, j], int(j)).some(some)
                    line = on_line(raw[some, j].astype(np.float64), entries.expected())
                    values = np.stack([entries.at(place) for place in places[:, mine]])
                    lost, gained = _judge(values, line, truth[some, j])
                    loss, gain = loss + lost, gain + gained
                trials.append((loss, strength, widening, gain))
        _, strength, widening, gain = min(trials, key=lambda trial: trial[0])
        share = _SHARES[int(np.argmax(gain))] if strength else 0.0
        return strength, widening, share

    @few_threads()
    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes`: the mean of each entry's distribution, and draws from it."""
        names = np.array([str(gene) for gene in genes], dtype=object)
        guessed = Guessed.of(self._guesses, self._panel.profiles(names))
        expected = self._expect(guessed)
        raw = guessed.on_scale(expected)
        mean = self._panel.floored(self.spread.calibrated(raw))
        if not n_draws and self.mean_share == 0:
            monitor.step(1, 1)
            return Prediction(names, mean)
        nodes = np.empty((len(NODES), *raw.shape), dtype=np.float32)
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
        nodes *= np.float32(self.widening)
        entries = [self.spread.entries(raw[:, j]) for j in range(len(names))]
        if self.mean_share > 0:
            mean = self._mean(mean, nodes, entries)

        def drawing() -> Callable[[int], np.ndarray]:
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

            return draw

        return with_draws(names, mean, n_draws, drawing, monitor)

    def _mean(self, mean: np.ndarray, nodes: np.ndarray, entries: list[Any]) -> np.ndarray:
        """Return `mean` mixed with the means of the entries' distributions."""
        out = np.empty_like(mean)
        for j, entry in enumerate(entries):
            total = np.zeros(len(mean))
            for level in (np.arange(_MEAN) + 0.5) / _MEAN:
                noise = scores_of(np.full((1, len(mean)), level))
                total += entry.at(ndtr(between(nodes[:, :, j], noise)[0]).astype(np.float32))
            out[:, j] = total / _MEAN
        share = self.mean_share
        return np.asarray((1 - share) * mean + share * out, dtype=np.float32)

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate stack, network and diffusion: its training, and its solution at all nodes."""
        before = super().cost(panel, config, n_genes)
        width, depth = config.width or _WIDTH, config.depth or _DEPTH
        condition = Conditions.width(len(cls.guesser.names()))
        parameters = width * (condition + 8 * width * depth + 4 * width + 40)
        size = width * depth / (_WIDTH * _DEPTH)
        seconds = 12 * size + 1.1e-5 * config.sampler_steps * panel.n_cells * n_genes * size
        nodes = 4 * len(NODES) * panel.n_cells * n_genes / 2**20
        return Cost(
            before.parameters + parameters, before.seconds + seconds, before.memory_mib + nodes
        )

    def facts(self) -> dict[str, Any]:
        """Return what stack and network chose, and the strength of the diffusion."""
        shared = float(self._noise.variances.sum())
        return super().facts() | {
            "diffusion_strength": self.diffusion_strength,
            "diffusion_widening": self.widening,
            "diffusion_share_of_mean": self.mean_share,
            "shared_error": round(shared, 4),
        }

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = super()._pack()
        tensors |= pack([self._denoiser], "denoiser") | self._noise.pack()
        chosen = [self.diffusion_strength, self.widening, self.mean_share]
        return meta | {"diffusion": chosen}, tensors

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super()._unpack(meta, tensors)
        chosen = map(float, meta["diffusion"])
        self.diffusion_strength, self.widening, self.mean_share = chosen
        basis = SharedNoise.patterns(self._panel.tissue, self._near)
        self._noise = SharedNoise.unpack(tensors, basis)
        self._denoiser = unpack(tensors, "denoiser", self._make)[0]


def _judge(values: np.ndarray, line: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the summed pinball loss of (levels, cells) quantiles, and (shares,) Pearson.

    The Pearson of each share is that of `line` mixed with the mean of the quantiles.
    """
    apart, at = truth - values, _LEVELS[:, None]
    loss = float(np.maximum(at * apart, (at - 1) * apart).sum())
    mixed = np.stack([(1 - s) * line + s * values.mean(axis=0) for s in _SHARES], axis=1)
    goal = np.repeat(truth[:, None], len(_SHARES), axis=1)
    return loss, np.nan_to_num(column_pearson(goal, mixed))
