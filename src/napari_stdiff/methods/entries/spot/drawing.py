"""SpotDiff's means and draws of entries that are not shown to it, whatever else is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ....compute.monitor import Monitor
from ....diffusion.samplers import run_sampler
from ...genes.paper.process import Rotated
from ...streams import row_normals
from ..settings import EntrySettings
from .known import Known, Shown
from .network import Condition, SpotdiffNetwork

ROWS = 256  # spots of a network call: always as many, so that a result cannot depend on how many
_STREAM = 20  # bits that hold the number of a step


@dataclass(frozen=True)
class Drawing:
    """Predicts the entries of the tissue that are asked for.

    Attributes
    ----------
    network, process, config
        As trained.
    values
        (spots, genes) standardised.
    whole
        What is shown and asked.
    limits
        Lowest and highest (genes,) standardised values that a clean estimate may take.
    """

    network: SpotdiffNetwork
    process: Rotated
    config: EntrySettings
    values: Tensor
    whole: Shown
    limits: tuple[Tensor, Tensor]

    @classmethod
    def of(
        cls, network: SpotdiffNetwork, config: EntrySettings, known: Known, whole: Shown
    ) -> Drawing:
        """Bound clean estimates by what was measured of each gene."""
        x = known.visible.standard
        low, high = (known.table(v) for v in (x.min(axis=0), x.max(axis=0)))
        process = schedule(config.noise_steps)
        return cls(network, process, config, known.table(x), whole, (low, high))

    def means(self, cells: np.ndarray, monitor: Monitor) -> np.ndarray:
        """Return E[x0 | what is shown] by one evaluation at step T.

        Returns
        -------
        numpy.ndarray
            (cells, genes) standardised; 0 where nothing is asked.
        """

        def answer(cond: Condition, rows: np.ndarray) -> Tensor:
            blank = torch.zeros_like(cond.values)
            return self.process.mean(self.network, cond, blank).clamp(*self.limits)

        return self._answered(cells, answer, lambda done: monitor.step(done, len(cells)))

    def draw(self, cells: np.ndarray, number: int, tell: Callable[[float], None]) -> np.ndarray:
        """Return draw `number` from noise, (cells, genes) standardised.

        All chance follows from the seed, the spot's row and the number.

        Parameters
        ----------
        cells
            Row numbers.
        number
            Of the draw.
        tell
            Told which share of the draw is done, and may end it.
        """
        said, grid, done = self.config, self.process.grid(self.config.sampler_steps), 0

        def answer(cond: Condition, rows: np.ndarray) -> Tensor:
            steps = iter(range(len(grid)))

            def noise() -> Tensor:
                stream = (number << _STREAM) + next(steps)
                some = row_normals(said.seed, rows, cond.values.shape[1], stream)
                return torch.from_numpy(some).to(cond.values)

            def clean(x: Tensor, sigma: Tensor) -> Tensor:
                return self.process.denoise(self.network, x, sigma, cond).clamp(*self.limits)

            def report(step: int, steps: int, _: Tensor) -> None:
                tell(min((done + len(rows) * step / steps) / max(len(cells), 1), 1.0))

            return run_sampler(said.sampler, clean, float(grid[0]) * noise(), grid, noise, report)

        def count(now: int) -> None:
            nonlocal done
            done = now

        return self._answered(cells, answer, count)

    def _answered(
        self,
        cells: np.ndarray,
        answer: Callable[[Condition, np.ndarray], Tensor],
        done: Callable[[int], None],
    ) -> np.ndarray:
        out = np.zeros((len(cells), self.values.shape[1]), dtype=np.float32)
        for places, rows, cond in self._chunks(cells):
            with torch.no_grad():
                found = answer(cond, rows) * cond.asked
            out[places] = found.cpu().numpy()[: len(places)]
            done(int(places[-1]) + 1)
        return out

    def _chunks(self, cells: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, Condition]]:
        """Yield places in `cells`, and rows and conditions of always as many spots."""
        asked = self.whole.asked.any(dim=1).cpu().numpy()
        wanted = np.flatnonzero(asked[cells])
        for first in range(0, len(wanted), ROWS):
            places = wanted[first : first + ROWS]
            rows = np.resize(cells[places], ROWS)  # filled up with spots that are there
            at = torch.from_numpy(rows.astype(np.int64)).to(self.values.device)
            with torch.no_grad():
                cond = Known.condition(self.network, self.values, self.whole, at)
            yield places, rows, cond


def schedule(steps: int) -> Rotated:
    """Return the process with `steps` steps of the linear schedule that DiT uses."""
    scale = 1000 / steps  # ends as noisy whatever the number of steps
    low, high = min(1e-4 * scale, 0.5), min(0.02 * scale, 0.5)
    return Rotated(Rotated.make("linear", steps, low, high).betas)
