"""Means and draws of hidden entries from a trained network, whatever else is asked for."""

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
from ..encoders import Edges
from ..graph import Graph
from ..settings import EntrySettings
from .masks import masks_latent
from .score_network import Condition, StmcdiNetwork, Tokens, tokens_of
from .training import encoder_input

_TOKENS = 16_384  # of a network call, about
_STREAM = 20  # bits that hold the number of a step


def rows_a_call(asked: int, spots: int) -> int:
    """Return the spots of a network call, always as many: a result cannot depend on how many.

    Parameters
    ----------
    asked
        Tokens of each spot.
    spots
        Of the tissue that have any.
    """
    most = max(_TOKENS // max(asked, 1), 1)
    calls = -(-spots // most)
    return -(-spots // max(calls, 1))


@dataclass(frozen=True)
class Drawing:
    """Predicts entries that are not shown to the network.

    Attributes
    ----------
    network, process, config, device
        As trained.
    x, shown
        (spots, genes) standardised values and which of them the network may see.
    asked
        (spots, genes) bool, entries to predict, none of them shown.
    latent
        (spots, genes) of the encoder, on what is shown.
    limits
        Lowest and highest (genes,) standardised values that a clean estimate may take.
    """

    network: StmcdiNetwork
    process: Rotated
    config: EntrySettings
    device: torch.device
    x: Tensor
    shown: Tensor
    asked: Tensor
    latent: Tensor
    limits: tuple[Tensor, Tensor]

    @classmethod
    def of(
        cls,
        network: StmcdiNetwork,
        graph: Graph,
        config: EntrySettings,
        device: torch.device,
        x: np.ndarray,
        shown: np.ndarray,
        asked: np.ndarray,
    ) -> Drawing:
        """Encode the whole tissue as `shown`, to predict `asked`."""
        values, seen = (torch.from_numpy(np.array(a)).to(device) for a in (x, shown))
        with torch.no_grad():
            told = encoder_input(values, seen)
            latent = network.encoder(told, Edges.of(graph.whole, device))
        bounds = [
            torch.from_numpy(v.astype(np.float32)).to(device)
            for v in (x.min(axis=0, initial=0.0), x.max(axis=0, initial=0.0))
        ]
        process = Rotated.quadratic(config.noise_steps)
        wanted = torch.from_numpy(asked).to(device)
        return cls(
            *(network, process, config, device, values, seen, wanted, latent),
            (bounds[0], bounds[1]),
        )

    def means(self, cells: np.ndarray, monitor: Monitor) -> np.ndarray:
        """Return E[x0 | what is shown] by one evaluation at step T.

        Returns
        -------
        numpy.ndarray
            (cells, genes) standardised; 0 where nothing is asked.
        """

        def answer(cond: Condition, rows: np.ndarray) -> Tensor:
            blank = torch.zeros(cond.asked.genes.shape, device=self.device)
            return self._within(self.process.mean(self.network, cond, blank), cond.asked)

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
        said, done = self.config, 0
        grid = self.process.grid(said.sampler_steps)

        def answer(cond: Condition, rows: np.ndarray) -> Tensor:
            steps = iter(range(len(grid)))

            def noise() -> Tensor:
                stream = (number << _STREAM) + next(steps)
                some = row_normals(said.seed, rows, cond.asked.genes.shape[1], stream)
                return torch.from_numpy(some).to(self.device)

            def clean(x: Tensor, sigma: Tensor) -> Tensor:
                found = self.process.denoise(self.network, x, sigma, cond)
                return self._within(found, cond.asked)

            def report(step: int, steps: int, _: Tensor) -> None:
                tell((done + len(rows) * step / steps) / max(len(cells), 1))

            x = float(grid[0]) * noise()
            return run_sampler(said.sampler, clean, x, grid, noise, report)

        def count(now: int) -> None:
            nonlocal done
            done = now

        return self._answered(cells, answer, count)

    def _within(self, clean: Tensor, asked: Tokens) -> Tensor:
        low, high = (limit[asked.genes] for limit in self.limits)
        return clean.clamp(low, high)

    def _answered(
        self,
        cells: np.ndarray,
        answer: Callable[[Condition, np.ndarray], Tensor],
        done: Callable[[int], None],
    ) -> np.ndarray:
        """Put the answers for the entries asked for where they belong."""
        out = np.zeros((len(cells), self.x.shape[1]), dtype=np.float32)
        for places, rows, cond in self._chunks(cells):
            with torch.no_grad():
                found = answer(cond, rows)
                table = torch.zeros(len(found), out.shape[1], device=self.device)
                # what only fills up is added as zero to whichever entry it names
                table.scatter_add_(1, cond.asked.genes, found.where(cond.asked.there, 0.0))
            out[places] = table.cpu().numpy()[: len(places)]
            done(int(places[-1]) + 1)
        return out

    def _chunks(self, cells: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, Condition]]:
        """Yield places in `cells`, rows, and conditions of always as many spots and tokens."""
        most, known = (int(table.sum(1).max()) for table in (self.asked, self.shown))
        some = self.asked.any(1).cpu().numpy()
        wanted, each = np.flatnonzero(some[cells]), rows_a_call(most, int(some.sum()))
        remasked = masks_latent(self.config.mask_phase)
        for first in range(0, len(wanted), max(each, 1)):
            places = wanted[first : first + each]
            rows = np.resize(cells[places], each)  # filled up with spots that are there
            at = torch.from_numpy(rows.astype(np.int64)).to(self.device)
            asked, shown = tokens_of(self.asked[at], most), tokens_of(self.shown[at], known)
            with torch.no_grad():
                cond = self.network.condition(
                    self.x[at], self.latent[at], shown, asked, remasked=remasked
                )
            yield places, rows, cond
