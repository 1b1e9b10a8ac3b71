"""stmcdi: diffusion of what the stack and its networks leave open at an entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy.special import ndtr

from ...compute.device import choose_device, few_threads
from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..base import Cost
from ..genes.corrections import Training, fit_on, pack, unpack
from ..genes.noise import scores_of
from ..genes.residual import NODES, SOLVERS, Residual, between, loss_of, solve
from .conditions import EntryConditions, apart_of
from .factors import Factors, visible_covariance
from .hiding import Trial
from .settings import EntrySettings
from .stack import Guessed
from .stack_network import StackNetwork

_WIDTH, _DEPTH, _STEPS = 48, 1, 400
_ENTRIES = 300_000  # that are trained on at most
_JUDGED = 40_000  # that strength and share are chosen on at most
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDENINGS = (1.0, 1.05, 1.1)
_LEVELS = (np.arange(16) + 0.5) / 16
_SHARED = 8  # factors of the errors of a spot
_LEFT_OUT = 3  # one in so many spots judges


class Stmcdi(StackNetwork):
    """What is expected from the stack and its networks; its distribution by diffusion."""

    id = "stmcdi"
    title = "stMCDI"
    description = (
        "Closed-form guesses and masked networks, weighed on visible entries that were hidden, "
        "and a conditional diffusion model for how far, and in which direction, the truth lies "
        "from them."
    )
    networks_share: ClassVar[float] = 0.75

    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Fit stack, networks and diffusion."""
        if config.sampler not in SOLVERS:
            raise StdiffError(
                f"{self.id} solves its diffusion without noise; the sampler '{config.sampler}' "
                f"has some. Choose one of: {', '.join(SOLVERS)}."
            )
        return super().fit(visible, config, monitor)

    def facts(self) -> dict[str, Any]:
        """Return what the stack chose, and how much of the diffusion is used."""
        return super().facts() | {
            "diffusion_strength": self.strength,
            "diffusion_widening": self.widening,
        }

    def _learn_rest(
        self, trials: list[Trial], hidden: list[Guessed], whole: Guessed, monitor: Monitor
    ) -> None:
        self._device = choose_device(self.config.device)
        self._spread_of(trials, hidden)
        conditions, guess, truth, cells, columns = self._entries(trials, hidden)
        # x0: where the truth lies in the spread, as a normal score
        uniforms = np.random.default_rng([self.config.seed, 47]).random(len(truth))
        places = self.spread.at(guess, columns).places(truth, uniforms)
        scores = np.clip(scores_of(places), -3.2, 3.2)
        self._share(scores, cells, columns)
        inputs = torch.from_numpy(conditions).to(self._device)
        goal = torch.from_numpy(scores).to(self._device)
        loss = loss_of(inputs, goal, self._device)

        def fit(rows: np.ndarray) -> Residual:
            return fit_on(
                lambda: self._make(conditions.shape[1]),
                loss,
                rows,
                Training(_STEPS),
                self.config.seed,
                monitor,
            )

        apart = np.random.default_rng([self.config.seed, 53]).integers(
            0, _LEFT_OUT, self._visible.n_cells
        )
        out = apart[cells] == 0
        with monitor.stage("Diffusion, some spots left out", share=0.4):
            trial = fit(np.flatnonzero(~out))
        with monitor.stage("Choosing its strength", share=0.3):
            judged = np.flatnonzero(out)[:_JUDGED]
            self._choose(
                trial, conditions[judged], guess[judged], truth[judged], columns[judged], monitor
            )
        with monitor.stage("Diffusion, all spots"):
            self._denoiser = fit(np.arange(len(truth)))
        self._apart = apart_of(whole.guesses)
        self._finish(trials, hidden, whole.expected)
        self._look()

    def _entries(
        self, trials: list[Trial], hidden: list[Guessed]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return conditions, guesses, truth, cells and columns of entries that were hidden."""
        rng = np.random.default_rng([self.config.seed, 59])
        parts = []
        visible = self._visible
        for trial, table in zip(trials, hidden, strict=True):
            known = EntryConditions(
                trial.visible, self._near, table.expected, apart_of(table.guesses)
            )
            most = _ENTRIES // len(trials)
            some = rng.permutation(len(trial.cells))[:most]
            cells, columns = trial.cells[some], trial.columns[some]
            guess = table.expected[cells, columns] * visible.deviation[columns]
            guess += visible.mean[columns]
            parts.append((known.of(cells, columns), guess, trial.truth[some], cells, columns))
        joined = (np.concatenate(p) for p in zip(*parts, strict=True))
        conditions, guess, truth, cells, columns = joined
        order = rng.permutation(len(truth))  # those that judge are taken from the front
        return conditions[order], guess[order], truth[order], cells[order], columns[order]

    def _make(self, width: int) -> Residual:
        hidden, depth = self.config.width or _WIDTH, self.config.depth or _DEPTH
        return Residual(width, hidden, depth).to(self._device)

    def _share(self, scores: np.ndarray, cells: np.ndarray, columns: np.ndarray) -> None:
        """Learn how errors at the entries of one spot hang together."""
        visible = self._visible
        table = np.zeros((visible.n_cells, visible.n_genes), dtype=np.float32)
        seen = np.zeros(table.shape, dtype=bool)
        table[cells, columns], seen[cells, columns] = scores, True
        covariance = visible_covariance(table, seen)
        # covariances of few pairs are mostly noise: they count as far as there are more pairs
        pairs = seen.astype(np.float32).T @ seen.astype(np.float32)
        covariance *= pairs / (pairs + 200)
        np.fill_diagonal(covariance, 1.0)
        self._errors = Factors.of(covariance, min(_SHARED, visible.n_genes - 1))

    def _choose(
        self,
        network: Residual,
        conditions: np.ndarray,
        guess: np.ndarray,
        truth: np.ndarray,
        columns: np.ndarray,
        monitor: Monitor,
    ) -> None:
        """Choose strength and widening by CRPS on spots that `network` was not trained on."""
        known = self.spread.at(guess, columns)
        levels = scores_of(np.repeat(_LEVELS[:, None], len(truth), 1))
        best = np.inf
        for i, strength in enumerate(_STRENGTHS):
            monitor.step(i, len(_STRENGTHS))
            nodes = solve(network, conditions, strength, "dpm++2m", 5, self._device, monitor.check)
            x0 = between(nodes, levels)
            for widening in _WIDENINGS:
                loss = 0.0
                for k, level in enumerate(_LEVELS):
                    value = known.values(ndtr(widening * x0[k]).astype(np.float32))
                    off = (truth - value) / self._visible.deviation[columns]
                    loss += float(np.maximum(level * off, (level - 1) * off).sum())
                if loss < best:
                    best, self.strength, self.widening = loss, strength, widening

    def _look(self) -> None:
        """Make the conditions of the whole table."""
        visible = self._visible
        expected = visible.standardised(self._table)
        self._conditions = EntryConditions(visible, self._near, expected, self._apart)

    @few_threads()
    def _answer(
        self, cells: np.ndarray, columns: np.ndarray, guess: np.ndarray, monitor: Monitor
    ) -> tuple[np.ndarray, Callable[[int], Callable[[int], np.ndarray]]]:
        config = self.config
        nodes = solve(
            self._denoiser,
            self._conditions.of(cells, columns),
            self.strength,
            config.sampler,
            config.sampler_steps,
            self._device,
            monitor.check,
        )
        nodes *= np.float32(self.widening)
        known = self.spread.at(guess, columns)
        mean = self.spread.calibrated(guess, columns)

        def drawing_of(n_draws: int) -> Callable[[int], np.ndarray]:
            noise = self._noise(cells, columns, n_draws)

            def draw(number: int) -> np.ndarray:
                x0 = between(nodes, noise[number : number + 1])[0]
                return known.values(ndtr(x0).astype(np.float32))

            return draw

        return mean, drawing_of

    def _noise(self, cells: np.ndarray, columns: np.ndarray, n_draws: int) -> np.ndarray:
        """Return (draws, entries) float32 noise: each entry's evenly spread, a spot's alike.

        The draws of an entry are one in each of `n_draws` equal parts of its distribution, in
        the order that noise which hangs together within a spot has there (a Schaake shuffle;
        Clark et al. 2004). Each spot has random numbers of its own.
        """
        loadings, own = self._errors.loadings, np.sqrt(self._errors.own)
        factors, genes = loadings.shape[1], loadings.shape[0]
        out = np.empty((n_draws, len(cells)), dtype=np.float32)
        cuts = np.flatnonzero(np.diff(cells)) + 1
        for some in np.split(np.arange(len(cells)), cuts):
            if not len(some):
                continue
            generator = np.random.default_rng([self.config.seed, 61, int(cells[some[0]])])
            shared = generator.standard_normal((n_draws, factors), dtype=np.float32)
            alone = generator.standard_normal((n_draws, genes), dtype=np.float32)
            start = np.asarray(generator.random(genes, dtype=np.float32))
            which = columns[some]
            field = shared @ loadings[which].T + own[which] * alone[:, which]
            ranks: np.ndarray = np.argsort(np.argsort(field, axis=0), axis=0)
            out[:, some] = scores_of((ranks + start[which]) / n_draws)
        return out

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = super()._pack()
        tensors |= pack([self._denoiser], "denoiser")
        tensors |= {
            "apart": self._apart,
            "errors.loadings": self._errors.loadings,
            "errors.own": self._errors.own,
        }
        return meta | {"diffusion": [self.strength, self.widening]}, tensors

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super()._unpack(meta, tensors)
        self._device = choose_device(self.config.device)
        self.strength, self.widening = map(float, meta["diffusion"])
        self._apart = np.asarray(tensors["apart"])
        self._errors = Factors(
            np.asarray(tensors["errors.loadings"]), np.asarray(tensors["errors.own"])
        )
        self._look()
        self._denoiser = unpack(tensors, "denoiser", lambda: self._make(self._conditions.width))[0]

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate stack, networks and diffusion: its training, and its solution at all nodes."""
        before = super().cost(visible, config)
        width, depth = config.width or _WIDTH, config.depth or _DEPTH
        size = width * depth / (_WIDTH * _DEPTH)
        entries = visible.raw.size if config.denoise else int((~visible.seen).sum())
        seconds = 8 * size + 1.1e-5 * config.sampler_steps * entries * size
        memory = 4 * (40 + len(NODES) + 3 * config.draws) * entries / 2**20
        parameters = width * (60 + 8 * width * depth)
        return Cost(
            before.parameters + parameters, before.seconds + seconds, before.memory_mib + memory
        )
