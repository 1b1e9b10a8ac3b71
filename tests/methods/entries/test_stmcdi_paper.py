"""stMCDI's paper: what is printed, leaks, switches, scaled runs, and the model in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor, Progress
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.paper.masks import hidden_entries
from napari_stdiff.methods.entries.paper.score_network import Shape, tokens_of
from napari_stdiff.methods.entries.paper.training import printed_rate
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.stmcdi_paper import StmcdiPaper

from .conftest import _visible

CELLS, GENES = 100, 12
QUICK = {
    "epochs": 4,
    "width": 8,
    "depth": 2,
    "heads": 2,
    "learning_rate": 1e-3,
    "sampler_steps": 3,
    "noise_steps": 50,
    "draws": 2,
    "device": "cpu",
}


def fitted(visible: Visible, **said: object) -> StmcdiPaper:
    return StmcdiPaper().fit(visible, EntrySettings.of(**{**QUICK, **said}), Monitor())


@pytest.fixture(scope="module")
def visible() -> Visible:
    return _visible(cells=CELLS, genes=GENES)


@pytest.fixture(scope="module")
def method(visible: Visible) -> StmcdiPaper:
    return fitted(visible)


def test_what_was_not_said_is_as_printed(visible: Visible) -> None:
    said = {"epochs": 1, "depth": 1, "draws": 0, "device": "cpu"}
    told = StmcdiPaper().fit(visible, EntrySettings.of(**said), Monitor()).facts()
    wanted = {
        "batch_size": 64,
        "width": 32,
        "heads_used": 16,
        "learning_rate": 6e-6,
        "neighbours": 5,
        "encoder": "gcn",
        "mask_strategy": "entry",
        "mask_phase": "both",
        "mask_ratio": 0.6,
        "noise_steps": 2000,
        "sampler": "ancestral",
        "sampler_steps": 2000,
    }
    assert {name: told[name] for name in wanted} == wanted
    assert (told["epochs"], told["depth"]) == (1, 1)
    assert len(told["deviations"]) >= 10
    rates = [6e-6 * printed_rate(done) for done in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)]
    np.testing.assert_allclose(rates, [6e-6, 6e-6, 3e-7, 3e-7, 6e-9, 6e-9])


def test_hidden_entries_change_nothing(visible: Visible) -> None:
    """They are replaced by noise before they are hidden."""
    raw = np.where(visible.seen, visible.raw, np.random.default_rng(5).poisson(50, (CELLS, GENES)))
    noised = replace(visible, raw=raw.astype(np.float32))
    a, b = (fitted(v).sample(np.arange(CELLS), 2, Monitor()) for v in (visible, noised))
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.draws, b.draws)


def test_measured_entries_stay_as_they_are(visible: Visible, method: StmcdiPaper) -> None:
    out = method.sample(np.arange(CELLS), 3, Monitor())
    assert out.draws is not None
    assert out.std is not None
    seen = visible.seen
    np.testing.assert_array_equal(out.mean[seen], visible.expression[seen])
    np.testing.assert_array_equal(out.draws[:, seen], [visible.expression[seen]] * 3)
    assert (out.std[seen] == 0).all()
    assert (out.std[~seen] > 0).mean() > 0.5
    assert out.mean.min() >= 0
    assert out.draws.min() >= 0


def test_another_seed_gives_another(visible: Visible, method: StmcdiPaper) -> None:
    a = method.sample(np.arange(CELLS), 2, Monitor())
    c = fitted(visible, seed=1).sample(np.arange(CELLS), 2, Monitor())
    assert a.draws is not None
    assert not np.array_equal(a.draws, c.draws)
    assert not np.array_equal(a.draws[0], a.draws[1])


@settings(max_examples=6)
@given(data=st.data())
def test_other_cells_asked_for_change_nothing(data: st.DataObject, method: StmcdiPaper) -> None:
    whole = method.sample(np.arange(CELLS), 2, Monitor())
    some = np.array(data.draw(st.permutations(range(CELLS))))[: data.draw(st.integers(1, CELLS))]
    part = method.sample(some, 2, Monitor())
    assert whole.draws is not None
    np.testing.assert_array_equal(part.mean, whole.mean[some])
    np.testing.assert_array_equal(part.draws, whole.draws[:, some])


@pytest.mark.parametrize(
    "said",
    [
        *({"encoder": name} for name in ("gat", "gin", "mlp", "none")),
        *({"mask_strategy": name} for name in ("spot", "gene")),
        *({"mask_phase": name} for name in ("input", "latent", "none")),
        *({"sampler": name} for name in ("dpm++2m", "heun")),
        {"mask_ratio": 0.1},
        {"neighbours": 2},
        {"denoise": True},
    ],
    ids=str,
)
def test_every_switch_learns_draws_and_is_not_ignored(
    said: dict[str, object], visible: Visible, method: StmcdiPaper, tmp_path: Path
) -> None:
    other, cells = fitted(visible, **said, epochs=8), np.arange(0, CELLS, 3)
    out = other.sample(cells, 2, Monitor())
    assert out.draws is not None
    assert np.isfinite(out.mean).all()
    assert np.isfinite(out.draws).all()
    base = fitted(visible, epochs=8).sample(cells, 2, Monitor())
    assert not np.array_equal(out.draws, base.draws)
    other.save(tmp_path)
    again = StmcdiPaper.load(tmp_path, visible)
    np.testing.assert_array_equal(again.sample(cells, 2, Monitor()).draws, out.draws)
    assert again.facts() == other.facts()


def test_denoised_entries_do_not_see_themselves(visible: Visible) -> None:
    """Where an entry is predicted for denoising, nothing of it is among what is shown."""
    method = fitted(visible, denoise=True)
    out = method.sample(np.arange(CELLS), 0, Monitor())
    seen = visible.seen
    assert (out.mean[seen] != visible.expression[seen]).mean() > 0.9
    asked = np.zeros((CELLS, GENES), dtype=int)
    for drawing in method._drawings():
        assert not (drawing.shown & drawing.asked).any()
        asked += drawing.asked.numpy()
    assert (asked == 1).all()


def test_it_learns_what_was_hidden(visible: Visible) -> None:
    whole = _visible(cells=CELLS, genes=GENES, share=-1.0)  # nothing hidden
    truth = visible.scaled(whole.raw)
    said = {"epochs": 200, "width": 16, "learning_rate": 5e-3, "sampler_steps": 12}
    out = fitted(visible, **said, noise_steps=500).sample(np.arange(CELLS), 8, Monitor())
    hidden = ~visible.seen

    def pearson(table: np.ndarray) -> float:
        each = [np.corrcoef(table[h, g], truth[h, g])[0, 1] for g, h in enumerate(hidden.T)]
        return float(np.nanmean(each))

    assert out.draws is not None
    assert pearson(out.mean) > 0.25
    assert pearson(out.draws.mean(axis=0)) > 0.15
    assert 0.3 < out.draws.var(axis=0)[hidden].mean() / truth.var(axis=0).mean() < 1.5


def test_masks_hide_entries_spots_or_genes() -> None:
    seen = torch.rand(400, 50, generator=torch.Generator().manual_seed(0)) < 0.7
    for strategy, axis in (("entry", None), ("spot", 1), ("gene", 0)):
        generator = torch.Generator().manual_seed(1)
        hidden = hidden_entries(seen, 64, strategy, 0.6, generator)  # type: ignore[arg-type]
        assert not (hidden & ~seen).any()
        assert hidden.sum() / seen.sum() == pytest.approx(0.6, abs=0.15)
        if axis is not None:
            left = (seen & ~hidden).any(axis)
            assert not (left & hidden.any(axis)).any()
            assert left.any()


@pytest.mark.parametrize("strategy", ["entry", "spot", "gene"])
def test_there_is_always_something_to_learn(strategy: str) -> None:
    seen = torch.zeros(30, 6, dtype=torch.bool)
    seen[3, 2] = seen[7, 2] = seen[20, 4] = True
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        hidden = hidden_entries(seen, 10, strategy, 0.01, generator)  # type: ignore[arg-type]
        assert hidden[:10].any()


def test_hidden_values_do_not_reach_the_network() -> None:
    """Neither those that are asked for nor those that only fill up."""
    torch.manual_seed(0)
    net = Shape(6, 8, 2, 2, "gcn").build(0)
    for p in net.leave.parameters():
        torch.nn.init.normal_(p)
    seen = torch.rand(5, 6) < 0.5
    seen[0], seen[1] = True, False
    x, latent = torch.randn(5, 6), torch.randn(5, 6)
    visible, asked = tokens_of(seen), tokens_of(~seen)
    assert asked.there.sum() == (~seen).sum()

    def run(x: torch.Tensor, latent: torch.Tensor, remasked: bool) -> torch.Tensor:
        cond = net.condition(x, latent, visible, asked, remasked=remasked)
        out: torch.Tensor = net(torch.ones(asked.genes.shape), torch.full((5,), 0.5), cond)
        return out[asked.there]

    other, moved = x.where(seen, 9.0), latent.where(seen, 9.0)
    assert torch.equal(run(x, latent, True), run(other, moved, True))
    assert not torch.equal(run(x, latent, False), run(x, moved, False))
    assert not torch.equal(run(x, latent, True), run(x + 1, latent, True))


def test_another_tissue_is_refused(visible: Visible, method: StmcdiPaper, tmp_path: Path) -> None:
    method.save(tmp_path)
    with pytest.raises(StdiffError, match="fitted on"):
        StmcdiPaper.load(tmp_path, replace(visible, coords=visible.coords + 1))
    with pytest.raises(StdiffError, match="fitted on"):
        StmcdiPaper.load(tmp_path, visible.without(np.eye(CELLS, GENES, dtype=bool)))


def test_a_gene_of_which_nothing_is_visible_is_refused(visible: Visible) -> None:
    hidden = np.zeros((CELLS, GENES), dtype=bool)
    hidden[:, 3] = True
    with pytest.raises(StdiffError, match="G3"):
        fitted(visible.without(hidden))


def test_spots_of_which_nothing_is_visible_are_filled(visible: Visible) -> None:
    hidden = np.zeros((CELLS, GENES), dtype=bool)
    hidden[[4, 50]] = True
    out = fitted(visible.without(hidden)).sample(np.array([50, 4, 9]), 2, Monitor())
    assert np.isfinite(out.mean).all()


def test_a_tissue_without_gaps_is_handed_back() -> None:
    whole = _visible(cells=CELLS, genes=GENES, share=-1.0)
    out = fitted(whole).sample(np.arange(5), 2, Monitor())
    np.testing.assert_array_equal(out.mean, whole.expression[:5])


def test_sizes_that_do_not_fit_into_memory_are_refused(
    visible: Visible, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "napari_stdiff.methods.entries.paper.settled.free_mib"
    monkeypatch.setattr(module, lambda device: 10.0)
    with pytest.raises(StdiffError, match=r"GiB of memory.*batch size"):
        fitted(visible)


def test_a_run_says_what_it_takes_before_it_starts(visible: Visible) -> None:
    seen: list[Progress] = []
    StmcdiPaper().fit(visible, EntrySettings.of(**QUICK), Monitor(seen.append, interval=0))
    first = next(p for p in seen if p.stage == "Fitting")
    assert first.done == 0
    assert "parameters" in first.message
    assert "MiB" in first.message


def test_a_scaled_run_says_so_and_is_kept_as_it_is(visible: Visible, tmp_path: Path) -> None:
    config = EntrySettings(scale_to=2, draws=2, device="cpu", seed=3)
    method = StmcdiPaper().fit(visible, config, Monitor())
    facts = method.facts()
    assert facts["epochs"] < 2000
    assert facts["sampler_steps"] < 2000
    assert 6e-6 < facts["learning_rate"] <= 1e-3
    assert facts["full_configuration"]["epochs"] == 2000
    assert facts["full_seconds_estimated"] > 30
    out = method.sample(np.arange(9), 2, Monitor())
    assert any(note.startswith("Scaled run") for note in out.notes)
    method.save(tmp_path)
    again = StmcdiPaper.load(tmp_path, visible)
    assert again.facts() == facts
    np.testing.assert_array_equal(again.sample(np.arange(9), 2, Monitor()).draws, out.draws)


def test_cancelled_it_keeps_what_is_drawn(method: StmcdiPaper) -> None:
    def stop(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            monitor.cancel()

    monitor = Monitor(stop, interval=0)
    out = method.sample(np.arange(CELLS), 6, monitor)
    whole = method.sample(np.arange(CELLS), 6, Monitor())
    assert not out.complete
    assert whole.complete
    assert out.draws is not None
    assert whole.draws is not None
    assert 0 < len(out.draws) < 6
    np.testing.assert_array_equal(out.mean, whole.mean)
    np.testing.assert_array_equal(out.draws, whole.draws[: len(out.draws)])


def test_the_cost_follows_the_work(visible: Visible) -> None:
    def cost(**said: object) -> float:
        return StmcdiPaper.cost(visible, EntrySettings.of(**{**QUICK, **said})).seconds

    assert cost(epochs=2000) > 50 * (cost(epochs=4) - 1)
    assert cost(draws=100) > cost(draws=2)
    assert cost(draws=2, denoise=True) > cost(draws=2)
    assert cost(epochs=2000, scale_to=1) == 1
    bare = StmcdiPaper.cost(visible, EntrySettings(device="cpu"))
    assert bare.seconds > 1000
    small = StmcdiPaper.cost(visible, EntrySettings.of(**QUICK))
    assert small.parameters == sum(p.numel() for p in fitted(visible).network.parameters())
