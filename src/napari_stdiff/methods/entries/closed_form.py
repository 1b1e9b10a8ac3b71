"""The closed-form guesses as methods: one of them, its numbers, and a spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..base import Cost
from ..files import read_model, write_model
from ..genes.smoothing import Neighbourhood
from .files import refuse_other_visible, visible_tie
from .hiding import Trial
from .low_rank import RANK
from .settings import EntrySettings
from .singles import BLENDED, Choices, Singles, choose
from .spread import EntrySpread
from .table import TableMethod, learn_spread

TRIALS = 3  # times that some of the visible entries are hidden
# seconds of an entry times the rank in a turn, of a pair of cells, of a neighbour's value, of a
# product of genes, of an entry whose spread is learned, and of one that is drawn
_TURN, _PAIR, _NEAR, _SOLVE, _SPREAD, _DRAWN = 1.2e-10, 8e-9, 8e-10, 2.5e-10, 3e-7, 5e-8


class ClosedForm(TableMethod):
    """One closed-form guess.

    Visible entries that are hidden on purpose say which numbers it is made with and how far the
    truth lies from it. What it keeps is these; the table is guessed at again, from the same
    data, when it is loaded.
    """

    single: ClassVar[str]
    reference = "none"

    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Choose the numbers on hidden entries, learn the spread there, guess at the table."""
        self.config = config
        near = Neighbourhood(visible.coords, visible.section)
        trials = [Trial.of(visible, config.seed, number=k) for k in range(TRIALS)]
        with monitor.stage("Choosing numbers", share=0.5):
            self.choices = choose(trials[0], near, monitor, (self.single,))
        found = []
        with monitor.stage("Finding visible entries that were hidden", share=0.7):
            for k, trial in enumerate(trials):
                monitor.step(k, TRIALS)
                table = Singles(trial.visible, near, self.choices).guess(self.single)
                found.append(trial.at(table))
            monitor.step(TRIALS, TRIALS)
        with monitor.stage("Learning the spread", share=0.5):
            self.spread = learn_spread(visible, trials, found)
            monitor.step(1, 1)
        with monitor.stage("Fitting"):
            self._guess(visible, near)
            monitor.step(1, 1)
        return self

    def facts(self) -> dict[str, Any]:
        """Return the numbers that were chosen for this guess."""
        needed = set().union(*(_NUMBERS[name] for name in _parts(self.single)))
        return {name: value for name, value in self.choices.facts().items() if name in needed}

    def save(self, folder: Path) -> None:
        """Write numbers and spread to `folder`, and which tissue they are for."""
        meta = {
            "config": self.config.model_dump(),
            "visible": visible_tie(self._visible, reference=False),
            "choices": self.choices.facts(),
        }
        write_model(folder, self.id, meta, self.spread.pack())

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted method; the tissue and its gaps must be those it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method.config = EntrySettings.kept(meta["config"])
        method.choices = Choices(**meta["choices"])
        method.spread = EntrySpread.unpack(tensors)
        method._guess(visible, Neighbourhood(visible.coords, visible.section))
        return method

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate from cells and genes."""
        n, genes = visible.raw.shape
        entries, parts = n * genes, _parts(cls.single)
        once = 2e-8 * entries
        if set(parts) - {"mean", "spatial-knn"}:
            once += _TURN * 40 * entries * min(RANK, n, genes)
        if "expression-knn" in parts:
            once += _PAIR * n * n + _NEAR * 120 * entries
        if "ridge" in parts:
            once += _SOLVE * (entries * genes + 12 * genes**3)
        if "spatial-knn" in parts:
            once += _NEAR * 60 * entries
        seconds = 0.3 + (TRIALS + 3) * once + _SPREAD * entries + 2e-3 * genes
        seconds += _DRAWN * config.draws * entries
        values = (10 + config.draws) * entries + 2 * TRIALS * entries + 4 * genes**2
        return Cost(0, seconds, 50 + 4 * values / 2**20)

    def _guess(self, visible: Visible, near: Neighbourhood) -> None:
        self._take(visible, Singles(visible, near, self.choices).guess(self.single))


def _parts(single: str) -> tuple[str, ...]:
    return BLENDED if single == "blend" else (single,)


_NUMBERS: dict[str, set[str]] = {
    "mean": set(),
    "spatial-knn": {"around"},
    "expression-knn": {"shrinkage", "alike"},
    "soft-svd": {"shrinkage"},
    "ridge": {"shrinkage", "strength"},
}


class MeanMethod(ClosedForm):
    """Each gene's mean."""

    id = single = "mean"
    title = "Mean"
    description = "The mean of what is visible of a gene."


class SpatialKnnMethod(ClosedForm):
    """The mean of the nearest cells."""

    id = single = "spatial-knn"
    title = "Neighbours in space"
    description = "The mean over the nearest spots of the section, where the gene is visible."


class ExpressionKnnMethod(ClosedForm):
    """The mean of the cells most alike."""

    id = single = "expression-knn"
    title = "Neighbours in expression"
    description = "The mean over the spots most alike in the low rank of the visible values."


class SoftSvdMethod(ClosedForm):
    """Low-rank completion."""

    id = single = "soft-svd"
    title = "Low rank"
    description = "The low rank that visible values leave when singular values are shrunk."


class RidgeMethod(ClosedForm):
    """Each gene from all others."""

    id = single = "ridge"
    title = "Ridge"
    description = "Ridge regression of each gene on all others, their gaps filled by low rank."


class BlendMethod(ClosedForm):
    """The average of three guesses."""

    id = single = "blend"
    title = "Blend"
    description = "The average of neighbours in space, neighbours in expression and low rank."
