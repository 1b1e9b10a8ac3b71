"""Scores of predicted genes against numbers worked out by hand and formulas written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.spatial.distance import jensenshannon

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.scoring import genes as module
from napari_stdiff.scoring.distribution import crps
from napari_stdiff.scoring.genes import (
    MEANS,
    GeneScores,
    accuracy_scores,
    downsample,
    js,
    pcc,
    rmse,
    rmse_z,
    robustness,
    score_genes,
    ssim,
)
from napari_stdiff.scoring.intervals import coverage

VALUES = st.floats(0, 8, width=32)
PAIRS = st.tuples(
    arrays(np.float32, (7, 3), elements=VALUES), arrays(np.float32, (7, 3), elements=VALUES)
)

TRUTH = np.array([[0.0], [0.0], [2.0], [4.0]])
GUESS = np.array([[1.0], [0.0], [0.0], [1.0]])


def test_pearson_by_hand() -> None:
    # deviations (-1.5, -1.5, .5, 2.5) and (.5, -.5, -.5, .5): sum of products 1, norms 11 and 1
    assert pcc(TRUTH, GUESS)[0] == pytest.approx(1 / math.sqrt(11))


def test_ssim_by_hand() -> None:
    # over their maxima: (0, 0, .5, 1), mean .375, var .171875; (1, 0, 0, 1), mean .5, var .25
    c = (0 * 1 + 0 + 0 + 1) / 4 - 0.375 * 0.5
    expected = (2 * 0.375 * 0.5 + 1e-4) * (2 * c + 9e-4)
    expected /= (0.375**2 + 0.25 + 1e-4) * (0.171875 + 0.25 + 9e-4)
    assert ssim(TRUTH, GUESS)[0] == pytest.approx(expected)


def test_ssim_is_the_product_of_its_three_factors() -> None:
    rng = np.random.default_rng(0)
    t, p = rng.gamma(1, 1, (50, 4)), rng.gamma(1, 1, (50, 4))
    a, b = t / t.max(axis=0), p / p.max(axis=0)
    c1, c2 = 1e-4, 9e-4
    s1, s2 = a.std(axis=0), b.std(axis=0)
    cov = ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).mean(axis=0)
    light = (2 * a.mean(axis=0) * b.mean(axis=0) + c1) / (
        a.mean(axis=0) ** 2 + b.mean(axis=0) ** 2 + c1
    )
    contrast = (2 * s1 * s2 + c2) / (s1**2 + s2**2 + c2)
    structure = (cov + c2 / 2) / (s1 * s2 + c2 / 2)
    np.testing.assert_allclose(ssim(t, p), light * contrast * structure)


def test_errors_by_hand() -> None:
    assert rmse(TRUTH, GUESS)[0] == pytest.approx(math.sqrt((1 + 0 + 4 + 9) / 4))
    z = (TRUTH - 1.5) / math.sqrt(11 / 4), (GUESS - 0.5) / 0.5
    assert rmse_z(TRUTH, GUESS)[0] == pytest.approx(math.sqrt(((z[0] - z[1]) ** 2).mean()))


def test_jensen_shannon_by_hand() -> None:
    # P = (0, 0, 1/3, 2/3), Q = (1/2, 0, 0, 1/2), M = (1/4, 0, 1/6, 7/12)
    p_m = 1 / 3 * math.log(2) + 2 / 3 * math.log(8 / 7)
    q_m = 1 / 2 * math.log(2) + 1 / 2 * math.log(6 / 7)
    assert js(TRUTH, GUESS)[0] == pytest.approx((p_m + q_m) / 2)
    apart = np.array([[5.0], [1.0], [0.0], [0.0]])
    assert js(TRUTH, apart)[0] == pytest.approx(math.log(2))


@given(PAIRS)
def test_jensen_shannon_is_the_square_of_scipys_distance(pair: tuple) -> None:
    truth, guess = (np.where(x < 1e-3, 0, x) for x in pair)  # scipy loses digits below
    found = js(truth, guess)
    for g in range(3):
        if np.ptp(truth[:, g]) == 0:
            assert np.isnan(found[g])
        elif guess[:, g].any():
            other = float(jensenshannon(truth[:, g].astype(float), guess[:, g].astype(float)) ** 2)
            assert found[g] == pytest.approx(other, abs=1e-7)


@given(PAIRS)
def test_bounds(pair: tuple) -> None:
    truth, guess = pair
    for score, low, high in (
        (pcc, -1, 1),
        (ssim, -1, 1),
        (js, 0, math.log(2)),
        (rmse, 0, 8),
        (rmse_z, 0, 2),
    ):
        found = score(truth, guess)
        known = found[~np.isnan(found)]
        assert len(known) == np.sum(~np.isnan(pcc(truth, guess)))
        assert (known >= low - 1e-9).all()
        assert (known <= high + 1e-9).all()


def test_the_truth_itself_is_perfect() -> None:
    truth = np.random.default_rng(0).gamma(1, 1, (30, 4))
    for score, best in ((pcc, 1), (ssim, 1), (js, 0), (rmse, 0), (rmse_z, 0)):
        np.testing.assert_allclose(score(truth, truth), best, atol=1e-7)


def test_constants() -> None:
    truth = np.array([[1.0, 3.0, 1.0], [2.0, 3.0, 2.0]])
    guess = np.array([[5.0, 1.0, 0.0], [5.0, 2.0, 0.0]])
    np.testing.assert_array_equal(pcc(truth, guess), [0, np.nan, 0])
    np.testing.assert_allclose(rmse_z(truth, guess), [math.sqrt(2), np.nan, math.sqrt(2)])
    for score in (ssim, rmse, js):
        found = score(truth, guess)
        assert np.isnan(found[1])
        assert np.isfinite(found[[0, 2]]).all()
    assert ssim(truth, guess)[2] == 0
    assert js(truth, guess)[0] == js(truth, guess)[2] > 0  # both: equal everywhere


def test_predictions_below_zero_are_clipped_and_broken_ones_score_nothing() -> None:
    below = np.where(GUESS == 0, -3.0, GUESS)
    assert ssim(TRUTH, below)[0] == ssim(TRUTH, GUESS)[0]
    assert js(TRUTH, below)[0] == js(TRUTH, GUESS)[0]
    broken = GUESS.copy()
    broken[0] = np.nan
    for score in (pcc, ssim, js, rmse, rmse_z):
        assert np.isnan(score(TRUTH, broken)[0])


def test_accuracy_scores_by_hand() -> None:
    table: dict[str, dict[str, float | None]] = {
        "a": {"pcc": 0.5, "ssim": 0.4, "rmse": 1.0, "js": 0.2, "crps": 9},
        "b": {"pcc": 0.4, "ssim": 0.4, "rmse": 0.5, "js": 0.3},
        "c": {"pcc": 0.3, "ssim": None, "rmse": 2.0},
    }
    # ranks, best 3: a 3 + 2.5 + 2 + 3, b 2 + 2.5 + 3 + 2, c 1 + 1 + 1 + 1; of 4 x 3 points
    assert accuracy_scores(table) == pytest.approx({"a": 10.5 / 12, "b": 9.5 / 12, "c": 4 / 12})
    assert accuracy_scores({"a": table["a"]}) == {"a": 1.0}
    assert accuracy_scores({}) == {}
    same = accuracy_scores({"a": table["a"], "b": table["a"]})
    assert same == {"a": 0.75, "b": 0.75}
    near = {name: value + 1e-8 for name, value in table["a"].items() if value is not None}
    assert accuracy_scores({"a": table["a"], "b": near}) == {"a": 0.75, "b": 0.75}


def test_robustness_by_hand() -> None:
    original = {"a": 0.9, "b": 0.6, "c": 0.4, "d": 0.7, "e": math.nan, "f": 0.8}
    thinned = {"a": 0.8, "b": 0.5, "c": 0.9, "d": math.nan, "e": 0.9}
    assert robustness(original, thinned) == pytest.approx(1 / 5)  # a alone; e is no gene to count
    assert robustness(original, thinned, threshold=0.3) == pytest.approx(3 / 5)
    assert robustness({"e": math.nan}, thinned) is None


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_thinning(form: Any) -> None:
    counts = np.random.default_rng(0).poisson(4.0, (300, 40)).astype(np.float32)
    held = form(counts)
    for share in (0.1, 0.5, 0.7):
        out = downsample(held, share, seed=1)
        assert type(out) is type(held)
        left = out.toarray() if sparse.issparse(out) else out
        assert left.dtype == np.float32
        assert (left <= counts).all()
        assert (left == np.rint(left)).all()
        assert left.sum() / counts.sum() == pytest.approx(1 - share, abs=0.01)
        again = downsample(held, share, seed=1)
        np.testing.assert_array_equal(again.toarray() if sparse.issparse(again) else again, left)
    np.testing.assert_array_equal(held.toarray() if sparse.issparse(held) else held, counts)


def test_what_cannot_be_thinned() -> None:
    with pytest.raises(StdiffError, match="no whole numbers"):
        downsample(np.array([[0.5]]), 0.3)
    with pytest.raises(StdiffError, match="share of counts"):
        downsample(np.ones((2, 2)), 1.3)


def predicted(m: int = 20, cells: int = 60, genes: int = 7) -> tuple[np.ndarray, Prediction]:
    rng = np.random.default_rng(0)
    level = rng.gamma(1.0, 1.0, (cells, genes))
    truth = rng.poisson(level).astype(np.float32)
    truth[:, 4] = 2.0  # a gene that is the same everywhere
    draws = rng.poisson(level, (m, cells, genes)).astype(np.float32)
    names = np.array([f"g{i}" for i in range(genes)])
    return truth, Prediction(genes=names, mean=draws.mean(axis=0), draws=draws)


@pytest.mark.parametrize("block", [1, 3000, 10**9])
def test_the_scores_of_a_prediction(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    truth, prediction = predicted()
    draws = prediction.draws
    assert draws is not None
    scores = score_genes(truth, prediction, seed=3)
    assert list(scores.per_gene.index) == list(prediction.genes)
    np.testing.assert_allclose(scores.per_gene["pcc"], pcc(truth, prediction.mean))
    assert scores.per_gene["crps"].iloc[2] == pytest.approx(crps(truth[:, [2]], draws[:, :, [2]]))
    means = scores.means
    assert list(means) == list(MEANS)
    assert means["pcc"] == pytest.approx(np.nanmean(pcc(truth, prediction.mean)))
    assert means["pcc_median"] == pytest.approx(np.nanmedian(pcc(truth, prediction.mean)))
    assert means["crps"] == pytest.approx(crps(truth, draws), rel=1e-5)
    shares = coverage(truth, draws, seed=3)
    assert means["coverage80"] == pytest.approx(shares.all)
    assert means["coverage80_zeros"] == pytest.approx(shares.zeros)
    assert means["coverage80_nonzeros_expected"] == pytest.approx(shares.nonzeros_expected)
    assert means["coverage80"] == pytest.approx(scores.per_gene["coverage80"].mean())


def test_folds_are_joined() -> None:
    truth, prediction = predicted()
    parts = []
    for columns in ([0, 1, 2], [3, 4, 5, 6]):
        assert prediction.draws is not None
        part = Prediction(
            genes=prediction.genes[columns],
            mean=prediction.mean[:, columns],
            draws=prediction.draws[:, :, columns],
        )
        parts.append(score_genes(truth[:, columns], part))
    joined = GeneScores.joined(parts)
    whole = score_genes(truth, prediction)
    kept = [c for c in whole.per_gene if c != "coverage80"]  # ties are broken anew in each part
    pd.testing.assert_frame_equal(joined.per_gene[kept], whole.per_gene[kept])
    assert joined.means["pcc_median"] == pytest.approx(whole.means["pcc_median"])
    assert joined.counts["n"].sum() == truth.size


@pytest.mark.parametrize("m", [0, 3])
def test_without_enough_draws_there_is_no_crps(m: int) -> None:
    truth, prediction = predicted()
    assert prediction.draws is not None
    means = score_genes(
        truth,
        Prediction(genes=prediction.genes, mean=prediction.mean, draws=prediction.draws[:m]),
    ).means
    assert means["pcc"] is not None
    assert all(means[name] is None for name in MEANS[6:])


def test_a_prediction_of_other_cells_is_refused() -> None:
    truth, prediction = predicted()
    with pytest.raises(StdiffError, match="predict the genes that are scored"):
        score_genes(truth[:, :3], prediction)


def test_no_genes_have_no_scores() -> None:
    empty = Prediction(genes=np.zeros(0, dtype=object), mean=np.zeros((5, 0), dtype=np.float32))
    assert set(score_genes(np.zeros((5, 0)), empty).means.values()) == {None}
