"""What methods share that guess at the whole table once: measured values, gaps and spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...compute.monitor import Monitor
from ...data.prediction import Prediction
from ...data.visible import Visible
from ..genes.base import with_draws
from .base import EntryMethod
from .hiding import Trial
from .settings import EntrySettings
from .spread import EntryDrawing, EntrySpread, entry_uniforms


def on_scale(visible: Visible, standard: np.ndarray) -> np.ndarray:
    """Bring (cells, genes) standardised guesses to the scale of ``visible.expression``.

    Unlike ``visible.restored`` it lets guesses be below zero, so that their order stays.
    """
    return np.asarray(standard * visible.deviation + visible.mean, dtype=np.float32)


def learn_spread(visible: Visible, trials: list[Trial], tables: list[np.ndarray]) -> EntrySpread:
    """Return how far the truth lies from guesses at entries that were hidden on purpose.

    Parameters
    ----------
    visible
        The table that the trials hid entries of.
    trials, tables
        Trials, and the (hidden,) standardised guesses at the entries that each hid.
    """
    columns = np.concatenate([trial.columns for trial in trials])
    guess = np.concatenate(tables) * visible.deviation[columns] + visible.mean[columns]
    truth = np.concatenate([trial.truth for trial in trials])
    return EntrySpread.fit(guess, truth, columns, visible.mean, visible.deviation)


class TableMethod(EntryMethod):
    """Answers with rows of a table that was guessed at once, and draws around it.

    A draw takes its values from the spread of entries that were hidden on purpose, each on its
    own. Of a visible entry that is denoised, mean and draws are those of a hidden entry with the
    same guess: what another measurement would give.
    """

    config: EntrySettings
    spread: EntrySpread

    def _take(self, visible: Visible, standard: np.ndarray) -> None:
        """Keep the table of (cells, genes) standardised guesses, and what is visible of it."""
        self._visible, self._table = visible, on_scale(visible, standard)

    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        """Answer for all genes of `cells`; visible entries as measured unless denoised."""
        cells = np.asarray(cells)
        visible = self._visible
        measured, guess = visible.expression[cells], self._table[cells]
        wanted = np.ones(guess.shape, dtype=bool) if self.config.denoise else ~visible.seen[cells]
        rows, columns = np.nonzero(wanted)
        mean = measured.copy()
        found, drawing_of = self._answer(cells[rows], columns, guess[rows, columns], monitor)
        mean[rows, columns] = np.maximum(found, 0) if visible.never_negative else found

        def drawing() -> Callable[[int], np.ndarray]:
            entries = drawing_of(n_draws)

            def draw(number: int) -> np.ndarray:
                out = measured.copy()
                out[rows, columns] = entries(number)
                return out

            return draw

        answer = with_draws(visible.genes, mean, n_draws, drawing, monitor)
        if answer.std is not None:  # rounding leaves some where all draws are the same
            answer = replace(answer, std=np.where(wanted, answer.std, np.float32(0)))
        return answer

    def _answer(
        self, cells: np.ndarray, columns: np.ndarray, guess: np.ndarray, monitor: Monitor
    ) -> tuple[np.ndarray, Callable[[int], Callable[[int], np.ndarray]]]:
        """Return (entries,) means, and what gives for a number of draws the draw with a number.

        Parameters
        ----------
        cells, columns, guess
            (entries,) row, gene, and guess on the scale of ``visible.expression``; row by row.
        monitor
            Asked whether to go on.
        """
        monitor.check()
        visible = self._visible

        def drawing_of(n_draws: int) -> Callable[[int], np.ndarray]:
            known, place = np.unique(cells, return_inverse=True)
            starts = entry_uniforms(visible.genes, visible.n_cells, known, self.config.seed)
            at = self.spread.at(guess, columns)
            return EntryDrawing(at, starts[place, columns]).draw

        return self.spread.calibrated(guess, columns), drawing_of
