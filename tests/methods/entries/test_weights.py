"""Weights of guesses: all genes' together, and each gene's own as far as it tells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.methods.entries.weights import PULLS, EntryWeights


def _entries(own: float, n: int = 4000, genes: int = 6) -> tuple[np.ndarray, ...]:
    """Return guesses, truth, columns and the weights behind them."""
    rng = np.random.default_rng(0)
    columns = rng.integers(0, genes, n)
    weights = np.array([0.6, 0.3]) + own * rng.standard_normal((genes, 2))
    guesses = rng.standard_normal((n, 2)).astype(np.float32)
    truth = np.einsum("eg,eg->e", guesses, weights[columns]) + 0.5 * rng.standard_normal(n)
    return guesses, truth.astype(np.float32), columns, weights


@pytest.mark.parametrize("own", [0.0, 0.5])
def test_weights_are_found(own: float) -> None:
    guesses, truth, columns, weights = _entries(own)
    found = EntryWeights.fit(("a", "b"), guesses, truth, columns, 6)
    assert np.abs(found.table - weights).max() < 0.08


def test_genes_that_are_alike_are_pulled_together() -> None:
    pulls = []
    for own in (0.0, 1.0):
        guesses, truth, columns, _ = _entries(own, n=600)
        pulls.append(EntryWeights.fit(("a", "b"), guesses, truth, columns, 6).pull)
    assert pulls[0] >= PULLS[2]
    assert pulls[1] == PULLS[0]


def test_a_gene_without_entries_takes_the_weights_of_all() -> None:
    guesses, truth, columns, weights = _entries(0.0)
    found = EntryWeights.fit(("a", "b"), guesses, truth, columns, 7)
    assert np.abs(found.table[6] - weights.mean(axis=0)).max() < 0.08


def test_tables_and_entries_are_mixed_alike() -> None:
    guesses, truth, columns, _ = _entries(0.5)
    found = EntryWeights.fit(("a", "b"), guesses, truth, columns, 6)
    rng = np.random.default_rng(1)
    tables = {name: rng.standard_normal((5, 6)).astype(np.float32) for name in "ab"}
    cells, genes = np.nonzero(np.ones((5, 6)))
    entries = np.stack([tables[name][cells, genes] for name in "ab"], axis=1)
    assert np.allclose(found.mix(tables)[cells, genes], found.at(entries, genes), atol=1e-5)
    assert set(found.facts()) == {"a", "b", "pull"}
