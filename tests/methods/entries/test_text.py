"""f_text: by attention of the spot to the genes that its prompt names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.text import Speaker, SpotGeneAttention, Told

CPU = torch.device("cpu")
NAMES = np.array([f"g{i}" for i in range(7)], dtype=object)


def told(text: str, **how: str) -> tuple[Speaker, Told | None]:
    values = np.random.default_rng(0).poisson(1.5, (5, 7)).astype(np.float32)
    values[4] = 0
    settings = EntrySettings.of(text=text, n_high=3, n_low=2, **how)
    speaker = Speaker.of(settings, NAMES, values, CPU)
    return speaker, speaker.tell(values, np.ones((5, 7), dtype=bool), CPU, Monitor())


def answer(spoken: Told, dim: int = 0, names: np.ndarray | None = None) -> torch.Tensor:
    torch.manual_seed(0)
    network = SpotGeneAttention(7, 5, 8, 2, dim).eval()
    if names is not None:
        network.names.copy_(torch.from_numpy(names))
    with torch.no_grad():
        return network(spoken)


def test_small_encoder() -> None:
    speaker, spoken = told("small")
    assert speaker.kind == "small"
    assert spoken is not None
    assert spoken.spot is None
    found = answer(spoken)
    assert found.shape == (5, 1, 8)
    assert torch.isfinite(found).all()
    assert not torch.allclose(found[0], found[1])


def test_what_is_not_named_has_no_say() -> None:
    _, spoken = told("small")
    assert spoken is not None
    padded = Told(spoken.genes, spoken.values + 9.0 * (spoken.genes < 0))
    assert torch.allclose(answer(spoken), answer(padded), atol=1e-6)


def test_spots_do_not_see_each_other() -> None:
    _, spoken = told("small")
    assert spoken is not None
    at = torch.tensor([3, 1])
    assert torch.allclose(answer(spoken)[at], answer(spoken.rows(at)), atol=1e-6)


def test_off() -> None:
    assert told("off")[1] is None


@pytest.mark.parametrize("text", ["t5", "auto"])
def test_t5(tiny_t5: Path, text: str) -> None:
    speaker, spoken = told(text, text_model=str(tiny_t5))
    assert speaker.kind == "t5"
    assert spoken is not None
    names = speaker.gene_vectors(Monitor())
    assert names is not None
    found = answer(spoken, names.shape[1], names)
    assert torch.isfinite(found).all()
    assert not torch.allclose(found[0], found[1])
