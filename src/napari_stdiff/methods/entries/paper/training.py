"""Training of stMCDI's network: entries are hidden from it, noised, and asked of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ....compute.monitor import Monitor
from ....data.visible import Visible
from ....diffusion.fit import train
from ...genes.paper.process import Rotated
from ..encoders import Edges
from ..graph import Graph
from ..settings import EntrySettings
from .masks import hidden_entries, masks_input, masks_latent
from .score_network import Shape, StmcdiNetwork, tokens_of

EMA = 0.926
_DROPS = ((0.75, 6e-9 / 6e-6), (0.5, 3e-7 / 6e-6))  # from this share of the steps: times the rate


class Training:
    """Visible entries of a tissue, some of which are hidden anew in every step.

    Parameters
    ----------
    visible
        What may be seen.
    graph
        Of its spots.
    config
        Process, masks, encoder, heads, seed and batch size, none of them 0.
    device
        Where to train.
    """

    def __init__(
        self, visible: Visible, graph: Graph, config: EntrySettings, device: torch.device
    ) -> None:
        self._x = torch.from_numpy(np.array(visible.standard)).to(device)
        self._seen = torch.from_numpy(visible.seen).to(device)
        self._rows = np.flatnonzero(visible.seen.any(axis=1))
        self._graph, self._config, self._device = graph, config, device
        self._process = Rotated.quadratic(config.noise_steps)

    @property
    def per_epoch(self) -> int:
        """Training steps of an epoch."""
        n = len(self._rows)
        return max(n // min(self._config.batch_size, n), 1)

    def network(self, width: int, depth: int) -> StmcdiNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        said = self._config
        shape = Shape(self._x.shape[1], width, depth, said.heads, said.encoder)
        return shape.build(said.seed).to(self._device)

    def loss(self, net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error at the hidden entries of a batch.

        Parameters
        ----------
        net
            The network.
        rows
            (spots,) places among the spots that have a visible entry.
        generator
            Of all chance.
        """
        assert isinstance(net, StmcdiNetwork)
        said, n = self._config, len(rows)
        part = self._graph.around(self._rows[rows.numpy()], net.encoder.hops)
        nodes = torch.from_numpy(part.nodes).to(self._device)
        x, seen = self._x[nodes], self._seen[nodes]
        hidden = hidden_entries(seen, n, said.mask_strategy, said.mask_ratio, generator)
        shown = seen & ~hidden if masks_input(said.mask_phase) else seen
        latent = net.encoder(encoder_input(x, shown), Edges.of(part, self._device))
        asked, kept = tokens_of(hidden[:n]), tokens_of(seen[:n] & ~hidden[:n])
        remasked = masks_latent(said.mask_phase)
        cond = net.condition(x[:n], latent[:n], kept, asked, remasked=remasked)
        wrong = self._process.off(net, asked.of(x[:n]), cond, generator)
        return wrong.where(asked.there, 0.0).sum() / asked.there.sum()

    def run(
        self, width: int, depth: int, steps: int, rate: float, monitor: Monitor
    ) -> StmcdiNetwork:
        """Train a network and return its averaged weights.

        Parameters
        ----------
        width, depth
            Of the network.
        steps
            Training steps.
        rate
            Learning rate of the first half of them.
        monitor
            Progress and cancel.
        """
        network = self.network(width, depth)
        out = train(
            network,
            self.loss,
            len(self._rows),
            steps=steps,
            batch_size=self._config.batch_size,
            learning_rate=rate,
            seed=self._config.seed,
            monitor=monitor,
            ema=EMA,
            rates=printed_rate,
        )
        assert isinstance(out.network, StmcdiNetwork)
        return out.network


def encoder_input(x: Tensor, shown: Tensor) -> Tensor:
    """Return (spots, 2 genes): values, 0 where not shown, and where they are shown."""
    return torch.cat([x.where(shown, 0.0), shown.to(x)], 1)


def printed_rate(done: float) -> float:
    """Return the factor of the learning rate after this share of the steps."""
    return next((factor for start, factor in _DROPS if done >= start), 1.0)
