"""Looking values up, limits that can always be drawn, palettes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.colors import (
    UNKNOWN,
    Values,
    as_labels,
    is_number,
    label_order,
    limits_of,
    palette,
    rgba,
    safe_limits,
    useful_columns,
)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("kind", ["counts", "log-normalised"])
def test_a_gene_is_what_the_normaliser_makes_of_it(
    small_tissue: Tissue, dense: bool, kind: str
) -> None:
    x = small_tissue.expression
    tissue = replace(small_tissue, expression=x.toarray() if dense else x, values=kind)
    whole = Normaliser.fit(tissue)(tissue)
    values = Values(tissue)
    for i, gene in enumerate(tissue.genes):
        np.testing.assert_allclose(values.gene(gene), whole[:, i], rtol=1e-6)


def test_the_most_variable_gene_is_the_one_with_most_variance(small_tissue: Tissue) -> None:
    whole = Normaliser.fit(small_tissue)(small_tissue)
    assert Values(small_tissue).most_variable() == small_tissue.genes[whole.var(axis=0).argmax()]


def test_the_tissue_is_left_as_it_was(small_tissue: Tissue) -> None:
    before = small_tissue.fingerprint()
    values = Values(small_tissue)
    values.most_variable()
    values.gene("Gad1")
    assert small_tissue.fingerprint() == before


def test_virtual_sections_show_their_mean_or_spread(
    small_tissue: Tissue, make_virtual: Callable[..., VirtualSection]
) -> None:
    result = make_virtual("v", 25.0)
    values = Values(small_tissue)
    mean = values.colour_by("gene", "Gad2", {"v": result}).virtual["v"]
    np.testing.assert_array_equal(mean, result.prediction.mean[:, 1])
    spread = values.colour_by("gene", "Gad2", {"v": result}, "std").virtual["v"]
    np.testing.assert_array_equal(spread, result.prediction.std[:, 1])


def test_a_gene_that_was_only_predicted_is_missing_where_it_was_measured(
    small_tissue: Tissue, make_virtual: Callable[..., VirtualSection]
) -> None:
    result = make_virtual("v", 25.0)
    genes = np.array(["New", *result.prediction.genes[1:]])
    result = replace(result, prediction=replace(result.prediction, genes=genes))
    colouring = Values(small_tissue).colour_by("gene", "New", {"v": result})
    assert np.isnan(colouring.measured).all()
    lo, hi = colouring.span((0, 100))
    assert (lo, hi) == pytest.approx((colouring.virtual["v"].min(), colouring.virtual["v"].max()))


def test_unknown_names_get_a_sentence(small_tissue: Tissue) -> None:
    values = Values(small_tissue)
    with pytest.raises(StdiffError, match="no gene 'Nope'"):
        values.colour_by("gene", "Nope", {})
    with pytest.raises(StdiffError, match="no obs column 'nope'"):
        values.colour_by("column", "nope", {})


def test_labels_use_the_colours_of_the_data(
    small_tissue: Tissue, make_virtual: Callable[..., VirtualSection]
) -> None:
    result = make_virtual("v", 25.0)
    colouring = Values(small_tissue).colour_by("column", "cell_type", {"v": result})
    assert colouring.kind == "label"
    assert colouring.palette == {"glia": "#0000ff", "neuron": "#ff0000"}
    assert set(colouring.virtual["v"]) == {"neuron"}
    other = Values(small_tissue).colour_by("column", "section", {"v": result})
    assert set(other.virtual["v"]) == {""}  # nobody knows the section of a virtual cell


def test_missing_labels_are_grey(small_tissue: Tissue) -> None:
    colouring = Values(small_tissue).colour_by("column", "mark", {})
    assert list(colouring.palette) == ["yes"]
    colours = rgba(colouring.measured, colouring.palette)
    grey = np.array([int(UNKNOWN[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [1.0])
    np.testing.assert_allclose(colours[0], grey, atol=1e-6)
    assert not np.allclose(colours[1], grey)


def test_missing_values_that_became_text_are_missing() -> None:
    column = pd.Series(["nan", "b", "a", None, "NA"])
    assert label_order(column) == ["a", "b"]
    assert list(as_labels(column)) == ["", "b", "a", "", ""]
    assert label_order(column.astype("category")) == ["a", "b"]


def test_what_is_a_number_and_what_a_label(small_tissue: Tissue) -> None:
    assert is_number(small_tissue.obs["depth"])
    assert not is_number(small_tissue.obs["cell_type"])
    assert not is_number(pd.Series([True, False]))
    assert not is_number(pd.Series([1, 2, 3]))
    assert is_number(pd.Series(range(100)))
    assert label_order(pd.Series([3, 1, 2, 1])) == ["1", "2", "3"]
    many = replace(small_tissue, obs=small_tissue.obs.assign(name=small_tissue.names))
    assert "name" not in useful_columns(many)
    assert {"depth", "cell_type"} <= set(useful_columns(many))


def test_many_labels_get_different_colours() -> None:
    colours = list(palette([str(i) for i in range(21)]).values())
    assert len(set(colours)) == 21


finite = st.floats(-1e6, 1e6, width=32)


@given(
    arrays(np.float32, st.integers(0, 50), elements=finite), st.floats(0, 100), st.floats(0, 100)
)
def test_limits_can_always_be_drawn(values: np.ndarray, a: float, b: float) -> None:
    lo, hi = limits_of(values, (min(a, b), max(a, b)))
    assert np.isfinite([lo, hi]).all()
    assert np.float32(hi) > np.float32(lo)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_any_two_numbers_become_limits(a: float, b: float) -> None:
    lo, hi = safe_limits(a, b)
    assert hi > lo
    assert np.isfinite([lo, hi]).all()
