"""What a method may see: one scale, nothing of what is hidden, and a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.gene_names import match_genes
from napari_stdiff.data.panel import Panel, panel_of, scale_factors
from napari_stdiff.data.reference import Reference
from napari_stdiff.data.tissue import Tissue


@pytest.fixture
def tissue(make_tissue: Callable[..., Tissue]) -> Tissue:
    return make_tissue(sections=2, n=30)


def make_reference(seed: int = 0, cells: int = 40) -> Reference:
    """Return a reference with GENE7 to GENE0 (backwards, one in lower case) and 3 more genes."""
    rng = np.random.default_rng(seed)
    genes = [f"GENE{i}" for i in range(7, 1, -1)] + ["gene1", "extra_b", "extra_a", "GENE0", "c"]
    return Reference(
        expression=sparse.csr_matrix(rng.poisson(2.0, (cells, len(genes))).astype(np.float32)),
        values="counts",
        genes=np.array(genes, dtype=object),
        names=np.array([f"r{i}" for i in range(cells)], dtype=object),
        cell_type=np.array(["a", "b"], dtype=object)[np.arange(cells) % 2],
    )


def make_panel(tissue: Tissue, hidden: tuple[str, ...] = (), reference: Reference | None = None):
    reference = reference or make_reference()
    return panel_of(tissue, reference, match_genes(tissue, reference), hidden)


def test_the_columns_are_the_genes_they_are_called(tissue: Tissue) -> None:
    reference = make_reference()
    panel = make_panel(tissue, ("gene3", "gene1"), reference)
    assert list(panel.genes) == ["gene0", "gene2", "gene4", "gene5", "gene6", "gene7"]
    assert list(panel.wanted) == ["gene1", "gene3", "extra_b", "extra_a", "c"]
    for i, gene in enumerate(panel.genes):
        np.testing.assert_array_equal(panel.tissue_raw[:, i], tissue.dense(gene))
    names = list(reference.genes)
    for i, gene in enumerate([*panel.genes, *panel.wanted]):
        theirs = names.index(gene if gene in names else gene.upper())
        np.testing.assert_array_equal(
            panel.reference_raw[:, i].toarray(), reference.expression[:, theirs].toarray()
        )


def test_the_scale_is_of_the_visible_genes(tissue: Tissue) -> None:
    panel = make_panel(tissue, ("gene3",))
    library = panel.tissue_raw.sum(axis=1)
    floor = np.percentile(library, 1)
    by = np.median(np.maximum(library, floor)) / np.maximum(library, floor)
    np.testing.assert_allclose(panel.tissue, np.log1p(panel.tissue_raw * by[:, None]), rtol=1e-5)
    hidden = tissue.dense("gene3")[:, None]
    np.testing.assert_allclose(panel.scaled(hidden), np.log1p(hidden * by[:, None]), rtol=1e-5)
    shared = panel.reference_raw[:, : len(panel.genes)].toarray()
    factor = scale_factors(shared)[:, None]
    np.testing.assert_allclose(panel.reference, np.log1p(shared * factor), rtol=1e-5)
    wanted = panel.reference_raw[:, len(panel.genes) :].toarray()
    np.testing.assert_allclose(
        panel.profiles(["extra_a", "gene0"]),
        np.log1p(np.column_stack([wanted[:, 2], shared[:, 0]]) * factor),
        rtol=1e-5,
    )


def test_what_is_no_count_stays_as_it_is(tissue: Tissue) -> None:
    reference = replace(make_reference(), values="log-normalised")
    panel = make_panel(replace(tissue, values="log-normalised"), (), reference)
    np.testing.assert_array_equal(panel.tissue, panel.tissue_raw)
    np.testing.assert_array_equal(panel.scaled(panel.tissue_raw + 1), panel.tissue_raw + 1)
    np.testing.assert_array_equal(
        panel.profiles(["c"]), panel.reference_raw[:, -1].toarray().astype(np.float32)
    )


def test_hidden_genes_are_not_in_the_panel(tissue: Tissue) -> None:
    """Noise in place of the hidden genes changes nothing, to the bit."""
    hidden = ("gene2", "gene5")
    noisy = tissue.expression.toarray()
    where = np.isin(tissue.genes, hidden)
    noisy[:, where] = np.random.default_rng(1).poisson(50, (len(noisy), 2))
    other = make_panel(replace(tissue, expression=sparse.csr_matrix(noisy)), hidden)
    panel = make_panel(tissue, hidden)
    assert panel.fingerprint() == other.fingerprint()
    np.testing.assert_array_equal(panel.tissue, other.tissue)


def test_without_is_the_panel_of_fewer_genes(tissue: Tissue) -> None:
    whole = make_panel(tissue)
    _ = whole.tissue, whole.reference, whole.tissue_factor  # what is kept does not travel along
    fewer, built = whole.without(["gene4", "gene0"]), make_panel(tissue, ("gene0", "gene4"))
    assert list(fewer.genes) == list(built.genes)
    assert list(fewer.wanted) == list(built.wanted)
    np.testing.assert_array_equal(fewer.tissue, built.tissue)
    np.testing.assert_array_equal(fewer.reference, built.reference)
    assert fewer.fingerprint() == built.fingerprint()
    assert fewer.tissue_name == whole.tissue_name


def test_made_once_and_not_to_be_changed(tissue: Tissue) -> None:
    panel = make_panel(tissue)
    assert panel.tissue is panel.tissue
    assert panel.reference is panel.reference
    with pytest.raises(ValueError, match="read-only"):
        panel.tissue[0, 0] = 5
    plain = make_panel(replace(tissue, values="log-normalised"))
    assert not plain.tissue.flags.writeable
    assert plain.tissue_raw.flags.writeable


def test_a_fingerprint_tells_everything_apart(tissue: Tissue) -> None:
    panel = make_panel(tissue)
    assert len(panel.fingerprint()) == 20
    assert panel.fingerprint() == make_panel(tissue).fingerprint()
    counts = panel.tissue_raw.copy()
    counts[3, 1] += 1
    reference = panel.reference_raw.copy()
    reference.data[5] += 1
    of_tissue: list[Panel] = [
        replace(panel, tissue_raw=counts),
        replace(panel, coords=panel.coords + 1e-9),
        replace(panel, section=np.roll(panel.section, 1)),
        replace(panel, tissue_values="log-normalised"),
    ]
    of_reference = [
        replace(panel, reference_raw=reference),
        replace(panel, reference_type=None),
        replace(panel, wanted=np.array(["x", "y", "z"], dtype=object)),
        replace(panel, reference_values="log-normalised"),
    ]
    for other in of_tissue:
        assert other.tissue_fingerprint() != panel.tissue_fingerprint()
        assert other.reference_fingerprint() == panel.reference_fingerprint()
    for other in of_reference:
        assert other.tissue_fingerprint() == panel.tissue_fingerprint()
        assert other.reference_fingerprint() != panel.reference_fingerprint()
    prints = {p.fingerprint() for p in (panel, *of_tissue, *of_reference)}
    assert len(prints) == 9


def test_the_order_of_wanted_genes_is_no_other_reference(tissue: Tissue) -> None:
    panel = make_panel(tissue)
    shared = len(panel.genes)
    order = np.array([2, 0, 1])
    other = replace(
        panel,
        wanted=panel.wanted[order],
        reference_raw=panel.reference_raw[:, np.concatenate([np.arange(shared), order + shared])],
    )
    assert other.fingerprint() == panel.fingerprint()


def test_only_the_sections_of_the_tissue_given(tissue: Tissue) -> None:
    left, _ = tissue.split("s1")
    panel = make_panel(left)
    assert set(panel.section) == {"s0"}
    assert panel.n_cells == 30


def test_what_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match=r"do not share the gene\(s\) to hide \(c, nope\)"):
        make_panel(tissue, ("nope", "c"))
    with pytest.raises(StdiffError, match="share 2 genes; at least 3"):
        make_panel(tissue, tuple(f"gene{i}" for i in range(6)))
    with pytest.raises(StdiffError, match="has no gene 'nope'"):
        make_panel(tissue).profiles(["nope"])


def test_dense_tissue_and_empty_cells(tissue: Tissue) -> None:
    counts = tissue.expression.toarray()
    counts[:3] = 0
    panel = make_panel(replace(tissue, expression=counts))
    assert np.isfinite(panel.tissue).all()
    assert not panel.tissue[:3].any()


def test_factors_of_nothing_are_ones() -> None:
    np.testing.assert_array_equal(scale_factors(np.zeros((4, 3))), np.ones(4))
