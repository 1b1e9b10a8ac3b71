"""What a configuration of stMCDI needs: parameters, seconds, memory."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ....compute.device import DeviceName
from ....data.visible import Visible
from ...base import Cost
from ...cost import network_cost
from ..encoders import LAYERS
from ..settings import EntrySettings
from .drawing import rows_a_call
from .score_network import Shape

# seconds on a CPU core: of a spot's head of one block, of a pair of tokens in it
_HEAD, _PAIR = 2e-6, 1.7e-9
_GPU = 0.02  # of them
_STEP = 0.01  # seconds of a training step beside its arithmetic
_NARROW = 2.0  # layers this narrow take so much longer than their arithmetic
_EDGE = 1.5e-9  # seconds of a feature of an edge
# numbers kept for the way back: of an asked token and block in widths, of a visible one
_KEPT_ASKED, _KEPT_VISIBLE = 24, 6
_BASE_MIB = 200.0


@dataclass(frozen=True)
class Amount:
    """How much of a tissue there is to learn and to answer.

    Attributes
    ----------
    spots, genes
        Of the tissue.
    shown
        Visible entries of a spot, on average.
    asked
        Entries of a spot to answer, on average.
    most
        The most of a spot.
    spots_asked
        Spots with an entry to answer.
    """

    spots: int
    genes: int
    shown: float
    asked: float
    most: int
    spots_asked: int

    @classmethod
    def of(cls, visible: Visible, *, denoise: bool) -> Amount:
        """Count; with `denoise` visible entries are answered, too."""
        hidden = (~visible.seen).sum(axis=1)
        if denoise:
            hidden = hidden + visible.seen.sum(axis=1)
        n, genes = visible.seen.shape
        most = int(hidden.max(initial=0))
        shown = float(visible.seen.sum(axis=1).mean())
        return cls(n, genes, shown, float(hidden.mean()), most, int((hidden > 0).sum()))


def shape_of(config: EntrySettings, genes: int) -> Shape:
    """Return the shape of the network that the settings, none of them 0, name."""
    return Shape(genes, config.width, config.depth, config.heads, config.encoder)


def needs(config: EntrySettings, amount: Amount, draws: int, *, epochs: int | None = None) -> Cost:
    """Estimate what training and sampling take.

    Parameters
    ----------
    config
        Settings, none of them 0.
    amount
        Of the tissue.
    draws
        For every entry to answer, beside the mean.
    epochs
        In place of those of the settings.
    """
    shape = shape_of(config, amount.genes)
    network = shape.bare()
    epochs = config.epochs if epochs is None else epochs
    batch = min(config.batch_size, amount.spots)
    steps = epochs * max(amount.spots // batch, 1)
    rows, asked = steps * batch, config.mask_ratio * amount.shown
    kept = amount.shown - asked
    near = min(batch * _around(config, network.encoder.hops), amount.spots)
    calls = 1 + draws * config.sampler_steps * (2 if config.sampler == "heun" else 1)
    each = rows_a_call(amount.most, amount.spots_asked)
    answered = -(-amount.spots_asked // max(each, 1)) * each
    asking: list[nn.Module] = [network.blocks, network.leave]
    told: list[nn.Module] = [network.tau_out, *(block.answer for block in network.each_block())]
    learned = _linear(asking, rows * asked, 0, config.device)
    learned += _linear(told, rows * kept, 0, config.device)
    learned += _linear([network.encoder], steps * near, 0, config.device) / _NARROW
    drawn = _linear(asking, 0, answered * amount.most * calls, config.device)
    on_cpu = 1.0 if config.device in ("auto", "cpu") else _GPU
    heads = shape.heads_used * shape.depth * on_cpu
    learned += 3 * rows * heads * (_HEAD + _PAIR * asked * kept)
    drawn += answered * calls * heads * (_HEAD + _PAIR * amount.most * amount.shown)
    edges = steps * near * (config.neighbours + 2) * shape.width * 4 * LAYERS
    learned += steps * _STEP + 3 * _EDGE * on_cpu * edges * bool(network.encoder.hops)
    numbers = batch * shape.depth * shape.width * (_KEPT_ASKED * asked + _KEPT_VISIBLE * kept)
    numbers += near * (4 * amount.genes + 8 * shape.width) + 3 * amount.spots * amount.genes
    numbers += amount.spots * amount.genes * (draws + 2)
    parameters = sum(p.numel() for p in network.parameters())
    memory = (24 * parameters + 4 * numbers) / 2**20 + _BASE_MIB
    return Cost(parameters, 1.0 + learned + drawn, memory)


def _around(config: EntrySettings, hops: int) -> int:
    """Return about how many spots lie within so many edges of one, itself included."""
    return 1 + config.neighbours * hops * (hops + 1) // 2 if hops else 1


def _linear(parts: list[nn.Module], trained: float, drawn: float, device: DeviceName) -> float:
    """Return the seconds of the arithmetic of some layers over so many rows."""
    rows = {"trained_rows": round(trained), "drawn_rows": round(drawn)}
    every = nn.ModuleList(parts)
    cost = network_cost(every, **rows, values=0, device=device, batch_size=max(rows.values()) + 1)
    return _NARROW * (cost.seconds - 1)
