"""The shared genes that are used where there are too many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.data import telling
from napari_stdiff.data.reference import Reference


def made() -> tuple[Reference, list[tuple[str, str]]]:
    x = np.random.default_rng(0).poisson(5, (80, 12)).astype(np.float32)
    x[:, 11 - 4] = 0  # the reference has its genes backwards
    x[:, 11 - 7] = 3
    genes = np.array([f"R{i}" for i in range(12)][::-1], dtype=object)
    names = np.array([f"c{i}" for i in range(80)], dtype=object)
    reference = Reference(sparse.csr_matrix(x), "log-normalised", genes, names)
    return reference, [(f"t{i}", f"R{i}") for i in range(12)]


def test_a_gene_must_vary_in_the_reference_and_the_order_stays() -> None:
    reference, pairs = made()
    kept = telling.most_telling(reference, pairs, 10)
    assert kept == [pair for i, pair in enumerate(pairs) if i not in (4, 7)]


def test_few_genes_are_all_kept() -> None:
    reference, pairs = made()
    assert telling.most_telling(reference, pairs, 12) == pairs


def test_sparse_dense_and_blocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).poisson(2, (50, 7)).astype(np.float32)
    whole = telling._deviations(x, "log-normalised")
    np.testing.assert_allclose(whole, x.std(axis=0), rtol=1e-6)
    scaled = telling._deviations(x, "counts")
    monkeypatch.setattr(telling, "_BLOCK", 40)
    np.testing.assert_allclose(telling._deviations(sparse.csr_matrix(x), "counts"), scaled)
