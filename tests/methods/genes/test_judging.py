"""Visible genes judged while they are left out: quantiles, losses, and what other genes choose."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.methods.genes.judging import LEVELS, Judgement, Trials, some_rows
from napari_stdiff.methods.genes.residual import NODES
from napari_stdiff.methods.genes.spread import Spread
from napari_stdiff.scoring.distribution import crps


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    rng = np.random.default_rng(0)
    raw = (rng.standard_normal((600, 12)) + np.linspace(3, 6, 12)).astype(np.float32)
    truth = np.maximum(raw + rng.standard_normal(raw.shape), 0).astype(np.float32)
    return Judgement(Spread.fit(raw, truth), raw, truth, some_rows(600, 200))


def test_rows_are_evenly_spaced_and_no_more_than_there_are() -> None:
    assert np.array_equal(some_rows(5, 9), np.arange(5))
    rows = some_rows(1000, 100)
    assert len(rows) == 100
    assert np.ptp(np.diff(rows)) <= 1


def test_nodes_that_are_noise_leave_the_spread_and_widening_widens(judgement: Judgement) -> None:
    plain = judgement.quantiles(4)
    assert plain.shape == (len(LEVELS), 200)
    nodes = np.repeat(NODES[:, None], 200, axis=1)
    assert np.allclose(judgement.quantiles(4, nodes), plain, atol=0.02)
    wide = judgement.quantiles(4, nodes, 1.2)
    assert wide.std(axis=0).mean() > 1.05 * plain.std(axis=0).mean()


def test_the_loss_is_half_the_crps(judgement: Judgement) -> None:
    quantiles = judgement.quantiles(4)
    truth = judgement.truth[judgement.cells][:, [4]]
    double = 2 * judgement.loss(4, quantiles)
    assert double == pytest.approx(crps(truth, quantiles[:, :, None]), rel=0.06)


def test_a_genes_own_values_are_not_in_its_quantiles(judgement: Judgement) -> None:
    other = judgement.truth.copy()
    other[:, 4] = 99
    changed = Spread.fit(judgement.raw, other)
    spread = Spread(changed.features, changed.values, judgement._spread.pool, "level")
    again = Judgement(spread, judgement.raw, other, judgement.cells)
    same = Judgement(
        Spread(changed.features, judgement._spread.values, spread.pool, "level"),
        *(judgement.raw, judgement.truth, judgement.cells),
    )
    assert np.array_equal(again.quantiles(4), same.quantiles(4))
    assert not np.array_equal(again.quantiles(5), same.quantiles(5))


def test_a_gene_has_no_say_in_the_way_that_its_deviation_is_of(judgement: Judgement) -> None:
    trials = Trials([(0.0, 1.0), (1.0, 1.0)], judgement)
    group = np.arange(12) % 3
    for gene in range(12):
        for way in (0, 1):
            # the first is better for group 0, and far better; the second for the others
            loss = {0: (0.0, 9.0)}.get(group[gene], (1.0, 0.0))[way]
            trials.add(way, gene, loss, np.full((3, 200), way) * np.arange(3)[:, None])
    assert trials.best() == 0
    assert trials.best(group != 0) == 1
    found = trials.deviations(group)
    assert (found[:, group == 0] > 0).all()  # the second way's, whatever group 0 would like
    assert (found[:, group != 0] == 0).all()


def test_a_gain_within_its_standard_error_leaves_the_distribution_as_it_is(
    judgement: Judgement,
) -> None:
    trials = Trials([(0.0, 1.0), (0.0, 1.1), (0.5, 1.0)], judgement)
    quantiles = np.zeros((3, 200))
    for gene in range(12):
        trials.add(0, gene, 1.0, quantiles)
        trials.add(1, gene, 0.95, quantiles)
        trials.add(2, gene, 0.9 + (0.2 if gene % 2 else -0.2), quantiles)
    assert trials.best() == 1  # of those without diffusion the better one
    for gene in range(12):
        trials.add(2, gene, 0.8 + (0.01 if gene % 2 else -0.01), quantiles)
    assert trials.best() == 2


def test_there_is_hope_until_diffusion_was_judged_and_was_behind(judgement: Judgement) -> None:
    trials = Trials([(0.0, 1.0), (0.5, 1.0)], judgement)
    quantiles = np.zeros((3, 200))
    assert trials.hopeful
    for gene in range(4):
        trials.add(0, gene, 1.0, quantiles)
        trials.add(1, gene, 0.9, quantiles)
    assert trials.hopeful
    for gene in range(4, 8):
        trials.add(0, gene, 1.0, quantiles)
        trials.add(1, gene, 1.2, quantiles)
    assert not trials.hopeful
    for gene in range(8, 12):  # it is not judged any more
        trials.add(0, gene, 1.0, quantiles)
    assert trials.best() == 0
