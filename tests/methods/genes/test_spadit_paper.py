"""SpaDiT's paper: what is printed, leaks, switches, scaled runs, and the model in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor, Progress
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.paper.printed import PRINTED, closest
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.spadit_paper import SpaditPaper

CELLS, REFERENCE, GENES, EXTRA, TYPES = 120, 150, 24, 6, 4
QUICK = {
    "epochs": 4,
    "width": 16,
    "depth": 2,
    "heads": 2,
    "learning_rate": 1e-3,
    "sampler_steps": 3,
    "noise_steps": 50,
    "draws": 2,
    "device": "cpu",
}


def made_panel(seed: int = 0) -> Panel:
    """Counts of a tissue and a reference whose cells are of the same few types."""
    rng = np.random.default_rng(seed)
    n = GENES + EXTRA
    levels = rng.gamma(0.7, 3.0, (TYPES, n))
    kind = rng.integers(0, TYPES, CELLS)
    other = rng.integers(0, TYPES, REFERENCE)
    batch = rng.lognormal(0, 0.3, n)
    tissue = rng.poisson(levels[kind][:, :GENES]).astype(np.float32)
    reference = rng.poisson(levels[other] * batch).astype(np.float32)
    places = np.column_stack([np.zeros(CELLS), rng.uniform(0, 100, (CELLS, 2))])
    return Panel(
        genes=np.array([f"g{i}" for i in range(GENES)], dtype=object),
        wanted=np.array([f"w{i}" for i in range(EXTRA)], dtype=object),
        tissue_raw=tissue,
        reference_raw=sparse.csr_matrix(reference),
        tissue_values="counts",
        reference_values="counts",
        coords=places,
        section=np.full(CELLS, "s", dtype=object),
    )


def fitted(panel: Panel, **said: object) -> SpaditPaper:
    return SpaditPaper().fit(panel, GeneSettings.of(**{**QUICK, **said}), Monitor())


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_panel()


@pytest.fixture(scope="module")
def method(panel: Panel) -> SpaditPaper:
    return fitted(panel)


def test_what_was_not_said_is_as_printed(panel: Panel) -> None:
    row = closest(345, 8425)
    assert row.name == "MG"
    assert row.preset() == {
        "batch_size": 512,
        "depth": 32,
        "noise_steps": 1000,
        "epochs": 3000,
        "heads": 32,
        "width": 1024,
        "learning_rate": 3e-4,
        "mask_zero": 0.4,
        "mask_nonzero": 0.3,
        "latent_layers": 3,
        "sampler": "ancestral",
        "sampler_steps": 1000,
    }
    assert closest(33, 4839).name == "HBC"
    assert {row.name for row in PRINTED} == {
        "MG",
        "MH",
        "MHPR",
        "MVC",
        "MHM",
        "HBC",
        "ME",
        "MPMC",
        "MC",
        "ML",
    }
    told = fitted(panel, epochs=1).facts()
    assert told["printed_for"] == closest(GENES, CELLS).name
    assert told["latent_layers"] == closest(GENES, CELLS).latent_layers
    assert (told["epochs"], told["width"], told["sampler"]) == (1, 16, "ancestral")
    assert len(told["deviations"]) >= 10


def test_hidden_genes_change_nothing(panel: Panel) -> None:
    """Their values in the tissue are replaced by noise before they are hidden."""
    names = panel.genes[[3, 11, 20]]
    raw = panel.tissue_raw.copy()
    raw[:, [3, 11, 20]] = np.random.default_rng(5).poisson(50, (CELLS, 3))
    truth, noise = panel.without(names), replace(panel, tissue_raw=raw).without(names)
    a, b = (fitted(p).sample(names, 2, Monitor()) for p in (truth, noise))
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.draws, b.draws)


def test_the_same_seed_gives_the_same_and_another_another(
    panel: Panel, method: SpaditPaper
) -> None:
    a = method.sample(panel.wanted, 2, Monitor())
    b = fitted(panel).sample(panel.wanted, 2, Monitor())
    c = fitted(panel, seed=1).sample(panel.wanted, 2, Monitor())
    np.testing.assert_array_equal(a.draws, b.draws)
    np.testing.assert_array_equal(a.mean, b.mean)
    assert not np.array_equal(a.draws, c.draws)


@settings(max_examples=6)
@given(data=st.data())
def test_other_genes_asked_for_change_nothing(data: st.DataObject) -> None:
    method = _whole()
    every = np.concatenate([method.panel.wanted, method.panel.genes])
    whole = method.sample(every, 3, Monitor())
    assert whole.draws is not None
    some = np.array(data.draw(st.permutations(range(len(every)))))
    some = some[: data.draw(st.integers(1, len(every)))]
    part = method.sample(every[some], 3, Monitor())
    np.testing.assert_array_equal(part.mean, whole.mean[:, some])
    np.testing.assert_array_equal(part.draws, whole.draws[:, :, some])


_KEPT: list[SpaditPaper] = []


def _whole() -> SpaditPaper:
    if not _KEPT:
        _KEPT.append(fitted(made_panel()))
    return _KEPT[0]


@pytest.mark.parametrize(
    "said",
    [
        *({"backbone": name} for name in ("transformer", "unet", "mamba")),
        *({"condition": c} for c in ("flash", "attention", "mlp", "pca", "zeros", "common")),
        {"concatenate": False},
        {"covariance": True},
        {"sampler": "dpm++2m"},
        {"sampler": "heun"},
        {"latent_layers": 1},
        {"mask_zero": 0.0, "mask_nonzero": 0.0},
    ],
    ids=str,
)
def test_every_switch_learns_and_draws(
    said: dict[str, object], panel: Panel, tmp_path: Path
) -> None:
    method = fitted(panel, **said)
    out = method.sample(panel.wanted, 2, Monitor())
    assert out.draws is not None
    assert out.draws.shape == (2, CELLS, EXTRA)
    assert np.isfinite(out.mean).all()
    assert np.isfinite(out.draws).all()
    assert out.draws.min() >= 0
    assert out.draws.std(axis=0).mean() > 0
    method.save(tmp_path)
    again = SpaditPaper.load(tmp_path, panel)
    np.testing.assert_array_equal(again.sample(panel.wanted, 2, Monitor()).draws, out.draws)
    np.testing.assert_array_equal(again.sample(panel.wanted, 0, Monitor()).mean, out.mean)
    assert again.facts() == method.facts()


def test_switches_are_not_ignored(panel: Panel) -> None:
    longer = {"epochs": 30, "learning_rate": 1e-2}
    plain = fitted(panel, **longer).sample(panel.wanted, 0, Monitor()).mean
    for said in (
        *({"backbone": b} for b in ("unet", "mamba")),
        *({"condition": c} for c in ("mlp", "pca", "zeros", "common")),
        *({"concatenate": False}, {"latent_layers": 1}, {"mask_zero": 0.9}),
    ):
        other = fitted(panel, **longer, **said).sample(panel.wanted, 0, Monitor()).mean
        assert not np.array_equal(plain, other), said


def test_two_ninths_of_the_visible_genes_choose_the_step(panel: Panel) -> None:
    facts = fitted(panel, epochs=100).facts()
    assert len(facts["validation_genes"]) == round(2 / 9 * GENES)
    assert set(facts["validation_genes"]) <= set(panel.genes)
    assert 0 < facts["best_epoch"] <= facts["epochs"] == 100


def test_it_learns_genes_it_never_saw(panel: Panel) -> None:
    hidden = panel.genes[:8]
    truth = panel.scaled(panel.tissue_raw[:, :8])
    said = {
        "epochs": 150,
        "width": 32,
        "learning_rate": 3e-3,
        "noise_steps": 1000,
        "sampler_steps": 20,
    }
    out = fitted(panel.without(hidden), **said).sample(hidden, 8, Monitor())
    found = [np.corrcoef(out.mean[:, i], truth[:, i])[0, 1] for i in range(8)]
    assert np.mean(found) > 0.25
    blind = fitted(panel.without(hidden), **said, condition="zeros", concatenate=False)
    none = blind.sample(hidden, 0, Monitor())
    least = [np.corrcoef(none.mean[:, i], truth[:, i])[0, 1] for i in range(8)]
    assert np.mean(least) < np.mean(found) - 0.1
    assert out.draws is not None
    drawn = [np.corrcoef(out.draws.mean(axis=0)[:, i], truth[:, i])[0, 1] for i in range(8)]
    assert np.mean(drawn) > 0.15


def test_a_covariance_goes_with_the_ancestral_sampler_only(panel: Panel) -> None:
    with pytest.raises(StdiffError, match="ancestral"):
        fitted(panel, covariance=True, sampler="heun")


def test_another_tissue_or_reference_is_refused(
    panel: Panel, method: SpaditPaper, tmp_path: Path
) -> None:
    method.save(tmp_path)
    moved = replace(panel, coords=panel.coords + 1)
    with pytest.raises(StdiffError, match=r"tissue.*cells"):
        SpaditPaper.load(tmp_path, moved)
    with pytest.raises(StdiffError, match="'g2'"):
        SpaditPaper.load(tmp_path, panel.without(["g2"]))
    other = replace(panel, reference_raw=sparse.csr_matrix(panel.reference_raw[::-1]))
    with pytest.raises(StdiffError, match="reference"):
        SpaditPaper.load(tmp_path, other)


def test_the_printed_sizes_are_refused_where_they_do_not_fit(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "napari_stdiff.methods.genes.spadit_paper.free_mib"
    monkeypatch.setattr(module, lambda device: 2000.0)
    with pytest.raises(StdiffError, match=r"million parameters.*GiB.*scale_to") as refused:
        SpaditPaper().fit(panel, GeneSettings(device="cpu"), Monitor())
    assert str(refused.value).count(". ") == 0  # one sentence


def test_a_run_says_what_it_takes_before_it_starts(panel: Panel) -> None:
    seen: list[Progress] = []
    config = GeneSettings.of(**QUICK)
    SpaditPaper().fit(panel, config, Monitor(seen.append, interval=0))
    first = next(p for p in seen if p.stage == "Fitting")
    assert first.done == 0
    assert "parameters" in first.message
    assert "MiB" in first.message


def test_a_scaled_run_says_so_and_is_kept_as_it_is(panel: Panel, tmp_path: Path) -> None:
    config = GeneSettings(scale_to=2, draws=2, device="cpu", seed=3)
    method = SpaditPaper().fit(panel, config, Monitor())
    facts, printed = method.facts(), closest(GENES, CELLS)
    assert facts["width"] < printed.width
    assert facts["depth"] < printed.depth
    assert facts["epochs"] < printed.epochs
    assert printed.learning_rate < facts["learning_rate"] <= 1e-3
    assert facts["full_configuration"]["epochs"] == printed.epochs
    assert facts["full_seconds_estimated"] > 100
    out = method.sample(panel.wanted, 2, Monitor())
    assert any(note.startswith("Scaled run") for note in out.notes)
    method.save(tmp_path)
    again = SpaditPaper.load(tmp_path, panel)
    assert again.facts() == facts
    np.testing.assert_array_equal(again.sample(panel.wanted, 2, Monitor()).draws, out.draws)


def test_cancelled_it_keeps_what_is_drawn(method: SpaditPaper) -> None:
    every = np.concatenate([method.panel.wanted, method.panel.genes])

    def stop(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            monitor.cancel()

    monitor = Monitor(stop, interval=0)
    out = method.sample(every, 6, monitor)
    whole = method.sample(every, 6, Monitor())
    assert not out.complete
    assert whole.complete
    assert out.draws is not None
    assert whole.draws is not None
    assert 0 < len(out.draws) < 6
    np.testing.assert_array_equal(out.mean, whole.mean)
    np.testing.assert_array_equal(out.draws, whole.draws[: len(out.draws)])


def test_the_cost_follows_the_work(panel: Panel) -> None:
    def cost(genes: int = 6, **said: object) -> float:
        return SpaditPaper.cost(panel, GeneSettings.of(**{**QUICK, **said}), genes).seconds

    assert cost(epochs=2000) > 50 * (cost(epochs=4) - 1)
    assert cost(600, draws=100) > cost(6, draws=100)
    assert cost(epochs=2000, scale_to=1) == 1
    scaled = SpaditPaper.cost(panel, GeneSettings(device="cpu", scale_to=20), 6)
    assert scaled.seconds <= 20
    assert scaled.parameters < 1e7  # of what will be run, not of what is printed
    bare = SpaditPaper.cost(panel, GeneSettings(device="cpu"), 6)
    assert bare.parameters > 1e8
    assert bare.memory_mib > bare.parameters * 16 / 2**20
    small = SpaditPaper.cost(panel, GeneSettings.of(**QUICK), 6)
    assert small.parameters == sum(p.numel() for p in fitted(panel).network.parameters())


def test_a_width_that_does_not_divide_is_refused(panel: Panel) -> None:
    with pytest.raises(StdiffError, match="multiple of 8"):
        fitted(panel, width=20)
