"""Held-out evaluation of predicted genes: the protocol, and that nothing hidden is seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from sklearn.model_selection import KFold

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.panel import Panel, scale_factors
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import Simulated, simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.evaluation.predict_genes import default_gene_methods, evaluate_predict_genes
from napari_stdiff.evaluation.report import format_gene_report
from napari_stdiff.methods.genes.base import GeneMethod
from napari_stdiff.methods.genes.settings import GeneSettings

QUICK: dict[str, Any] = {"folds": 4, "n_draws": 16, "inner_folds": 2}


@pytest.fixture(scope="module")
def sample() -> Simulated:
    return simulate(
        n_sections=3,
        cells_per_section=100,
        n_genes=24,
        n_extra_genes=4,
        n_reference_cells=300,
        image_size=60,
    )


@pytest.fixture(scope="module")
def measured(sample: Simulated) -> Tissue:
    return read(sample.sdata)


class Noted(GeneMethod):
    """Predicts each gene's mean in the reference, and keeps what it was shown."""

    id = "noted"
    title = "Noted"
    description = "Of the tests."
    seen: list[Panel]

    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        self.panel = panel
        type(self).seen.append(panel)
        return self

    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        mean = np.tile(self.panel.profiles(genes).mean(axis=0), (self.panel.n_cells, 1))
        return Prediction(np.asarray(genes), mean.astype(np.float32), notes=("A note.",))

    def save(self, folder: Path) -> None:
        raise AssertionError

    @classmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        raise AssertionError

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Any:
        raise AssertionError


def test_the_protocol_is_that_of_the_page(sample: Simulated, measured: Tissue) -> None:
    Noted.seen = []
    report = evaluate_predict_genes(
        measured, sample.reference, methods={"noted": Noted}, seed=3, **QUICK
    )
    genes = measured.genes
    folds = [hidden for _, hidden in KFold(4, shuffle=True, random_state=3).split(genes)]
    for panel, hidden in zip(Noted.seen, folds, strict=True):
        assert set(panel.genes) == set(np.delete(genes, hidden))
        assert list(panel.wanted[: len(hidden)]) == list(genes[hidden])
        raw = measured.expression.toarray()[:, np.isin(genes, panel.genes)]
        np.testing.assert_allclose(panel.tissue_factor, scale_factors(raw), rtol=1e-6)
    row = report["methods"]["noted"]
    assert row["pcc"] == 0  # a constant prediction scores 0
    assert row["crps"] is None
    assert row["coverage80"] is None
    assert list(row["per_gene"]) == [str(g) for g in genes]
    assert report["protocol"]["notes"] == {"noted": ["A note."]}
    json.dumps(report, allow_nan=False)


def test_hidden_genes_replaced_by_noise_change_no_prediction(
    sample: Simulated, measured: Tissue
) -> None:
    """What a method is given for a fold is the same to the bit, whatever the hidden genes hold."""
    seen = []
    for seed in (None, 5):
        Noted.seen = []
        tissue = measured
        if seed is not None:
            folds = KFold(4, shuffle=True, random_state=0).split(measured.genes)
            _, hidden = next(iter(folds))
            x = measured.expression.toarray()
            x[:, hidden] = np.random.default_rng(seed).poisson(9, (len(x), len(hidden)))
            tissue = replace(measured, expression=x)
        evaluate_predict_genes(tissue, sample.reference, methods={"noted": Noted}, **QUICK)
        seen.append(Noted.seen[0])
    assert seen[0].fingerprint() == seen[1].fingerprint()
    np.testing.assert_array_equal(seen[0].tissue, seen[1].tissue)


def test_every_score_is_there_and_the_ranks_are_of_the_run(
    sample: Simulated, measured: Tissue
) -> None:
    report = evaluate_predict_genes(
        measured, sample.reference, methods=["ridge", "pls"], downsample=".3", **QUICK
    )
    for row in report["methods"].values():
        assert 0.1 < row["pcc"] < 0.9
        assert row["pcc_median"] != row["pcc"]
        assert 0 < row["ssim"] < 1
        assert 0 < row["js"] < np.log(2)
        assert row["rmse"] > 0
        assert 0 < row["crps"] < row["rmse"]
        assert 0.7 < row["coverage80"] < 0.9
        assert 0.7 < row["interval_coverage80"] < 0.9
        assert -1 <= row["reliability_spearman"] <= 1
        assert row["fit_seconds"] >= 0
        assert row["pcc"] == pytest.approx(np.mean(list(row["per_gene"].values())))
        thinned = row["downsampled"]["0.3"]
        assert 0 <= thinned["robustness"] <= 1
        assert 0 < thinned["pcc"] < row["pcc"] + 0.05
    scores = [row["accuracy_score"] for row in report["methods"].values()]
    assert sum(scores) == pytest.approx(1.5)  # ranks 1 and 2 over 2 methods, in four scores
    assert report["protocol"]["diffusion_adds"] == {}
    text = format_gene_report(report)
    assert "24 genes in" in text
    assert "0.3 of the counts removed: robustness" in text
    json.dumps(report, allow_nan=False)


def test_what_diffusion_adds_is_said_or_that_it_is_not_known(
    sample: Simulated, measured: Tissue
) -> None:
    methods: dict[str, Callable[[], GeneMethod]] = {"spadit": Noted, "stack": Noted}
    Noted.seen = []
    report = evaluate_predict_genes(measured, sample.reference, methods=methods, **QUICK)
    adds = report["protocol"]["diffusion_adds"]
    assert adds["stack"]["pcc"] == 0
    assert adds["stack"]["crps"] is None
    assert adds["stack-network"] is None
    text = format_gene_report(report)
    assert "Diffusion over 'stack': pcc +0.0000" in text
    assert "What diffusion adds to 'stack-network' is not known" in text


def test_methods_that_are_done_are_kept_when_a_run_is_cancelled(
    sample: Simulated, measured: Tissue
) -> None:
    kept: list[dict[str, Any]] = []

    class Stopped(Noted):
        def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
            raise Cancelled("stopped")

    Noted.seen = []
    with pytest.raises(Cancelled):
        evaluate_predict_genes(
            measured,
            sample.reference,
            methods={"noted": Noted, "stopped": Stopped},
            after_each=kept.append,
            **QUICK,
        )
    assert list(kept[-1]["methods"]) == ["noted"]
    fits = len(Noted.seen)
    report = evaluate_predict_genes(
        measured,
        sample.reference,
        methods={"noted": Noted, "again": Noted},
        done=kept[-1],
        **QUICK,
    )
    assert len(Noted.seen) == fits + 4
    assert list(report["methods"]) == ["noted", "again"]


def test_the_most_expressed_genes_are_chosen_by_the_reference_alone(
    sample: Simulated, measured: Tissue
) -> None:
    Noted.seen = []
    report = evaluate_predict_genes(
        measured, sample.reference, methods={"noted": Noted}, genes=10, **QUICK
    )
    shared = sample.reference[:, measured.genes.astype(str)]
    total = np.asarray(shared.X.sum(axis=0)).ravel()
    best = set(shared.var_names[np.argsort(-total)[:10]])
    assert set(report["methods"]["noted"]["per_gene"]) == best
    assert report["protocol"]["shared_genes"] == 10
    assert report["protocol"]["genes_chosen"].startswith("the 10 of 24")


def test_poor_reference_cells_can_be_left_out(sample: Simulated, measured: Tissue) -> None:
    total = np.asarray(sample.reference.X.sum(axis=1)).ravel()
    limit = int(np.median(total))
    Noted.seen = []
    evaluate_predict_genes(
        measured, sample.reference, methods={"noted": Noted}, reference_counts=limit, **QUICK
    )
    assert Noted.seen[0].reference_raw.shape[0] == (total > limit).sum()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"section": "nowhere"}, "nowhere"),
        ({"reference_sections": "section_1"}, "not both"),
        ({"downsample": "half"}, "numbers separated by commas"),
        ({"downsample": "1.5"}, "between 0 and 1"),
        ({"reference_counts": 10**9}, "No reference cell has more than"),
        ({"folds": 30}, "too few for 30 folds"),
    ],
)
def test_what_cannot_be_evaluated_gets_a_sentence(
    sample: Simulated, measured: Tissue, settings: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StdiffError, match=expected):
        evaluate_predict_genes(
            measured, sample.reference, methods={"noted": Noted}, **{**QUICK, **settings}
        )


def test_the_paper_is_compared_only_where_it_is_named() -> None:
    names = default_gene_methods()
    assert names[0] == "spadit"
    assert {"stack", "stack-network", "ridge"} <= set(names)
    assert "spadit-paper" not in names
