"""The stack with plain networks among its guesses: what stmcdi diffuses around."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...compute.device import choose_device
from ...compute.monitor import Monitor
from ...data.visible import Visible
from ...scoring.gains import surely_gains
from ..base import Cost
from .guesses import around_axes, library_of
from .hiding import Trial
from .masked_network import TUNING, Rows, fit_masked, network_cost, tune_masked
from .settings import EntrySettings
from .stack import PARTS, TRIALS, Guessed, Stack

_MANY = 0.5  # of the steps, where each of many trials gets a network
_AROUND = (5, 15, 50)
_AXES = 20
_NAME = "network"


class StackNetwork(Stack):
    """The stack, with small masked networks as one more guess."""

    id = "stack-network"
    title = "Stack and network"
    description = (
        "The stack with a small plain network among its guesses: from a spot's visible values "
        "and its surroundings, gaps filled by the stack, to what is hidden; left out where it "
        "does not help. No diffusion."
    )
    phases: ClassVar[tuple[float, float]] = (0.1, 0.3)
    networks_share: ClassVar[float] = 0.97

    def _learn(
        self, trials: list[Trial], hidden: list[Guessed], whole: Guessed, monitor: Monitor
    ) -> None:
        tables = [*hidden, whole]
        without = self._errors_by_gene(trials, hidden)
        with monitor.stage("Networks", share=self.networks_share):
            self._add_networks(trials, hidden, whole, monitor)
        self._weigh(trials, tables)
        if not surely_gains(_gains(self._errors_by_gene(trials, hidden), without)):
            for table in tables:
                del table.guesses[_NAME]
            self._weigh(trials, tables)
        self._learn_rest(trials, hidden, whole, monitor)

    def _errors_by_gene(self, trials: list[Trial], hidden: list[Guessed]) -> np.ndarray:
        """Return (genes,) squared errors of what is expected at the entries that trials hid."""
        n = self._visible.n_genes
        total = np.zeros(n)
        for trial, table in zip(trials, hidden, strict=True):
            off = trial.standard - trial.at(table.expected)
            total += np.bincount(trial.columns, np.asarray(off, np.float64) ** 2, n)
        return total

    def _learn_rest(
        self, trials: list[Trial], hidden: list[Guessed], whole: Guessed, monitor: Monitor
    ) -> None:
        """Learn what is left from the guesses: here what the stack does."""
        super()._learn(trials, hidden, whole, monitor)

    def _add_networks(
        self, trials: list[Trial], hidden: list[Guessed], whole: Guessed, monitor: Monitor
    ) -> None:
        """Train a network for each trial, never on what it hides; then a little on everything.

        What the whole table is told is the mean of the networks.
        """
        device, config = choose_device(self.config.device), self.config
        around = self._surroundings(whole)
        length = 1.0 if len(trials) <= TRIALS else _MANY
        total = np.zeros_like(whole.expected)
        for k, table in enumerate(hidden):
            seed = config.seed + k
            name = f"Network {k + 1} of {len(trials)}"
            with monitor.stage(name, share=1 / (len(trials) - k)):
                beside = self._surroundings(table)
                with monitor.stage(name, share=0.8):
                    network = fit_masked(
                        table.visible, beside, config, seed, device, monitor, length
                    )
                table.guesses[_NAME] = Rows(table.visible, beside, device).answer(network)
                with monitor.stage(f"{name}, on all visible entries"):
                    tuned = tune_masked(
                        network, whole.visible, around, config, seed, device, monitor
                    )
                total += Rows(whole.visible, around, device).answer(tuned)
        whole.guesses[_NAME] = total / np.float32(len(hidden))

    def _surroundings(self, table: Guessed) -> np.ndarray:
        """Return (cells, features) what is expected around each spot, and how much was measured.

        A spot's own values are not in it.
        """
        visible = table.visible
        filled = np.where(visible.seen, visible.standard, table.expected).astype(np.float32)
        beside = [self._near.others(filled, k) for k in _AROUND]
        return np.hstack([*around_axes(filled, beside, _AXES), library_of(visible)])

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate the stack and its networks."""
        stack = super().cost(visible, config)
        parameters, seconds = network_cost(visible, config, 3 * _AXES + 4)
        n = PARTS if config.denoise else TRIALS
        each = ((_MANY if config.denoise else 1.0) + TUNING) * seconds
        return Cost(n * parameters, stack.seconds + n * each, stack.memory_mib + 60)


def _gains(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return by what share (genes,) errors fell, so that each gene counts alike."""
    return np.asarray((before - now) / np.maximum(before, 1e-9))
