"""The stack, corrected by a plain network: what spadit must add to, and diffuses around."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...compute.device import choose_device, few_threads
from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...scoring.correlation import column_pearson
from ..base import Cost
from .conditions import Conditions
from .corrections import (
    PARTS,
    Correction,
    Entries,
    Training,
    evaluate,
    fit_corrections,
    groups_of_genes,
    pack,
    some_cells,
    unpack,
)
from .settings import GeneSettings
from .singles.base import standardise
from .stack import Guessed, Stack, weighted

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDTH, _STEPS = 64, 300
_BLOCK = 1 << 20  # entries whose conditions are held at a time


class StackNetwork(Stack):
    """The stack and a small network for what it misses."""

    id = "stack-network"
    title = "Stack and network"
    description = (
        "The stack, corrected by a small plain network that learned from hidden visible genes "
        "where the stack errs; no diffusion."
    )

    shares = (0.5, 0.8, 0.2)

    @few_threads()
    def _learn(
        self, hidden: Guessed, apart: np.ndarray, truth: np.ndarray, monitor: Monitor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Learn corrections on some groups of genes, and their strength on the others."""
        expected = weighted(hidden.guesses, self.weights)
        self._device = choose_device(self.config.device)
        self._conditions = self._new_conditions()
        self._conditions.learn(hidden, expected)
        n_genes, goal = truth.shape[1], standardise(truth)
        cells = some_cells(len(truth), n_genes, self.config.seed)
        entries = self._entries(hidden, expected, goal - expected, cells)
        self._networks = fit_corrections(
            entries,
            self.config.width or _WIDTH,
            Training.of(self.config, len(entries.gene), _STEPS),
            self.config.seed,
            self._device,
            monitor,
        )
        group = groups_of_genes(n_genes, self.config.seed)
        missed = np.zeros_like(expected)
        for number, network in enumerate(self._networks):
            mine = np.flatnonzero(group == number)
            for some in self._blocks(mine):
                monitor.check()
                conditions = self._conditions.of(hidden, expected, some)
                missed[:, some] = evaluate(network, conditions, self._device)
        scores = np.nan_to_num(
            [column_pearson(truth, expected + s * missed) for s in map(np.float32, _STRENGTHS)]
        )
        self.strength = _STRENGTHS[int(np.argmax(scores.sum(axis=1)))]
        apart = apart.copy()
        for number in np.unique(group):
            mine = group == number
            others = int(np.argmax(scores[:, ~mine].sum(axis=1)))
            apart[:, mine] += np.float32(_STRENGTHS[others]) * missed[:, mine]
        return np.asarray(expected + np.float32(self.strength) * missed), apart

    def _new_conditions(self, scale: np.ndarray | None = None) -> Conditions:
        near = self._near if self.config.smoothing == "auto" else None
        return Conditions(near, self._panel.tissue_factor, scale)

    @few_threads()
    def _expect(self, guessed: Guessed) -> np.ndarray:
        """Correct the stack by the mean of the networks."""
        expected = weighted(guessed.guesses, self.weights)
        if self.strength == 0:
            return expected
        out = expected.copy()
        share = np.float32(self.strength / len(self._networks))
        for some in self._blocks(np.arange(expected.shape[1])):
            conditions = self._conditions.of(guessed, expected, some)
            for network in self._networks:
                out[:, some] += share * evaluate(network, conditions, self._device)
        return out

    def _entries(
        self, hidden: Guessed, expected: np.ndarray, goal: np.ndarray, cells: np.ndarray
    ) -> Entries:
        """Return the entries of `cells` and all genes, with (cells of the tissue, genes) goals."""
        n_genes = goal.shape[1]
        conditions = np.concatenate(
            [
                self._conditions.of(hidden, expected, some)[cells].transpose(1, 0, 2)
                for some in self._blocks(np.arange(n_genes))
            ]
        )
        return Entries(
            torch.from_numpy(conditions.reshape(-1, conditions.shape[-1])),
            torch.from_numpy(np.ascontiguousarray(goal[cells].T, dtype=np.float32).ravel()),
            np.repeat(np.arange(n_genes), len(cells)),
        )

    def _blocks(self, genes: np.ndarray) -> list[np.ndarray]:
        """Return `genes` in parts whose conditions fit into memory."""
        most = max(_BLOCK // self._panel.n_cells, 1)
        return [genes[i : i + most] for i in range(0, len(genes), most)]

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate the stack, the networks' training and their answers."""
        stack = super().cost(panel, config, n_genes)
        width = config.width or _WIDTH
        inputs = Conditions.width(len(cls.guesses_of(config).names()))
        parameters = PARTS * (inputs * width + width * width + 3 * width + 1)
        entries = panel.n_cells * (2 * min(len(panel.genes), 200) + PARTS * n_genes)
        seconds = 3e-3 * PARTS * _STEPS * width / _WIDTH + 4e-6 * entries
        memory = stack.memory_mib + 4 * inputs * (_BLOCK + 400_000) / 2**20
        return Cost(parameters, stack.seconds + seconds, memory)

    def facts(self) -> dict[str, Any]:
        """Return what the stack chose, and the strength of the corrections."""
        return super().facts() | {"correction_strength": self.strength}

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = super()._pack()
        assert self._conditions.scale is not None
        return (
            meta | {"correction_strength": self.strength},
            tensors | pack(self._networks, "correction") | {"scale": self._conditions.scale},
        )

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super()._unpack(meta, tensors)
        self._device = choose_device(self.config.device)
        self.strength = float(meta["correction_strength"])
        scale = np.asarray(tensors["scale"])
        self._conditions = self._new_conditions(scale)
        width = Conditions.width(len(self.weights))
        self._networks = unpack(
            tensors,
            "correction",
            lambda: Correction(width, self.config.width or _WIDTH).to(self._device),
        )
