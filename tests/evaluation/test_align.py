"""Alignment is scored by turns that are put in, and on genes that took no part."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.evaluation import align as module
from napari_stdiff.evaluation.align import evaluate_align, scramble
from napari_stdiff.registration.frames import describe


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return read(simulate(n_sections=3, cells_per_section=150, n_genes=30, image_size=50).sdata)


def test_turns_are_drawn_from_the_seed(tissue: Tissue) -> None:
    first = scramble(tissue, "section_2", 3, flip=True)
    np.testing.assert_array_equal(first["section_2"], np.eye(3))
    for name, matrix in scramble(tissue, "section_2", 3, flip=True).items():
        np.testing.assert_array_equal(matrix, first[name])
    assert not np.allclose(scramble(tissue, "section_2", 4)["section_1"], first["section_1"])
    plain = [scramble(tissue, "section_2", seed)["section_1"] for seed in range(8)]
    assert not any(describe(m, np.zeros(2)).mirrored for m in plain)


def test_what_is_put_in_is_found(tissue: Tissue) -> None:
    result = evaluate_align(tissue, starts=8, spots=120, components=6, seed=1)
    json.dumps(result, allow_nan=False)
    for name, row in result["sections"].items():
        assert row["mirror_found"]
        assert row["rotation_error"] < 3
        assert row["distance_error"] < result["spacing"] / 2
        if name != result["fixed"]:
            assert abs(row["rotation_put"]) > 1
    assert result["before_from_scrambled"] < 0.3 < result["after_from_scrambled"]


def test_a_wrong_alignment_shows(tissue: Tissue, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.align
    # whatever it is given, it answers the same
    monkeypatch.setattr(module, "align", lambda data, **options: real(tissue, **options))
    result = evaluate_align(tissue, starts=4, spots=80, components=4, seed=1)
    assert max(row["distance_error"] for row in result["sections"].values()) > 100


def test_what_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="Landmarks are not scored"):
        evaluate_align(tissue, method="landmarks")
