"""Conditions and the plain network: they know no gene by name, and learn what holds for others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes import stack_network
from napari_stdiff.methods.genes.conditions import Conditions
from napari_stdiff.methods.genes.corrections import (
    PARTS,
    Correction,
    Entries,
    Training,
    evaluate,
    fit_corrections,
    groups_of_genes,
    some_cells,
)
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.smoothing import Neighbourhood
from napari_stdiff.methods.genes.stack import Guessed, Stack
from napari_stdiff.methods.genes.stack_network import StackNetwork

MakePanel = Callable[..., Panel]
CPU = torch.device("cpu")
CELLS, GENES, GUESSES = 90, 6, 3


def _guessed(seed: int = 0) -> tuple[Guessed, np.ndarray]:
    rng = np.random.default_rng(seed)
    guesses = rng.standard_normal((GUESSES, CELLS, GENES)).astype(np.float32)
    told = rng.random((3, GENES))
    return Guessed(guesses, *told), guesses.mean(axis=0)


def _conditions() -> Conditions:
    rng = np.random.default_rng(1)
    coords = np.c_[np.zeros(CELLS), rng.random((CELLS, 2))]
    near = Neighbourhood(coords, np.full(CELLS, "s"))
    made = Conditions(near, rng.uniform(0.5, 2, CELLS).astype(np.float32))
    made.learn(*_guessed())
    return made


def test_conditions_are_bounded_and_of_each_gene_alone() -> None:
    guessed, expected = _guessed()
    found = _conditions().of(guessed, expected, np.arange(GENES))
    assert found.shape == (CELLS, GENES, Conditions.width(GUESSES))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 5
    some = _conditions().of(guessed, expected, np.array([4, 1]))
    assert np.allclose(some, found[:, [4, 1]], atol=1e-5)


def test_conditions_do_not_know_which_gene_or_cell_it_is() -> None:
    guessed, expected = _guessed()
    order = np.random.default_rng(2).permutation(GENES)
    moved = Guessed(
        guessed.guesses[:, :, order],
        *(x[order] for x in (guessed.levels, guessed.deviations, guessed.zeros)),
    )
    found = _conditions().of(guessed, expected, np.arange(GENES))
    turned = _conditions().of(moved, expected[:, order], np.arange(GENES))
    assert np.allclose(found[:, order], turned, atol=1e-5)


def test_what_holds_for_some_genes_is_learned_for_others() -> None:
    rng = np.random.default_rng(3)
    genes = np.repeat(np.arange(9), 200)
    conditions = rng.standard_normal((len(genes), 4)).astype(np.float32)
    goal = conditions[:, 0] + 0.1 * rng.standard_normal(len(genes))
    entries = Entries(torch.from_numpy(conditions), torch.from_numpy(goal).float(), genes)
    networks = fit_corrections(entries, 16, Training(200), 0, CPU, Monitor())
    assert len(networks) == PARTS
    group = groups_of_genes(9, 0)[genes]
    errors = []
    for number, network in enumerate(networks):
        mine = group == number  # of genes this network did not see
        found = evaluate(network, conditions[mine][:, None], CPU)[:, 0]
        errors.append(float(((found - goal[mine]) ** 2).mean()))
    assert max(errors) < 0.5 * goal.var()


def test_before_training_nothing_is_corrected() -> None:
    conditions = np.random.default_rng(4).standard_normal((5, 2, 7)).astype(np.float32)
    assert (evaluate(Correction(7, 8).eval(), conditions, CPU) == 0).all()


def test_every_gene_is_left_out_once_and_many_cells_are_thinned() -> None:
    group = groups_of_genes(10, 5)
    assert sorted(np.bincount(group)) == [3, 3, 4]
    assert np.array_equal(group, groups_of_genes(10, 5))
    assert groups_of_genes(2, 0).max() == 1
    assert np.array_equal(some_cells(50, 10, 0), np.arange(50))
    few = some_cells(100_000, 100, 0)
    assert len(few) == 4000
    assert (np.diff(few) > 0).all()
    assert len(some_cells(100_000, 10**6, 0)) == 200


@pytest.fixture(scope="module")
def panel(make_panel: MakePanel) -> Panel:
    return make_panel(shared=16, cells=140, reference_cells=150, sections=1)


@pytest.fixture(scope="module")
def method(panel: Panel) -> StackNetwork:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_network, "_STEPS", 20)
        config = GeneSettings.of(inner_folds=2, width=8, device="cpu")
        return StackNetwork().fit(panel, config, Monitor())


def test_without_strength_it_is_the_stack(
    panel: Panel, method: StackNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack().fit(panel, method.config, Monitor())
    assert np.array_equal(stack.weights, method.weights)
    guessed = Guessed.of(method._guesses, panel.profiles(["W0", "W1"]))
    monkeypatch.setattr(method, "strength", 0.0)
    assert np.array_equal(method._expect(guessed), stack._expect(guessed))
    monkeypatch.setattr(method, "strength", 1.0)
    assert not np.allclose(method._expect(guessed), stack._expect(guessed), atol=1e-4)


def test_how_genes_are_dealt_to_blocks_changes_nothing(
    panel: Panel, method: StackNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "strength", 1.0)
    whole = method.sample(["W0", "W1", "W2"], 0, Monitor()).mean
    monkeypatch.setattr(stack_network, "_BLOCK", 2 * panel.n_cells)
    assert [len(some) for some in method._blocks(np.arange(3))] == [2, 1]
    assert np.allclose(whole, method.sample(["W0", "W1", "W2"], 0, Monitor()).mean, atol=1e-5)


def test_the_seed_and_nothing_else_decides(panel: Panel, method: StackNetwork) -> None:
    other = GeneSettings.of(inner_folds=2, width=8, device="cpu", seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_network, "_STEPS", 20)
        torch.manual_seed(99)
        again = StackNetwork().fit(panel, method.config, Monitor())
        changed = StackNetwork().fit(panel, other, Monitor())
    first, second, third = (m.sample(["W0"], 2, Monitor()) for m in (method, again, changed))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    assert not np.array_equal(first.draws, third.draws)
