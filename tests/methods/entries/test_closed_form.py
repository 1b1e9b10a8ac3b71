"""The closed forms as methods: what every method that fills in entries promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.visible import Visible
from napari_stdiff.data.visible_of import visible_of
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.registry import entry_method_class, load_entry_method
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.methods.entries.singles import SINGLES
from napari_stdiff.scoring.correlation import column_pearson

MakeVisible = Callable[..., Visible]


def _fitted(name: str, visible: Visible, **settings: object) -> EntryMethod:
    return entry_method_class(name)().fit(visible, EntrySettings.of(**settings), Monitor())


@pytest.fixture(scope="module")
def visible(make_visible: MakeVisible) -> Visible:
    return make_visible()


@pytest.fixture(scope="module")
def truth(make_visible: MakeVisible, visible: Visible) -> np.ndarray:
    """Return what was measured before entries were hidden."""
    return visible.scaled(make_visible(share=0.0).raw)


@pytest.fixture(scope="module")
def fits(visible: Visible) -> dict[str, EntryMethod]:
    return {name: _fitted(name, visible) for name in SINGLES}


def _score(table: np.ndarray, truth: np.ndarray, visible: Visible) -> float:
    score = []
    for j in range(visible.n_genes):
        hidden = ~visible.seen[:, j]
        score.append(column_pearson(truth[hidden, j : j + 1], table[hidden, j : j + 1])[0])
    return float(np.mean(score))


@pytest.mark.parametrize("name", SINGLES)
def test_hidden_entries_are_filled_in_and_measured_ones_kept(
    name: str, visible: Visible, truth: np.ndarray, fits: dict[str, EntryMethod]
) -> None:
    answer = fits[name].sample(np.arange(visible.n_cells), 32, Monitor())
    assert answer.draws is not None
    assert answer.std is not None
    assert answer.complete
    assert answer.mean.dtype == np.float32
    assert list(answer.genes) == list(visible.genes)
    seen = visible.seen
    assert np.array_equal(answer.mean[seen], visible.expression[seen])
    assert not answer.std[seen].any()
    assert (answer.draws[:, seen] == visible.expression[seen]).all()
    assert answer.mean.min() >= 0
    assert answer.std[~seen].mean() > 0.1
    assert _score(answer.mean, truth, visible) > (0.3 if name != "mean" else -1)
    below = (answer.draws <= truth).mean(axis=0)[~seen]
    above = (answer.draws >= truth).mean(axis=0)[~seen]
    inside = (below > 0.1) & (above > 0.1)
    assert inside.mean() == pytest.approx(0.83, abs=0.08)
    zeros = (answer.draws[:, ~seen] == 0).mean()
    assert zeros == pytest.approx((truth[~seen] == 0).mean(), abs=0.03)


@pytest.mark.parametrize("name", SINGLES)
def test_denoised_entries_are_what_is_expected(
    name: str, visible: Visible, truth: np.ndarray, fits: dict[str, EntryMethod]
) -> None:
    cells = np.arange(visible.n_cells)
    kept = fits[name].sample(cells, 0, Monitor())
    denoised = _fitted(name, visible, denoise=True).sample(cells, 3, Monitor())
    seen = visible.seen
    assert denoised.std is not None
    assert np.array_equal(denoised.mean[~seen], kept.mean[~seen])
    assert not np.allclose(denoised.mean[seen], truth[seen], atol=0.2)
    assert denoised.mean[seen].std() < truth[seen].std()
    assert denoised.std[seen].mean() > 0.1
    if name != "mean":
        assert _score(denoised.mean, truth, replace(visible, seen=~seen)) > 0.4


@pytest.mark.parametrize("name", SINGLES)
def test_values_of_hidden_entries_change_nothing(name: str, make_visible: MakeVisible) -> None:
    whole = make_visible(cells=150, genes=12, share=0.0)
    missing = np.random.default_rng(4).random(whole.raw.shape) < 0.3
    noise = np.random.default_rng(9).poisson(50, whole.raw.shape)
    answers = []
    for raw in (whole.raw, np.where(missing, noise, whole.raw)):
        tissue = Tissue(
            expression=sparse.csr_matrix(raw.astype(np.float32)),
            values="counts",
            genes=whole.genes,
            names=np.array([f"c{i}" for i in range(len(raw))], dtype=object),
            coords=whole.coords,
            unit="um",
            section=whole.section,
        )
        seen, _ = visible_of(tissue, list(whole.genes), missing)
        answers.append(_fitted(name, seen).sample(np.arange(150), 4, Monitor()))
    assert np.array_equal(answers[0].mean, answers[1].mean)
    assert np.array_equal(answers[0].draws, answers[1].draws)


@pytest.mark.parametrize("name", SINGLES)
def test_a_cell_does_not_depend_on_which_others_are_asked_for(
    name: str, visible: Visible, fits: dict[str, EntryMethod]
) -> None:
    whole = fits[name].sample(np.arange(visible.n_cells), 4, Monitor())
    some = np.array([40, 3, 200, 7])
    few = fits[name].sample(some, 2, Monitor())
    assert whole.draws is not None
    assert few.draws is not None
    assert np.array_equal(few.mean, whole.mean[some])
    assert np.array_equal(few.draws, whole.draws[:2, some])


@pytest.mark.parametrize("name", SINGLES)
def test_a_saved_model_answers_the_same(
    name: str, visible: Visible, fits: dict[str, EntryMethod], tmp_path: Path
) -> None:
    fits[name].save(tmp_path)
    again = load_entry_method(name, tmp_path, visible)
    cells = np.arange(visible.n_cells)
    first, second = (m.sample(cells, 3, Monitor()) for m in (fits[name], again))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    assert again.facts() == fits[name].facts()


def test_a_model_is_refused_for_another_tissue_or_other_gaps_by_name(
    visible: Visible, make_visible: MakeVisible, fits: dict[str, EntryMethod], tmp_path: Path
) -> None:
    fits["soft-svd"].save(tmp_path)
    other = replace(make_visible(seed=5), tissue_name="else")
    with pytest.raises(StdiffError, match="'bands', not 'else'"):
        load_entry_method("soft-svd", tmp_path, other)
    with pytest.raises(StdiffError, match="'bands' holds other values, cells or gaps"):
        load_entry_method("soft-svd", tmp_path, make_visible(mask=2))
    genes = np.array(["other", *visible.genes[1:]], dtype=object)
    with pytest.raises(StdiffError, match="other genes \\(differing: 'G0', 'other'\\)"):
        load_entry_method("soft-svd", tmp_path, replace(visible, genes=genes))
    with pytest.raises(StdiffError, match="is a 'soft-svd', not a 'ridge'"):
        load_entry_method("ridge", tmp_path, visible)
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"choices"', '"choice"'))
    with pytest.raises(StdiffError, match="damaged or of another version"):
        load_entry_method("soft-svd", tmp_path, visible)


def test_a_reference_that_is_not_looked_at_may_be_another(
    visible: Visible, fits: dict[str, EntryMethod], tmp_path: Path
) -> None:
    fits["mean"].save(tmp_path)
    referenced = replace(
        visible,
        reference_raw=sparse.csr_matrix(np.ones((4, 3), dtype=np.float32)),
        reference_columns=np.arange(3),
        reference_name="donors",
    )
    assert load_entry_method("mean", tmp_path, referenced).facts() == {}


def test_what_was_chosen_is_told(fits: dict[str, EntryMethod]) -> None:
    assert set(fits["blend"].facts()) == {"around", "alike", "shrinkage"}
    assert set(fits["ridge"].facts()) == {"strength", "shrinkage"}
    assert set(fits["spatial-knn"].facts()) == {"around"}


def test_values_below_zero_are_let_be(visible: Visible, truth: np.ndarray) -> None:
    centred = replace(visible, raw=truth - truth.mean(axis=0), values="log-normalised")
    answer = _fitted("soft-svd", centred).sample(np.arange(visible.n_cells), 4, Monitor())
    assert answer.mean[~visible.seen].min() < 0
    assert answer.draws is not None
    assert answer.draws[:, ~visible.seen].min() < -0.5


def test_a_fit_is_cancelled_and_draws_that_are_done_are_kept(visible: Visible) -> None:
    monitor = Monitor()

    def stop(progress: Progress) -> None:
        if progress.stage.startswith("Finding"):
            monitor.cancel()

    monitor = Monitor(stop, interval=0)
    with pytest.raises(Cancelled):
        _ = entry_method_class("spatial-knn")().fit(visible, EntrySettings(), monitor)

    method = _fitted("spatial-knn", visible)

    def at_a_draw(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            drawing.cancel()

    drawing = Monitor(at_a_draw, interval=0)
    answer = method.sample(np.arange(20), 16, drawing)
    assert not answer.complete
    assert answer.draws is not None
    assert 2 <= len(answer.draws) <= 3


def test_without_draws_there_is_the_mean_alone(fits: dict[str, EntryMethod]) -> None:
    answer = fits["blend"].sample(np.arange(5), 0, Monitor())
    assert answer.complete
    assert answer.draws is None
    assert answer.std is None


@pytest.mark.parametrize("name", SINGLES)
def test_cost_grows_with_the_work(name: str, visible: Visible, make_visible: MakeVisible) -> None:
    cls, few = entry_method_class(name), EntrySettings.of(draws=0)
    small, big = cls.cost(visible, few), cls.cost(make_visible(cells=3000), few)
    drawn = cls.cost(visible, EntrySettings.of(draws=64))
    assert 0 < small.seconds < big.seconds
    assert small.seconds < drawn.seconds
    assert 0 < small.memory_mib < big.memory_mib
    assert small.parameters == 0
