"""Cells that occur twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from napari_stdiff.data.copies import without_copies
from napari_stdiff.data.tissue import Tissue

Make = Callable[..., Tissue]


def test_copies_of_hidden_cells_are_hidden_too(make_tissue: Make) -> None:
    tissue = make_tissue()
    rng = np.random.default_rng(0)
    x = rng.poisson(5, (tissue.n_cells, 40)).astype(np.float32)
    rows = np.flatnonzero(tissue.section == "s2")[:7]
    copies = np.flatnonzero(tissue.section == "s1")[:7]
    x[copies] = x[rows]
    genes = np.array([f"g{i}" for i in range(40)])
    for values in (x, sparse.csr_matrix(x)):
        visible, hidden = replace(tissue, expression=values, genes=genes).split("s2")
        kept, note = without_copies(visible, hidden)
        assert kept.n_cells == visible.n_cells - 7
        assert "7 cells of s1" in note


def test_cells_with_little_expression_are_no_copies(make_tissue: Make) -> None:
    tissue = make_tissue()
    x = np.zeros((tissue.n_cells, 40), dtype=np.float32)
    x[:, 3] = 1
    alike = replace(tissue, expression=x, genes=np.array([f"g{i}" for i in range(40)]))
    visible, hidden = alike.split("s2")
    kept, note = without_copies(visible, hidden)
    assert kept is visible
    assert note == ""
