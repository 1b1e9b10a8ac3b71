"""The shared genes that are used where there are too many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.data import telling
from napari_stdiff.data.reading import read
from napari_stdiff.data.reference import Reference
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue


def made() -> tuple[Tissue, Reference, list[tuple[str, str]]]:
    sample = simulate(n_sections=3, cells_per_section=60, n_genes=12, image_size=60)
    tissue = read(sample.sdata)
    rng = np.random.default_rng(0)
    x = rng.poisson(5, (80, 12)).astype(np.float32)
    genes = np.array([f"R{i}" for i in range(12)][::-1], dtype=object)
    names = np.array([f"c{i}" for i in range(80)], dtype=object)
    reference = Reference(sparse.csr_matrix(x), "counts", genes, names)
    return tissue, reference, [(str(g), f"R{i}") for i, g in enumerate(tissue.genes)]


def test_a_gene_must_vary_in_both_and_the_order_stays() -> None:
    tissue, reference, pairs = made()
    measured = tissue.expression.toarray()
    measured[:, 4] = 0
    known = reference.expression.toarray()
    known[:, 11 - 7] = 0  # the reference has its genes backwards
    tissue = replace(tissue, expression=measured)
    reference = replace(reference, expression=sparse.csr_matrix(known))
    kept = telling.most_telling(tissue, reference, pairs, 10)
    assert kept == [pair for i, pair in enumerate(pairs) if i not in (4, 7)]


def test_few_genes_are_all_kept() -> None:
    tissue, reference, pairs = made()
    assert telling.most_telling(tissue, reference, pairs, 12) == pairs


def test_sparse_dense_and_blocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).poisson(2, (50, 7)).astype(np.float32)
    whole = telling._deviations(x, "log-normalised")
    np.testing.assert_allclose(whole, x.std(axis=0), rtol=1e-6)
    scaled = telling._deviations(x, "counts")
    monkeypatch.setattr(telling, "_BLOCK", 40)
    np.testing.assert_allclose(telling._deviations(sparse.csr_matrix(x), "counts"), scaled)
