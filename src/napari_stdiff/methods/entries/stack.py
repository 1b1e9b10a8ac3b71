"""The stack: closed-form guesses, weighed gene by gene on entries that were hidden on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.device import few_threads
from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..base import Cost
from ..files import read_model, write_model
from ..genes.smoothing import Neighbourhood
from .denoising import own_weights
from .files import refuse_other_visible, visible_tie
from .guesses import More, first_round, second_round
from .hiding import Trial
from .low_rank import RANK
from .settings import EntrySettings
from .singles import choose
from .spread import EntrySpread
from .table import TableMethod, learn_spread
from .weights import EntryWeights

TRIALS, SHARE = 2, 0.12  # times that entries are hidden on purpose, and the share of them
_LIMIT = 5.0  # standardised values beyond it are taken for it where guesses are weighed
PARTS = 5  # in which all visible entries are hidden in turn, where they are to be denoised


@dataclass
class Guessed:
    """A table with its guesses.

    Attributes
    ----------
    visible
        The table.
    guesses
        (cells, genes) standardised guesses by name.
    expected
        (cells, genes) what the weights make of them.
    """

    visible: Visible
    guesses: dict[str, np.ndarray] = field(default_factory=dict)
    expected: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


class Stack(TableMethod):
    """Closed-form guesses in two rounds and their weights."""

    id = "stack"
    title = "Stack"
    description = (
        "Closed-form guesses (low rank, neighbours in expression and in space, regressions), "
        "weighed gene by gene on visible entries that were hidden on purpose; no network."
    )
    weights: EntryWeights
    # what the phases of a fit take of its time: choices, guesses; the rest is learning
    phases: ClassVar[tuple[float, float]] = (0.25, 0.9)

    @few_threads()
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Choose, guess and weigh on hidden visible entries; then guess at the whole table."""
        self.config, self._visible = config, visible
        self._near = Neighbourhood(visible.coords, visible.section)
        trials = self._trials(visible, config)
        with monitor.stage("Choosing numbers", share=self.phases[0]):
            wanted = ("soft-svd", "expression-knn", "spatial-knn", "ridge")
            self.choices = choose(trials[0], self._near, monitor, wanted)
        with monitor.stage("Guessing", share=self.phases[1]):
            hidden, whole = self._guess(trials, monitor)
        self._learn(trials, hidden, whole, monitor)
        return self

    def facts(self) -> dict[str, Any]:
        """Return the numbers that were chosen and the guesses' mean weights."""
        return {**self.choices.facts(), "weights": self.weights.facts()}

    def _more(self) -> More | None:
        """Return what makes further guesses, or None."""
        return None

    def _trials(self, visible: Visible, config: EntrySettings) -> list[Trial]:
        if config.denoise:
            return Trial.parts(visible, config.seed, PARTS)
        return [Trial.of(visible, config.seed, SHARE, number=k) for k in range(TRIALS)]

    def _guess(self, trials: list[Trial], monitor: Monitor) -> tuple[list[Guessed], Guessed]:
        """Return the guesses of both rounds at each trial's table and at the whole one."""
        tables = [Guessed(t.visible) for t in trials] + [Guessed(self._visible)]
        steps, done = 2 * len(tables), 0
        for table in tables:
            table.guesses = first_round(table.visible, self._near, self.choices, monitor)
            monitor.step(done := done + 1, steps)
        self._weigh(trials, tables)
        for table in tables:
            table.guesses |= second_round(
                table.visible, self._near, self.choices, table.expected, self._more(), monitor
            )
            monitor.step(done := done + 1, steps)
        self._weigh(trials, tables)
        return tables[:-1], tables[-1]

    def _weigh(self, trials: list[Trial], tables: list[Guessed]) -> None:
        """Fit the weights on the trials' entries and apply them to all tables.

        What is expected at a trial's own entries is by weights that the other trials gave.
        """
        names = list(tables[-1].guesses)
        columns = [t.columns for t in trials]
        found = [
            np.stack([t.at(table.guesses[n]) for n in names], axis=1)
            for t, table in zip(trials, tables[:-1], strict=True)
        ]
        # a few values that stand out by far would choose the weights of all genes
        truth = [np.clip(t.standard, -_LIMIT, _LIMIT) for t in trials]
        n = self._visible.n_genes

        def fitted(without: int) -> EntryWeights:
            some = [k for k in range(len(trials)) if k != without]
            return EntryWeights.fit(
                names,
                np.concatenate([found[k] for k in some]),
                np.concatenate([truth[k] for k in some]),
                np.concatenate([columns[k] for k in some]),
                n,
            )

        self.weights = fitted(-1)
        for k, table in enumerate(tables):
            table.expected = self.weights.mix(table.guesses)
            if k < len(trials) > 1:
                own = fitted(k).at(found[k], columns[k])
                table.expected[trials[k].cells, trials[k].columns] = own

    def _learn(
        self, trials: list[Trial], hidden: list[Guessed], whole: Guessed, monitor: Monitor
    ) -> None:
        """Learn what is left from the guesses: here the spread alone."""
        self._spread_of(trials, hidden)
        self._finish(trials, hidden, whole.expected)
        monitor.step(1, 1)

    def _spread_of(self, trials: list[Trial], hidden: list[Guessed]) -> None:
        found = [t.at(table.expected) for t, table in zip(trials, hidden, strict=True)]
        self.spread = learn_spread(self._visible, trials, found)

    def _finish(self, trials: list[Trial], hidden: list[Guessed], expected: np.ndarray) -> None:
        """Keep the table; visible entries that are denoised are mixed with their own value."""
        if self.config.denoise:
            expected = expected.copy()
            for t, table in zip(trials, hidden, strict=True):
                expected[t.cells, t.columns] = t.at(table.expected)
            seen = self._visible.seen
            own = own_weights(self._visible, expected, self.config.seed)
            mixed = expected + own * (self._visible.standard - expected)
            expected = np.where(seen, mixed, expected)
        self._take(self._visible, expected)

    def save(self, folder: Path) -> None:
        """Write the table and its spread to `folder`, and what they are of."""
        meta, tensors = self._pack()
        write_model(folder, self.id, meta, tensors)

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted method; the tissue and its gaps must be those it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method._visible = visible
        method._near = Neighbourhood(visible.coords, visible.section)
        method.config = EntrySettings.kept(meta["config"])
        method._unpack(meta, tensors)
        return method

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = {
            "config": self.config.model_dump(),
            "visible": visible_tie(self._visible, reference=self._more() is not None),
            "facts": self.facts(),
        }
        return meta, self.spread.pack() | {"table": self._table}

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.spread = EntrySpread.unpack(tensors)
        self._table = np.asarray(tensors["table"])
        known = meta["facts"]
        self.facts = lambda: known  # type: ignore[method-assign]

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate the guesses at each table, and the weights."""
        n, genes = visible.raw.shape
        entries = n * genes
        once = 4e-7 * entries + 1.5e-10 * 60 * entries * min(RANK, n, genes)
        once += 2.4e-8 * n * n + 4e-10 * (entries * genes * 2 + 12 * genes**3)
        tables = 1 + (PARTS if config.denoise else TRIALS)
        seconds = 1 + (tables + 1) * once + 1e-7 * config.draws * entries
        values = entries * (16 * tables + 10 + config.draws) + 4 * genes**2
        return Cost(0, seconds, 50 + 4 * values / 2**20)
