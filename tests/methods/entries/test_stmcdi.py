"""Stack, networks and diffusion: what the defaults promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries import stmcdi as module
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.registry import entry_method_class, load_entry_method
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.stack import Stack
from napari_stdiff.methods.entries.stmcdi import Stmcdi
from napari_stdiff.scoring.correlation import column_pearson
from napari_stdiff.scoring.distribution import crps

MakeVisible = Callable[..., Visible]
NAMES = ("stack", "stack-network", "masked-network", "stmcdi")
SMALL = {"epochs": 30, "batch_size": 64, "draws": 16}


@pytest.fixture(scope="module")
def visible(make_visible: MakeVisible) -> Visible:
    return make_visible(cells=400)


@pytest.fixture(scope="module")
def truth(make_visible: MakeVisible, visible: Visible) -> np.ndarray:
    return visible.scaled(make_visible(cells=400, share=0.0).raw)


@pytest.fixture(scope="module")
def fits(visible: Visible) -> dict[str, EntryMethod]:
    names = (*NAMES, "spatial-knn")
    return {
        name: entry_method_class(name)().fit(visible, EntrySettings.of(**SMALL), Monitor())
        for name in names
    }


def _scores(method: EntryMethod, visible: Visible, truth: np.ndarray) -> tuple[float, float]:
    answer = method.sample(np.arange(visible.n_cells), 16, Monitor())
    pearson = []
    for j in range(visible.n_genes):
        out = ~visible.seen[:, j]
        pearson.append(column_pearson(truth[out, j : j + 1], answer.mean[out, j : j + 1])[0])
    assert answer.draws is not None
    out = ~visible.seen
    score = crps(truth[out][:, None], answer.draws[:, out][:, :, None])
    assert score is not None
    return float(np.mean(pearson)), score


@pytest.mark.parametrize("name", NAMES)
def test_hidden_entries_are_filled_and_measured_ones_kept(
    name: str, visible: Visible, truth: np.ndarray, fits: dict[str, EntryMethod]
) -> None:
    answer = fits[name].sample(np.arange(visible.n_cells), 16, Monitor())
    assert answer.draws is not None
    assert answer.std is not None
    assert np.array_equal(answer.mean[visible.seen], truth[visible.seen])
    assert (answer.std[visible.seen] == 0).all()
    assert (answer.mean >= 0).all()
    assert (answer.draws >= 0).all()
    assert (answer.std[~visible.seen] > 0).mean() > 0.9


def test_the_stack_is_ahead_of_its_parts_and_diffusion_sharpens_it(
    visible: Visible, truth: np.ndarray, fits: dict[str, EntryMethod]
) -> None:
    scores = {name: _scores(fit, visible, truth) for name, fit in fits.items()}
    assert scores["stack"][0] > scores["spatial-knn"][0]
    assert scores["stack"][1] < scores["spatial-knn"][1]
    assert scores["stmcdi"][0] == pytest.approx(scores["stack-network"][0])
    assert scores["stmcdi"][1] < 1.02 * scores["stack-network"][1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_with_a_cell_changes_nothing(
    name: str, visible: Visible, fits: dict[str, EntryMethod]
) -> None:
    some = np.array([7, 3, 200])
    whole = fits[name].sample(np.arange(visible.n_cells), 8, Monitor())
    part = fits[name].sample(some, 8, Monitor())
    assert part.draws is not None
    assert whole.draws is not None
    assert np.allclose(part.mean, whole.mean[some], atol=1e-5)
    assert np.allclose(part.draws, whole.draws[:, some], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_answers_as_before_and_is_refused_elsewhere(
    name: str,
    visible: Visible,
    fits: dict[str, EntryMethod],
    make_visible: MakeVisible,
    tmp_path: Path,
) -> None:
    fits[name].save(tmp_path)
    again = load_entry_method(name, tmp_path, visible)
    cells = np.arange(20)
    one, two = (m.sample(cells, 4, Monitor()) for m in (fits[name], again))
    assert one.draws is not None
    assert two.draws is not None
    assert np.array_equal(one.mean, two.mean)
    assert np.allclose(one.draws, two.draws, atol=1e-5)
    assert again.facts() == fits[name].facts()
    with pytest.raises(StdiffError, match="fitted on"):
        load_entry_method(name, tmp_path, make_visible(cells=400, seed=3))


def test_hidden_values_change_nothing(visible: Visible, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEPS", 20)  # what leaks has leaked by then
    noise = np.random.default_rng(1).poisson(30, visible.raw.shape).astype(np.float32)
    other = Visible(
        visible.genes,
        np.where(visible.seen, visible.raw, noise),
        visible.seen,
        "counts",
        visible.coords,
        visible.section,
    )
    config = EntrySettings.of(epochs=2, draws=4)
    cells = np.arange(visible.n_cells)
    one, two = (
        Stmcdi().fit(v, config, Monitor()).sample(cells, 4, Monitor()) for v in (visible, other)
    )
    assert one.draws is not None
    assert two.draws is not None
    assert np.array_equal(one.draws, two.draws)


def test_denoised_values_are_nearer_to_what_is_there(make_visible: MakeVisible) -> None:
    raw = make_visible(cells=400, share=0.0)
    rng = np.random.default_rng(0)
    half = rng.binomial(raw.raw.astype(int), 0.5)
    visible = Visible(
        raw.genes,
        half.astype(np.float32),
        np.ones(half.shape, dtype=bool),
        "counts",
        raw.coords,
        raw.section,
    )
    other = visible.scaled((raw.raw - half).astype(np.float32))
    method = Stack().fit(visible, EntrySettings(denoise=True), Monitor())
    found = method.sample(np.arange(400), 0, Monitor()).mean
    before = ((visible.expression - other) ** 2).mean()
    assert ((found - other) ** 2).mean() < 0.75 * before


def test_errors_of_a_spot_hang_together_as_those_that_were_seen(
    visible: Visible, fits: dict[str, EntryMethod]
) -> None:
    method = fits["stmcdi"]
    assert isinstance(method, Stmcdi)
    cells = np.repeat(np.arange(visible.n_cells), visible.n_genes)
    columns = np.tile(np.arange(visible.n_genes), visible.n_cells)
    noise = method._noise(cells, columns, 16).reshape(16, visible.n_cells, visible.n_genes)
    assert abs(float(noise.mean())) < 0.02
    assert 0.9 < float(noise.std()) < 1.1
    found = np.corrcoef(noise.reshape(-1, visible.n_genes).T)
    factors = method._errors
    wanted = factors.loadings @ factors.loadings.T + np.diag(factors.own)
    off = ~np.eye(len(wanted), dtype=bool)
    assert np.corrcoef(found[off], wanted[off])[0, 1] > 0.9


def test_a_sampler_with_noise_is_refused(visible: Visible) -> None:
    with pytest.raises(StdiffError, match="ancestral"):
        Stmcdi().fit(visible, EntrySettings(sampler="ancestral"), Monitor())


def test_a_cancelled_run_stops_and_one_that_draws_keeps_what_it_has(
    visible: Visible, fits: dict[str, EntryMethod]
) -> None:
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(Cancelled):
        Stmcdi().fit(visible, EntrySettings(), monitor)

    def at_a_draw(progress: Progress) -> None:
        if "draw 3" in progress.message:
            drawing.cancel()

    drawing = Monitor(at_a_draw, interval=0)
    answer = fits["stmcdi"].sample(np.arange(50), 8, drawing)
    assert not answer.complete
    assert answer.draws is not None


def test_the_cost_grows_with_the_table(make_visible: MakeVisible) -> None:
    small, large = make_visible(cells=100), make_visible(cells=1000, genes=60)
    for name in NAMES:
        one, two = (entry_method_class(name).cost(v, EntrySettings()) for v in (small, large))
        assert two.seconds > one.seconds
        assert two.memory_mib > one.memory_mib
