"""The network of stDiffusion's paper, and its training on the noise."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from ..compute.monitor import Monitor
from ..diffusion.denoiser import NoiseEmbedding
from ..diffusion.fit import Trained, train
from .network import process_called
from .settings import InterpolationSettings

VALIDATION = 0.1  # of the visible cells, that stop the training
CHECKS = 60  # of the error on them, at most one an epoch
_PATIENCE = 0.1  # of the training may pass without a better error
_EMBED = 32
_TYPE_DROPOUT = 0.1


class PaperNetwork(nn.Module):
    """Linear layers on the noised expression beside embedded type, place and step.

    Parameters
    ----------
    genes, types
        Sizes; one type more stands for "not known".
    width, depth
        Hidden size, and number of linear layers.
    """

    def __init__(self, genes: int, types: int, width: int, depth: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(types + 1, _EMBED)
        self.place = nn.Linear(2, _EMBED)
        self.step = NoiseEmbedding(_EMBED)
        sizes = [genes + 3 * _EMBED, *[width] * max(depth - 1, 1)]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LeakyReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(sizes[-1], genes))

    def forward(self, x: Tensor, level: Tensor, cond: Tensor) -> Tensor:
        """Predict the noise (n, genes); `cond` holds type, y and x."""
        parts = [x, self.kind(cond[:, 0].long()), self.place(cond[:, 1:]), self.step(4 * level)]
        out: Tensor = self.net(torch.cat(parts, dim=1))
        return out


class PaperTraining:
    """Visible cells to train on, and a tenth of them, from all sections, that stops the training.

    Parameters
    ----------
    values, condition
        (cells, genes) standardised expression, and (cells, 3) type, y and x.
    types
        How many types there are.
    config
        Process, seed, batch size and learning rate.
    device
        Where to train.
    """

    def __init__(
        self,
        values: np.ndarray,
        condition: np.ndarray,
        types: int,
        config: InterpolationSettings,
        device: torch.device,
    ) -> None:
        self._x = torch.from_numpy(values).to(device)
        self._condition = torch.from_numpy(condition).to(device)
        self._types, self._config, self._device = types, config, device
        self._process = process_called(config.process)
        n = len(values)
        order = torch.from_numpy(np.random.default_rng([config.seed, 3]).permutation(n))
        n_held = max(int(VALIDATION * n), 1)
        self.held = order[:n_held]
        self.kept = order[n_held:] if n > n_held else order

    @property
    def per_epoch(self) -> int:
        """Training steps of an epoch."""
        return max(len(self.kept) // min(self._config.batch_size, len(self.kept)), 1)

    def network(self, width: int, depth: int) -> PaperNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.seed)
            network = PaperNetwork(self._x.shape[1], self._types, width, depth)
        return network.to(self._device)

    def error(self, network: nn.Module) -> float:
        """Return the error of the noise on the cells that are held back, with the same noise."""
        with torch.no_grad():
            same = torch.Generator().manual_seed(self._config.seed)
            x, condition = self._x[self.held], self._condition[self.held]
            return float(self._process.loss(network, x, condition, same))

    def run(
        self, width: int, depth: int, steps: int, monitor: Monitor, checks: int = 0
    ) -> tuple[Trained, int]:
        """Train; return what came out, and the steps until the training was stopped.

        Parameters
        ----------
        width, depth
            Of the network.
        steps
            Training steps at most.
        monitor
            Progress and cancel.
        checks
            Looks at the held error, after which the training may stop early; 0 for none.
        """
        done = 0

        def loss(net: nn.Module, some: Tensor, generator: torch.Generator) -> Tensor:
            nonlocal done
            done += 1
            rows = self.kept[some]
            x, condition = self._x[rows], self._condition[rows]
            if self._types:
                lost = torch.rand(len(rows), generator=generator) < _TYPE_DROPOUT
                condition[lost.to(self._device), 0] = 0
            return self._process.loss(net, x, condition, generator)

        config = self._config
        trained = train(
            self.network(width, depth),
            loss,
            len(self.kept),
            steps=steps,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            seed=config.seed,
            monitor=monitor,
            ema=0.0,
            score=self.error if checks else None,
            checks=max(checks, 1),
            patience=max(round(_PATIENCE * checks), 1) if checks else 0,
        )
        return trained, done
