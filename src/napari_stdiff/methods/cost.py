"""What training and running a network will take on this machine."""

from __future__ import annotations

from math import ceil
from time import perf_counter

import numpy as np
import torch
from torch import nn

from ..compute.device import DeviceName, choose_device, few_threads
from .base import Cost
from .network import ROWS
from .streams import cell_normals

# seconds of: a training step beside its arithmetic; a value turned into a normal score or back; a
# value times an axis of the principal axes
_STEP, _CONVERTED, _AXIS = 1.5e-3, 4.5e-8, 3.3e-10
# seconds of the closed-form guess: a value learned from, guessed at, drawn
_LEARNED, _GUESSED, _DRAWN = 4e-7, 8e-7, 1e-8
_rates: dict[str, float] = {}


def network_cost(
    network: nn.Module,
    *,
    trained_rows: int,
    drawn_rows: int,
    values: int,
    device: DeviceName,
    batch_size: int = 256,
    random_numbers: int = 0,
    converted: int = 0,
    axes: int = 0,
) -> Cost:
    """Estimate the cost of a fit and a prediction.

    Parameters
    ----------
    network
        Freshly built; its linear layers are what takes the time.
    trained_rows, drawn_rows
        Rows that go forward and back, and forward alone.
    values
        Numbers held in memory beside the network.
    device
        Where it will run.
    batch_size
        Rows of a training step.
    random_numbers
        Normal numbers drawn for cells (:func:`~napari_stdiff.methods.streams.cell_normals`).
    converted
        Values brought to normal scores or back.
    axes
        Values times axes that principal axes are fitted with.
    """
    parameters = sum(p.numel() for p in network.parameters())
    where = choose_device(device)
    work = 2.0 * parameters * (3 * trained_rows + drawn_rows)
    steps = trained_rows / batch_size
    seconds = work / _rate(where) + steps * (_STEP + parameters * _per_parameter(where))
    seconds += 2e-8 * values + random_numbers * _per_normal()
    seconds += _CONVERTED * converted + _AXIS * axes
    memory = 4 * (values + 8 * parameters)
    return Cost(parameters, 1.0 + seconds, 100 + memory / 2**20)


def plain_cost(*, visible: int, learned: int, guessed: int, drawn: int, axes: int) -> Cost:
    """Estimate the cost of the closed-form guess alone.

    Parameters
    ----------
    visible
        Values of the visible cells.
    learned, guessed
        Columns that stand for the genes, times the cells learned from and guessed at.
    drawn
        Values drawn.
    axes
        As in :func:`network_cost`.
    """
    seconds = 3e-8 * visible + _LEARNED * learned + _GUESSED * guessed
    seconds += _DRAWN * drawn + _AXIS * axes
    return Cost(0, 0.5 + seconds, 100 + 4 * (6 * visible + 20 * guessed + 2 * drawn) / 2**20)


def whole_chunks(n_cells: int) -> int:
    """Return the rows that a network sees for `n_cells` cells: whole chunks of them."""
    return ceil(n_cells / ROWS) * ROWS


def _rate(device: torch.device) -> float:
    """Return operations a second that training small layers reaches, measured once (0.1 s)."""
    if device.type not in _rates:
        layer = nn.Linear(256, 256).to(device)
        x = torch.randn(256, 256, device=device)
        best, began = float("inf"), perf_counter()
        with torch.no_grad(), few_threads():
            while perf_counter() - began < 0.1:
                start = perf_counter()
                for _ in range(4):
                    x = nn.functional.silu(layer(x))
                float(x[0, 0])  # waits for a GPU to finish
                best = min(best, perf_counter() - start)
        # a whole training step reaches somewhat less than half of what the bare layers do
        _rates[device.type] = 0.45 * 4 * 2 * 256**3 / best
    return _rates[device.type]


def _per_parameter(device: torch.device) -> float:
    """Return seconds that a training step spends on each parameter: optimiser and averages."""
    return 3e-9 if device.type == "cpu" else 1e-10


def _per_normal() -> float:
    """Return seconds of one random number of a cell, measured once."""
    if "normal" not in _rates:
        coords = np.random.default_rng(0).random((ROWS, 3))
        best = float("inf")
        for _ in range(4):
            start = perf_counter()
            cell_normals(0, coords, 64)
            best = min(best, perf_counter() - start)
        _rates["normal"] = best / (64 * ROWS)
    return _rates["normal"]
