"""Visible genes predicted from each other: each once, and never from itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.folds import gene_folds, out_of_fold

MakePanel = Callable[..., Panel]


@pytest.mark.parametrize(("genes", "folds"), [(24, 5), (4, 20), (5, 2), (4, 4)])
def test_every_gene_is_hidden_once(genes: int, folds: int) -> None:
    parts = gene_folds(genes, folds, seed=1)
    assert sorted(np.concatenate([h for _, h in parts])) == list(range(genes))
    for kept, hidden in parts:
        assert sorted([*kept, *hidden]) == list(range(genes))
        assert len(kept) >= 3
    assert len(parts) == (5 if (genes, folds) == (24, 5) else {4: 4, 5: 3}[genes])


def test_three_genes_are_too_few_to_hide_one() -> None:
    with pytest.raises(StdiffError, match="at least 4 are needed"):
        gene_folds(3, 5, seed=0)


def test_folds_follow_the_seed() -> None:
    first, again, other = (gene_folds(24, 5, s)[0][1].tolist() for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_gene_is_predicted_while_it_is_hidden(make_panel: MakePanel) -> None:
    panel, asked = make_panel(), []

    def predict(seen: Panel, names: np.ndarray) -> np.ndarray:
        assert not set(names) & set(seen.genes)
        assert set(names) <= set(seen.wanted)
        assert seen.tissue_raw.shape[1] == len(panel.genes) - len(names)
        asked.extend(names)
        return np.tile([float(n[1:]) for n in names], (seen.n_cells, 1))

    out = out_of_fold(panel, predict, 5, 0, Monitor())
    assert sorted(asked) == sorted(panel.genes)
    # columns are back in the panel's order
    assert np.array_equal(out[0], [float(n[1:]) for n in panel.genes])


def test_it_can_be_cancelled_between_two_folds(make_panel: MakePanel) -> None:
    monitor, done = Monitor(), []

    def predict(seen: Panel, names: np.ndarray) -> np.ndarray:
        done.append(1)
        monitor.cancel()
        return np.zeros((seen.n_cells, len(names)))

    with pytest.raises(Cancelled):
        out_of_fold(make_panel(), predict, 5, 0, monitor)
    assert len(done) == 1
