"""Encoders of the graph: what they compute, who hears of whom, gradients."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from napari_stdiff.methods.entries.encoders import (
    Attention,
    Convolution,
    Edges,
    Encoder,
    EncoderName,
    Isomorphism,
    segment_softmax,
    spread,
)
from napari_stdiff.methods.entries.graph import Graph

from .conftest import MakeVisible

CPU = torch.device("cpu")
NAMES = get_args(EncoderName)


@pytest.fixture(scope="module")
def graph(make_visible: MakeVisible) -> Graph:
    return Graph.of(make_visible(cells=90, sections=1), 2)


def made(name: EncoderName) -> Encoder:
    torch.manual_seed(0)
    return Encoder(name, 6, 8, 5)


def test_spreading_is_the_sparse_product(graph: Graph) -> None:
    edges, x = Edges.of(graph.whole, CPU), torch.randn(90, 4)
    np.testing.assert_allclose(
        spread(x, edges, edges.weight).numpy(), graph.normalised @ x.numpy(), atol=1e-6
    )
    whole = graph.adjacency.toarray() + np.eye(90, dtype=np.float32)
    np.testing.assert_allclose(spread(x, edges).numpy(), whole @ x.numpy(), atol=1e-5)


def test_a_convolution_averages_after_its_map(graph: Graph) -> None:
    layer, x = Convolution(4, 3, last=True), torch.randn(90, 4)
    wanted = torch.from_numpy(graph.normalised.toarray()) @ layer.map(x)
    torch.testing.assert_close(layer(x, Edges.of(graph.whole, CPU)), wanted)


def test_attention_is_the_softmax_over_a_spots_edges(graph: Graph) -> None:
    layer, x = Attention(4, 3, last=True), torch.randn(90, 4)
    joined = torch.from_numpy(graph.normalised.toarray()) > 0
    values = layer.map(x).view(90, layer.heads, -1)
    score = (values * layer.ask).sum(-1)[:, None] + (values * layer.answer).sum(-1)[None]
    score = nn.functional.leaky_relu(score, 0.2).masked_fill(~joined[..., None], -torch.inf)
    wanted = torch.einsum("tsh,sho->tho", score.softmax(1), values).mean(1) + layer.bias
    torch.testing.assert_close(layer(x, Edges.of(graph.whole, CPU)), wanted)


def test_shares_of_attention_add_up_to_one_whatever_the_scores() -> None:
    rows = torch.tensor([0, 2, 0, 2, 2])
    score = torch.tensor([[1.0], [900.0], [2.0], [-900.0], [899.0]])
    share = segment_softmax(score, rows, 3)
    assert torch.isfinite(share).all()
    torch.testing.assert_close(share[[0, 2]].sum(), torch.tensor(1.0))
    torch.testing.assert_close(share[[1, 3, 4]].sum(), torch.tensor(1.0))


def test_isomorphism_sums(graph: Graph) -> None:
    layer, x = Isomorphism(4, 3, last=True), torch.randn(90, 4)
    nn.init.constant_(layer.more, 0.5)
    around = torch.from_numpy(graph.adjacency.toarray()) @ x
    torch.testing.assert_close(
        layer(x, Edges.of(graph.whole, CPU)), layer.net(1.5 * x + around), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_spot_hears_of_what_is_three_edges_off_or_of_itself(
    name: EncoderName, graph: Graph
) -> None:
    encoder, x = made(name), torch.randn(90, 6)
    edges = Edges.of(graph.whole, CPU)
    other = x.clone()
    other[7] += 1
    heard = (encoder(x, edges) != encoder(other, edges)).any(1).numpy()
    reach = np.eye(90)[7]
    for _ in range(encoder.hops):
        reach = graph.normalised @ reach
    assert encoder.hops == (0 if name in ("mlp", "none") else 3)
    wanted = np.zeros(90, bool) if name == "none" else reach > 0
    assert not (heard & ~wanted).any()
    assert heard.sum() >= 0.6 * wanted.sum()  # a rectifier may keep one from being heard


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_the_graph_gives_the_same(name: EncoderName, graph: Graph) -> None:
    encoder, x = made(name), torch.randn(90, 6)
    rows = np.array([40, 3, 71])
    part = graph.around(rows, encoder.hops)
    some = encoder(x[torch.from_numpy(part.nodes)], Edges.of(part, CPU))[:3]
    torch.testing.assert_close(some, encoder(x, Edges.of(graph.whole, CPU))[rows])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_every_weight_is_learned(name: EncoderName, graph: Graph) -> None:
    encoder = made(name)
    encoder(torch.randn(90, 6), Edges.of(graph.whole, CPU)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
