"""Reliability: what is expected is what comes, and the spread covers what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import spearmanr

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.predicted import Z80, Reliability
from napari_stdiff.methods.genes.held_out import HeldOut
from napari_stdiff.scoring.correlation import column_pearson
from napari_stdiff.tasks.gene_config import PredictGenesConfig
from napari_stdiff.tasks.gene_features import NAMES, GeneFeatures, section_graph
from napari_stdiff.tasks.gene_model import hold_out
from napari_stdiff.tasks.reliability import Assessor, Line, _nested, doubted

SHARED, WANTED = 40, 10


def make_panel(seed: int = 0, cells: int = 500) -> tuple[Panel, np.ndarray]:
    """Return a panel whose genes follow three programmes, more and less closely."""
    rng = np.random.default_rng(seed)
    genes = SHARED + WANTED
    loading = rng.normal(0, 1, (3, genes)) * np.linspace(0.05, 1.2, genes)[rng.permutation(genes)]

    def values(n: int) -> np.ndarray:
        noise = rng.normal(0, 0.6, (n, genes))
        return np.maximum(2 + rng.normal(0, 1, (n, 3)) @ loading + noise, 0).astype(np.float32)

    tissue, reference = values(cells), values(600)
    return Panel(
        genes=np.array([f"g{i}" for i in range(SHARED)], dtype=object),
        wanted=np.array([f"w{i}" for i in range(WANTED)], dtype=object),
        tissue_raw=tissue[:, :SHARED],
        reference_raw=sparse.csr_matrix(reference),
        tissue_values="log-normalised",
        reference_values="log-normalised",
        coords=np.column_stack([np.zeros(cells), rng.uniform(0, 100, (cells, 2))]),
        section=np.array(["a"] * cells, dtype=object),
    ), tissue[:, SHARED:]


@pytest.fixture(scope="module")
def config() -> PredictGenesConfig:
    return PredictGenesConfig(method="ridge", draws=16, inner_folds=2)


@pytest.fixture(scope="module")
def made(config: PredictGenesConfig) -> tuple[Panel, np.ndarray, HeldOut]:
    panel, truth = make_panel()
    held = hold_out(panel, config, Monitor())
    assert held is not None
    return panel, truth, held


def test_every_gene_is_hidden_once_and_from_its_own_prediction(
    made: tuple[Panel, np.ndarray, HeldOut], config: PredictGenesConfig
) -> None:
    panel, _, held = made
    assert sorted(np.bincount(held.fold)) == [8] * 5
    raw = panel.tissue_raw.copy()
    away = held.fold == 2
    raw[:, away] = np.random.default_rng(1).uniform(0, 9, (len(raw), int(away.sum())))
    noisy = hold_out(replace(panel, tissue_raw=raw), config, Monitor())
    assert noisy is not None
    np.testing.assert_array_equal(noisy.mean[:, away], held.mean[:, away])
    assert (noisy.mean[:, ~away] != held.mean[:, ~away]).any()


def test_expected_and_achieved_agree_for_hidden_and_for_new_genes(
    made: tuple[Panel, np.ndarray, HeldOut], config: PredictGenesConfig
) -> None:
    panel, truth, held = made
    assessor = Assessor.fit(panel, held)
    assert assessor.scores["reliability_spearman"] > 0.7
    from napari_stdiff.methods.genes.registry import gene_method_class

    method = gene_method_class("ridge")().fit(panel, config, Monitor())
    found = method.sample(panel.wanted, 0, Monitor()).mean
    trust = assessor.assess(panel.wanted, found)
    reached = column_pearson(truth, found)
    assert spearmanr(trust.expected, reached).statistic > 0.7
    inside = (reached >= trust.low) & (reached <= trust.high)
    assert inside.sum() >= 6
    assert np.abs(trust.expected - reached).mean() < 0.15


def test_what_a_gene_reached_plays_no_part_in_what_is_expected_of_it(
    made: tuple[Panel, np.ndarray, HeldOut],
) -> None:
    panel, _, held = made
    features = GeneFeatures.of(panel)
    known, alike = features.of_shared(held.mean), features.likeness()
    achieved = column_pearson(held.truth(panel), held.mean)
    before = _nested(known, alike, achieved)
    changed = achieved.copy()
    changed[7] = -achieved[7]
    after = _nested(known, alike, changed)
    assert after[7] == before[7]
    assert (np.delete(after, 7) != np.delete(before, 7)).any()


def test_chance_is_not_promised_to_be_known() -> None:
    """Features without meaning: every gene is expected to reach about the mean."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 8)), rng.uniform(0, 0.6, 30)
    line = Line.fit(x, y)
    assert np.std(line(rng.normal(size=(200, 8)))) < 0.5 * np.std(y)
    np.testing.assert_allclose(Line.fit(np.ones((5, 3)), y[:5])(np.ones((1, 3))), y[:5].mean())


def test_the_spread_covers_four_fifths_of_new_genes(
    made: tuple[Panel, np.ndarray, HeldOut], config: PredictGenesConfig
) -> None:
    panel, truth, held = made
    from napari_stdiff.methods.genes.registry import gene_method_class

    method = gene_method_class("ridge")().fit(panel, config, Monitor())
    found = method.sample(panel.wanted, 16, Monitor())
    for folds in (held, replace(held, std=None), replace(held, std=held.std * 7)):
        assessor = Assessor.fit(panel, folds)
        assert 0.76 < assessor.scores["coverage80"] < 0.84
        trust = assessor.assess(panel.wanted, found.mean)
        method_std = None if folds.std is None else found.std * (7 if folds is not held else 1)
        spread = assessor.spread(panel.wanted, found.mean, method_std, trust)
        inside = np.abs(truth - found.mean) <= Z80 * spread
        assert 0.7 < inside.mean() < 0.9


def test_features_of_a_hidden_gene_do_not_look_at_it(
    made: tuple[Panel, np.ndarray, HeldOut],
) -> None:
    panel, _, held = made
    features = GeneFeatures.of(panel).of_shared(held.mean)
    raw = panel.tissue_raw.copy()
    raw[:, 0] = np.random.default_rng(0).uniform(0, 9, len(raw))
    noisy = GeneFeatures.of(replace(panel, tissue_raw=raw)).of_shared(held.mean)
    np.testing.assert_allclose(noisy[0], features[0], rtol=1e-4, atol=1e-5)
    assert features.shape == (SHARED, len(NAMES))


def test_a_gene_that_others_tell_is_told_by_them() -> None:
    panel, _ = make_panel(seed=3)
    held = np.asarray(panel.tissue)
    told = GeneFeatures.of(panel).of_shared(held)[:, 0]
    full = panel.reference
    for j in (0, 11, 29):  # the shortcut through the inverse is the regression on the others
        others = np.delete(full, j, axis=1)
        design = np.column_stack([others, np.ones(len(full))])
        fit = design @ np.linalg.lstsq(design, full[:, j], rcond=None)[0]
        assert told[j] == pytest.approx(np.corrcoef(fit, full[:, j])[0, 1], abs=0.1)


def test_neighbours_stay_within_their_section() -> None:
    panel, _ = make_panel(cells=60)
    section = np.array(["a", "b"] * 30, dtype=object)
    graph = section_graph(replace(panel, section=section)).tocoo()
    assert (section[graph.row] == section[graph.col]).all()
    assert np.bincount(graph.row, minlength=60).min() == 6


def test_too_few_shared_genes_promise_nothing(config: PredictGenesConfig) -> None:
    panel, _ = make_panel()
    few = panel.without(panel.genes[4:])
    assert hold_out(few, config, Monitor()) is None
    assessor = Assessor.fit(few, None)
    trust = assessor.assess(few.wanted[:2], np.ones((few.n_cells, 2)))
    assert list(trust.low) == [-1, -1]
    assert list(trust.high) == [1, 1]
    assert list(trust.badges) == ["low", "low"]
    assert "too few" in assessor.notes[0]
    none = Reliability(np.zeros(2), np.zeros(2), np.zeros(2))
    assert assessor.spread(few.wanted[:2], np.ones((3, 2)), None, none).shape == (3, 2)


def test_genes_that_a_method_did_not_hide_are_left_out_of_the_account(
    made: tuple[Panel, np.ndarray, HeldOut],
) -> None:
    panel, _, held = made
    mean = held.mean.copy()
    mean[:, ::4] = np.nan
    some = Assessor.fit(panel, replace(held, mean=mean, fold=np.full(SHARED, -1)))
    assert len(some.achieved) == SHARED - 10
    trust = some.assess(panel.wanted, np.asarray(panel.tissue[:, :WANTED]))
    assert np.isfinite(trust.expected).all()


def test_a_spread_of_some_cells_is_calibrated_on_these(
    made: tuple[Panel, np.ndarray, HeldOut],
) -> None:
    panel, _, held = made
    cells = np.arange(0, panel.n_cells, 3)
    assert held.std is not None
    some = Assessor.fit(panel, replace(held, std=held.std[cells], cells=cells))
    whole = Assessor.fit(panel, held)
    assert 0.75 < some.scores["coverage80"] < 0.85
    for badge, factor in some.factors.items():
        assert factor == pytest.approx(whole.factors[badge], rel=0.15)


def test_few_cells_promise_little() -> None:
    """What all genes reached in a handful of cells may be luck, and they share it."""
    expected = np.array([0.8, 0.4, -0.2])
    assert np.allclose(doubted(expected, 1 / 2000), expected, atol=2e-3)
    few = doubted(expected, 1 / 3)
    assert (np.abs(few) < 0.6 * np.abs(expected)).all()
    assert (np.diff(few) < 0).all()
    for cells, most in ((6, 0.5), (500, 1.0)):
        panel, _ = make_panel(cells=cells)
        truth, noise = panel.tissue, np.random.default_rng(1).normal(size=panel.tissue.shape)
        said = (truth + 0.6 * truth.std(axis=0) * noise).astype(np.float32)
        held = HeldOut(said, None, np.full(SHARED, -1))  # all of them told well
        trust = Assessor.fit(panel, held).assess(panel.wanted, truth[:, :WANTED])
        assert trust.expected.max() < most
        assert ("high" in trust.badges) == (cells == 500)
