"""Scores of a section: definitions, limits, and which ones apply."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.scoring.section import (
    SCORES,
    density_pcc,
    nmse,
    pcc,
    pcc_binned,
    score_section,
    spearman,
)

GENES = np.array([f"g{i}" for i in range(6)])


def section(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coords = np.column_stack([np.full(n, 40.0), rng.uniform(0, 100, (n, 2))])
    kind = np.array(["a", "b"], dtype=object)[rng.integers(0, 2, n)]
    mean = np.column_stack([np.sin(coords[:, 1] / 20 + g) + g * (kind == "a") for g in range(6)])
    return np.maximum(mean + rng.normal(size=mean.shape), 0).astype(np.float32), coords, kind


def test_pcc_is_the_mean_over_varying_genes() -> None:
    truth, _, _ = section()
    other = section(seed=1)[0]
    truth[:, 5] = 2.0
    expected = np.mean([np.corrcoef(truth[:, g], other[:, g])[0, 1] for g in range(5)])
    assert pcc(truth, other) == pytest.approx(expected)


def test_pcc_of_a_constant_prediction_is_zero_and_without_varying_genes_none() -> None:
    truth, coords, _ = section()
    profile = np.tile(truth.mean(0), (len(truth), 1))
    assert pcc(truth, profile) == 0
    assert pcc_binned(truth, coords, profile) == 0
    assert pcc(np.ones((5, 2)), truth[:5, :2]) is None


def test_pcc_binned_leaves_out_small_bins() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(42, 1))
    corners = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=float)
    coords = np.repeat(corners, [20, 20, 2], axis=0)
    prediction = truth.copy()
    prediction[40:] = -100  # in the bin with two cells
    assert pcc_binned(truth, coords, prediction) == pytest.approx(1)
    assert pcc_binned(truth, coords, prediction, min_cells=2) != pytest.approx(1)
    assert pcc_binned(truth[:20], coords[:20], prediction[:20]) is None


def test_nmse() -> None:
    truth, _, _ = section()
    assert nmse(truth, truth) == 0
    assert nmse(truth, np.tile(truth.mean(0), (len(truth), 1))) == pytest.approx(1, abs=1e-5)
    assert nmse(np.ones((4, 2)), np.ones((4, 2))) is None


def test_spearman_of_a_constant_profile_is_not_zero() -> None:
    truth, _, _ = section()
    assert (spearman(truth, np.tile(truth.mean(0), (len(truth), 1))) or 0) > 0.1
    assert spearman(truth, truth) == pytest.approx(1)


def test_everything_applies_with_types_and_draws() -> None:
    truth, coords, kind = section()
    rng = np.random.default_rng(1)
    draws = np.stack([truth[rng.permutation(len(truth))] for _ in range(16)])
    scores = score_section(truth, coords, kind, Prediction(GENES, draws.mean(0), None, draws))
    assert set(scores) == set(SCORES)
    assert {k for k, v in scores.items() if v is None} == {"density_pcc"}
    json.dumps(scores, allow_nan=False)


def test_what_is_missing_is_none() -> None:
    truth, coords, _ = section()
    only_mean = score_section(truth, coords, None, Prediction(GENES, truth))
    assert {k for k, v in only_mean.items() if v is not None} == {
        "pcc",
        "pcc_binned",
        "spearman",
        "nmse",
    }
    few = score_section(truth, coords, None, Prediction(GENES, truth, None, truth[None]))
    assert few["variance_ratio"] == pytest.approx(1)
    assert few["coexpression"] == pytest.approx(1)
    assert few["crps"] is None


def test_other_cells_are_scored_by_maps_and_distributions() -> None:
    truth, coords, kind = section()
    other, where, other_kind = section(2500, seed=3)
    draws = np.stack([other] * 16)
    scores = score_section(
        truth,
        coords,
        kind,
        Prediction(GENES, other, None, draws),
        query=Query(where, other_kind),
    )
    assert {k for k, v in scores.items() if v is None} == {
        "pcc",
        "spearman",
        "nmse",
        "crps",
        "coverage80",
    }
    assert (scores["pcc_binned"] or 0) > 0.6
    assert abs(scores["energy_distance"] or 1) < 0.1


def test_density() -> None:
    _, coords, _ = section()
    crowd = coords[np.random.default_rng(0).uniform(size=len(coords)) < coords[:, 1] / 100]
    assert density_pcc(crowd, crowd) == pytest.approx(1)
    assert (density_pcc(crowd, coords * [1, -1, 1] + [0, 100, 0]) or 0) < 0.5


def test_a_prediction_with_nan_has_no_score() -> None:
    truth, coords, kind = section()
    bad = truth.copy()
    bad[0, 0] = np.nan
    scores = score_section(truth, coords, kind, Prediction(GENES, bad, None, bad[None]))
    assert set(scores.values()) == {None}


def test_shapes_that_do_not_fit_are_refused() -> None:
    truth, coords, kind = section()
    with pytest.raises(StdiffError, match="cells and genes"):
        score_section(truth, coords, kind, Prediction(GENES, truth[:10]))
