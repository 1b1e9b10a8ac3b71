"""spadit: diffusion of what the stack and its network leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Self

import numpy as np
from scipy.special import ndtr

from ...compute.device import few_threads
from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ..base import Cost
from .base import with_draws
from .conditions import Conditions
from .corrections import Training, fit_on, groups_of_genes, pack, some_cells, unpack
from .judging import Judgement, Trials
from .noise import SharedNoise, scores_of
from .residual import NODES, SOLVERS, Residual, between, loss_of, solve
from .settings import GeneSettings
from .spread import generator_of
from .stack import Guessed
from .stack_network import StackNetwork

_STRENGTHS = (0.0, 0.25, 0.5, 1.0)
_WIDTH, _DEPTH, _STEPS = 48, 1, 250
_TRIAL = 0.6  # of these steps, where genes are left out
_WIDENINGS = (1.0, 1.1, 1.2)
_SOLVED = 5  # steps in the choice of the strength


class Spadit(StackNetwork):
    """Expected expression from the stack and its network; its distribution by diffusion."""

    id = "spadit"
    title = "SpaDiT"
    description = (
        "Closed-form guesses weighted on hidden visible genes, corrected by a network, and a "
        "diffusion model for how far, and in which direction, the truth lies from them."
    )

    shares = (0.25, 0.3, 0.9)
    _denoiser: Residual | None  # None where diffusion did not gain anything

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
        self, hidden: Guessed, expected: np.ndarray, judgement: Judgement, monitor: Monitor
    ) -> np.ndarray:
        """Learn diffusion around the spread, and how much of it is used."""
        errors = self._errors(hidden.on_scale(expected), judgement.truth, monitor)
        basis = SharedNoise.patterns(self._panel.tissue, self._near)
        self._noise = SharedNoise.fit(basis, errors)
        n_genes = errors.shape[1]
        rows = some_cells(len(errors), n_genes, self.config.seed)
        entries = self._entries(hidden, expected, errors, rows)
        judged = self._entries(hidden, expected, errors, judgement.cells).conditions.numpy()
        conditions, goal = entries.conditions.to(self._device), entries.goal.to(self._device)
        loss = loss_of(conditions, goal, self._device)
        training = Training.of(self.config, len(entries.gene), _STEPS)
        group = groups_of_genes(n_genes, self.config.seed + 1)
        numbers = np.unique(group)

        def fit(some: np.ndarray, share: float = 1.0) -> Residual:
            how = replace(training, steps=max(round(share * training.steps), 1))
            return fit_on(self._make, loss, some, how, self.config.seed, monitor)

        trials = Trials(list(product(_STRENGTHS, _WIDENINGS)), judgement)
        for number in numbers:
            mine = np.flatnonzero(group == number)
            name = f"Diffusion, genes left out, {number + 1} of {len(numbers)}"
            with monitor.stage(name, share=1 / (len(numbers) + 1 - number)):
                trial = None
                if trials.hopeful:
                    with monitor.stage(name, share=0.6):
                        trial = fit(np.flatnonzero(group[entries.gene] != number), _TRIAL)
                self._judge(trials, judgement, trial, judged, mine, monitor)
        self.diffusion_strength, self.widening = trials.ways[trials.best()]
        self._denoiser = None
        if self.diffusion_strength:
            with monitor.stage("Diffusion, all genes"):
                self._denoiser = fit(np.arange(len(entries.gene)))
        return trials.deviations(group)

    def _judge(
        self,
        trials: Trials,
        judgement: Judgement,
        network: Residual | None,
        conditions: np.ndarray,
        genes: np.ndarray,
        monitor: Monitor,
    ) -> None:
        """Judge every strength on `genes`, which `network` was not trained on; none: 0 alone."""
        m = len(judgement.cells)
        flat = conditions.reshape(-1, m, conditions.shape[-1])[genes].reshape(m * len(genes), -1)
        how = "dpm++2m", _SOLVED, self._device, monitor.check
        for i, strength in enumerate(_STRENGTHS):
            monitor.step(i, len(_STRENGTHS))
            if network is None and strength:
                continue
            nodes = solve(network, flat, strength, *how).reshape(-1, len(genes), m)
            for way, (its, widening) in enumerate(trials.ways):
                for k, gene in enumerate(genes if its == strength else []):
                    quantiles = judgement.quantiles(int(gene), nodes[:, k], widening)
                    trials.add(way, int(gene), judgement.loss(int(gene), quantiles), quantiles)

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

    @few_threads()
    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes`: what is expected in each entry, and draws from its distribution."""
        names = np.array([str(gene) for gene in genes], dtype=object)
        guessed = Guessed.of(self._guesses, self._panel.profiles(names))
        expected = self._expect(guessed)
        raw = guessed.on_scale(expected)
        mean = self._panel.floored(self.spread.calibrated(raw))

        def drawing() -> Callable[[int], np.ndarray]:
            nodes = self._solve(guessed, expected, monitor)
            entries = [self.spread.entries(raw[:, j]) for j in range(len(names))]
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

    def _solve(self, guessed: Guessed, expected: np.ndarray, monitor: Monitor) -> np.ndarray:
        """Return (nodes, cells, genes) x0 at the nodes of noise."""
        if self._denoiser is None:  # no gain by diffusion: noise tells the place as it is
            widened = np.float32(self.widening) * NODES
            return np.repeat(widened, expected.size).reshape(-1, *expected.shape)
        nodes = np.empty((len(NODES), *expected.shape), dtype=np.float32)
        for some in self._blocks(np.arange(expected.shape[1])):
            conditions = self._conditions.of(guessed, expected, some)
            solved = solve(
                self._denoiser,
                conditions.reshape(-1, conditions.shape[-1]),
                self.diffusion_strength,
                self.config.sampler,
                self.config.sampler_steps,
                self._device,
                monitor.check,
            )
            nodes[:, :, some] = solved.reshape(len(solved), len(expected), len(some))
        nodes *= np.float32(self.widening)
        return nodes

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate stack, network and diffusion: its training, and its solution at all nodes."""
        before = super().cost(panel, config, n_genes)
        width, depth = config.width or _WIDTH, config.depth or _DEPTH
        condition = Conditions.width(len(cls.guesses_of(config).names()))
        parameters = width * (condition + 8 * width * depth + 4 * width + 40)
        size = width * depth / (_WIDTH * _DEPTH)
        seconds = 16 * size + 1.1e-5 * config.sampler_steps * panel.n_cells * n_genes * size
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
            "shared_error": round(shared, 4),
        }

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = super()._pack()
        networks = [] if self._denoiser is None else [self._denoiser]
        tensors |= pack(networks, "denoiser") | self._noise.pack()
        chosen = [self.diffusion_strength, self.widening]
        return meta | {"diffusion": chosen}, tensors

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super()._unpack(meta, tensors)
        chosen = map(float, meta["diffusion"])
        self.diffusion_strength, self.widening = chosen
        basis = SharedNoise.patterns(self._panel.tissue, self._near)
        self._noise = SharedNoise.unpack(tensors, basis)
        self._denoiser = next(iter(unpack(tensors, "denoiser", self._make)), None)
