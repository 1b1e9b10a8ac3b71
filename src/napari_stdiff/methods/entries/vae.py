"""A variational autoencoder that is shown part of a cell and gives back the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from ...compute.device import choose_device, few_threads
from ...compute.monitor import Monitor
from ...data.visible import Visible
from ...diffusion.fit import train
from ..base import Cost
from ..cost import network_cost
from ..files import read_model, write_model
from ..network import in_chunks, put_weights, weights_of
from .files import refuse_other_visible, visible_tie
from .hiding import Trial
from .settings import EntrySettings
from .spread import EntrySpread
from .table import TableMethod, learn_spread

_STEPS, _BATCH, _WIDTH, _DEPTH, _RATE = 1500, 256, 256, 1, 2e-3
_LATENT = 32
_KL = 0.3  # weight of the divergence from a standard normal, per cell over its visible genes
_MASKED = (0.1, 0.7)  # share of a cell's visible values that training takes out of the input
_STOP_SHARE = 0.05  # of visible entries, that say when to stop


@dataclass(frozen=True)
class VaeShape:
    """Sizes a network is built from, and rebuilt when it is loaded."""

    genes: int
    latent: int
    width: int
    depth: int

    def build(self, seed: int) -> MaskedVae:
        """Return a fresh network; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return MaskedVae(self)


class MaskedVae(nn.Module):
    """Encodes the visible values of a cell to a normal distribution, and decodes to all genes.

    Parameters
    ----------
    shape
        Sizes.
    """

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        width, latent = shape.width, shape.latent
        self.encoder = _layers(2 * shape.genes, width, shape.depth, 2 * latent)
        self.decoder = _layers(latent, width, shape.depth, shape.genes)

    def encode(self, values: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, (n, latent), from (n, genes) values where `shown`."""
        found = self.encoder(torch.cat([values * shown, shown], dim=1))
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def forward(self, values: Tensor, shown: Tensor) -> Tensor:
        """Return (n, genes) standardised expression, decoded from the encoder's mean."""
        out: Tensor = self.decoder(self.encode(values, shown)[0])
        return out


class VaeMethod(TableMethod):
    """Masked reconstruction by a variational autoencoder."""

    id = "vae"
    title = "Variational autoencoder"
    description = "A variational autoencoder of cells, trained with part of their values hidden."
    reference: ClassVar[str] = "none"

    @few_threads()
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Train until hidden visible entries are found no better; learn the spread on others."""
        self.config = config
        stop = Trial.of(visible, config.seed, _STOP_SHARE)
        trial = Trial.of(stop.visible, config.seed, number=1)
        seen = trial.visible
        self.network = _shape(visible, config).build(config.seed).to(choose_device(config.device))
        rows = np.unique(stop.cells)
        place = np.searchsorted(rows, stop.cells)

        def score(network: nn.Module) -> float:
            found = _decoded(network, seen.standard[rows], seen.seen[rows])
            apart = found[place, stop.columns] - stop.standard
            return float((apart**2).mean())

        with monitor.stage("Training", share=0.9):
            self._train(seen, config, monitor, score if len(rows) else None)
        with monitor.stage("Learning the spread"):
            found = trial.at(_decoded(self.network, seen.standard, seen.seen))
            self.spread = learn_spread(visible, [trial], [found])
            self._guess(visible)
            monitor.step(1, 1)
        return self

    def facts(self) -> dict[str, Any]:
        """Return after how many steps training stopped to help."""
        return {"best_steps": self.best_steps}

    def save(self, folder: Path) -> None:
        """Write weights and spread to `folder`, and which tissue they are for."""
        meta = {
            "config": self.config.model_dump(),
            "visible": visible_tie(self._visible, reference=False),
            "best_steps": self.best_steps,
        }
        write_model(folder, self.id, meta, weights_of(self.network) | self.spread.pack())

    @classmethod
    @few_threads()
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted method; the tissue and its gaps must be those it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method.config = EntrySettings.kept(meta["config"])
        method.best_steps = int(meta["best_steps"])
        method.spread = EntrySpread.unpack(tensors)
        network = _shape(visible, method.config).build(0)
        put_weights(network, tensors)
        method.network = network.to(choose_device(method.config.device))
        method._guess(visible)
        return method

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate from the network, the steps and the draws."""
        n, entries = visible.n_cells, visible.raw.size
        batch = min(config.batch_size or _BATCH, n)
        network = network_cost(
            _shape(visible, config).build(0),
            trained_rows=_steps(visible, config) * batch,
            drawn_rows=10 * n,
            values=(12 + config.draws) * entries,
            device=config.device,
            batch_size=batch,
        )
        seconds = network.seconds + (4e-7 + 1e-7 * config.draws) * entries
        return Cost(network.parameters, seconds, network.memory_mib)

    def _train(self, seen: Visible, config: EntrySettings, monitor: Monitor, score: Any) -> None:
        device = next(self.network.parameters()).device
        values = torch.from_numpy(np.array(seen.standard)).to(device)
        mask = torch.from_numpy(seen.seen.astype(np.float32)).to(device)

        def loss(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
            assert isinstance(network, MaskedVae)
            rows = rows.to(device)
            x, there = values[rows], mask[rows]
            low, high = _MASKED
            share = low + (high - low) * torch.rand(len(rows), 1, generator=generator)
            shown = there * (torch.rand(x.shape, generator=generator) >= share).to(device)
            mean, log_variance = network.encode(x, shown)
            noise = torch.randn(mean.shape, generator=generator).to(device)
            found = network.decoder(mean + noise * (0.5 * log_variance).exp())
            count = there.sum().clamp_min(1)
            wrong = (((found - x) * there) ** 2).sum() / count
            apart = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum() / count
            return wrong + _KL * apart

        trained = train(
            self.network,
            loss,
            seen.n_cells,
            steps=_steps(seen, config),
            batch_size=config.batch_size or _BATCH,
            learning_rate=config.learning_rate or _RATE,
            seed=config.seed,
            monitor=monitor,
            score=score,
            checks=15,
            patience=3 if score is not None else 0,
        )
        assert isinstance(trained.network, MaskedVae)
        self.network, self.best_steps = trained.network, trained.best_steps

    def _guess(self, visible: Visible) -> None:
        self._take(visible, _decoded(self.network, visible.standard, visible.seen))


def _layers(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.SiLU(), nn.Dropout(0.1)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _shape(visible: Visible, config: EntrySettings) -> VaeShape:
    return VaeShape(visible.n_genes, _LATENT, config.width or _WIDTH, config.depth or _DEPTH)


def _steps(visible: Visible, config: EntrySettings) -> int:
    if not config.epochs:
        return _STEPS
    batch = min(config.batch_size or _BATCH, visible.n_cells)
    return config.epochs * max(visible.n_cells // batch, 1)


def _decoded(network: nn.Module, standard: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return (cells, genes) float32 standardised guesses from what is seen."""
    device = next(network.parameters()).device

    def call(values: Tensor, shown: Tensor) -> tuple[Tensor, ...]:
        return (network(values, shown),)

    found: np.ndarray = in_chunks(call, device, standard, seen.astype(np.float32))[0]
    return found
