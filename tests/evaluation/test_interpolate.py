"""The held-out evaluation: what it returns, what a method may see, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.evaluation.interpolate import Tier, default_methods, evaluate_interpolate
from napari_stdiff.evaluation.report import format_report
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.registry import interpolation_methods, method_class
from napari_stdiff.scoring.section import SCORES
from napari_stdiff.tasks.config import InterpolateConfig

_MEASURED = ("fit_seconds", "sample_seconds", "peak_mib")
BASELINES = ["linear", "knn", "typed-knn", "typed-donor", "field"]
QUICK = InterpolateConfig(epochs=1, width=16, depth=1, sampler_steps=2, device="cpu")


def test_defaults_are_the_model_and_every_baseline() -> None:
    # the Gaussian process is slow; the other tests here do without
    assert default_methods() == ("stdiffusion", *BASELINES, "gaussian-process")


def test_returns_what_the_file_holds(tissue: Tissue) -> None:
    result = evaluate_interpolate(tissue, hide="section_3", methods=BASELINES)
    again = json.loads(json.dumps(result, allow_nan=False))
    assert again == result
    assert list(result) == ["task", "dataset", "protocol", "methods"]
    assert result["task"] == "interpolate"
    assert list(result["methods"]) == BASELINES
    for scores in result["methods"].values():
        assert set(scores) == {*SCORES, *_MEASURED}
        assert 0 <= scores["fit_seconds"] < 60
        assert scores["pcc"] is not None
        assert scores["crps"] is not None
    protocol = result["protocol"]
    assert protocol["hidden"] == "section_3"
    assert protocol["tier"] == "A"
    assert protocol["visible_sections"] == ["section_1", "section_2", "section_4", "section_5"]
    best = max(result["methods"], key=lambda name: result["methods"][name]["pcc"])
    assert best in ("typed-knn", "typed-donor", "field")


def noisy(tissue: Tissue, section: str) -> Tissue:
    x = tissue.expression.toarray()
    rows = tissue.section == section
    x[rows] = np.random.default_rng(9).poisson(3, (rows.sum(), x.shape[1]))
    return replace(tissue, expression=sparse.csr_matrix(x))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("tier", ["A", "B"])
@pytest.mark.parametrize("name", interpolation_methods())
def test_nothing_hidden_leaks(
    name: str, tier: Any, tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hidden section's expression replaced by noise changes no output, to the bit."""
    answers: list[Prediction] = []
    cls: type[Method] = method_class(name)
    sample = cls.sample

    def kept(self: Method, *arguments: Any) -> Prediction:
        answers.append(sample(self, *arguments))
        return answers[-1]

    monkeypatch.setattr(cls, "sample", kept)
    scores = []
    for data in (tissue, noisy(tissue, "section_3")):
        result = evaluate_interpolate(
            data, hide="section_3", methods=[name], tier=tier, config=QUICK, n_draws=2
        )
        scores.append(result["methods"][name]["pcc"])
    first, second = answers
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.std, second.std)
    np.testing.assert_array_equal(first.draws, second.draws)
    assert scores[0] != scores[1]


def test_the_tier_says_what_is_given(tissue: Tissue, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = []
    cls = method_class("linear")
    sample = cls.sample

    def seen(self: Any, query: Any, *rest: Any) -> Prediction:
        queries.append(query)
        return sample(self, query, *rest)

    monkeypatch.setattr(cls, "sample", seen)
    hidden = tissue.split("section_3")[1]
    for tier in ("A", "B"):
        evaluate_interpolate(tissue, hide="section_3", methods=["linear"], tier=tier, n_draws=0)
        np.testing.assert_array_equal(queries[-1].coords, hidden.coords)
    assert (queries[0].cell_type == hidden.cell_type).all()
    assert queries[1].cell_type is None


def test_without_types_the_tier_is_b(tissue: Tissue) -> None:
    untyped = replace(tissue, cell_type=None)
    result = evaluate_interpolate(untyped, hide="section_3", methods=["linear"], n_draws=0)
    assert result["protocol"]["tier"] == "B"
    assert result["methods"]["linear"]["crps"] is None
    with pytest.raises(StdiffError, match="Tier A needs cell types"):
        evaluate_interpolate(untyped, hide="section_3", methods=["linear"], tier="A")


def test_tier_c_scores_maps_and_distributions_alone(tissue: Tissue) -> None:
    result = evaluate_interpolate(tissue, hide="section_3", methods=["typed-knn"], tier="C")
    scores = result["methods"]["typed-knn"]
    for name in ("variance_ratio", "density_pcc"):
        assert scores[name] is not None
    for name in ("pcc", "spearman", "nmse", "crps"):
        assert scores[name] is None


def test_tier_c_shows_nothing_of_the_hidden_section(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other hidden positions and types, at the same depth, give the same placed cells."""
    queries = []
    cls = method_class("linear")
    sample = cls.sample

    def seen(self: Any, query: Any, *rest: Any) -> Prediction:
        queries.append(query)
        return sample(self, query, *rest)

    monkeypatch.setattr(cls, "sample", seen)
    rows = np.flatnonzero(tissue.section == "section_3")
    coords, kind = tissue.coords.copy(), tissue.cell_type.copy()
    coords[rows, 1:] += 30
    kind[rows] = np.random.default_rng(0).permutation(kind[rows])
    for data in (tissue, replace(tissue, coords=coords, cell_type=kind)):
        evaluate_interpolate(data, hide="section_3", methods=["linear"], tier="C", n_draws=0)
    first, second = queries
    np.testing.assert_array_equal(first.coords, second.coords)
    assert (first.cell_type == second.cell_type).all()


def test_same_seed_same_scores(tissue: Tissue) -> None:
    results = [
        evaluate_interpolate(tissue, hide="section_2", methods=["typed-donor"], seed=seed)
        for seed in (3, 3, 4)
    ]
    kept = [
        {k: v for k, v in r["methods"]["typed-donor"].items() if k not in _MEASURED}
        for r in results
    ]
    assert kept[0] == kept[1]
    assert kept[0]["crps"] != kept[2]["crps"]


def test_what_cannot_be_done_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="Name the section or layer"):
        evaluate_interpolate(tissue, hide="", methods=["knn"])
    with pytest.raises(StdiffError, match="no section 'nowhere'"):
        evaluate_interpolate(tissue, hide="nowhere", methods=["linear"])
    with pytest.raises(StdiffError, match="no method 'magic'"):
        evaluate_interpolate(tissue, hide="section_3", methods=["magic"])
    two = tissue.rows(np.isin(tissue.section, ["section_1", "section_2"]))
    with pytest.raises(StdiffError, match="at least 3"):
        evaluate_interpolate(two, hide="section_1", methods=["linear"])


def test_progress_goes_from_start_to_end_and_can_be_stopped(tissue: Tissue) -> None:
    seen: list[Progress] = []
    evaluate_interpolate(
        tissue,
        hide="section_3",
        methods=["linear", "knn"],
        n_draws=0,
        monitor=Monitor(seen.append, interval=0),
    )
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(Cancelled):
        evaluate_interpolate(tissue, hide="section_3", methods=["linear"], monitor=monitor)


def test_published_baselines_on_real_tissue(real_data: Callable[[str], Path]) -> None:
    """Typed averages land where an independent implementation of the protocol put them."""
    result = evaluate_interpolate(
        real_data("merfish_hypothalamus.h5ad"),
        hide="bregma_-0.14",
        methods=["linear", "typed-knn", "typed-donor"],
    )
    methods = result["methods"]
    assert methods["typed-donor"]["pcc"] == pytest.approx(0.425, abs=0.006)
    assert methods["typed-donor"]["pcc_binned"] == pytest.approx(0.665, abs=0.006)
    assert methods["typed-donor"]["coexpression"] == pytest.approx(0.62, abs=0.015)
    assert methods["typed-knn"]["pcc"] == pytest.approx(0.44, abs=0.006)
    assert methods["typed-knn"]["pcc_binned"] == pytest.approx(0.68, abs=0.006)
    assert methods["linear"]["pcc"] == pytest.approx(0.11, abs=0.015)
    for scores in methods.values():
        assert scores["variance_ratio"] == pytest.approx(1, abs=0.1)


def test_an_outermost_section_lies_between_nothing(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="both sides"):
        evaluate_interpolate(tissue, hide="section_1", methods=["linear"])


def test_an_outermost_section_is_marked_as_extrapolation(tissue: Tissue) -> None:
    config = InterpolateConfig(extrapolate=True)
    outer = evaluate_interpolate(
        tissue, hide="section_1", methods=["typed-knn"], n_draws=0, config=config
    )
    inner = evaluate_interpolate(
        tissue, hide="section_2", methods=["typed-knn"], n_draws=0, config=config
    )
    assert outer["protocol"]["extrapolated"] is True
    assert inner["protocol"]["extrapolated"] is False
    assert "weaker" in format_report(outer)
    assert "weaker" not in format_report(inner)


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_every_score_says_its_tier(tissue: Tissue, tier: Tier) -> None:
    result = evaluate_interpolate(
        tissue, hide="section_2", methods=["linear"], tier=tier, n_draws=0
    )
    assert f"(tier {tier})" in result["protocol"]["tier_means"]
    assert result["protocol"]["tier_means"] in format_report(result)


def test_genes_one_by_one(tissue: Tissue) -> None:
    def result(tier: Tier) -> dict[str, Any]:
        return evaluate_interpolate(
            tissue, hide="section_3", methods=["field"], tier=tier, n_draws=0, per_gene=True
        )

    paired = result("A")
    genes = paired["per_gene"]["field"]
    assert set(genes) == set(tissue.genes)
    known = [v for v in genes.values() if v is not None]
    assert np.mean(known) == pytest.approx(paired["methods"]["field"]["pcc"], abs=1e-6)
    assert "per_gene" not in result("C")


def test_a_layer_is_hidden_and_scored_where_it_is(tissue: Tissue) -> None:
    result = evaluate_interpolate(
        tissue,
        hide="Layer 4",
        methods=["typed-knn"],
        n_draws=0,
        config=InterpolateConfig(section="section_3"),
    )
    protocol = result["protocol"]
    assert protocol["section"] == "section_3"
    assert len(protocol["parents"]) == 2
    own = (tissue.section == "section_3") & (tissue.layer == "Layer 4")
    assert protocol["hidden_cells"] == own.sum()
    assert result["methods"]["typed-knn"]["pcc"] > 0.1


def test_chosen_lambda_is_told(tissue: Tissue) -> None:
    config = QUICK.but(blend="chosen")
    result = evaluate_interpolate(
        tissue, hide="section_3", methods=["stdiffusion", "linear"], n_draws=1, config=config
    )
    assert set(result["protocol"]["lambda"]) == {"stdiffusion"}
