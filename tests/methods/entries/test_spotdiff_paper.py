"""SpotDiff as printed: learns, leaks nothing, is reproducible, and says what it ran with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.spotdiff_paper import SpotdiffPaper

TINY: dict[str, Any] = {
    "text": "small",
    "epochs": 2,
    "width": 16,
    "depth": 2,
    "heads": 2,
    "n_high": 4,
    "n_low": 2,
    "sampler_steps": 3,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_stdiff.methods.entries.spotdiff_paper.STEPS", 12)


def fitted(visible, **how: Any) -> SpotdiffPaper:
    return SpotdiffPaper().fit(visible, EntrySettings.of(**(TINY | how)), Monitor())


def every(visible) -> np.ndarray:
    return np.arange(visible.n_cells)


def test_hidden_entries_are_found(make_visible, make_pair) -> None:
    visible = make_pair(cells=500)
    truth = visible.scaled(make_visible(cells=500, share=0.0).raw)
    model = fitted(visible, epochs=30, width=32, learning_rate=2e-3)
    found = model.sample(every(visible), 0, Monitor())
    hidden = ~visible.seen
    apart = [np.corrcoef(found.mean[h, j], truth[h, j])[0, 1] for j, h in enumerate(hidden.T)]
    assert np.nanmean(apart) > 0.35
    assert np.array_equal(found.mean[visible.seen], visible.expression[visible.seen])
    assert found.std is None
    assert found.mean.min() >= 0


def test_hidden_values_change_nothing(make_pair) -> None:
    visible = make_pair(cells=120)
    noise = np.random.default_rng(5).poisson(50, visible.raw.shape).astype(np.float32)
    other = replace(visible, raw=np.where(visible.seen, visible.raw, noise))
    one, two = (fitted(v, epochs=1).sample(every(v), 2, Monitor()) for v in (visible, other))
    assert np.array_equal(one.mean, two.mean)
    assert np.array_equal(one.draws, two.draws)


def test_cells_do_not_depend_on_their_company_and_a_saved_model_is_the_same(
    make_pair, tmp_path: Path
) -> None:
    visible = make_pair(cells=120)
    model = fitted(visible)
    whole = model.sample(every(visible), 2, Monitor())
    some = np.array([50, 3, 119])
    model.save(tmp_path)
    for one in (model, SpotdiffPaper.load(tmp_path, visible)):
        part = one.sample(some, 2, Monitor())
        assert np.allclose(part.mean, whole.mean[some], atol=1e-5)
        assert np.allclose(part.draws, whole.draws[:, some], atol=1e-4)
    seen = visible.seen[some]
    assert (part.std[seen] == 0).all()
    assert (part.std[~seen] > 0).mean() > 0.9
    assert SpotdiffPaper.load(tmp_path, visible).facts() == model.facts()
    with pytest.raises(StdiffError):
        SpotdiffPaper.load(tmp_path, make_pair(cells=120, mask=2))


def test_the_record_says_what_it_ran_with(make_visible, make_pair) -> None:
    with_all = fitted(make_pair(cells=60), epochs=1)
    assert with_all.facts()["text"] == "small"
    assert with_all.facts()["reference_cells_joined"]
    assert with_all.notes() == ()
    without = fitted(make_visible(cells=60), epochs=1, text="off")
    assert without.facts()["text"] == "off"
    assert not without.facts()["reference_cells_joined"]
    assert without.notes() == ("SpotDiff ran without a reference, since there is none.",)
    off = fitted(make_pair(cells=60), epochs=1, use_reference=False)
    assert "switched off" in off.notes()[0]


def test_t5_prompts(make_pair, tiny_t5: Path, tmp_path: Path) -> None:
    visible = make_pair(cells=40)
    model = fitted(visible, epochs=1, text="t5", text_model=str(tiny_t5))
    assert model.facts()["text"] == "t5"
    whole = model.sample(every(visible), 1, Monitor())
    model.save(tmp_path)
    # prompts were encoded by the fit: the model needs no T5 to answer
    again = SpotdiffPaper.load(tmp_path, visible)
    assert again.facts()["text"] == "t5"
    assert np.allclose(again.sample(every(visible), 1, Monitor()).draws, whole.draws, atol=1e-4)


def test_denoised_values_are_predicted_from_the_others(make_pair) -> None:
    visible = make_pair(cells=120)
    found = fitted(visible, epochs=4, denoise=True).sample(every(visible), 2, Monitor())
    seen = visible.seen
    assert not np.allclose(found.mean[seen], visible.expression[seen])
    assert (found.std[seen] > 0).mean() > 0.9


def test_a_gene_that_was_not_measured_comes_from_the_reference(make_visible, make_pair) -> None:
    whole = make_visible(cells=300, share=0.0)
    visible = make_pair(cells=300)
    seen = visible.seen.copy()
    seen[:, 2] = False
    visible = replace(visible, seen=seen)
    model = fitted(visible)
    found = model.sample(every(visible), 0, Monitor()).mean[:, 2]
    assert np.corrcoef(found, visible.scaled(whole.raw)[:, 2])[0, 1] > 0.3
    assert "G2" in model.notes()[0]
    with pytest.raises(StdiffError, match="Nothing is visible of G2"):
        fitted(visible, use_reference=False)


def test_scaled_to_a_time(make_pair) -> None:
    visible = make_pair(cells=80)
    told = {k: v for k, v in TINY.items() if k not in ("epochs", "width", "depth")}
    config = EntrySettings.of(**(told | {"scale_to": 4.0, "draws": 1}))
    cost = SpotdiffPaper.cost(visible, config)
    assert cost.seconds <= 4.0
    full = SpotdiffPaper.cost(visible, config.but(scale_to=0.0))
    assert full.seconds > cost.seconds
    assert full.parameters > 1e6
    model = SpotdiffPaper().fit(visible, config, Monitor())
    assert model.facts()["scaled_to_seconds"] == 4.0
    assert "Scaled run" in model.notes()[0]
