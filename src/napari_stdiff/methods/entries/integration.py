"""SpotDiff's integration network: reference cells mapped into the tissue, and joined to spots.

A stacked U-Net maps each reference cell to what it would measure in the tissue. Spots and cells
are not paired, so each spot is compared with a softmax-weighted mean of mapped cells (the soft
assignment), in which some of its visible entries had no say. Three losses, each with its weight:
squared error and gene-wise correlation with what was measured, and a loss of location that makes
near spots alike and keeps far ones apart. Once trained, each spot takes the mean of the `N`
mapped cells most like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from ...compute.monitor import Monitor
from ...data.visible import Visible
from ..network import put_weights, weights_of
from .settings import EntrySettings

STEPS = 300
_SPOTS, _CELLS = 96, 512  # of a training step
_RATE, _HIDDEN = 2e-3, 0.3
_TEMPERATURE = 0.1  # of the softmax over cosines
_MARGIN = 1.0  # root mean square over genes, in standard deviations, that far spots keep apart
_NEAR = 5  # of these nearest spots one is the near partner in the loss of location
_FAR = 10.0  # times the scale: spots beyond are far
_STREAM = 0x0E6A
_ROWS = 1024  # spots that are compared with all cells at a time


class StackedUnet(nn.Module):
    """Six layers: three that narrow and three that widen, joined across, around an identity.

    Parameters
    ----------
    shared
        Genes of a reference cell.
    columns
        Which genes of the tissue these are.
    genes
        Of the tissue; those that the reference lacks are mapped to as well.
    width
        Of the first layer.
    """

    columns: Tensor

    def __init__(self, shared: int, columns: np.ndarray, genes: int, width: int = 128) -> None:
        super().__init__()
        self.genes = genes
        self.register_buffer("columns", torch.from_numpy(columns.astype(np.int64)))
        sizes = (width, width // 2, width // 4)
        enter = (shared, *sizes[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU())
            for a, b in zip(enter, sizes, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU())
            for a, b in ((sizes[2], sizes[1]), (2 * sizes[1], sizes[0]))
        )
        self.leave = nn.Linear(2 * sizes[0], genes)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, cells: Tensor) -> Tensor:
        """Map (cells, shared) reference values to (cells, genes) values of the tissue."""
        kept, h = [], cells
        for layer in self.down:
            h = layer(h)
            kept.append(h)
        for layer, across in zip(self.up, (kept[1], kept[0]), strict=True):
            h = torch.cat([layer(h), across], dim=1)
        same = cells.new_zeros(len(cells), self.genes).index_copy(1, self.columns, cells)
        out: Tensor = same + self.leave(h)
        return out


def cosines(spots: Tensor, seen: Tensor, cells: Tensor) -> Tensor:
    """Return (spots, cells) cosines over the entries that are visible in each spot.

    Parameters
    ----------
    spots, seen
        (spots, genes) standardised values, 0 where not visible, and 1 where they are.
    cells
        (cells, genes) mapped cells.
    """
    # kept off zero before the root: of a spot without a visible entry its slope is infinite
    length = spots.norm(dim=1, keepdim=True) * (seen @ (cells**2).T).clamp(min=1e-12).sqrt()
    return (spots @ cells.T) / length.clamp(min=1e-6)


def squared_error(mapped: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Return the mean squared error over visible entries."""
    return ((mapped - values) ** 2 * seen).sum() / seen.sum().clamp(min=1)


def pearson_loss(mapped: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Return 1 minus the mean over genes of Pearson's correlation over visible entries."""
    count = seen.sum(dim=0).clamp(min=1)
    a = (mapped - (mapped * seen).sum(dim=0) / count) * seen
    b = (values - (values * seen).sum(dim=0) / count) * seen
    size = ((a**2).sum(dim=0) * (b**2).sum(dim=0)).clamp(min=1e-12).sqrt()
    return 1 - ((a * b).sum(dim=0) / size).mean()


def location_loss(
    anchor: Tensor, near: Tensor, far: Tensor, distance: Tensor, sigma: float
) -> Tensor:
    """Return what near spots differ, weighted by nearness, and far ones lack of a margin.

    ``|x_i - x_j|^2 exp(-d_ij / sigma) + max(0, m - |x_i - x_k|)^2`` with means over genes in
    place of sums, so that neither depends on how many there are.

    Parameters
    ----------
    anchor, near, far
        (n, genes) predictions of spots i, of near spots j, and of far spots k.
    distance
        (n,) of i and j.
    sigma
        Scale of distances.
    """
    alike = ((anchor - near) ** 2).mean(dim=1) * torch.exp(-distance / sigma)
    apart = ((anchor - far) ** 2).mean(dim=1).clamp(min=1e-9).sqrt()
    return (alike + (_MARGIN - apart).clamp(min=0) ** 2).mean()


@dataclass(frozen=True)
class Places:
    """Which spots are near and far, section by section.

    Attributes
    ----------
    near, distance
        (spots, k) nearest spots and how far they are.
    sigma
        Scale of distances: as asked for, else the median distance to the nearest spot.
    """

    near: np.ndarray
    distance: np.ndarray
    sigma: float

    @classmethod
    def of(cls, visible: Visible, sigma: float = 0.0) -> Self:
        """Find the neighbours of each spot within its section."""
        n = visible.n_cells
        near = np.tile(np.arange(n)[:, None], (1, _NEAR))
        distance = np.zeros((n, _NEAR))
        for name in np.unique(visible.section):
            rows = np.flatnonzero(visible.section == name)
            k = min(_NEAR + 1, len(rows))
            if k < 2:
                continue  # a spot alone in its section is its own neighbour
            found = cKDTree(visible.coords[rows]).query(visible.coords[rows], k)
            picked = np.resize(np.arange(1, k), _NEAR)  # the first of k is the spot itself
            distance[rows] = np.asarray(found[0])[:, picked]
            near[rows] = rows[np.asarray(found[1])[:, picked]]
        least = distance[:, 0][distance[:, 0] > 0]
        median = float(np.median(least)) if len(least) else 1.0
        return cls(near, distance, sigma or median)

    def far(self, rows: np.ndarray, visible: Visible, rng: np.random.Generator) -> np.ndarray:
        """Return a far spot for each of `rows`: of some drawn ones, the first beyond the scale."""
        drawn = rng.integers(0, visible.n_cells, (len(rows), 8))
        apart = np.linalg.norm(visible.coords[drawn] - visible.coords[rows][:, None], axis=2)
        beyond = (apart > _FAR * self.sigma) | (
            visible.section[drawn] != visible.section[rows][:, None]
        )
        pick = np.where(beyond.any(axis=1), beyond.argmax(axis=1), apart.argmax(axis=1))
        return np.asarray(drawn[np.arange(len(rows)), pick])


class Integration:
    """The trained network, and the reference's cells as it maps them.

    Attributes
    ----------
    network
        The U-Net.
    mapped
        (cells, genes) float32 reference cells in the tissue's space.
    losses
        Mean of each loss over the last tenth of the training.
    sigma
        Scale of distances in force.
    """

    network: StackedUnet
    mapped: Tensor
    losses: dict[str, float]
    sigma: float

    def fit(
        self,
        visible: Visible,
        config: EntrySettings,
        device: torch.device,
        monitor: Monitor,
        steps: int = STEPS,
    ) -> Self:
        """Train on visible entries of a tissue with a reference.

        Parameters
        ----------
        visible
            What may be seen.
        config
            Weights of the losses, scale of distances, seed.
        device
            Where to train.
        monitor
            Progress and cancel.
        steps
            Training steps; 0 leaves the cells as they are.
        """
        self._begin(visible, config, device)
        places = Places.of(visible, config.sigma)
        self.sigma, self.losses = places.sigma, {}
        weights = {
            "mse": config.mse_weight,
            "location": config.location_weight,
            "pearson": config.pearson_weight,
        }
        if any(weights.values()):
            step = self._step(visible, places, weights, [config.seed, _STREAM])
            optimiser = torch.optim.AdamW(self.network.parameters(), lr=_RATE, weight_decay=1e-2)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, _RATE, total_steps=max(steps, 2)
            )
            kept: list[dict[str, float]] = []
            for i in range(steps):
                losses = step()
                total = torch.stack([weights[k] * v for k, v in losses.items()]).sum()
                optimiser.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                if i >= steps - max(steps // 10, 1):
                    kept.append({k: float(v.detach()) for k, v in losses.items()})
                monitor.step(i + 1, steps, "reference cells into the tissue")
            self.losses = {
                k: round(float(np.mean([one[k] for one in kept])), 4) for k in (kept or [{}])[0]
            }
        self._map()
        return self

    def restore(
        self,
        visible: Visible,
        config: EntrySettings,
        device: torch.device,
        tensors: dict[str, np.ndarray],
        facts: dict[str, float],
    ) -> Self:
        """Undo :meth:`weights` and :meth:`facts`."""
        self._begin(visible, config, device)
        put_weights(self.network, tensors, "omega")
        losses = dict(facts)
        self.sigma, self.losses = losses.pop("sigma"), losses
        self._map()
        return self

    def weights(self) -> dict[str, np.ndarray]:
        """Return the network's weights for a model file."""
        return weights_of(self.network, "omega")

    def facts(self) -> dict[str, float]:
        """Return the scale of distances, and the losses at the end."""
        return {"sigma": self.sigma, **self.losses}

    def fused(self, spots: Tensor, seen: Tensor, top: int) -> Tensor:
        """Return the mean of the `top` mapped cells most like each spot, weighted by cosine.

        Parameters
        ----------
        spots, seen
            (spots, genes) standardised values, 0 where not visible, and 1 where they are.
        top
            How many cells (N).
        """
        return self._over(spots, seen, lambda similar: self._top(similar, top))

    def assigned(self, spots: Tensor, seen: Tensor) -> Tensor:
        """Return the mean of all mapped cells by the soft assignment, (spots, genes)."""
        return self._over(spots, seen, lambda s: (s / _TEMPERATURE).softmax(dim=1) @ self.mapped)

    def _over(self, spots: Tensor, seen: Tensor, take: Callable[[Tensor], Tensor]) -> Tensor:
        parts = [
            take(cosines(spots[at : at + _ROWS], seen[at : at + _ROWS], self.mapped))
            for at in range(0, max(len(spots), 1), _ROWS)
        ]
        return torch.cat(parts)

    def _top(self, similar: Tensor, top: int) -> Tensor:
        value, index = similar.topk(min(top, similar.shape[1]), dim=1)
        weight = value.clamp(min=1e-6)
        weight = weight / weight.sum(dim=1, keepdim=True)
        return torch.einsum("sn,sng->sg", weight, self.mapped[index])

    def _begin(self, visible: Visible, config: EntrySettings, device: torch.device) -> None:
        columns, cells = visible.reference_columns, visible.reference_standard
        assert columns is not None
        assert cells is not None
        self._cells = torch.from_numpy(np.array(cells)).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = StackedUnet(len(columns), columns, visible.n_genes)
        self.network = network.to(device)

    def _map(self) -> None:
        self.network.eval()
        with torch.no_grad():
            parts = [self.network(some) for some in self._cells.split(_ROWS)]
        self.mapped = torch.cat(parts)

    def _step(
        self, visible: Visible, places: Places, weights: dict[str, float], seed: list[int]
    ) -> Callable[[], dict[str, Tensor]]:
        """Return what gives the losses of a random batch of spots and cells."""
        device, rng = self._cells.device, np.random.default_rng(seed)
        values = torch.from_numpy(np.array(visible.standard)).to(device)
        shown = torch.from_numpy(visible.seen.astype(np.float32)).to(device)
        n, cells = visible.n_cells, len(self._cells)

        def chosen(some: np.ndarray) -> Tensor:
            return torch.from_numpy(some.astype(np.int64)).to(device)

        def step() -> dict[str, Tensor]:
            rows = rng.choice(n, min(_SPOTS, n), replace=False)
            which = rng.integers(0, places.near.shape[1], len(rows))
            parts, b = [rows], len(rows)
            if weights["location"]:
                parts += [places.near[rows, which], places.far(rows, visible, rng)]
            at = chosen(np.concatenate(parts))
            some = chosen(rng.choice(cells, min(_CELLS, cells), replace=False))
            mapped = self.network(self._cells[some])
            x, seen = values[at], shown[at]
            told = seen * chosen(rng.random(tuple(seen.shape)) >= _HIDDEN)
            weight = (cosines(x * told, told, mapped) / _TEMPERATURE).softmax(dim=1)
            found = weight @ mapped
            losses: dict[str, Tensor] = {}
            if weights["mse"]:
                losses["mse"] = squared_error(found[:b], x[:b], seen[:b])
            if weights["pearson"]:
                losses["pearson"] = pearson_loss(found[:b], x[:b], seen[:b])
            if weights["location"]:
                apart = torch.from_numpy(places.distance[rows, which]).to(found)
                anchor, near, far = found.split(b)
                losses["location"] = location_loss(anchor, near, far, apart, places.sigma)
            return losses

        return step
