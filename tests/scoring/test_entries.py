"""Scores of filled-in entries: the formulas, the masks, zeros and non-zeros apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.visible import Visible
from napari_stdiff.scoring.entries import (
    SCORES,
    answers_of,
    entry_mask,
    score_answers,
    score_entries,
    thinned,
)
from napari_stdiff.scoring.genes import ssim

CELLS, GENES = 400, 5


def counts(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, 1.0, (CELLS, 1)) * np.array([0.3, 0.8, 1.5, 3.0, 6.0])
    return rng.poisson(rates).astype(np.float32)


def table(raw: np.ndarray, seen: np.ndarray) -> Visible:
    return Visible(
        genes=np.array([f"g{i}" for i in range(raw.shape[1])], dtype=object),
        raw=raw,
        seen=seen,
        values="counts",
        coords=np.zeros((len(raw), 3)),
        section=np.full(len(raw), "a", dtype=object),
    )


@pytest.fixture
def hidden() -> np.ndarray:
    return entry_mask((CELLS, GENES), 0.3, seed=1)


@pytest.fixture
def visible(hidden: np.ndarray) -> Visible:
    return table(counts(), ~hidden)


def guess(visible: Visible, truth: np.ndarray, draws: int = 0) -> Prediction:
    rng = np.random.default_rng(5)
    mean = (truth + rng.normal(0, 0.5, truth.shape)).clip(0).astype(np.float32)
    made = rng.normal(mean, 0.5, (draws, *mean.shape)).clip(0).astype(np.float32)
    return Prediction(visible.genes, mean, draws=made if draws else None)


def test_every_entry_is_hidden_with_the_same_chance_whatever_the_others() -> None:
    mask = entry_mask((20_000, 3), 0.3, seed=4)
    assert mask.mean(axis=0) == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(mask[:, :2], entry_mask((20_000, 2), 0.3, seed=4))
    assert not np.array_equal(mask[:, 0], mask[:, 1])
    assert not np.array_equal(mask, entry_mask((20_000, 3), 0.3, seed=5))
    some = counts() > 0
    part = entry_mask(some.shape, 0.5, among=some)
    assert not part[~some].any()
    assert part[some].mean() == pytest.approx(0.5, abs=0.05)
    for share in (0.0, 1.0):
        with pytest.raises(StdiffError, match="between 0 and 1"):
            entry_mask((3, 3), share)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_halves_of_counts_add_up_and_are_alike(kind) -> None:
    raw = counts()
    one, other = (np.asarray(x.todense() if sparse.issparse(x) else x) for x in thinned(kind(raw)))
    np.testing.assert_array_equal(one + other, raw)
    assert one.sum() / raw.sum() == pytest.approx(0.5, abs=0.02)
    assert min(one.min(), other.min()) == 0
    with pytest.raises(StdiffError, match="Only counts"):
        thinned(raw + 0.5)


def test_scores_are_the_formulas_on_their_scales(visible: Visible, hidden: np.ndarray) -> None:
    truth = visible.scaled(counts())
    found = guess(visible, truth, 32)
    scores = score_entries(truth, found, hidden, visible)
    z, p = visible.standardised(truth), visible.standardised(found.mean)
    expected: dict[str, list[float]] = {name: [] for name in ("pcc", "cosine", "rmse", "mae")}
    for g in range(GENES):
        t, q = z[hidden[:, g], g].astype(float), p[hidden[:, g], g].astype(float)
        expected["pcc"].append(float(np.corrcoef(t, q)[0, 1]))
        expected["cosine"].append(float(t @ q / np.sqrt((t @ t) * (q @ q))))
        expected["rmse"].append(float(np.sqrt(np.mean((t - q) ** 2))))
        expected["mae"].append(float(np.mean(np.abs(t - q))))
        own = ssim(truth[hidden[:, g], g][:, None], found.mean[hidden[:, g], g][:, None])
        assert scores.per_gene["ssim"].iloc[g] == pytest.approx(own[0])
    for name, values in expected.items():
        np.testing.assert_allclose(scores.per_gene[name], values, rtol=1e-4)
        assert scores.means[name] == pytest.approx(np.mean(values), rel=1e-4)
    assert 0 < scores.means["crps"] < scores.means["mae"]  # of the same scale
    assert scores.per_gene["entries"].sum() == hidden.sum()


def test_filling_in_the_mean_is_the_origin_of_the_scales(
    visible: Visible, hidden: np.ndarray
) -> None:
    visible = replace(visible, values="log-normalised")  # no library to be unsure of
    truth = visible.scaled(counts())
    mean = np.tile(visible.mean, (CELLS, 1))
    means = score_entries(truth, Prediction(visible.genes, mean), hidden, visible).means
    assert means["pcc"] == 0
    assert means["cosine"] == pytest.approx(0, abs=1e-6)
    assert means["rmse"] == pytest.approx(1, abs=0.15)
    assert means["crps"] is None
    assert means["coverage80"] is None


def test_only_hidden_entries_are_looked_at(visible: Visible, hidden: np.ndarray) -> None:
    truth = visible.scaled(counts())
    found = guess(visible, truth, 16)
    noise = np.random.default_rng(1).normal(9, 9, truth.shape).astype(np.float32)
    other = replace(
        found,
        mean=np.where(hidden, found.mean, noise),
        draws=np.where(hidden, found.draws, noise),
    )
    one = score_entries(truth, found, hidden, visible)
    two = score_entries(np.where(hidden, truth, noise), other, hidden, visible)
    assert one.means == two.means
    assert one.parts == two.parts


def test_zeros_and_the_others_are_scored_apart(visible: Visible, hidden: np.ndarray) -> None:
    raw = counts()
    truth = visible.scaled(raw)
    found = guess(visible, truth, 64)
    scores = score_entries(truth, found, hidden, visible)
    parts, zero = scores.parts, raw == 0
    assert parts["zeros"]["entries"] == (hidden & zero).sum()
    assert parts["nonzeros"]["entries"] == (hidden & ~zero).sum()
    assert "pcc" not in parts["zeros"]  # they do not vary
    of = scores.per_gene
    n, n0, n1 = (of[f"entries{e}"].to_numpy() for e in ("", "_zeros", "_nonzeros"))
    fits = n0 >= 3
    for name in ("mae", "crps"):
        apart = n0 * of[f"{name}_zeros"] + n1 * of[f"{name}_nonzeros"]
        np.testing.assert_allclose((apart / n)[fits], of[name][fits], rtol=1e-9)
    assert 0 < parts["nonzeros"]["pcc"] < 1
    for part in parts.values():
        assert 0 < part["coverage80"] <= 1
        assert 0 < part["coverage80_expected"] <= 1


def test_draws_from_the_truths_own_distribution_cover_what_they_should() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 1.0, (3000, 4))
    raw, draws = rng.poisson(rates), rng.poisson(rates, (32, 3000, 4))
    visible = table(raw.astype(np.float32), np.ones(raw.shape, bool))
    truth, made = visible.scaled(raw), np.stack([visible.scaled(d) for d in draws])
    found = Prediction(visible.genes, made.mean(axis=0), draws=made)
    scores = score_entries(truth, found, np.ones(raw.shape, bool), visible)
    assert scores.means["coverage80"] == pytest.approx(0.8, abs=0.02)
    for part in scores.parts.values():
        assert part["coverage80"] == pytest.approx(part["coverage80_expected"], abs=0.03)


def test_genes_that_do_not_vary_where_hidden_are_left_out(
    visible: Visible, hidden: np.ndarray
) -> None:
    truth = visible.scaled(counts())
    truth[:, 2] = 1.0
    few = hidden.copy()
    few[:, 3] = False
    few[:2, 3] = True
    found = guess(visible, truth, 16)
    scores = score_entries(truth, found, few, visible)
    assert list(scores.per_gene.index) == ["g0", "g1", "g4"]
    assert list(scores.counts.index) == ["g0", "g1", "g4"]
    none = score_entries(truth, found, np.zeros_like(hidden), visible)
    assert none.means == dict.fromkeys(SCORES)
    assert none.parts["zeros"]["entries"] == 0


def test_a_gene_without_a_finite_answer_has_no_score(visible: Visible, hidden: np.ndarray) -> None:
    truth = visible.scaled(counts())
    found = guess(visible, truth, 16)
    found.mean[:, 1] = np.nan
    found.draws[:, :, 1] = np.nan
    row = score_entries(truth, found, hidden, visible).per_gene.loc["g1"]
    assert row[[*SCORES]].isna().all()


def test_answers_can_be_gathered_in_any_order_of_cells(
    visible: Visible, hidden: np.ndarray
) -> None:
    truth = visible.scaled(counts())
    found = guess(visible, truth, 16)
    answers = answers_of(truth, found, hidden)
    for gene, at in answers.each():
        np.testing.assert_array_equal(answers.truth[at], truth[hidden[:, gene], gene])
        np.testing.assert_array_equal(answers.draws[:, at], found.draws[:, hidden[:, gene], gene])
    assert (
        score_answers(answers, visible).means == score_entries(truth, found, hidden, visible).means
    )
    with pytest.raises(StdiffError, match="have to be the same"):
        answers_of(truth[:5], found, hidden)
