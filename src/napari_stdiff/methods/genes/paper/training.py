"""Training of SpaDiT's network on the visible genes of a panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ....compute.monitor import Monitor
from ....diffusion.fit import Trained, train
from ..settings import GeneSettings
from .network import Shape, SpaditNetwork
from .process import Rotated, hidden_entries, masked_loss

EMA = 0.926
VALIDATION = 2 / 9  # of the visible genes: seven parts train, two validate, one is to be predicted
_CHECKS = 40  # of the Pearson on them; the best weights are kept, and the training goes on


class Training:
    """The visible genes, one a row; most of them train, the others choose the step.

    Parameters
    ----------
    values, zero
        (genes, cells) standardised tissue values, and whether the tissue's value is zero there.
    profiles
        (genes, metacells) of the same genes in the reference.
    features
        (metacells, axes) places of the metacells.
    order
        (cells,) order of the spots in patches.
    shape
        Of the network; width and depth are given with each run.
    config
        Process, masks, seed, batch size and learning rate.
    device
        Where to train.
    """

    def __init__(
        self,
        values: np.ndarray,
        zero: np.ndarray,
        profiles: np.ndarray,
        features: np.ndarray,
        order: np.ndarray,
        shape: Shape,
        config: GeneSettings,
        device: torch.device,
    ) -> None:
        self._x = torch.from_numpy(values).to(device)
        self._zero = torch.from_numpy(zero).to(device)
        self._profiles = torch.from_numpy(profiles).to(device)
        self._features, self._order = torch.from_numpy(features), torch.from_numpy(order)
        self._shape, self._config, self._device = shape, config, device
        self._process = Rotated.quadratic(config.noise_steps)
        order_of_genes = torch.from_numpy(
            np.random.default_rng([config.seed, 3]).permutation(len(values))
        )
        n_held = max(round(VALIDATION * len(values)), 1)
        self.held, self.kept = order_of_genes[:n_held], order_of_genes[n_held:]

    @property
    def per_epoch(self) -> int:
        """Training steps of an epoch."""
        return max(len(self.kept) // min(self._config.batch_size, len(self.kept)), 1)

    def network(self, width: int, depth: int) -> SpaditNetwork:
        """Return a fresh network; the same seed gives the same weights."""
        network = replace(self._shape, width=width, depth=depth).build(self._config.seed)
        network.features.copy_(self._features)
        network.order.copy_(self._order)
        return network.to(self._device)

    def error(self, network: nn.Module) -> float:
        """Return minus the mean Pearson of the validation genes, told their profiles alone.

        Not the squared error: that is least where hardly anything is predicted yet.
        """
        with torch.no_grad():
            x, profiles = self._x[self.held], self._profiles[self.held]
            found = self._process.mean(network, profiles, x)
            found = found - found.mean(1, keepdim=True)
            return -float(((found * x).mean(1) / found.std(1).clamp(min=1e-9)).mean())

    def run(
        self,
        width: int,
        depth: int,
        steps: int,
        rate: float,
        monitor: Monitor,
        *,
        choosing: bool = False,
    ) -> Trained:
        """Train a network.

        Parameters
        ----------
        width, depth
            Of the network.
        steps
            Training steps at most.
        rate
            Peak learning rate.
        monitor
            Progress and cancel.
        choosing
            Keep the weights of the step that is best for the validation genes.
        """
        config = self._config

        def loss(net: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
            some = self.kept[rows].to(self._device)
            x, zero = self._x[some], self._zero[some]
            hidden = hidden_entries(x, zero, config.mask_zero, config.mask_nonzero, generator)
            return masked_loss(
                self._process,
                net,
                x,
                hidden,
                self._profiles[some],
                generator,
                covariance=config.covariance,
            )

        return train(
            self.network(width, depth),
            loss,
            len(self.kept),
            steps=steps,
            batch_size=config.batch_size,
            learning_rate=rate,
            seed=config.seed,
            monitor=monitor,
            ema=EMA,
            score=self.error if choosing else None,
            checks=min(_CHECKS, steps),
            patience=steps if choosing else 0,
        )
