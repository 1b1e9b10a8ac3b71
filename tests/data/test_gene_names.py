"""Which gene is which: every step of the matching, and what must hold whatever the names are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.data.gene_names import match_genes, other_names


@dataclass
class Table:
    genes: Any
    gene_ids: Any = None


GAD2, PCSK2 = "ENSMUSG00000026787", "ENSMUSG00000027419"


def test_each_step_takes_what_the_ones_before_left() -> None:
    tissue = Table(["Gad2", "vip", f"{PCSK2}.8", "Sst", "Lamp5", "only"])
    reference = Table(
        ["other", PCSK2, "VIP", "Gad2", "ENSMUSG00000004366", "lamp5"],
        ["", "Pcsk2", "", GAD2, "Sst", ""],
    )
    match = match_genes(tissue, reference)
    assert match.shared == [
        ("Gad2", "Gad2"),
        ("vip", "VIP"),
        (f"{PCSK2}.8", PCSK2),
        ("Sst", "ENSMUSG00000004366"),
        ("Lamp5", "lamp5"),
    ]
    assert match.only_reference == ["other"]
    assert match.only_tissue == ["only"]
    assert len(match.notes) == 1
    said = match.notes[0]
    assert said.startswith(
        "Genes: 5 shared: 1 by name; 2 ignoring case (vip = VIP, Lamp5 = lamp5)"
    )
    assert f"1 without the version of the Ensembl id ({PCSK2}.8 = {PCSK2})" in said
    assert "1 by the other name that a table gives (Sst = ENSMUSG00000004366)" in said


@pytest.mark.parametrize(
    ("ours", "our_ids", "theirs", "their_ids"),
    [
        ("Gad2", None, GAD2, "gad2"),
        ("Gad2", f"{GAD2}.3", GAD2, None),
        ("Gad2", GAD2, "GAD65", f"{GAD2}.12"),
        (f"{GAD2}.1", None, "Gad2", f"{GAD2}.2"),
    ],
)
def test_ids_and_symbols_whichever_table_carries_them(
    ours: str, our_ids: str | None, theirs: str, their_ids: str | None
) -> None:
    tissue = Table([ours, "b"], None if our_ids is None else [our_ids, ""])
    reference = Table(["c", theirs], None if their_ids is None else ["", their_ids])
    assert match_genes(tissue, reference).shared == [(ours, theirs)]


def test_the_exact_name_wins_over_the_same_name_in_another_case() -> None:
    match = match_genes(Table(["Abc"]), Table(["ABC", "Abc", "abc"]))
    assert match.shared == [("Abc", "Abc")]
    assert len(match.notes) == 1


def test_what_fits_several_is_left_out_and_said() -> None:
    match = match_genes(Table(["abc", "x"]), Table(["ABC", "Abc", "x"]))
    assert match.shared == [("x", "x")]
    assert match.only_reference == ["ABC", "Abc"]
    assert match.only_tissue == ["abc"]
    assert "1 of the tissue fit several genes of the reference" in match.notes[1]
    assert "(abc)" in match.notes[1]


def test_two_of_the_tissue_do_not_share_one_of_the_reference() -> None:
    match = match_genes(Table(["ABC", "abc"]), Table(["Abc"]))
    assert match.shared == []
    assert match.only_tissue == ["ABC", "abc"]
    assert "2 of the tissue" in match.notes[1]


def test_a_dot_is_a_version_only_after_an_ensembl_id() -> None:
    match = match_genes(Table(["RP11-34P13.7", "HLA.A"]), Table(["RP11-34P13.8", "HLA"]))
    assert match.shared == []


NAMES = st.lists(
    st.sampled_from(
        [a + b for a in ("abc", "Abc", "ABC", "b", GAD2, PCSK2) for b in ("", ".1", ".2", " ")]
    ),
    unique=True,
    max_size=12,
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    genes = draw(NAMES)
    ids = st.lists(
        st.sampled_from(["", "abc", "B", GAD2, f"{PCSK2}.4", "z"]),
        min_size=len(genes),
        max_size=len(genes),
    )
    return Table(np.array(genes, dtype=object), draw(st.none() | ids))


@given(tables(), tables())
def test_one_to_one_and_nothing_lost(tissue: Table, reference: Table) -> None:
    match = match_genes(tissue, reference)
    ours = [a for a, _ in match.shared]
    theirs = [b for _, b in match.shared]
    assert len(set(ours)) == len(ours)
    assert len(set(theirs)) == len(theirs)
    assert sorted(ours + match.only_tissue) == sorted(tissue.genes)
    assert sorted(theirs + match.only_reference) == sorted(reference.genes)
    assert {n for n in tissue.genes if n in set(reference.genes)} <= set(ours)
    assert f"Genes: {len(ours)} shared" in match.notes[0]


@given(tables(), tables())
def test_the_other_way_round_is_the_same_match(tissue: Table, reference: Table) -> None:
    there = set(match_genes(tissue, reference).shared)
    assert there == {(a, b) for b, a in match_genes(reference, tissue).shared}


@given(tables(), tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_genes_does_not_matter(
    tissue: Table, reference: Table, random: Any
) -> None:
    order = list(range(len(reference.genes)))
    random.shuffle(order)
    other = Table(
        [reference.genes[i] for i in order],
        None if reference.gene_ids is None else [reference.gene_ids[i] for i in order],
    )
    assert match_genes(tissue, reference).shared == match_genes(tissue, other).shared


@given(tables())
def test_a_table_matches_itself_by_name(table: Table) -> None:
    match = match_genes(table, table)
    assert match.shared == [(g, g) for g in table.genes]
    assert match.only_reference == match.only_tissue == []


@pytest.mark.parametrize(
    "column", ["gene_ids", "ensembl_id", "Ensembl ID", "gene_id", "feature_name", "gene_name"]
)
def test_columns_with_another_name(column: str) -> None:
    var = pd.DataFrame({"n_cells": [1, 2], column: ["ENSG00000000001", None]}, index=["a", "b"])
    found = other_names(var, var.index)
    assert found is not None
    assert list(found) == ["ENSG00000000001", ""]


def test_symbols_beside_ids_and_ids_beside_symbols() -> None:
    var = pd.DataFrame({"gene_ids": [GAD2, PCSK2], "symbol": pd.Categorical(["Gad2", "Pcsk2"])})
    for names, others in ((["Gad2", "Pcsk2"], [GAD2, PCSK2]), ([GAD2, PCSK2], ["Gad2", "Pcsk2"])):
        found = other_names(var, names)
        assert found is not None
        assert list(found) == others


def test_no_other_names() -> None:
    assert other_names(pd.DataFrame({"gene_ids": [1, 2]}), ["a", "b"]) is None
    assert other_names(pd.DataFrame({"gene_name": ["a", "b"]}), ["a", "b"]) is None
    assert other_names(pd.DataFrame({"mean": ["a", "c"]}), ["a", "b"]) is None
