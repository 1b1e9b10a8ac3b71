"""Held-out evaluation of filled-in entries: the protocol, and that nothing hidden is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import Simulated, simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.visible import Visible
from napari_stdiff.evaluation import hidden_entries, impute
from napari_stdiff.evaluation.hidden_entries import marker_order, open_entries
from napari_stdiff.evaluation.impute import default_entry_methods, evaluate_impute
from napari_stdiff.evaluation.impute_config import EvaluateImputeConfig
from napari_stdiff.evaluation.report import format_impute_report
from napari_stdiff.methods.entries import spotdiff, spotdiff_paper, stmcdi
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.registry import entry_method_class, entry_methods
from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.scoring.entries import entry_mask, thinned


@pytest.fixture(scope="module")
def sample() -> Simulated:
    return simulate(
        n_sections=3,
        cells_per_section=60,
        n_genes=16,
        n_extra_genes=4,
        n_reference_cells=200,
        image_size=60,
    )


@pytest.fixture(scope="module")
def measured(sample: Simulated) -> Tissue:
    return read(sample.sdata)


class Noted(EntryMethod):
    """Fills in each gene's visible mean, and keeps what it was shown and told."""

    id = "noted"
    title = "Noted"
    description = "Of the tests."
    reference = "optional"
    seen: list[Visible]
    told: list[EntrySettings]
    asked: list[int]

    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        self.visible = visible
        type(self).seen.append(visible)
        type(self).told.append(config)
        return self

    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        type(self).asked.append(len(cells))
        known = self.visible
        own = np.where(known.seen, known.expression, known.mean)[cells]
        noise = np.random.default_rng(0).normal(0, 1, (n_draws, known.n_cells, known.n_genes))
        draws = (own + noise[:, cells] * known.deviation).astype(np.float32)
        return Prediction(known.genes, own.astype(np.float32), draws=draws, notes=("A note.",))

    def facts(self) -> dict[str, Any]:
        return {"mean": np.float32(1)}

    def save(self, folder: Path) -> None:
        raise AssertionError

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        raise AssertionError

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Any:
        raise AssertionError


class Blind(Noted):
    """The same, without any use for a reference."""

    reference = "none"


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    Noted.seen, Noted.told, Noted.asked = [], [], []


NOTED: dict[str, Callable[[], EntryMethod]] = {"noted": Noted}


def dense(tissue: Tissue) -> np.ndarray:
    return np.asarray(tissue.expression.toarray())


def test_the_protocol_is_that_of_the_page(measured: Tissue) -> None:
    report = evaluate_impute(measured, methods=NOTED, hide=0.4, seed=3, n_draws=16)
    hidden = entry_mask((measured.n_cells, measured.n_genes), 0.4, 3)
    (visible,) = Noted.seen
    np.testing.assert_array_equal(visible.seen, ~hidden)
    assert (visible.raw[hidden] == 0).all()
    library = visible.raw.sum(axis=1) / visible.seen.mean(axis=1)
    floored = np.maximum(library, np.percentile(library, 1))
    np.testing.assert_allclose(visible.factor, np.median(floored) / floored, rtol=1e-4)
    row = report["methods"]["noted"]
    assert row["pcc"] == 0
    assert row["rmse"] == pytest.approx(1, abs=0.2)
    assert row["crps"] < row["mae"]
    assert 0.6 < row["coverage80"] < 0.95
    assert row["zeros"]["entries"] + row["nonzeros"]["entries"] == hidden.sum()
    assert list(row["per_gene"]) == [str(g) for g in measured.genes]
    assert row["fit_seconds"] >= 0
    said = report["protocol"]
    assert said["entries"] == hidden.sum()
    assert said["zeros"] == (dense(measured)[hidden] == 0).sum()
    assert said["untouched"] == []
    assert said["notes"] == {"noted": ["A note."]}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_hidden_entries_replaced_by_noise_change_nothing_that_is_seen(
    sample: Simulated, measured: Tissue
) -> None:
    hidden = entry_mask((measured.n_cells, measured.n_genes), 0.3, 0)
    x = dense(measured).copy()
    x[hidden] = np.random.default_rng(5).poisson(9, hidden.sum())
    for tissue in (measured, replace(measured, expression=x)):
        evaluate_impute(tissue, sample.reference, methods=NOTED, clusters=False)
    one, other = Noted.seen
    assert one.tissue_fingerprint() == other.tissue_fingerprint()
    assert one.reference_fingerprint() == other.reference_fingerprint() != ""
    np.testing.assert_array_equal(one.standard, other.standard)


SMALL: dict[str, Any] = {
    "draws": 2,
    "epochs": 2,
    "width": 16,
    "depth": 1,
    "heads": 1,
    "noise_steps": 10,
    "sampler_steps": 2,
    "text": "off",
    "scale_to": 1.0,
    "device": "cpu",
}


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train what no setting shortens for a few steps: what leaks has leaked by then."""
    monkeypatch.setattr(spotdiff, "STEPS", 10)
    monkeypatch.setattr(spotdiff_paper, "STEPS", 10)
    monkeypatch.setattr(stmcdi, "_STEPS", 10)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("pattern", ["entries", "thinning"])
@pytest.mark.parametrize("name", entry_methods())
def test_no_method_sees_what_is_hidden(
    name: str, pattern: str, sample: Simulated, measured: Tissue
) -> None:
    """Hidden entries (or the hidden half of the counts) replaced by noise: equal to the bit."""
    config = EvaluateImputeConfig.of(**SMALL, pattern=pattern)
    case = open_entries(measured, sample.reference, None, config)
    if pattern == "thinning":
        other = replace(case, truth=np.random.default_rng(5).random(case.truth.shape))
    else:
        x = dense(measured).copy()
        x[case.hidden] = np.random.default_rng(5).poisson(9, case.hidden.sum())
        noisy = replace(measured, expression=x)
        other = open_entries(noisy, sample.reference, None, config)
    cases = [case, other]
    found = [impute.fill(entry_method_class(name), c, config, Monitor()) for c in cases]
    np.testing.assert_array_equal(found[0].mean, found[1].mean)
    np.testing.assert_array_equal(found[0].answers.mean, found[1].answers.mean)
    if found[0].answers.draws is not None:
        np.testing.assert_array_equal(found[0].answers.draws, found[1].answers.draws)


def test_of_entries_above_zero_only_such_are_hidden(measured: Tissue) -> None:
    report = evaluate_impute(measured, methods=NOTED, hide=0.5, pattern="nonzero")
    seen, x = Noted.seen[0].seen, dense(measured)
    assert seen[x == 0].all()
    assert (~seen)[x > 0].mean() == pytest.approx(0.5, abs=0.05)
    assert report["protocol"]["zeros"] == 0
    assert report["methods"]["noted"]["zeros"]["rmse"] is None


def test_half_of_the_counts_is_scored_against_what_the_other_says(measured: Tissue) -> None:
    report = evaluate_impute(measured, methods=NOTED, pattern="thinning", seed=2)
    half, other = (x.toarray() for x in thinned(measured.expression, 2))
    visible, config = Noted.seen[0], Noted.told[0]
    np.testing.assert_array_equal(visible.raw, half)
    assert visible.seen.all()
    assert config.denoise
    assert report["protocol"]["entries"] == half.size
    assert report["protocol"]["zeros"] == (other == 0).sum()
    r = [
        np.corrcoef(visible.expression[:, g], visible.scaled(other)[:, g])[0, 1]
        for g in range(measured.n_genes)
    ]
    assert report["methods"]["noted"]["pcc"] == pytest.approx(np.mean(r), abs=1e-4)
    flat = replace(measured, values="log-normalised")
    with pytest.raises(StdiffError, match="Only counts can be thinned"):
        evaluate_impute(flat, methods=NOTED, pattern="thinning")


def test_whole_genes_are_hidden_with_a_reference_alone(
    sample: Simulated, measured: Tissue
) -> None:
    with pytest.raises(StdiffError, match="needs a single-cell reference"):
        evaluate_impute(measured, methods=NOTED, pattern="genes")
    report = evaluate_impute(measured, sample.reference, methods=NOTED, pattern="genes", hide=0.25)
    hidden = report["protocol"]["hidden_genes"]
    assert len(hidden) == 4
    seen = Noted.seen[0].seen
    assert not seen[:, np.isin(measured.genes, hidden)].any()
    assert seen[:, ~np.isin(measured.genes, hidden)].all()
    assert set(report["methods"]["noted"]["per_gene"]) == set(hidden)
    named = [str(g) for g in measured.genes[:2]]
    report = evaluate_impute(
        measured, sample.reference, methods=NOTED, pattern="genes", genes=named
    )
    assert report["protocol"]["hidden_genes"] == named
    with pytest.raises(StdiffError, match="have to stay visible"):
        evaluate_impute(
            measured, sample.reference, methods=NOTED, pattern="genes", genes=list(measured.genes)
        )


def test_methods_without_use_for_a_reference_cannot_fill_in_whole_genes(
    sample: Simulated, measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"noted": Noted, "blind": Blind}
    monkeypatch.setattr(impute, "entry_method_class", held.__getitem__)
    monkeypatch.setattr(impute, "entry_methods", lambda: tuple(held))
    report = evaluate_impute(measured, sample.reference, pattern="genes")
    assert list(report["methods"]) == ["noted"]
    assert "blind: left out, it makes no use of a reference" in format_impute_report(report)
    with pytest.raises(StdiffError, match="'blind' makes no use of a reference"):
        evaluate_impute(measured, sample.reference, pattern="genes", methods=["blind"])
    monkeypatch.setattr(Noted, "reference", "needed")
    assert list(evaluate_impute(measured)["methods"]) == ["blind"]
    with pytest.raises(StdiffError, match="'noted' needs a reference"):
        evaluate_impute(measured, methods=["noted"])


def test_markers_are_chosen_by_the_reference_one_a_type_in_turn(
    sample: Simulated, measured: Tissue
) -> None:
    case = open_entries(measured, sample.reference, None, EvaluateImputeConfig())
    visible = case.visible
    order = marker_order(visible)
    assert sorted(order) == list(range(len(visible.reference_columns)))
    kinds = visible.reference_type.astype(str)
    names, sizes = np.unique(kinds, return_counts=True)
    means = np.stack([visible.reference_standard[kinds == k].mean(axis=0) for k in names])
    assert order[0] == np.argmax(means[np.argmax(sizes)])
    best = {int(i) for i in means.argmax(axis=1)}
    assert best <= {int(i) for i in order[: len(names)]}
    plain = replace(visible, reference_type=None)
    assert marker_order(plain)[0] == np.argmax(plain.reference.std(axis=0))


def test_named_genes_alone_are_hidden_and_the_others_listed(measured: Tissue) -> None:
    wanted = [str(measured.genes[5]), str(measured.genes[1])]
    report = evaluate_impute(measured, methods=NOTED, genes=wanted)
    seen = Noted.seen[0].seen
    own = np.isin(measured.genes, wanted)
    assert Noted.seen[0].n_genes == measured.n_genes  # the others help
    assert seen[:, ~own].all()
    assert not seen[:, own].all()
    assert set(report["methods"]["noted"]["per_gene"]) == set(wanted)
    assert set(report["protocol"]["untouched"]) == set(measured.genes) - set(wanted)
    half = evaluate_impute(measured, methods=NOTED, genes=wanted, pattern="thinning")
    assert set(half["methods"]["noted"]["per_gene"]) == set(wanted)
    with pytest.raises(StdiffError, match="no gene\\(s\\) Nothing1"):
        evaluate_impute(measured, methods=NOTED, genes="Nothing1")


def test_of_a_large_table_the_genes_that_vary_most_where_visible_take_part(
    measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden_entries, "MANY", 10)
    real = hidden_entries.most_varying
    monkeypatch.setattr(
        hidden_entries, "most_varying", lambda t, s, expressed: real(t, s, 6, expressed)
    )
    report = evaluate_impute(measured, methods=NOTED)
    hidden = entry_mask((measured.n_cells, measured.n_genes), 0.3, 0)
    wanted = set(real(measured, ~hidden, 6, 0.05))
    assert set(Noted.seen[-1].genes) == wanted
    assert set(report["protocol"]["untouched"]) == set(measured.genes) - wanted
    other = next(g for g in measured.genes if g not in wanted)
    evaluate_impute(measured, methods=NOTED, genes=[other])
    hidden[:, measured.genes != other] = False
    assert set(Noted.seen[-1].genes) == {*real(measured, ~hidden, 6, 0.05), other}
    evaluate_impute(measured, methods=NOTED, genes="all")
    assert Noted.seen[-1].n_genes == measured.n_genes


@pytest.mark.parametrize("pattern", ["entries", "thinning"])
def test_what_the_table_lacks_is_neither_seen_nor_scored(measured: Tissue, pattern: Any) -> None:
    gaps = np.random.default_rng(8).random((measured.n_cells, measured.n_genes)) < 0.1
    x = np.where(gaps, 0, dense(measured))
    tissue = replace(measured, expression=x, missing=gaps)
    report = evaluate_impute(tissue, methods=NOTED, pattern=pattern)
    (visible,) = Noted.seen
    assert not (visible.seen & gaps).any()
    whole = visible.seen.size - gaps.sum()
    share = 1.0 if pattern == "thinning" else 0.3
    assert report["protocol"]["entries"] / whole == pytest.approx(share, abs=0.03)
    assert report["protocol"]["missing"] == gaps.sum()


def test_a_section_can_be_taken_alone(measured: Tissue) -> None:
    name = measured.sections[1]
    report = evaluate_impute(measured, methods=NOTED, section=name)
    assert set(Noted.seen[0].section) == {name}
    assert report["protocol"]["cells"] == (measured.section == name).sum()
    with pytest.raises(StdiffError, match="nowhere"):
        evaluate_impute(measured, methods=NOTED, section="nowhere")


def test_cells_are_asked_for_in_parts_where_draws_would_not_fit(
    measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate_impute(measured, methods=NOTED)["methods"]["noted"]
    parts = len(Noted.asked)
    from napari_stdiff.evaluation import filled

    monkeypatch.setattr(filled, "_DRAWS", 4 * measured.n_genes * 32 * 50)
    again = evaluate_impute(measured, methods=NOTED)["methods"]["noted"]
    assert Noted.asked[parts:] == [50, 50, 50, measured.n_cells - 150]
    for name in ("pcc", "rmse", "crps", "coverage80", "zeros", "nonzeros", "clusters"):
        assert whole[name] == again[name]


def test_methods_that_are_done_are_kept_when_a_run_is_cancelled(measured: Tissue) -> None:
    kept: list[dict[str, Any]] = []

    class Stopped(Noted):
        def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        evaluate_impute(
            measured, methods={"noted": Noted, "stopped": Stopped}, after_each=kept.append
        )
    assert list(kept[-1]["methods"]) == ["noted"]
    before = json.loads(json.dumps(kept[-1]))
    fits = len(Noted.seen)
    report = evaluate_impute(measured, methods={"noted": Noted, "again": Noted}, done=before)
    assert len(Noted.seen) == fits + 1
    assert list(report["methods"]) == ["noted", "again"]
    with pytest.raises(StdiffError, match="another protocol"):
        evaluate_impute(measured, methods=NOTED, done=before, hide=0.5)


def test_populations_are_compared_with_annotated_types(measured: Tissue) -> None:
    report = evaluate_impute(measured, methods=NOTED)
    groups = report["protocol"]["clusters"]
    assert groups["labels"] == "cell_type"
    assert groups["types"] == len(set(measured.cell_type))
    own = report["methods"]["noted"]["clusters"]
    assert own == pytest.approx(groups["raw"])  # it fills in the mean, as "raw" does
    assert groups["measured"]["ari"] > groups["raw"]["ari"]
    bare = replace(measured, cell_type=None, layer=None)
    without = evaluate_impute(bare, methods=NOTED)
    assert without["protocol"]["clusters"] is None
    assert without["methods"]["noted"]["clusters"] is None


def test_what_diffusion_adds_is_said_and_the_table_reads(measured: Tissue) -> None:
    methods = {"stmcdi": Noted, "stack": Noted}
    report = evaluate_impute(measured, methods=methods)
    adds = report["protocol"]["diffusion_adds"]
    assert adds == {"stmcdi": {"stack": {"pcc": 0, "rmse": 0, "crps": 0}, "stack-network": None}}
    text = format_impute_report(report)
    assert "30% of the entries hidden in 16 genes" in text
    assert "stmcdi over 'stack': pcc +0.0000" in text
    assert "What stmcdi adds to 'stack-network' is not known" in text
    assert "Entries whose truth is not zero" in text
    assert "annotated types (cell_type)" in text


def test_the_papers_are_compared_only_where_they_are_named() -> None:
    names = default_entry_methods()
    assert names[:2] == ("stmcdi", "spotdiff")
    assert {"stack", "stack-network", "mean", "blend"} <= set(names)
    assert not any(name.endswith("-paper") for name in names)
