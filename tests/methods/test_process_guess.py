"""A Gaussian process among the closed-form guesses: when it joins, and what it may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.cells import VisibleCells
from napari_stdiff.methods.core import Core
from napari_stdiff.methods.process_guess import MOST_CELLS, ProcessGuess, worth_it
from napari_stdiff.methods.settings import InterpolationSettings

Make = Callable[..., Tissue]


@pytest.fixture(scope="module")
def cells(make_tissue: Make) -> VisibleCells:
    return VisibleCells.of(make_tissue(sections=4, n=60))


@pytest.fixture(scope="module")
def folds(cells: VisibleCells) -> np.ndarray:
    return np.unique(cells.section, return_inverse=True)[1]


@pytest.fixture(scope="module")
def guess(cells: VisibleCells, folds: np.ndarray) -> ProcessGuess:
    return ProcessGuess.fit(cells, cells.expression, folds, Monitor())


def wide(make_tissue: Make, genes: int, sections: int = 3, n: int = 80) -> VisibleCells:
    tissue = make_tissue(sections=sections, n=n)
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(size=(1, genes)) + np.sin(tissue.coords[:, 1:2] / 15))
    names = np.array([f"g{i}" for i in range(genes)])
    counts = rng.poisson(level).astype(np.float32)
    return VisibleCells.of(replace(tissue, expression=counts, genes=names))


def test_it_is_for_few_cells_and_many_genes() -> None:
    assert worth_it(MOST_CELLS, 1000)
    assert not worth_it(MOST_CELLS + 1, 1000)
    assert not worth_it(1000, 150)
    assert not worth_it(20, 1000)


@pytest.mark.parametrize(
    ("genes", "plain", "there"), [(450, False, True), (450, True, False), (60, False, False)]
)
def test_the_core_asks_for_it(make_tissue: Make, genes: int, plain: bool, there: bool) -> None:
    core = Core(wide(make_tissue, genes, n=30), InterpolationSettings(), plain=plain)
    assert core.experts.with_process is there
    assert core.experts.number(False) == 6 + there


def test_it_finds_what_is_smooth(guess: ProcessGuess, cells: VisibleCells) -> None:
    own = np.concatenate(
        [
            guess.guess(cells.coords[rows], cells.code[rows], fold)
            for fold in range(4)
            for rows in [np.flatnonzero(cells.section == f"s{fold}")]
        ]
    )
    for gene in (1, 5):  # a wave in place, and a type's marker
        assert np.corrcoef(own[:, gene], cells.expression[:, gene])[0, 1] > 0.5


def test_a_left_out_section_has_no_say(
    guess: ProcessGuess, cells: VisibleCells, folds: np.ndarray
) -> None:
    """With the settings, axes and readout held, a section's values do not reach its guesses."""
    rows = np.flatnonzero(folds == 1)
    off = guess.guess(cells.coords[rows], cells.code[rows]) - guess.guess(
        cells.coords[rows], cells.code[rows], 1
    )
    residual = cells.expression[rows] - guess.guess(cells.coords[rows], cells.code[rows], 1)
    # what was seen is followed, and what was not seen is not
    assert np.corrcoef(off.ravel(), residual.ravel())[0, 1] > 0.3


def test_each_cell_is_guessed_at_by_itself(guess: ProcessGuess) -> None:
    rng = np.random.default_rng(0)
    coords = np.column_stack([np.full(40, 15.0), rng.uniform(0, 100, (40, 2))])
    code = rng.integers(-1, 3, 40)
    whole = guess.guess(coords, code)
    np.testing.assert_array_equal(guess.guess(coords[[7, 3]], code[[7, 3]]), whole[[7, 3]])
    np.testing.assert_array_equal(guess.guess(coords, None), guess.guess(coords, np.full(40, -1)))


def test_saved_and_read_back_it_guesses_the_same(guess: ProcessGuess, cells: VisibleCells) -> None:
    again = ProcessGuess.unpack(guess.pack())
    assert again is not None
    coords, code = cells.coords[:9] + 1.0, cells.code[:9]
    np.testing.assert_array_equal(again.guess(coords, code), guess.guess(coords, code))
    assert ProcessGuess.unpack({}) is None


def test_it_can_be_cancelled(cells: VisibleCells, folds: np.ndarray) -> None:
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(Cancelled):
        ProcessGuess.fit(cells, cells.expression, folds, monitor)
