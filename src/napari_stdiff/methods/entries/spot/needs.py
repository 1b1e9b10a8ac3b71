"""What a configuration of SpotDiff needs: parameters, seconds, memory."""

from __future__ import annotations

from ....data.visible import Visible
from ...base import Cost
from ...cost import network_cost
from ..integration import STEPS
from ..settings import EntrySettings
from .drawing import ROWS
from .network import Shape
from .training import VARIANTS

# numbers kept for the way back, of a patch and block in units of the width
_KEPT = 40
_BASE_MIB = 200.0
_T5_TEXT = 0.06  # seconds that a small T5 takes for a prompt on a CPU core
_OMEGA = 0.015  # seconds of a training step of the integration network
_NAMED = 2e-6  # seconds to make and to encode one named gene of a prompt


def shape_of(config: EntrySettings, visible: Visible, dim: int = 0) -> Shape:
    """Return the shape of the network; `dim` is the length of a T5's vectors, 0 without."""
    text = config.text if config.text != "auto" else "small"
    return Shape(
        *(visible.n_genes, config.width, config.depth, config.heads),
        text="t5" if dim else text,
        named=config.n_high + config.n_low,
        dim=dim,
        reference=joins(config, visible),
    )


def joins(config: EntrySettings, visible: Visible) -> bool:
    """Return whether reference cells are joined to spots."""
    return config.use_reference and visible.reference_raw is not None


def needs(config: EntrySettings, visible: Visible, *, epochs: int | None = None) -> Cost:
    """Estimate what training and sampling take.

    Parameters
    ----------
    config
        Settings, none of them 0.
    visible
        The tissue, and perhaps a reference.
    epochs
        In place of those of the settings.
    """
    t5 = config.text == "t5"
    shape = shape_of(config, visible, 512 if t5 else 0)
    network = shape.bare()
    cells = visible.n_cells
    rows = cells * (config.epochs if epochs is None else epochs)
    each = 2 if config.sampler == "heun" else 1
    drawn = int((~visible.seen).any(axis=1).sum()) if not config.denoise else 6 * cells
    drawn = -(-drawn // ROWS) * ROWS * (1 + config.draws * config.sampler_steps * each)
    batch = min(config.batch_size, cells)
    cost = network_cost(
        network,
        trained_rows=rows * shape.patches,
        drawn_rows=drawn * shape.patches,
        values=0,
        device=config.device,
        batch_size=batch * shape.patches,
    )
    seconds = cost.seconds + _NAMED * rows * shape.named * (shape.text != "off")
    numbers = batch * shape.patches * shape.width * shape.depth * _KEPT
    numbers += cells * visible.n_genes * (config.draws + 8)
    if shape.reference and visible.reference_raw is not None:
        there = visible.reference_raw.shape[0]
        seconds += STEPS * _OMEGA * (1 + visible.n_genes / 200) + 1e-10 * rows * there * 2
        numbers += there * visible.n_genes * 2 + batch * there
    if t5:
        seconds += (1 + VARIANTS) * cells * _T5_TEXT
    memory = (24 * cost.parameters + 4 * numbers) / 2**20 + _BASE_MIB
    return Cost(cost.parameters, seconds, memory)
