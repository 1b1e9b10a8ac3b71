"""spotdiff: a stack with guesses from a reference and prompts, and the diffusion around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.spotdiff import Spotdiff


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network learns for a few steps only: what is tested here does not hang on them."""
    home = "napari_stdiff.methods.entries"
    monkeypatch.setattr(f"{home}.spotdiff.STEPS", 10)
    monkeypatch.setattr(f"{home}.stmcdi._STEPS", 20)


def fitted(visible, **how: Any) -> Spotdiff:
    told = {"epochs": 1, "sampler_steps": 3, "device": "cpu"} | how
    return Spotdiff().fit(visible, EntrySettings.of(**told), Monitor())


def every(visible) -> np.ndarray:
    return np.arange(visible.n_cells)


def test_reference_is_asked_and_said(make_visible, make_pair, tmp_path: Path) -> None:
    visible = make_pair(cells=160)
    model = fitted(visible)
    facts = model.facts()
    assert facts["reference_cells_joined"]
    assert facts["text"] == "off"
    assert len(facts["integration"]) == 1, "trained on what no trial hides"
    named = model.weights.names
    assert "reference: mapped cells" in named
    assert "reference: factors" in named
    whole = model.sample(every(visible), 2, Monitor())
    assert whole.notes == ()
    assert np.array_equal(whole.mean[visible.seen], visible.expression[visible.seen])
    model.save(tmp_path)
    some = np.array([90, 3, 17])
    for one in (model, Spotdiff.load(tmp_path, visible)):
        part = one.sample(some, 2, Monitor())
        assert np.allclose(part.mean, whole.mean[some], atol=1e-5)
        assert np.allclose(part.draws, whole.draws[:, some], atol=1e-4)
        assert one.facts() == facts


def test_hidden_values_change_nothing(make_pair) -> None:
    visible = make_pair(cells=120)
    noise = np.random.default_rng(5).poisson(50, visible.raw.shape).astype(np.float32)
    other = replace(visible, raw=np.where(visible.seen, visible.raw, noise))
    one, two = (fitted(v).sample(every(v), 2, Monitor()) for v in (visible, other))
    assert np.array_equal(one.mean, two.mean)
    assert np.array_equal(one.draws, two.draws)


def test_without_a_reference_it_runs_and_says_so(make_visible, make_pair) -> None:
    without = fitted(make_visible(cells=90))
    assert not without.facts()["reference_cells_joined"]
    notes = without.sample(np.arange(5), 0, Monitor()).notes
    assert notes == ("SpotDiff ran without a reference, since there is none.",)
    off = fitted(make_pair(cells=90), use_reference=False, text="small")
    assert "switched off" in off.notes()[0]
    assert "text='t5'" in off.notes()[1]
    assert not any(name.startswith("reference") for name in off.weights.names)


def test_prompts_by_a_t5_are_a_guess(make_visible, tiny_t5: Path) -> None:
    model = fitted(make_visible(cells=90), text="t5", text_model=str(tiny_t5))
    assert model.facts()["text"] == "t5"
    assert "prompts" in model.weights.names


def test_denoising_trains_a_network_for_each_part(make_pair) -> None:
    visible = make_pair(cells=90)
    model = fitted(visible, denoise=True)
    assert len(model.facts()["integration"]) > 2
    found = model.sample(every(visible), 0, Monitor()).mean
    assert not np.allclose(found[visible.seen], visible.expression[visible.seen])


def test_cost_grows_with_the_reference(make_visible, make_pair) -> None:
    config = EntrySettings.of(device="cpu")
    alone = Spotdiff.cost(make_visible(cells=90), config)
    joined = Spotdiff.cost(make_pair(cells=90), config)
    assert joined.seconds > alone.seconds
