"""What training and running a network will take on this machine."""

from __future__ import annotations

from time import perf_counter

import torch
from torch import nn

from ..compute.device import DeviceName, choose_device, few_threads
from .base import Cost

_rates: dict[str, float] = {}


def network_cost(
    network: nn.Module, *, trained_rows: int, drawn_rows: int, values: int, device: DeviceName
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
    """
    parameters = sum(p.numel() for p in network.parameters())
    work = 2.0 * parameters * (3 * trained_rows + drawn_rows)
    seconds = work / _rate(choose_device(device)) + 2e-8 * values
    memory = 4 * (values + 8 * parameters)
    return Cost(parameters, 1.0 + seconds, 100 + memory / 2**20)


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
