"""A network that fills in a spot's hidden entries from its visible ones and its neighbours."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ...compute.device import choose_device, few_threads
from ...compute.monitor import Monitor
from ...data.visible import Visible
from ...diffusion.fit import train
from ..base import Cost
from ..files import read_model, write_model
from ..genes.smoothing import Neighbourhood
from .files import refuse_other_visible, visible_tie
from .guesses import library_of
from .hiding import Trial
from .settings import EntrySettings
from .spread import EntrySpread
from .table import TableMethod, learn_spread

WIDTH, DEPTH, BATCH, RATE = 256, 1, 512, 2e-3
EPOCHS, MOST_STEPS = 170, 2500
TUNING, TUNING_RATE = 0.25, 5e-4  # further steps on all visible entries, as a share of the steps
_DROPOUT = 0.5
_LIMIT = 4.0  # standardised values beyond it are taken for it
_HIDE = (0.1, 0.7)  # shares of a spot's visible entries that are hidden in training
_NARROW = 300  # genes; of more, the network gets smaller and answers through few patterns
_FEW_WIDTH, _FEW_PATTERNS, _FEW_STEPS = 128, 16, 400
_BLOCK = 4096


class MaskedNetwork(nn.Module):
    """Residual MLP from a spot's visible values, their mask and its context to all genes.

    Parameters
    ----------
    genes, context
        Values of a spot, and of its context.
    width, depth
        Hidden size, and blocks.
    patterns
        Patterns that answers are made of; 0 answers gene by gene.
    """

    def __init__(self, genes: int, context: int, width: int, depth: int, patterns: int) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * genes + context, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.SiLU(),
                nn.Dropout(_DROPOUT),
                nn.Linear(2 * width, width),
            )
            for _ in range(depth)
        )
        last: nn.Module = nn.Linear(width, genes)
        if patterns:
            last = nn.Sequential(nn.Linear(width, patterns), nn.Linear(patterns, genes))
        self.leave = nn.Sequential(nn.LayerNorm(width), last)

    def forward(self, z: Tensor, seen: Tensor, context: Tensor) -> Tensor:
        """Map (n, genes) values, 0 where not `seen`, and (n, context) to (n, genes)."""
        h = self.enter(torch.cat([z, seen, context], 1))
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.leave(h)
        return out


class Rows:
    """A table on a device, as rows to train on."""

    def __init__(self, visible: Visible, context: np.ndarray, device: torch.device) -> None:
        standard = np.clip(visible.standard, -_LIMIT, _LIMIT)
        self.z = torch.from_numpy(np.ascontiguousarray(standard)).to(device)
        self.seen = torch.from_numpy(visible.seen.astype(np.float32)).to(device)
        self.context = torch.from_numpy(np.ascontiguousarray(context)).to(device)

    def loss(self, network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return the error at visible entries that are hidden from the network for this step."""
        low, high = _HIDE
        share = low + (high - low) * torch.rand(len(rows), 1, generator=generator)
        keep = torch.rand(len(rows), self.z.shape[1], generator=generator) >= share
        rows = rows.to(self.z.device)
        seen = self.seen[rows]
        left = seen * keep.to(seen)
        z = self.z[rows]
        error = (seen - left) * (network(z * left, left, self.context[rows]) - z) ** 2
        return error.sum() / (seen - left).sum().clamp_min(1)

    def answer(self, network: nn.Module) -> np.ndarray:
        """Return (cells, genes) float32 answers to all that is visible."""
        with torch.no_grad():
            parts = [
                network(*part).cpu()
                for part in zip(
                    *(x.split(_BLOCK) for x in (self.z, self.seen, self.context)), strict=True
                )
            ]
        return np.asarray(torch.cat(parts).numpy())


def fit_masked(
    visible: Visible,
    context: np.ndarray,
    config: EntrySettings,
    seed: int,
    device: torch.device,
    monitor: Monitor,
    share: float = 1.0,
) -> MaskedNetwork:
    """Train a network on the visible entries of a table.

    Parameters
    ----------
    visible
        The table.
    context
        (cells, features) float32 of each spot, made of visible entries of others, or of how much
        is visible.
    config
        Epochs, width, depth, batch size and learning rate where they are not left to the method.
    seed
        Of weights, batches and masks.
    device
        Where to compute.
    monitor
        Progress and cancel.
    share
        Of the usual number of steps: less where there are many networks.
    """
    few = visible.n_genes > _NARROW
    width = config.width or (_FEW_WIDTH if few else WIDTH)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = MaskedNetwork(
            visible.n_genes,
            context.shape[1],
            width,
            config.depth or DEPTH,
            _FEW_PATTERNS if few else 0,
        ).to(device)
    rate = config.learning_rate or RATE
    return _train(network, visible, context, config, seed, device, monitor, share, rate)


def tune_masked(
    network: MaskedNetwork,
    visible: Visible,
    context: np.ndarray,
    config: EntrySettings,
    seed: int,
    device: torch.device,
    monitor: Monitor,
) -> MaskedNetwork:
    """Train a copy of `network` a little more, on a table where more is visible."""
    network = copy.deepcopy(network).requires_grad_(True)
    rate = (config.learning_rate or RATE) * TUNING_RATE / RATE
    return _train(network, visible, context, config, seed, device, monitor, TUNING, rate)


def _train(
    network: MaskedNetwork,
    visible: Visible,
    context: np.ndarray,
    config: EntrySettings,
    seed: int,
    device: torch.device,
    monitor: Monitor,
    share: float,
    rate: float,
) -> MaskedNetwork:
    rows = Rows(visible, context, device)
    batch, steps = _length(visible, config)
    found = train(
        network,
        rows.loss,
        visible.n_cells,
        steps=max(round(share * steps), 1),
        batch_size=batch,
        learning_rate=rate,
        seed=seed,
        monitor=monitor,
    ).network
    assert isinstance(found, MaskedNetwork)
    return found


def _length(visible: Visible, config: EntrySettings) -> tuple[int, int]:
    """Return batch size and training steps."""
    batch = config.batch_size or min(BATCH, max(visible.n_cells // 8, 32))
    each = -(-visible.n_cells // batch)
    if config.epochs:
        return batch, config.epochs * each
    return batch, _FEW_STEPS if visible.n_genes > _NARROW else min(EPOCHS * each, MOST_STEPS)


class MaskedNetworkMethod(TableMethod):
    """One plain network: no guesses, no weights, no diffusion."""

    id = "masked-network"
    title = "Masked network"
    description = (
        "A plain network from a spot's visible values and the means of its neighbours to what is "
        "hidden, trained by hiding visible entries."
    )

    @few_threads()
    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Train with some entries left out for the spread, then a little on all."""
        self.config = config
        device = choose_device(config.device)
        near = Neighbourhood(visible.coords, visible.section)
        trial = Trial.of(visible, config.seed)
        with monitor.stage("Training", share=0.75):
            first = fit_masked(
                trial.visible, _beside(trial.visible, near), config, config.seed, device, monitor
            )
        held = Rows(trial.visible, _beside(trial.visible, near), device).answer(first)
        self.spread = learn_spread(visible, [trial], [trial.at(held)])
        with monitor.stage("Training on all"):
            context = _beside(visible, near)
            last = tune_masked(first, visible, context, config, config.seed, device, monitor)
        self._take(visible, Rows(visible, context, device).answer(last))
        return self

    def save(self, folder: Path) -> None:
        """Write the table and its spread to `folder`, and what they are of."""
        meta = {
            "config": self.config.model_dump(),
            "visible": visible_tie(self._visible, reference=False),
        }
        write_model(folder, self.id, meta, self.spread.pack() | {"table": self._table})

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        """Read a fitted method; the tissue and its gaps must be those it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_visible(meta, visible)
        method = cls()
        method.config = EntrySettings.kept(meta["config"])
        method._visible, method._table = visible, np.asarray(tensors["table"])
        method.spread = EntrySpread.unpack(tensors)
        return method

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate the training, and the draws."""
        parameters, seconds = network_cost(visible, config, 3 * visible.n_genes)
        entries = visible.n_cells * visible.n_genes
        values = entries * (12 + config.draws)
        seconds = 2 + (1 + TUNING) * seconds + 1e-7 * config.draws * entries
        return Cost(parameters, seconds, 80 + 4 * values / 2**20)


def network_cost(visible: Visible, config: EntrySettings, context: int) -> tuple[int, float]:
    """Return parameters of one network and the seconds that it is trained for."""
    few, genes = visible.n_genes > _NARROW, visible.n_genes
    width = config.width or (_FEW_WIDTH if few else WIDTH)
    parameters = width * (2 * genes + context + (config.depth or DEPTH) * 4 * width)
    parameters += (_FEW_PATTERNS if few else width) * genes
    batch, steps = _length(visible, config)
    return parameters, steps * (2e-3 + 8e-11 * parameters * batch)


def _beside(visible: Visible, near: Neighbourhood) -> np.ndarray:
    """Return (cells, 2 genes + 4): means of visible values nearby, and how much was measured.

    A spot's own values are in neither, so that what is hidden of it in training stays hidden.
    """
    seen = visible.seen.astype(np.float32)
    parts = []
    for k in (15, 50):
        share = near.others(seen, k)
        mean = near.others(np.asarray(visible.standard), k) / np.maximum(share, 1e-6)
        parts.append(np.where(share > 1e-6, mean, 0))
    return np.hstack([*parts, library_of(visible)]).astype(np.float32)
