"""What is not visible leaves no trace in what a method sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_stdiff
from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.reading import read
from napari_stdiff.data.visible import Visible
from napari_stdiff.data.visible_of import most_varying, visible_of


def table(seed: int = 0, cells: int = 40, genes: int = 12, share: float = 0.3) -> Visible:
    rng = np.random.default_rng(seed)
    raw = rng.poisson(rng.gamma(1, 3, genes) + 0.5, (cells, genes)).astype(np.float32)
    return Visible(
        genes=np.array([f"g{i}" for i in range(genes)], dtype=object),
        raw=raw,
        seen=rng.random((cells, genes)) > share,
        values="counts",
        coords=np.column_stack([np.zeros(cells), rng.random((cells, 2))]),
        section=np.array(["a"] * cells),
    )


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_hidden_values_change_nothing(seed: int) -> None:
    one = table(seed)
    noise = np.random.default_rng(seed + 1).poisson(50, one.raw.shape).astype(np.float32)
    other = Visible(
        one.genes,
        np.where(one.seen, one.raw, noise),
        one.seen,
        one.values,
        one.coords,
        one.section,
    )
    assert np.array_equal(one.expression, other.expression)
    assert np.array_equal(one.standard, other.standard)
    assert one.tissue_fingerprint() == other.tissue_fingerprint()


def test_library_is_visible_sum_over_visible_share() -> None:
    one = table(share=0.5)
    library = one.raw.sum(axis=1) / one.seen.mean(axis=1)
    library = np.maximum(library, np.percentile(library[library > 0], 1))
    assert np.allclose(one.factor, np.median(library) / library, rtol=1e-5)


def test_standard_is_of_visible_entries_and_can_be_undone() -> None:
    one = table(cells=200)
    for j in range(one.n_genes):
        mine = one.standard[one.seen[:, j], j]
        assert abs(mine.mean()) < 1e-4
        assert abs(mine.std() - 1) < 1e-3
    back = one.restored(one.standardised(one.expression))
    assert np.allclose(back, one.expression, atol=1e-5)


def test_hiding_more_takes_scales_anew() -> None:
    one = table()
    more = np.random.default_rng(3).random(one.raw.shape) < 0.2
    less = one.without(more)
    assert not (less.seen & more).any()
    assert (less.raw[more] == 0).all()
    assert not np.array_equal(less.factor, one.factor)


def test_fingerprint_tells_masks_and_references_apart() -> None:
    one = table()
    assert one.tissue_fingerprint() != one.without(one.raw > 5).tissue_fingerprint()
    assert one.reference_fingerprint() == ""


def test_a_tissue_and_its_reference_become_visible() -> None:
    sample = napari_stdiff.simulate(n_sections=3, cells_per_section=50, n_genes=20, image_size=60)
    tissue = read(sample.sdata)
    reference = napari_stdiff.read_reference(sample.reference)
    missing = np.zeros((tissue.n_cells, 5), dtype=bool)
    missing[::3] = True
    found, _ = visible_of(tissue, tissue.genes[:5], missing, reference)
    assert list(found.genes) == list(tissue.genes[:5])
    assert (found.seen == ~missing).all()
    assert found.reference is not None
    assert found.reference.shape[1] == 5
    with pytest.raises(StdiffError, match="no gene"):
        visible_of(tissue, ["nothing"], missing[:, :1])


def test_genes_that_vary_most_are_of_visible_entries() -> None:
    sample = napari_stdiff.simulate(n_sections=3, cells_per_section=50, n_genes=20, image_size=60)
    tissue = read(sample.sdata)
    dense = tissue.expression.toarray().astype(float)
    cv = dense.std(axis=0) / dense.mean(axis=0)
    wanted = set(tissue.genes[np.argsort(-cv)[:6]])
    assert set(most_varying(tissue, n=6)) == wanted
    seen = np.ones(dense.shape, dtype=bool)
    seen[:, int(np.argmax(cv))] = False
    assert tissue.genes[int(np.argmax(cv))] not in most_varying(tissue, seen, n=6)


def test_genes_seen_in_hardly_any_spot_are_taken_last() -> None:
    sample = napari_stdiff.simulate(n_sections=3, cells_per_section=50, n_genes=20, image_size=60)
    tissue = read(sample.sdata)
    dense = tissue.expression.toarray()
    dense[:, 3] = 0
    dense[7, 3] = 5.0  # varies most of all
    rare = replace(tissue, expression=dense)
    assert tissue.genes[3] in most_varying(rare, n=6)
    assert tissue.genes[3] not in most_varying(rare, n=6, expressed=0.05)
    assert len(most_varying(rare, n=20, expressed=0.05)) == 20
