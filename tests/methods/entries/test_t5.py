"""The real `transformers` path, with a tiny random T5 that is built on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.t5 import T5Encoder
from napari_stdiff.methods.entries.text import Speaker

CPU = torch.device("cpu")
TEXTS = ["Gad2 4, Sst 3 and more", "Sst 3", "Gad2"]


def test_texts_become_vectors(tiny_t5: Path) -> None:
    t5 = T5Encoder.load(str(tiny_t5), CPU)
    found = t5.vectors(TEXTS, Monitor(), "prompts")
    assert found.shape == (3, t5.dim)
    assert np.isfinite(found).all()
    assert not np.allclose(found[0], found[1])


def test_a_vector_depends_on_its_text_alone(tiny_t5: Path) -> None:
    t5 = T5Encoder.load(str(tiny_t5), CPU)
    found = t5.vectors(TEXTS, Monitor(), "prompts")
    again = t5.vectors([TEXTS[1], TEXTS[0], TEXTS[1]], Monitor(), "prompts")
    assert np.allclose(found[[1, 0, 1]], again, atol=1e-5)
    assert np.allclose(t5.vectors(TEXTS[1:2], Monitor(), "prompts")[0], found[1], atol=1e-5)


def test_a_model_that_is_not_here_is_refused_or_replaced_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("transformers", reason="the extra [text] is not installed")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    names, values = np.array(["a", "b"], dtype=object), np.ones((3, 2), dtype=np.float32)
    missing = {"text_model": "no-such-t5-anywhere"}
    with pytest.raises(StdiffError, match=r"no T5 model 'no-such-t5-anywhere'.*text='small'"):
        Speaker.of(EntrySettings.of(text="t5", **missing), names, values, CPU)
    speaker = Speaker.of(EntrySettings.of(text="auto", **missing), names, values, CPU)
    assert speaker.kind == "small"
    assert "no T5 model" in speaker.reason


def test_without_transformers_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(StdiffError, match=r"napari-stdiff\[text\]"):
        T5Encoder.load("t5-small", CPU)
