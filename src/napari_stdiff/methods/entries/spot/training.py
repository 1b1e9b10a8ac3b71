"""Training of SpotDiff's network: visible entries are hidden from it, noised, and asked of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ....compute.monitor import Monitor
from ....diffusion.fit import train
from ...genes.paper.process import Rotated
from ..paper.masks import hidden_entries
from ..settings import EntrySettings
from .known import Known, Shown
from .network import Shape, SpotdiffNetwork

VARIANTS = 3  # masks of the whole tissue whose prompts a T5 encodes once
_EMA = 0.999
_STREAM = 0x5D1F


class Training:
    """All that a fit needs beside the sizes of the network.

    Parameters
    ----------
    known
        Tissue, prompts and reference.
    config
        Settings, none of them 0.
    shape
        Of the network.
    process
        Of the noise.
    monitor
        Progress of a T5.
    """

    def __init__(
        self, known: Known, config: EntrySettings, shape: Shape, process: Rotated, monitor: Monitor
    ) -> None:
        self._known, self._config, self._shape, self._process = known, config, shape, process
        seen = known.visible.seen
        self._rows = np.flatnonzero(seen.any(axis=1))
        self._x = known.table(known.visible.standard)
        self._seen = torch.from_numpy(np.array(seen)).to(known.device)
        self._names = known.speaker.gene_vectors(monitor)
        self._variants: list[Shown] = []
        if known.speaker.t5 is not None:
            rng = np.random.default_rng([config.seed, _STREAM])
            for _ in range(VARIANTS):
                hidden = seen & (rng.random(seen.shape) < config.mask_ratio)
                self._variants.append(known.at(seen & ~hidden, hidden, monitor))

    @property
    def per_epoch(self) -> int:
        """Training steps of an epoch."""
        return max(len(self._rows) // min(self._config.batch_size, len(self._rows)), 1)

    def network(self, width: int, depth: int) -> SpotdiffNetwork:
        """Return a fresh network of these sizes."""
        shape = replace(self._shape, width=width, depth=depth)
        network = shape.build(self._config.seed)
        if network.text is not None and self._names is not None:
            network.text.names.copy_(torch.from_numpy(self._names))
        return network.to(self._known.device)

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
        assert isinstance(net, SpotdiffNetwork)
        at = torch.from_numpy(self._rows[rows.numpy()]).to(self._known.device)
        if self._variants:
            number = int(torch.randint(len(self._variants), (), generator=generator))
            cond = self._known.condition(net, self._x, self._variants[number], at)
        else:
            hidden = hidden_entries(
                self._seen[at], len(at), "entry", self._config.mask_ratio, generator
            )
            shown = self._seen[at] & ~hidden
            raw = self._known.visible.raw[at.cpu().numpy()]
            told = self._known.speaker.tell(
                raw, shown.cpu().numpy(), self._known.device, Monitor()
            )
            fused = self._known.fused(self._x[at], shown.to(self._x))
            cond = net.condition(self._x[at], shown.to(self._x), hidden.to(self._x), told, fused)
        wrong = self._process.off(net, self._x[at], cond, generator) * cond.asked
        return wrong.sum() / cond.asked.sum().clamp(min=1)

    def run(
        self, width: int, depth: int, steps: int, rate: float, monitor: Monitor
    ) -> SpotdiffNetwork:
        """Train a network of these sizes and return its averaged weights."""
        out = train(
            self.network(width, depth),
            self.loss,
            len(self._rows),
            steps=steps,
            batch_size=self._config.batch_size,
            learning_rate=rate,
            seed=self._config.seed,
            monitor=monitor,
            ema=_EMA,
        )
        assert isinstance(out.network, SpotdiffNetwork)
        return out.network
