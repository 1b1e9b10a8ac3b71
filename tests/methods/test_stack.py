"""Closed-form guesses: what they may see, and how they are weighed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.cells import VisibleCells
from napari_stdiff.methods.experts import Experts
from napari_stdiff.methods.flanks import SectionTrees
from napari_stdiff.methods.stack import Stack, _weigh

Make = Callable[..., Tissue]


def experts_of(cells: VisibleCells, values: np.ndarray | None = None) -> Experts:
    trees = SectionTrees(cells.coords, cells.section, cells.code)
    return Experts(cells, cells.expression if values is None else values, trees)


def stack_of(cells: VisibleCells) -> Stack:
    shares = np.full((len(cells.code), len(cells.types)), 1 / max(len(cells.types), 1))
    genes = cells.expression.shape[1]
    rows = np.arange(len(cells.code))
    blocks = (slice(0, genes),)
    return Stack.fit(experts_of(cells), blocks, np.ones(genes), shares, rows, Monitor())


@pytest.fixture(scope="module")
def cells(make_tissue: Make) -> VisibleCells:
    return VisibleCells.of(make_tissue())


@pytest.mark.parametrize("within", [False, True], ids=["between", "within"])
def test_a_guess_at_a_visible_cell_has_not_seen_it(cells: VisibleCells, within: bool) -> None:
    cells = replace(cells, within=within)
    kind = np.eye(len(cells.types))[cells.code]
    rows = np.flatnonzero(cells.section == "s1")[:20]
    first, second = experts_of(cells), experts_of(cells)
    hidden = (cells.section == "s1") if not within else np.isin(np.arange(len(kind)), rows[:1])
    second.values = np.where(hidden[:, None], 9, cells.expression).astype(np.float32)
    some = rows if not within else rows[:1]
    one = first.guess_own(some, cells.code[some], kind[some])
    two = second.guess_own(some, cells.code[some], kind[some])
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_each_cell_is_guessed_at_by_itself(cells: VisibleCells) -> None:
    stack = stack_of(cells)
    rng = np.random.default_rng(0)
    coords = np.column_stack([np.full(40, 15.0), rng.uniform(0, 100, (40, 2))])
    code = rng.integers(-1, len(cells.types), 40)
    kind = rng.dirichlet(np.ones(len(cells.types)), 40).astype(np.float32)
    whole = stack.predict(coords, code, kind)
    part = stack.predict(coords[[7, 3]], code[[7, 3]], kind[[7, 3]])
    np.testing.assert_array_equal(part, whole[[7, 3]])


def test_a_type_that_is_nowhere_takes_cells_of_any_type(cells: VisibleCells) -> None:
    lacking = replace(cells, code=np.where(cells.code == 1, 0, cells.code))
    experts = experts_of(lacking)
    experts.fit(Monitor())
    kind = np.eye(len(cells.types))[[1]]
    guesses = experts.guess(np.array([[15.0, 50, 50]]), np.array([1]), kind)
    np.testing.assert_array_equal(guesses[:3], guesses[3:6])


def test_one_section_is_enough_within_it(cells: VisibleCells) -> None:
    one = replace(cells.rows(cells.section == "s1"), within=True)
    stack = stack_of(one)
    rows = np.arange(len(one.code))
    out = stack.predict_own(rows, one.code, np.eye(len(one.types))[one.code], Monitor())
    assert np.isfinite(out).all()


def test_saved_and_read_back_it_guesses_the_same(cells: VisibleCells) -> None:
    stack = stack_of(cells)
    again = Stack.unpack(stack.pack(), experts_of(cells))
    coords, kind = np.array([[15.0, 40, 60]]), np.eye(len(cells.types))[[0]]
    code = np.array([0])
    np.testing.assert_array_equal(
        stack.predict(coords, code, kind), again.predict(coords, code, kind)
    )


def test_weights_find_who_is_right_and_shrink_what_is_noise() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(500, 2))
    right = np.column_stack([truth[:, 0], rng.normal(size=500)])  # of the second nothing is known
    guesses = np.stack([rng.normal(size=(500, 2)), right])
    weights = _weigh(guesses, truth, (slice(0, 2),), np.ones(2))
    assert (weights >= 0).all()
    assert weights[1, 0] > 0.8
    assert weights[:, 1].max() < 0.2


def test_a_process_has_half_a_voice_by_itself(cells: VisibleCells) -> None:
    rows = np.arange(len(cells.code))
    kind = np.full((len(rows), len(cells.types)), 1 / len(cells.types))
    trees = SectionTrees(cells.coords, cells.section, cells.code)
    experts = Experts(cells, cells.expression, trees, with_process=True)
    genes = cells.expression.shape[1]
    blocks = (slice(0, genes),)
    stack = Stack.fit(experts, blocks, np.ones(genes), kind, rows, Monitor())
    assert len(stack.known) == 10
    assert (stack.known[-1] >= 0.5).all()
    assert (stack.unknown[-1] >= 0.5).all()
    coords, code = np.array([[15.0, 40, 60]]), np.array([-1])
    whole = stack.predict(coords, code, kind[:1])
    assert experts.process is not None
    alone = experts.process.guess(coords, None)
    rest = np.einsum(
        "enc,ec->nc", experts.guess(coords, None, kind[:1]), stack.unknown - np.eye(7)[-1:].T / 2
    )
    np.testing.assert_allclose(whole, rest + alone / 2, atol=1e-5)
    again = Stack.unpack(stack.pack(), experts_of(cells))
    np.testing.assert_array_equal(again.predict(coords, code, kind[:1]), whole)


def test_few_cells_of_inner_sections_are_not_alone(
    make_tissue: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    own = Experts.guess_own

    def kept(self: Experts, rows: np.ndarray, *rest: object) -> np.ndarray:
        seen.append(set(self.cells.section[rows]))
        return own(self, rows, *rest)

    monkeypatch.setattr(Experts, "guess_own", kept)
    stack_of(VisibleCells.of(make_tissue(sections=4, n=100)))
    stack_of(VisibleCells.of(make_tissue(sections=4, n=260)))
    assert seen[0] == {"s0", "s1", "s2", "s3"}
    assert seen[-1] == {"s1", "s2"}
