"""Means and draws of genes from a trained network, the same whatever else is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor, nn

from ....compute.monitor import Monitor
from ....diffusion.samplers import Callback, run_sampler
from ..settings import GeneSettings
from .process import Rotated, ancestral_learned

ROWS = 16  # rows a network call: always as many, so that a result cannot depend on how many


@dataclass(frozen=True)
class Drawing:
    """Predicts genes from their reference profiles.

    Attributes
    ----------
    network, process
        As trained.
    config
        Sampler, its steps, covariance and seed.
    limits
        Lowest and highest standardised value that a clean estimate may take.
    cells
        Spots of the tissue.
    device
        Where the network is.
    monitor
        Progress and cancel.
    """

    network: nn.Module
    process: Rotated
    config: GeneSettings
    limits: tuple[float, float]
    cells: int
    device: torch.device
    monitor: Monitor

    def means(self, profiles: np.ndarray) -> np.ndarray:
        """Return E[x0 | profile] by one evaluation at step T, (genes, cells) standardised."""
        out = np.empty((len(profiles), self.cells), dtype=np.float32)
        for rows, cond in self._chunks(profiles):
            blank = torch.zeros(ROWS, self.cells, device=self.device)
            with torch.no_grad():
                clean = self.process.mean(self.network, cond, blank).clamp(*self.limits)
            out[rows] = clean.cpu().numpy()[: len(rows)]
            self.monitor.step(int(rows[-1]) + 1, len(out))
        return out

    def draws(self, genes: np.ndarray, profiles: np.ndarray, n_draws: int) -> Iterator[np.ndarray]:
        """Yield draws from noise, some at a time: (draws, genes, cells) standardised.

        Few genes are drawn several times in one call. All chance of a draw of a gene follows
        from the seed, the gene's name and the draw's number.
        """
        n = len(genes)
        together = max(ROWS // max(n, 1), 1)
        for first in range(0, n_draws, together):
            some = min(together, n_draws - first)
            out = np.empty((some * n, self.cells), dtype=np.float32)
            for rows, cond in self._chunks(np.tile(profiles, (some, 1))):
                streams = [
                    gene_stream(self.config.seed, str(genes[row % n]), first + row // n)
                    for row in rows
                ]
                done = first + some * rows[0] / len(out)
                span = some * len(rows) / len(out)
                out[rows] = self._denoised(cond, streams, self._report(done, span, n_draws))
            yield out.reshape(some, n, self.cells)

    def _report(self, done: float, span: float, n_draws: int) -> Callback:
        """Return what tells the monitor how many draws' worth of steps are behind."""

        def report(step: int, steps: int, _: Tensor) -> None:
            now = done + span * step / steps
            self.monitor.step(
                int(1000 * now), 1000 * n_draws, f"draw {min(int(now) + 1, n_draws)} of {n_draws}"
            )

        return report

    def _denoised(
        self, cond: Tensor, streams: list[np.random.Generator], report: Callback
    ) -> np.ndarray:
        """Return one draw for each stream, (streams, cells), from noise alone."""
        process, said = self.process, self.config

        def noise() -> Tensor:
            rows = np.zeros((ROWS, self.cells), dtype=np.float32)
            for row, stream in zip(rows, streams, strict=False):
                stream.standard_normal(out=row, dtype=np.float32)
            return torch.from_numpy(rows).to(self.device)

        def clean(x: Tensor, sigma: Tensor) -> Tensor:
            return process.denoise(self.network, x, sigma, cond).clamp(*self.limits)

        grid = process.grid(said.sampler_steps)
        with torch.no_grad():
            x = float(grid[0]) * noise()
            if said.covariance:
                out = ancestral_learned(
                    process, self.network, cond, x, grid, noise, self.limits, report
                )
            else:
                out = run_sampler(said.sampler, clean, x, grid, noise, report)
        return np.asarray(out.cpu().numpy()[: len(streams)])

    def _chunks(self, profiles: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield row numbers, and the rows' profiles, filled up to always as many."""
        for first in range(0, len(profiles), ROWS):
            some = profiles[first : first + ROWS]
            full = np.zeros((ROWS, profiles.shape[1]), dtype=np.float32)
            full[: len(some)] = some
            yield np.arange(first, first + len(some)), torch.from_numpy(full).to(self.device)


def calls_each(sampler: str) -> int:
    """Return the network evaluations of one step."""
    return 2 if sampler == "heun" else 1


def gene_stream(seed: int, gene: str, draw: int) -> np.random.Generator:
    """Return the random numbers of one draw of one gene, whatever else is drawn."""
    name = int.from_bytes(blake2b(gene.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng([seed, name, draw])
