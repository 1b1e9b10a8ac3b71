"""Encoders of a tissue graph: convolution, attention, isomorphism, and two that see no graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from .graph import Part

EncoderName = Literal["gcn", "gat", "gin", "mlp", "none"]
LAYERS = 3
_GAT_HEADS = 4
_SLOPE = 0.2  # of the leaky rectifier of attention scores


class Edges(NamedTuple):
    """Edges of a :class:`~napari_stdiff.methods.entries.graph.Part` on a device."""

    source: Tensor
    target: Tensor
    weight: Tensor

    @classmethod
    def of(cls, part: Part, device: torch.device) -> Self:
        """Bring the edges of `part` to `device`."""
        some = part.source, part.target, part.weight
        return cls(*(torch.from_numpy(x).to(device) for x in some))


def gathered(x: Tensor, rows: Tensor) -> Tensor:
    """Return ``x[rows]``, in a way whose gradient is the same in every run."""
    return x[rows] if x.is_cuda else x.index_select(0, rows)


def summed(messages: Tensor, rows: Tensor, n: int) -> Tensor:
    """Return (n, ...) sums of the (edges, ...) messages that go to each row."""
    out = messages.new_zeros(n, *messages.shape[1:])
    if messages.is_cuda:  # sorted there, while additions by index come in any order
        return out.index_put((rows,), messages, accumulate=True)
    return out.index_add(0, rows, messages)


def spread(x: Tensor, edges: Edges, weight: Tensor | None = None) -> Tensor:
    """Multiply (n, features) by the sparse matrix whose entries the edges are."""
    some = gathered(x, edges.source)
    return summed(some if weight is None else weight[:, None] * some, edges.target, len(x))


class Convolution(nn.Module):
    """A linear map, then the mean over neighbours of normalised weights (GCN)."""

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.map = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map (n, inputs) to (n, outputs)."""
        return spread(self.map(x), edges, edges.weight)


class Attention(nn.Module):
    """Means over neighbours whose weights are learned (GAT; Velickovic 2018, arXiv:1710.10903).

    Heads are joined, and averaged in the last layer.
    """

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.heads = _GAT_HEADS
        each = outputs if last else -(-outputs // self.heads)
        self.last, self.outputs = last, outputs
        self.map = nn.Linear(inputs, self.heads * each, bias=False)
        bound = each**-0.5
        self.ask = nn.Parameter(torch.empty(self.heads, each).uniform_(-bound, bound))
        self.answer = nn.Parameter(torch.empty(self.heads, each).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map (n, inputs) to (n, outputs)."""
        values: Tensor = self.map(x).unflatten(1, (self.heads, -1))
        score = gathered((values * self.answer).sum(-1), edges.source)
        score = score + gathered((values * self.ask).sum(-1), edges.target)
        share = segment_softmax(nn.functional.leaky_relu(score, _SLOPE), edges.target, len(x))
        out = summed(share[..., None] * gathered(values, edges.source), edges.target, len(x))
        out = out.mean(1) if self.last else out.flatten(1)[:, : self.outputs]
        return out + self.bias


class Isomorphism(nn.Module):
    """The sum over a spot and its neighbours, then a small network (GIN, arXiv:1810.00826)."""

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.more = nn.Parameter(torch.zeros(()))
        self.net = nn.Sequential(
            nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs)
        )

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map (n, inputs) to (n, outputs)."""
        out: Tensor = self.net(spread(x, edges) + self.more * x)
        return out


class Alone(nn.Module):
    """A linear map of each spot, without its neighbours."""

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.map = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map (n, inputs) to (n, outputs)."""
        out: Tensor = self.map(x)
        return out


_LAYERS: dict[str, type[Convolution | Attention | Isomorphism | Alone]] = {
    "gcn": Convolution,
    "gat": Attention,
    "gin": Isomorphism,
    "mlp": Alone,
}


class Encoder(nn.Module):
    """Layers of one kind with rectifiers between them.

    Parameters
    ----------
    name
        Kind of the layers; "none" has none, and its latent is zero.
    inputs, hidden, outputs
        Features of a spot before, within and after.
    layers
        How many.
    """

    def __init__(
        self, name: EncoderName, inputs: int, hidden: int, outputs: int, layers: int = LAYERS
    ) -> None:
        super().__init__()
        self.outputs = outputs
        sizes = [inputs, *[hidden] * (layers - 1), outputs]
        kind = _LAYERS.get(name)
        self.layers = nn.ModuleList()
        if kind is not None:
            pairs = enumerate(pairwise(sizes))
            self.layers.extend(kind(a, b, i == layers - 1) for i, (a, b) in pairs)
        # how many edges off a spot can still change another's latent
        self.hops = 0 if kind in (None, Alone) else layers

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Encode (n, inputs) as (n, outputs)."""
        if not self.layers:
            return x.new_zeros(len(x), self.outputs)
        for i, layer in enumerate(self.layers):
            x = layer(torch.relu(x) if i else x, edges)
        return x


def segment_softmax(score: Tensor, rows: Tensor, n: int) -> Tensor:
    """Return the softmax of (edges, heads) scores among the edges that go to one row."""
    where = rows[:, None].expand_as(score)
    top = score.detach().new_full((n, score.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, where, score.detach(), "amax")
    raised = torch.exp(score - gathered(top, rows))
    return raised / gathered(summed(raised, rows, n), rows)
