"""The tissue and its normalisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.tissue import Histology, Tissue


@pytest.fixture
def tissue() -> Tissue:
    counts = np.arange(12, dtype=np.float32).reshape(6, 2)
    return Tissue(
        expression=sparse.csr_matrix(counts),
        values="counts",
        genes=np.array(["a", "b"]),
        names=np.array(list("uvwxyz")),
        coords=np.array([[z, 1.0, 2.0] for z in (10, 10, -5, -5, 3, 3)]),
        unit="um",
        section=np.array(["top", "top", "low", "low", "mid", "mid"]),
        cell_type=np.array(list("pqpqpq"), dtype=object),
        histology={"top": Histology(np.zeros((2, 2, 3), np.uint8), np.eye(3))},
        obs=pd.DataFrame({"n": range(6)}, index=list("uvwxyz")),
    )


def test_sections_are_ordered_by_depth(tissue: Tissue) -> None:
    assert tissue.sections == ["low", "mid", "top"]
    assert tissue.section_z == {"top": 10.0, "low": -5.0, "mid": 3.0}


def test_the_rows_of_each_section_come_in_the_order_of_sections(tissue: Tissue) -> None:
    mixed = tissue.rows(np.array([4, 0, 2, 5, 1, 3]))
    found = mixed.rows_of_sections
    assert list(found) == mixed.sections
    for name, rows in found.items():
        np.testing.assert_array_equal(rows, np.flatnonzero(mixed.section == name))


def test_split_takes_everything_of_the_section_away(tissue: Tissue) -> None:
    rest, top = tissue.split("top")
    assert list(rest.names) == list("wxyz")
    assert list(top.obs.index) == list("uv")
    assert rest.histology == {}
    assert set(top.histology) == {"top"}
    np.testing.assert_array_equal(top.expression.toarray(), [[0, 1], [2, 3]])
    with pytest.raises(StdiffError, match="low, mid, top"):
        tissue.split("bottom")


def test_one_gene(tissue: Tissue) -> None:
    np.testing.assert_array_equal(tissue.dense("b"), [1, 3, 5, 7, 9, 11])
    with pytest.raises(StdiffError, match="no gene 'c'"):
        tissue.dense("c")


def test_the_fingerprint_sees_everything_a_model_can_learn_from(tissue: Tissue) -> None:
    changed = [
        replace(tissue, expression=tissue.expression * 2),
        replace(tissue, coords=tissue.coords + 1),
        replace(tissue, genes=np.array(["a", "c"])),
        replace(tissue, cell_type=None),
        replace(tissue, section=np.array(["t", "t", "low", "low", "mid", "mid"])),
        replace(tissue, values="log-normalised"),
    ]
    prints = {t.fingerprint() for t in [tissue, *changed]}
    assert len(prints) == 7
    assert replace(tissue, obs=pd.DataFrame()).fingerprint() in prints


def test_counts_are_scaled_to_the_visible_median(tissue: Tissue) -> None:
    normal = Normaliser.fit(tissue)
    assert normal.target == 11.0  # of 1, 5, 9, 13, 17, 21
    out = normal(tissue)
    np.testing.assert_allclose(np.expm1(out).sum(axis=1), 11.0, rtol=1e-5)


def test_an_empty_cell_stays_empty(tissue: Tissue) -> None:
    x = tissue.expression.toarray()
    x[0] = 0
    out = Normaliser.fit(tissue)(replace(tissue, expression=x))
    assert (out[0] == 0).all()
    assert np.isfinite(out).all()


def test_log_normalised_values_are_left_alone(tissue: Tissue) -> None:
    log = replace(tissue, values="log-normalised", expression=tissue.expression.toarray())
    np.testing.assert_array_equal(Normaliser.fit(log)(log), log.expression)
