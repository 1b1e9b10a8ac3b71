"""A plain network that corrects the stack: what it misses of hidden visible genes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...compute.monitor import Monitor
from ...diffusion.fit import train
from ..network import put_weights, weights_of
from .settings import GeneSettings

N = TypeVar("N", bound=nn.Module)
PARTS = 3  # groups of visible genes that are left out of training in turn
BATCH = 2048
RATE = 2e-3
_ENTRIES = 400_000  # entries that are trained on at most


class Correction(nn.Module):
    """Two hidden layers from a condition to one number; zero before training.

    Parameters
    ----------
    inputs
        Length of the condition.
    width
        Of the hidden layers.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.Linear(inputs, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            last,
        )

    def forward(self, condition: Tensor) -> Tensor:
        """Map (n, inputs) to (n,)."""
        out: Tensor = self.net(condition)[:, 0]
        return out


@dataclass(frozen=True)
class Entries:
    """Entries (cell and gene) of hidden visible genes to learn from.

    Attributes
    ----------
    conditions
        (entries, width).
    goal
        (entries,) what is to be predicted.
    gene
        (entries,) number of the gene.
    """

    conditions: Tensor
    goal: Tensor
    gene: np.ndarray


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    steps, batch_size, learning_rate
        Of AdamW; the rate is the peak of its one cycle.
    """

    steps: int
    batch_size: int = BATCH
    learning_rate: float = RATE

    @classmethod
    def of(cls, config: GeneSettings, n_entries: int, steps: int) -> Self:
        """Return what `config` says; `steps`, and what else it leaves open, are the method's."""
        batch = config.batch_size or BATCH
        if config.epochs:
            steps = max(config.epochs * n_entries // batch, 1)
        return cls(steps, batch, config.learning_rate or RATE)


def some_cells(n_cells: int, n_genes: int, seed: int) -> np.ndarray:
    """Return (cells,) sorted rows, so many that the entries of all genes can be trained on."""
    most = max(_ENTRIES // max(n_genes, 1), 200)
    if n_cells <= most:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(seed).choice(n_cells, most, replace=False))


def groups_of_genes(n_genes: int, seed: int) -> np.ndarray:
    """Return (genes,) the group that each gene is left out with."""
    return np.random.default_rng([seed, 7]).permutation(n_genes) % min(PARTS, n_genes)


def fit_on(
    make: Callable[[], N],
    loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor],
    rows: np.ndarray,
    training: Training,
    seed: int,
    monitor: Monitor,
) -> N:
    """Train a new network on the entries `rows`; the global generator stays as it was."""
    index = torch.from_numpy(rows)

    def of_batch(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        return loss(network, index[batch], generator)

    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = make()
    trained = train(
        network,
        of_batch,
        len(rows),
        steps=training.steps,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        seed=seed,
        monitor=monitor,
    ).network
    assert isinstance(trained, type(network))
    return trained


def fit_corrections(
    entries: Entries,
    width: int,
    training: Training,
    seed: int,
    device: torch.device,
    monitor: Monitor,
) -> list[Correction]:
    """Return one network for each group of genes, trained on the other groups."""
    group = groups_of_genes(int(entries.gene.max()) + 1, seed)[entries.gene]
    conditions, goal = entries.conditions.to(device), entries.goal.to(device)

    def loss(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        del generator  # a plain regression has no noise of its own
        rows = rows.to(device)
        error: Tensor = (network(conditions[rows]) - goal[rows]) ** 2
        return error.mean()

    networks = []
    n_parts = int(group.max()) + 1
    for left_out in range(n_parts):
        name = f"Network {left_out + 1} of {n_parts}"
        with monitor.stage(name, share=1 / (n_parts - left_out)):
            rows = np.flatnonzero(group != left_out)
            networks.append(
                fit_on(
                    lambda: Correction(conditions.shape[1], width).to(device),
                    loss,
                    rows,
                    training,
                    seed + left_out,
                    monitor,
                )
            )
    return networks


def evaluate(network: nn.Module, conditions: np.ndarray, device: torch.device) -> np.ndarray:
    """Return (cells, genes) float32 answers to (cells, genes, width) conditions."""
    flat = torch.from_numpy(conditions.reshape(-1, conditions.shape[-1]))
    with torch.no_grad():
        parts = [network(part.to(device)).cpu() for part in flat.split(1 << 16)]
    return np.asarray(torch.cat(parts).numpy().reshape(conditions.shape[:2]))


def pack(networks: Sequence[nn.Module], name: str) -> dict[str, np.ndarray]:
    """Return the networks' weights by name."""
    out: dict[str, np.ndarray] = {}
    for i, network in enumerate(networks):
        out |= weights_of(network, f"{name}.{i}")
    return out


def unpack(tensors: Mapping[str, np.ndarray], name: str, make: Callable[[], N]) -> list[N]:
    """Undo :func:`pack`."""
    networks: list[N] = []
    while any(key.startswith(f"{name}.{len(networks)}.") for key in tensors):
        network = make()
        put_weights(network, tensors, f"{name}.{len(networks)}")
        networks.append(network)
    return networks
