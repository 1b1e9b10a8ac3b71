"""Which genes and entries are imputed, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.reference import Reference
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import entry_choice
from napari_stdiff.tasks.entry_choice import EntryChoice, choose_entries
from napari_stdiff.tasks.impute_config import ImputeConfig


def choose(tissue: Tissue, reference: Reference | None = None, **said: Any) -> EntryChoice:
    return choose_entries(tissue, reference, ImputeConfig.of(**said))


def with_gaps(tissue: Tissue, gaps: np.ndarray) -> Tissue:
    cleared = sparse.csr_matrix(np.where(gaps, 0, tissue.expression.toarray()))
    return replace(tissue, expression=cleared, missing=sparse.csr_matrix(gaps))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), genes=st.sets(st.integers(0, 7), min_size=1))
def test_zeros_and_gaps_are_told_apart(
    make_tissue: Callable[..., Tissue], seed: int, genes: set[int]
) -> None:
    tissue = make_tissue(sections=1, n=40)
    gaps = np.random.default_rng(seed).random(tissue.expression.shape) < 0.2
    gapped, dense = with_gaps(tissue, gaps), tissue.expression.toarray()
    listed = ",".join(f"gene{i}" for i in sorted(genes))
    columns = sorted(genes)
    nan = choose(gapped, genes=listed)
    zeros = choose(gapped, genes=listed, missing="zeros")
    assert (nan.missing, zeros.missing) == ("nan", "zeros")
    for found in (nan, zeros):
        assert np.array_equal(found.hidden, gaps)  # zeros stay visible: they were measured
        assert list(found.names) == [f"gene{i}" for i in columns]
    assert np.array_equal(nan.wanted, gaps[:, columns])
    assert np.array_equal(zeros.wanted, (gaps | (dense == 0))[:, columns])


def test_what_is_missing_by_itself(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue(sections=1, n=40)
    gaps = np.zeros(tissue.expression.shape, dtype=bool)
    gaps[3, 2] = True
    assert choose(tissue).missing == "zeros"
    assert choose(with_gaps(tissue, gaps)).missing == "nan"
    assert choose(with_gaps(tissue, gaps), mask_layer="m").missing == "mask"
    none = choose(with_gaps(tissue, gaps), missing="none")
    assert none.wanted.sum() == 1
    assert any("All 320 values are replaced" in note for note in none.notes)


def test_of_many_genes_those_that_vary_most_are_taken_and_the_others_named(
    make_tissue: Callable[..., Tissue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_choice, "MANY", 6)
    monkeypatch.setattr(entry_choice, "TAKEN", 3)
    tissue = make_tissue(sections=1, n=60)
    found = choose(tissue)
    assert len(found.genes) == len(found.targets) == 3
    rest = [g for g in tissue.genes if g not in found.genes]
    assert any(f"Untouched: {', '.join(rest)}." in note for note in found.notes)
    assert len(choose(tissue, genes="all").targets) == 8
    one = choose(tissue, genes=rest[0])
    assert list(one.names) == [rest[0]]
    assert set(one.genes) == {rest[0], *found.genes}


def test_named_genes_are_found_in_any_case_and_by_their_other_name(
    make_tissue: Callable[..., Tissue],
) -> None:
    ids = np.array([f"ENSG0000000000{i}" for i in range(8)], dtype=object)
    tissue = make_tissue(sections=1, n=40, gene_ids=ids)
    found = choose(tissue, genes="GENE2, ensg00000000005.3,gene2,gen4,")
    assert list(found.names) == ["gene2", "gene5"]
    said = " ".join(found.notes)
    assert "'ensg00000000005.3' is called 'gene5' in the tissue." in said
    assert "The tissue has no gene 'gen4'; did you mean" in said
    assert "2 of 8 are imputed, 8 are looked at. Untouched: gene0, gene1" in said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"genes": "nothing"}, "no gene 'nothing'.* There is no gene left to impute"),
        ({"missing": "nan"}, "holds no NaN"),
        ({"missing": "mask"}, "Name the boolean layer"),
        ({"missing": "zeros", "mask_layer": "m"}, "A mask layer is named"),
        ({"missing": "all"}, "missing: input should be 'auto'"),
        ({"check_share": 0}, "check_share"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    make_tissue: Callable[..., Tissue], said: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StdiffError, match=expected):
        choose(make_tissue(sections=1, n=40), **said)


def test_nothing_to_fill_in_is_told(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue(sections=1, n=40)
    full = replace(tissue, expression=sparse.csr_matrix(tissue.expression.toarray() + 1))
    with pytest.raises(StdiffError, match="None of these genes has a zero"):
        choose(full)
    gaps = np.zeros(tissue.expression.shape, dtype=bool)
    gaps[:5, 1] = True
    with pytest.raises(StdiffError, match="No entry of these genes is missing"):
        choose(with_gaps(tissue, gaps), genes="gene3")


def test_a_gene_without_any_value_needs_a_reference(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue(sections=1, n=40)
    gaps = np.zeros(tissue.expression.shape, dtype=bool)
    gaps[:, 4] = gaps[0, 0] = True
    gapped = with_gaps(tissue, gaps)
    found = choose(gapped)
    assert "gene4" not in found.genes
    assert any("1 gene(s) have no measured value here (gene4)" in n for n in found.notes)
    with pytest.raises(StdiffError, match="cannot be filled in without a reference"):
        choose(gapped, genes="gene4")
    cells = np.array([f"r{i}" for i in range(30)], dtype=object)
    reference = Reference(tissue.expression[:30], "counts", tissue.genes, cells)
    assert list(choose(gapped, reference, genes="gene4").names) == ["gene4"]
