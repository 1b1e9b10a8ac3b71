"""The estimated cost counts what takes the time."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from napari_stdiff.methods.base import Cost
from napari_stdiff.methods.cost import network_cost, whole_chunks
from napari_stdiff.methods.network import ROWS


def cost(**changes: Any) -> Cost:
    said: dict[str, Any] = {"trained_rows": 0, "drawn_rows": 0, "values": 0, "device": "cpu"}
    return network_cost(nn.Linear(99, 100), **(said | changes))


def test_parameters_are_those_of_the_network() -> None:
    assert cost().parameters == 100 * 100


@pytest.mark.parametrize(
    ("what", "many"),
    [
        ("trained_rows", 10**7),
        ("drawn_rows", 10**9),
        ("values", 10**9),
        ("random_numbers", 10**9),
        ("converted", 10**9),
        ("axes", 10**11),
    ],
)
def test_everything_takes_time(what: str, many: int) -> None:
    once, twice = cost(**{what: many}).seconds, cost(**{what: 2 * many}).seconds
    assert twice == pytest.approx(2 * once, rel=0.2)


def test_small_batches_take_longer() -> None:
    rows = 10**7
    assert cost(trained_rows=rows, batch_size=16).seconds > 2 * cost(trained_rows=rows).seconds


def test_values_take_memory() -> None:
    assert cost(values=2**28).memory_mib - cost().memory_mib == pytest.approx(1024)


def test_a_network_sees_whole_chunks() -> None:
    assert [whole_chunks(n) for n in (1, ROWS, ROWS + 1)] == [ROWS, ROWS, 2 * ROWS]
