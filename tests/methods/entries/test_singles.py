"""The closed-form guesses find what was hidden, and do not look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries import singles as module
from napari_stdiff.methods.entries.hiding import Trial, mean_pearson
from napari_stdiff.methods.entries.low_rank import low_rank, low_ranks
from napari_stdiff.methods.entries.singles import (
    ALIKE,
    AROUND,
    SHRINKAGES,
    SINGLES,
    STRENGTHS,
    Choices,
    Regression,
    Singles,
    around,
    choose,
)
from napari_stdiff.methods.genes.smoothing import Neighbourhood
from napari_stdiff.scoring.correlation import column_pearson

MakeVisible = Callable[..., Visible]


@pytest.fixture(scope="module")
def trial(make_visible: MakeVisible) -> Trial:
    return Trial.of(make_visible(share=0.15), seed=0, share=0.2)


@pytest.fixture(scope="module")
def singles(trial: Trial) -> Singles:
    visible = trial.visible
    return Singles(visible, Neighbourhood(visible.coords, visible.section))


@pytest.mark.parametrize("name", [name for name in SINGLES if name != "mean"])
def test_hidden_entries_are_found(name: str, trial: Trial, singles: Singles) -> None:
    table = singles.guess(name)
    assert table.shape == trial.visible.raw.shape
    assert table.dtype == np.float32
    assert np.isfinite(table).all()
    assert trial.score(table) > 0.3


def test_the_blend_is_the_average_of_three(singles: Singles) -> None:
    three = [singles.guess(name) for name in module.BLENDED]
    assert np.allclose(singles.guess("blend"), np.mean(three, axis=0), atol=1e-6)
    assert not singles.guess("mean").any()


def test_spatial_neighbours_count_where_they_are_visible(trial: Trial) -> None:
    visible = trial.visible
    near = Neighbourhood(visible.coords, visible.section)
    table = around(visible, near, 4)
    cell = 17
    same = np.flatnonzero(visible.section == visible.section[cell])
    distance = np.linalg.norm(visible.coords[same] - visible.coords[cell], axis=1)
    five = same[np.argsort(distance)[:5]]
    for gene in range(visible.n_genes):
        seen = five[visible.seen[five, gene]]
        expected = visible.standard[seen, gene].mean() if len(seen) else 0.0
        assert table[cell, gene] == pytest.approx(expected, abs=1e-5)


def test_a_gene_that_nobody_sees_around_is_guessed_at_its_mean(trial: Trial) -> None:
    visible = trial.visible
    hidden = np.zeros(visible.seen.shape, dtype=bool)
    hidden[:, 3] = True
    none = visible.without(hidden)
    table = around(none, Neighbourhood(none.coords, none.section), 8)
    assert not table[:, 3].any()


def test_low_rank_of_a_low_rank_table_fills_its_gaps() -> None:
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 40))
    whole = ((whole - whole.mean(axis=0)) / whole.std(axis=0)).astype(np.float32)
    seen = rng.random(whole.shape) > 0.3
    found = low_ranks(np.where(seen, whole, 0), seen, [0.5, 0.2, 0.05, 0.01, 0.001])[-1]
    assert column_pearson(whole, found.table()).min() > 0.99
    assert np.allclose(found.right.T @ found.right, np.eye(found.right.shape[1]), atol=1e-4)


def test_more_shrinkage_leaves_a_smaller_table(trial: Trial) -> None:
    standard, seen = trial.visible.standard, trial.visible.seen
    sizes = [np.linalg.norm(low_rank(standard, seen, s).left) for s in (0.4, 0.7, 1.0)]
    assert sizes[0] > sizes[1] > sizes[2]
    nothing = low_rank(standard, seen, 100.0)
    assert not nothing.table().any()


def test_ridge_leaves_the_gene_itself_out(trial: Trial, singles: Singles) -> None:
    visible, low, strength = trial.visible, singles.low_rank, 0.3
    found = Regression(visible, low.table()).predict(strength)
    filled = np.where(visible.seen, visible.standard, low.table()).astype(np.float64)
    filled -= filled.mean(axis=0)
    for gene in (0, 7):
        others = np.delete(np.arange(visible.n_genes), gene)
        seen = visible.seen[:, gene]
        gram = filled[:, others].T @ filled[:, others] / len(filled)
        along = filled[seen][:, others].T @ visible.standard[seen, gene] / seen.sum()
        weights = np.linalg.solve(gram + strength * np.eye(len(others)), along)
        expected = filled[:, others] @ weights
        assert np.allclose(found[:, gene], expected - expected[seen].mean(), atol=1e-4)


def test_ridge_of_many_genes_looks_at_some(
    trial: Trial, singles: Singles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PREDICTORS", 10)
    assert trial.score(Regression(trial.visible, singles.low_rank.table()).predict(0.3)) > 0.3


def test_numbers_are_chosen_by_what_was_hidden(trial: Trial) -> None:
    visible = trial.visible
    near = Neighbourhood(visible.coords, visible.section)
    chosen = choose(trial, near, Monitor())
    assert chosen.around in AROUND
    assert chosen.alike in ALIKE
    assert chosen.shrinkage in SHRINKAGES
    assert chosen.strength in STRENGTHS
    tuned, plain = Singles(visible, near, chosen), Singles(visible, near, Choices(0.01, 60, 15, 1))
    for name in ("soft-svd", "spatial-knn"):
        assert trial.score(tuned.guess(name)) >= trial.score(plain.guess(name))


def test_numbers_that_nobody_needs_are_not_chosen(trial: Trial) -> None:
    visible = trial.visible
    near = Neighbourhood(visible.coords, visible.section)
    some = choose(trial, near, Monitor(), ("spatial-knn",))
    assert replace(some, around=Choices().around) == Choices()


def test_choosing_can_be_cancelled(trial: Trial) -> None:
    monitor = Monitor()
    monitor.cancel()
    near = Neighbourhood(trial.visible.coords, trial.visible.section)
    with pytest.raises(Cancelled):
        choose(trial, near, monitor)


@pytest.mark.parametrize("name", SINGLES)
def test_hidden_values_change_no_guess(name: str, make_visible: MakeVisible) -> None:
    one = make_visible(cells=120, genes=10)
    whole = make_visible(cells=120, genes=10, share=0.0)
    noise = np.random.default_rng(5).poisson(80, one.raw.shape)
    other = replace(one, raw=np.where(one.seen, whole.raw, noise).astype(np.float32))
    tables = [Singles(v, Neighbourhood(v.coords, v.section)).guess(name) for v in (one, other)]
    assert np.array_equal(*tables)


def test_a_trial_hides_a_share_of_what_is_visible(make_visible: MakeVisible) -> None:
    visible = make_visible()
    trial, again = Trial.of(visible, 3), Trial.of(visible, 3)
    assert np.array_equal(trial.cells, again.cells)
    assert not np.array_equal(trial.visible.seen, Trial.of(visible, 3, number=1).visible.seen)
    assert visible.seen[trial.cells, trial.columns].all()
    assert not trial.visible.seen[trial.cells, trial.columns].any()
    assert len(trial.cells) == pytest.approx(0.1 * visible.seen.sum(), rel=0.15)
    assert np.array_equal(trial.truth, visible.expression[trial.cells, trial.columns])


def test_pearson_by_gene_is_that_of_each_gene() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((2, 300))
    columns = rng.integers(0, 4, 300)
    columns[0] = 6  # a gene with one entry says nothing, one without any neither
    prediction[columns == 2] = 1.0
    each = [
        column_pearson(truth[columns == j][:, None], prediction[columns == j][:, None])[0]
        for j in range(4)
    ]
    assert mean_pearson(truth, prediction, columns, 8) == pytest.approx(np.mean(each))
