"""The search for genes and annotations: what is found, in which order, and lists of names."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.viewer.gene_entries import GUESSED, ONE_COLOUR, Entry, entries_of
from napari_stdiff.viewer.gene_index import GeneIndex
from napari_stdiff.viewer.spelling import edits

GENES = [
    "Gad1",
    "Gad2",
    "Gadd45a",
    "Slc17a6",
    "Slc17a7",
    "Slc32a1",
    "Cox10",
    "Cox2",
    "H2-K1",
    "Egad",
]
IDS = {"Gad1": "ENSMUSG00000070880", "Slc17a6": "ENSMUSG00000030500.9"}


@pytest.fixture
def index() -> GeneIndex:
    return GeneIndex(
        entries_of(
            [*GENES, "Vip", "Sst"],
            ["cell_type", "layer"],
            measured=GENES,
            other=IDS,
            predicted={"Vip": ("high", 0.61)},
            imputed={"Gad2": ("low", 0.1)},
        )
    )


def names(index: GeneIndex, text: str, **more: object) -> list[str]:
    return [hit.entry.name for hit in index.search(text, **more)]


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("gad1", "Gad1"),
        ("GAD", "Gad1"),
        ("slc176", "Slc17a6"),  # a letter left out
        ("gda1", "Gad1"),  # two swapped
        ("gadf45a", "Gadd45a"),  # another
        ("slcc17a7", "Slc17a7"),  # one too many
        ("k1", "H2-K1"),  # the start of a word
        ("cell type", "cell_type"),
        ("celtype", "cell_type"),
        ("ensmusg00000030500", "Slc17a6"),  # whatever its version
        ("ENSMUSG0000007", "Gad1"),
        ("one c", ONE_COLOUR),
    ],
)
def test_the_best_fit_comes_first(index: GeneIndex, typed: str, best: str) -> None:
    assert names(index, typed)[0] == best


def test_the_start_comes_before_the_middle_and_short_before_long(index: GeneIndex) -> None:
    assert names(index, "gad")[:4] == ["Gad1", "Gad2", "Gadd45a", "Egad"]


def test_what_is_only_like_it_is_told_apart(index: GeneIndex) -> None:
    hits = {hit.entry.name: hit.how for hit in index.search("gda1")}
    assert hits["Gad1"] in GUESSED
    assert index.search("gad1")[0].how == "is"
    assert index.search("gad4")[0].how in GUESSED


def test_nothing_like_it_finds_nothing(index: GeneIndex) -> None:
    assert index.search("xyzzy") == []
    assert GeneIndex().search("gad") == []


def test_without_a_text_recent_ones_annotations_then_genes_as_people_sort_them(
    index: GeneIndex,
) -> None:
    shown = names(index, "", recent=[("gene", "Sst"), ("gene", "Gone")])
    assert shown[:6] == ["Sst", "cell_type", "layer", ONE_COLOUR, "Cox2", "Cox10"]
    assert len(shown) == len(set(shown)) == len(index.entries)
    assert len(names(index, "", n=3)) == 3


def test_of_equals_the_recent_one_comes_first(index: GeneIndex) -> None:
    assert names(index, "gad", recent=[("gene", "Gad2")])[:2] == ["Gad2", "Gad1"]


def test_every_entry_says_where_it_comes_from(index: GeneIndex) -> None:
    kinds = {entry.name: (entry.kind, entry.badge) for entry in index.entries}
    assert kinds["Gad1"] == ("measured", None)
    assert kinds["Gad2"] == ("imputed", "low")
    assert kinds["Vip"] == ("predicted", "high")
    assert kinds["Sst"] == ("virtual", None)
    assert kinds["cell_type"] == ("column", None)


def test_a_gene_and_a_column_of_one_name_are_two_things() -> None:
    index = GeneIndex([Entry("Layer"), Entry("Layer", "column")])
    assert [hit.entry.choice for hit in index.search("layer")] == ["column", "gene"]
    assert index.meant("Layer") == Entry("Layer")


@pytest.mark.parametrize(
    "text",
    [
        "gad1, SLC17A6\nVip;Foxp3",
        "gad1\tENSMUSG00000030500.2\r\nvip Foxp3",
        "['Gad1' 'Slc17a6' 'Vip' 'Foxp3']",
        "gad1 GAD1 slc17a6 vip Foxp3",
    ],
)
def test_a_list_is_taken_apart_and_matched(index: GeneIndex, text: str) -> None:
    pasted = index.pasted(text)
    assert pasted is not None
    assert [entry.name for entry in pasted.found] == ["Gad1", "Slc17a6", "Vip"]
    assert pasted.missing == ("Foxp3",)


def test_annotations_can_be_in_a_list(index: GeneIndex) -> None:
    pasted = index.pasted("Gad1, cell type, layer")
    assert pasted is not None
    assert [entry.key for entry in pasted.found] == [
        ("gene", "Gad1"),
        ("column", "cell_type"),
        ("column", "layer"),
    ]


@pytest.mark.parametrize("text", ["", "Gad1", "cell type", "gad 1", "Gad1,", "Foo Bar"])
def test_what_is_typed_is_no_list(index: GeneIndex, text: str) -> None:
    assert index.pasted(text) is None


def test_a_name_that_fits_two_genes_is_said_to_be_missing() -> None:
    index = GeneIndex([Entry("GAD1"), Entry("Gad1"), Entry("Sst")])
    pasted = index.pasted("gad1, Sst")
    assert pasted is not None
    assert pasted.missing == ("gad1",)
    exact = index.pasted("Gad1, GAD1")
    assert exact is not None
    assert [entry.name for entry in exact.found] == ["Gad1", "GAD1"]


def test_edits_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abc"), rng.integers(1, 8))) for _ in range(200)]
    letters = np.zeros((8, len(words)), np.uint32)
    for i, word in enumerate(words):
        letters[: len(word), i] = [ord(letter) for letter in word]
    lengths = np.array([len(word) for word in words])
    for wanted in ("abca", "bbacb", "aaaaaa"):
        whole, start = edits(wanted, letters, lengths, 2)
        for i, word in enumerate(words):
            off = alignment(wanted, word)
            assert (whole[i] if whole[i] <= 2 else 3) == min(off, 3)
            least = min(alignment(wanted, word[:j]) for j in range(len(word) + 1))
            assert (start[i] if start[i] <= 2 else 3) == min(least, 3)


def alignment(a: str, b: str) -> int:
    """Return the optimal string alignment distance, as the textbook has it."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            costs = [
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
                table[i - 1, j - 1] + (a[i - 1] != b[j - 1]),
            ]
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                costs.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(costs)
    return int(table[-1, -1])


def test_long_and_strange_names_are_found() -> None:
    long = "Novel-transcript-" + "x" * 40
    index = GeneIndex([Entry(long), Entry("GRCh38_A1BG"), Entry("β-Actin"), Entry("")])
    assert names(index, "x" * 38) == [long]
    assert names(index, "a1bg") == ["GRCh38_A1BG"]
    assert names(index, "β-act") == ["β-Actin"]
    assert names(index, "trsncript") == []  # within a name, letters must be there
    assert index.search("n" * 50) == []
