"""The stack, its network and spadit: what every method promises, and what a stack adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes import spadit, stack, stack_network
from napari_stdiff.methods.genes.registry import gene_method_class, load_gene_method
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.stack import Stack
from napari_stdiff.scoring.correlation import column_pearson

MakePanel = Callable[..., Panel]
HIDDEN = ["G3", "G8", "G11"]
NAMES = ("stack", "stack-network", "spadit")
QUICK = {"inner_folds": 2, "width": 8, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def few_steps() -> object:
    """Train for a moment, and use it: promises do not depend on how well it is learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spadit.Trials, "hopeful", True)
        patch.setattr(spadit.Trials, "best", lambda trials, genes=None: len(trials.ways) - 1)
        patch.setattr(stack_network, "_STEPS", 20)
        patch.setattr(spadit, "_STEPS", 20)
        yield


def _fitted(name: str, panel: Panel, **settings: object) -> Stack:
    config = GeneSettings.of(**{**QUICK, **settings})
    method = gene_method_class(name)().fit(panel, config, Monitor())
    assert isinstance(method, Stack)
    return method


@pytest.fixture(scope="module")
def full(make_panel: MakePanel) -> Panel:
    return make_panel(shared=18, cells=150, reference_cells=160, sections=1)


@pytest.fixture(scope="module")
def seen(full: Panel) -> Panel:
    return full.without(HIDDEN)


@pytest.fixture(scope="module")
def fits(seen: Panel) -> dict[str, Stack]:
    return {name: _fitted(name, seen) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_hidden_genes_are_found_with_a_spread(
    name: str, full: Panel, fits: dict[str, Stack]
) -> None:
    answer = fits[name].sample(HIDDEN, 12, Monitor())
    truth = full.tissue[:, [3, 8, 11]]
    assert list(answer.genes) == HIDDEN
    assert answer.complete
    assert answer.mean.dtype == np.float32
    assert answer.mean.min() >= 0
    assert column_pearson(truth, answer.mean).mean() > 0.4
    assert answer.draws is not None
    assert answer.std is not None
    assert answer.draws.shape == (12, full.n_cells, 3)
    assert answer.draws.min() >= 0
    assert np.allclose(answer.std, answer.draws.std(axis=0))


@pytest.mark.parametrize("name", NAMES)
def test_values_of_hidden_genes_change_nothing(
    name: str, full: Panel, fits: dict[str, Stack]
) -> None:
    noise = full.tissue_raw.copy()
    columns = np.isin(full.genes, HIDDEN)
    shape = noise[:, columns].shape
    noise[:, columns] = np.random.default_rng(9).poisson(50, shape)
    guarded = _fitted(name, replace(full, tissue_raw=noise).without(HIDDEN))
    first, second = (m.sample(HIDDEN, 4, Monitor()) for m in (fits[name], guarded))
    assert np.array_equal(first.mean, second.mean)  # and so the same seed gives the same
    assert np.array_equal(first.draws, second.draws)
    held, again = fits[name].held_out(), guarded.held_out()
    assert held is not None
    assert again is not None
    assert np.array_equal(held.mean, again.mean)
    assert np.array_equal(held.std, again.std)


@pytest.mark.parametrize("name", NAMES)
def test_a_gene_does_not_depend_on_what_else_is_asked_for(
    name: str, fits: dict[str, Stack]
) -> None:
    asked = [*HIDDEN, "W0"]
    together = fits[name].sample(asked, 4, Monitor())
    turned = fits[name].sample(asked[::-1], 4, Monitor())
    alone = fits[name].sample(["G8"], 4, Monitor())
    assert np.allclose(together.mean[:, [1]], alone.mean, atol=1e-5)
    assert np.allclose(together.mean, turned.mean[:, ::-1], atol=1e-5)
    assert together.draws is not None
    assert turned.draws is not None
    assert alone.draws is not None
    # equal but for what rounding of the mean does to cells at one place
    assert (np.abs(together.draws[:, :, 1] - alone.draws[:, :, 0]) < 1e-2).mean() > 0.99
    assert (np.abs(together.draws - turned.draws[:, :, ::-1]) < 1e-2).mean() > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_answers_the_same(
    name: str, seen: Panel, fits: dict[str, Stack], tmp_path: Path
) -> None:
    fits[name].save(tmp_path)
    again = load_gene_method(name, tmp_path, seen)
    assert isinstance(again, Stack)
    first, second = (m.sample(HIDDEN, 3, Monitor()) for m in (fits[name], again))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    assert again.facts() == fits[name].facts()
    assert again.held_out() is None


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_refused_for_another_panel_by_name(
    name: str, full: Panel, seen: Panel, fits: dict[str, Stack], tmp_path: Path
) -> None:
    fits[name].save(tmp_path)
    raw = seen.tissue_raw + 1
    with pytest.raises(StdiffError, match="'bands', not 'else'"):
        load_gene_method(name, tmp_path, replace(seen, tissue_raw=raw, tissue_name="else"))
    with pytest.raises(StdiffError, match="'bands' holds other values"):
        load_gene_method(name, tmp_path, replace(seen, tissue_raw=raw))
    with pytest.raises(StdiffError, match="differing: 'G11', 'G3', 'G8'"):
        load_gene_method(name, tmp_path, full)


@pytest.mark.parametrize("name", NAMES)
def test_without_draws_there_is_the_mean_alone(name: str, fits: dict[str, Stack]) -> None:
    answer = fits[name].sample(["W1"], 0, Monitor())
    drawn = fits[name].sample(["W1"], 3, Monitor())
    assert answer.complete
    assert answer.draws is None
    assert answer.std is None
    assert np.array_equal(answer.mean, drawn.mean)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_cancelled_between_draws_keeps_those_there_are(
    name: str, full: Panel, fits: dict[str, Stack]
) -> None:
    def at_a_draw(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            drawing.cancel()

    drawing = Monitor(at_a_draw, interval=0)
    answer = fits[name].sample(["W0", "W1"], 16, drawing)
    whole = fits[name].sample(["W0", "W1"], 16, Monitor())
    assert not answer.complete
    assert answer.draws is not None
    assert 2 <= len(answer.draws) <= 3
    assert np.array_equal(answer.mean, whole.mean)
    assert np.array_equal(answer.draws, whole.draws[: len(answer.draws)])


@pytest.mark.parametrize("stage", ["fold 2 of 2", "learning the spread"])
def test_a_fit_stops_between_its_stages(stage: str, full: Panel) -> None:
    stages = []

    class Listening(Monitor):
        def stage(self, name: str, share: float = 1.0) -> object:
            stages.append(name)
            if name.lower().endswith(stage):
                self.cancel()
            return super().stage(name, share)

    with pytest.raises(Cancelled):
        Stack().fit(full, GeneSettings.of(**QUICK), Listening())
    assert stages[-1].lower().endswith(stage)


def test_a_gene_that_the_reference_lacks_is_named(fits: dict[str, Stack]) -> None:
    with pytest.raises(StdiffError, match="no gene 'Nope'"):
        fits["stack"].sample(["Nope"], 0, Monitor())


def test_visible_genes_are_predicted_while_they_are_hidden(full: Panel) -> None:
    noise = full.tissue_raw.copy()
    noise[:, 5] = np.random.default_rng(3).poisson(2, full.n_cells)  # nothing can tell it
    panel = replace(full, tissue_raw=noise)
    held = _fitted("stack", panel).held_out()
    assert held is not None
    assert held.mean.shape == panel.tissue.shape
    assert np.isfinite(held.mean).all()
    reached = column_pearson(panel.tissue, held.mean)
    assert abs(reached[5]) < 0.3
    assert np.delete(reached, 5).mean() > 0.4


@pytest.mark.parametrize("name", NAMES)
def test_held_out_genes_are_as_wide_as_hidden_ones(
    name: str, full: Panel, fits: dict[str, Stack]
) -> None:
    """What reliability is learned from is what the method does with genes it never saw."""
    held = fits[name].held_out()
    assert held is not None
    assert held.std is not None
    assert held.cells is not None
    assert held.std.shape == (len(held.cells), len(fits[name]._panel.genes))
    hidden = fits[name].sample(HIDDEN, 32, Monitor())
    assert hidden.std is not None
    truth = held.truth(fits[name]._panel)
    own = np.abs(truth - held.mean)[held.cells] / held.std
    theirs = np.abs(full.tissue[:, [3, 8, 11]] - hidden.mean) / hidden.std
    assert np.quantile(own, 0.8) == pytest.approx(np.quantile(theirs, 0.8), abs=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_gene_measured_does_not_choose_how_it_is_predicted(
    name: str, full: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, strengths and the pooled distributions of a held-out gene are of other genes."""
    config = GeneSettings.of(**QUICK)
    method = gene_method_class(name)
    fitted = []
    hidden = method().fit(full, config, Monitor())._hide(Monitor())
    monkeypatch.setattr(method, "_hide", lambda self, monitor: hidden)
    # the truth of the gene alone is another: guesses at all genes stay as they are
    for level in (0.0, 3.0):
        raw = full.tissue_raw.copy()
        raw[:, 5] = raw[::-1, 5] + level
        panel = replace(full, tissue_raw=raw)
        panel.__dict__["tissue"] = np.array(full.tissue)
        panel.tissue[:, 5] = full.tissue[::-1, 5] * (1 + level)
        fitted.append(method().fit(panel, config, Monitor()).held_out())
    assert np.corrcoef(fitted[0].mean[:, 5], fitted[1].mean[:, 5])[0, 1] > 0.9999


def test_without_smoothing_no_guess_is_an_average_over_cells(full: Panel) -> None:
    method = _fitted("stack-network", full, smoothing="off")
    assert len(method.weights) == len(Stack.guesser.parts)
    assert not any(name.startswith("average") for name in method.facts()["weights"])
    assert np.isfinite(method.sample(["W0"], 2, Monitor()).mean).all()


def test_diffusion_that_gains_nothing_is_neither_kept_nor_solved(
    seen: Panel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spadit.Trials, "best", lambda trials, genes=None: 0)
    method = _fitted("spadit", seen)
    assert method.diffusion_strength == 0
    assert method._denoiser is None
    known = method.sample(["W0"], 3, Monitor())
    method.save(tmp_path)
    again = type(method).load(tmp_path, seen).sample(["W0"], 3, Monitor())
    assert np.array_equal(known.draws, again.draws)
    assert (known.std > 0).any()


@pytest.mark.parametrize(
    "change", [{"batch_size": 16}, {"learning_rate": 0.05}, {"epochs": 1}, {"smoothing": "off"}]
)
def test_settings_that_are_offered_change_the_fit(
    change: dict[str, object], seen: Panel, fits: dict[str, Stack]
) -> None:
    other = _fitted("spadit", seen, **change)
    ours, theirs = (dict(m._denoiser.state_dict()) for m in (fits["spadit"], other))
    assert any(
        ours[key].shape != theirs[key].shape or (ours[key] != theirs[key]).any() for key in ours
    )


def test_of_large_tissue_some_visible_genes_are_judged(
    full: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "_ENTRIES", 6 * full.n_cells)  # 3 genes of each of two folds
    method = _fitted("stack", full)
    held = method.held_out()
    assert held is not None
    assert np.array_equal(np.flatnonzero(held.judged), method.judged)
    assert np.isnan(held.mean[:, ~held.judged]).all()
    assert len(method.judged) == 6
    assert np.isfinite(method.sample(["W0"], 2, Monitor()).mean).all()


def test_weights_are_told_and_never_negative(fits: dict[str, Stack]) -> None:
    told = fits["stack"].facts()["weights"]
    assert set(told) <= set(Stack.guesser.names())
    assert min(told.values()) > 0
    assert 0.1 < sum(told.values()) < 1.5
    assert fits["stack"].weights.min() >= 0


def test_values_below_zero_are_let_be_where_the_tissue_has_them(full: Panel) -> None:
    centred = full.tissue - full.tissue.mean(axis=0)
    panel = replace(full, tissue_raw=centred, tissue_values="log-normalised")
    assert _fitted("stack", panel).sample(["W0"], 0, Monitor()).mean.min() < 0


@pytest.mark.parametrize("name", NAMES)
def test_cost_grows_with_the_work(name: str, full: Panel, make_panel: MakePanel) -> None:
    cls, few = gene_method_class(name), GeneSettings.of(draws=0)
    small = cls.cost(full, few, 4)
    big = cls.cost(make_panel(cells=1500, reference_cells=1600), few, 4)
    assert 0 < small.seconds < big.seconds
    assert 0 < small.memory_mib < big.memory_mib
    assert (small.parameters == 0) == (name == "stack")


@pytest.mark.parametrize("name", NAMES[1:])
def test_parameters_are_as_many_as_are_estimated(
    name: str, seen: Panel, fits: dict[str, Stack], tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    fits[name].save(tmp_path)
    kept = load_file(tmp_path / "model.safetensors")
    networks = ("correction.", "denoiser.")
    there = sum(v.size for key, v in kept.items() if key.startswith(networks))
    estimate = type(fits[name]).cost(seen, fits[name].config, 1).parameters
    assert estimate == pytest.approx(there, rel=0.35)
