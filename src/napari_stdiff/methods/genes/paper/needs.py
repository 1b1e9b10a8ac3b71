"""What a configuration of SpaDiT needs: parameters, seconds, memory; and the machine's own."""

from __future__ import annotations

import torch

from ....compute.device import DeviceName
from ...base import Cost
from ...cost import network_cost
from .network import Shape
from .patches import PATCHES

# bytes a parameter takes in training: weight, gradient, two moments, average, what updates hold
_TRAINED = 24
# numbers kept for the way back, for each token and block in units of the width, and for each
# metacell token
_KEPT, _KEPT_TOKEN = 30, 8
_BASE_MIB = 150.0


def needs(
    shape: Shape,
    *,
    genes: int,
    epochs: int,
    batch_size: int,
    evaluations: int,
    answers: int,
    device: DeviceName,
) -> Cost:
    """Estimate what training and sampling take.

    Parameters
    ----------
    shape
        Of the network.
    genes
        That train.
    epochs, batch_size
        Of the training.
    evaluations
        Rows that the network is run on in sampling.
    answers
        Numbers in the prediction that is handed back.
    device
        Where it will run.
    """
    network = shape.bare()
    rows = genes * epochs
    parts = [(network.backbone, PATCHES), (network.embed, 1), (network.decoder, 1)]
    parts.append((network.condition, shape.metacells if shape.condition != "zeros" else 1))
    seconds = 0.0
    for part, times in parts:
        cost = network_cost(
            part,
            trained_rows=rows * times,
            drawn_rows=evaluations * times,
            values=0,
            device=device,
            batch_size=min(batch_size, genes) * times,
        )
        seconds += cost.seconds - 1
    parameters = sum(p.numel() for p in network.parameters())
    batch = min(batch_size, genes)
    kept = PATCHES * _KEPT * shape.width * shape.depth
    kept += shape.metacells * _KEPT_TOKEN * shape.width + 12 * shape.cells
    numbers = batch * kept + 2 * genes * shape.cells + answers
    memory = (_TRAINED * parameters + 4 * numbers) / 2**20 + _BASE_MIB
    return Cost(parameters, 1.0 + seconds, memory)


def free_mib(device: torch.device) -> float:
    """Return the memory that is free where the network will be trained, in MiB."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0] / 2**20)
    import psutil

    return float(psutil.virtual_memory().available / 2**20)


def counted(parameters: int) -> str:
    """Return for example ``"850,000"``, ``"12 million"`` or ``"1.2 billion"`` parameters."""
    if parameters < 1e6:
        return f"{parameters:,} parameters"
    if parameters < 1e9:
        return f"{parameters / 1e6:.0f} million parameters"
    return f"{parameters / 1e9:.1f} billion parameters"
