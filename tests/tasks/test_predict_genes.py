"""Predicting genes: which, from what, how surely; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data import telling
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import Simulated, simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.scoring.correlation import column_pearson
from napari_stdiff.tasks import gene_model as models
from napari_stdiff.tasks import predict_genes as task
from napari_stdiff.tasks.gene_config import PredictGenesConfig
from napari_stdiff.tasks.predict_genes import predict_genes

QUICK: dict[str, Any] = {"method": "ridge", "draws": 16, "inner_folds": 2}


@pytest.fixture(scope="module")
def sample() -> Simulated:
    """Return three sections of about 200 cells, 25 genes measured and 20 more in the reference."""
    return simulate(
        n_sections=3,
        cells_per_section=200,
        n_genes=25,
        n_extra_genes=20,
        n_reference_cells=400,
        image_size=60,
    )


@pytest.fixture(scope="module")
def measured(sample: Simulated) -> Tissue:
    return read(sample.sdata)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    models.forget()


def test_all_missing_genes_are_predicted_and_look_like_the_truth(
    sample: Simulated, measured: Tissue
) -> None:
    found = predict_genes(measured, sample.reference, which="all-missing", **QUICK)
    assert list(found.genes) == sample.hidden_genes
    assert found.mean.shape == found.std.shape == (measured.n_cells, 20)
    assert found.mean.dtype == found.std.dtype == np.float32
    assert (found.mean >= 0).all()
    assert (found.std > 0).all()
    truth = np.log1p(np.asarray(sample.truth[:, list(found.genes)].layers["smooth"]) * 100)
    reached = column_pearson(truth, found.mean)
    assert np.nanmean(reached) > 0.4
    trust = found.reliability
    assert ((trust.low <= trust.expected) & (trust.expected <= trust.high)).all()
    assert (trust.low < trust.high).all()
    record = found.record
    assert record.task == "predict-genes"
    assert record.target["shared_genes"] == 25
    assert record.scores["held_out_pcc"] > 0.1
    assert set(record.seconds) == {"read", "fit", "sample"}
    assert record.input["fingerprint"] == measured.fingerprint()


def test_listed_genes_are_found_in_any_case_and_the_others_are_named(
    sample: Simulated, measured: Tissue
) -> None:
    first, second = sample.hidden_genes[:2]
    known = str(measured.genes[0])
    asked = f"{second}, {first.upper()},{known},{first}xq,"
    found = predict_genes(measured, sample.reference, genes=asked, **QUICK)
    assert list(found.genes) == [second, first]
    notes = " ".join(found.record.notes)
    assert f"'{known}' is measured in the tissue already." in notes
    assert f"'{first}xq' is neither in the tissue nor in the reference; did you mean" in notes


def test_the_most_variable_are_those_that_vary_most_for_their_level(
    sample: Simulated, measured: Tissue
) -> None:
    reference = sample.reference.copy()
    flat, patchy = sample.hidden_genes[:2]
    place = {g: i for i, g in enumerate(reference.var_names)}
    x = reference.X.toarray()
    x[:, place[flat]] = 7
    x[:, place[patchy]] = 0
    x[::10, place[patchy]] = 70
    reference.X = x
    found = predict_genes(measured, reference, which="hvg", n_hvg=5, **QUICK)
    assert len(found.genes) == 5
    assert patchy in found.genes
    assert flat not in found.genes


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "Name the genes to predict"),
        ({"genes": "nonsense"}, "'nonsense' is neither .* There is no gene left"),
        ({"genes": "A", "which": "hvg"}, "not both"),
        ({"genes": "A", "folds": 1}, "folds: input should be greater than or equal to 2"),
        ({"genes": "A", "method": "magic"}, "method: input should be 'spadit'"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    sample: Simulated, measured: Tissue, settings: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StdiffError, match=expected):
        predict_genes(measured, sample.reference, **{**QUICK, **settings})


@pytest.mark.parametrize("n", [0, 2, 3])
def test_genes_that_are_too_few_are_told_with_their_true_number(
    sample: Simulated, measured: Tissue, n: int
) -> None:
    few = measured.columns(np.arange(25) < n)
    with pytest.raises(StdiffError, match=rf"share {n} gene\(s\); at least 4 are needed"):
        predict_genes(few, sample.reference, genes=sample.hidden_genes[0], **QUICK)


@pytest.mark.parametrize(("n", "folds"), [(4, 5), (5, 5), (5, 2), (7, 2)])
def test_few_shared_genes_are_enough_whatever_the_folds(
    sample: Simulated, measured: Tissue, n: int, folds: int
) -> None:
    few = measured.columns(np.arange(25) < n)
    gene = sample.hidden_genes[0]
    found = predict_genes(few, sample.reference, genes=gene, **QUICK | {"folds": folds})
    assert np.isfinite(found.mean).all()
    assert bool(found.record.scores) == (n > 4)


def test_a_reference_of_a_few_cells_is_refused(sample: Simulated, measured: Tissue) -> None:
    with pytest.raises(StdiffError, match=r"reference has 2 cell\(s\); at least 10"):
        predict_genes(measured, sample.reference[:2], which="all-missing", **QUICK)


def test_genes_are_found_by_the_other_name_of_the_reference(
    sample: Simulated, measured: Tissue
) -> None:
    reference = sample.reference.copy()
    names = reference.var_names.astype(str)
    reference.var["gene_name"] = names.to_numpy()
    reference.var_names = [f"ENSMUSG{i:011d}.3" for i in range(len(names))]
    first, second = sample.hidden_genes[:2]
    ids = dict(zip(names, reference.var_names, strict=True))
    known = str(measured.genes[0])
    asked = f"{first.upper()},{ids[second][:-2]},{ids[known][:-2]}"
    found = predict_genes(measured, reference, genes=asked, **QUICK)
    assert list(found.genes) == [ids[first], ids[second]]
    notes = " ".join(found.record.notes)
    assert f"'{first.upper()}' is called '{ids[first]}' in the reference." in notes
    assert f"'{ids[known][:-2]}' is measured in the tissue already (as '{known}')." in notes


def test_a_gene_that_the_reference_never_expresses_is_not_to_be_trusted(
    sample: Simulated, measured: Tissue
) -> None:
    reference = sample.reference.copy()
    gene = sample.hidden_genes[0]
    x = reference.X.toarray()
    x[:, reference.var_names.get_loc(gene)] = 0
    reference.X = x
    found = predict_genes(measured, reference, genes=gene, **QUICK)
    assert found.reliability.expected[0] == 0
    assert found.reliability.badges[0] == "low"
    assert any("same value in every cell" in note and gene in note for note in found.record.notes)


def test_genes_that_the_tissue_never_has_do_not_count_as_failures(
    sample: Simulated, measured: Tissue
) -> None:
    x = measured.expression.toarray()
    x[:, :8] = 0
    silent = replace(measured, expression=x)
    gene = sample.hidden_genes[0]
    found = predict_genes(silent, sample.reference, genes=gene, **QUICK)
    assert any(note.startswith("17 shared genes, hidden in turn") for note in found.record.notes)
    x[:] = 0
    found = predict_genes(silent, sample.reference, genes=gene, **QUICK)
    assert found.record.scores == {}
    assert any("0 of the 25 shared genes vary in the tissue" in n for n in found.record.notes)


def test_of_thousands_of_shared_genes_those_that_tell_most_are_used(
    sample: Simulated, measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = measured.expression.toarray()
    x[:, 3] = 2
    monkeypatch.setattr(telling.most_telling, "__defaults__", (24,))
    found = predict_genes(
        replace(measured, expression=x), sample.reference, genes=sample.hidden_genes[0], **QUICK
    )
    assert found.record.target["shared_genes"] == 24
    assert any(
        "the 24 of these that vary most in the reference" in note for note in found.record.notes
    )
    with pytest.raises(StdiffError, match="is measured in the tissue already"):
        predict_genes(measured, sample.reference, genes=str(measured.genes[3]), **QUICK)


def test_a_reference_without_more_genes_is_said(sample: Simulated, measured: Tissue) -> None:
    panel = sample.reference[:, measured.genes.astype(str)].copy()
    with pytest.raises(StdiffError, match="has every gene of the reference"):
        predict_genes(measured, panel, which="all-missing", **QUICK)


def test_a_gene_is_the_same_alone_and_among_others(sample: Simulated, measured: Tissue) -> None:
    gene = sample.hidden_genes[3]
    whole = predict_genes(measured, sample.reference, which="all-missing", **QUICK)
    models.forget()
    alone = predict_genes(measured, sample.reference, genes=gene, **QUICK)
    at = whole.column(gene)
    np.testing.assert_allclose(alone.mean[:, 0], whole.mean[:, at], atol=1e-5)
    np.testing.assert_allclose(alone.std[:, 0], whole.std[:, at], atol=1e-4)
    assert alone.reliability.expected[0] == pytest.approx(whole.reliability.expected[at], abs=1e-6)
    with pytest.raises(StdiffError, match="has no gene"):
        alone.confidence(sample.hidden_genes[4])


def test_many_genes_are_predicted_some_at_a_time(
    sample: Simulated, measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict_genes(measured, sample.reference, which="all-missing", **QUICK)
    sizes = []
    sample_of = type(next(iter(models._recent.values())).method).sample

    def noted(self: Any, genes: Any, n_draws: int, monitor: Monitor) -> Any:
        sizes.append(len(genes))
        return sample_of(self, genes, n_draws, monitor)

    cls = type(next(iter(models._recent.values())).method)
    monkeypatch.setattr(cls, "sample", noted)
    monkeypatch.setattr(models, "_MEMORY", 1_000_000)
    small = predict_genes(measured, sample.reference, which="all-missing", **QUICK)
    assert len(sizes) > 1
    assert sum(sizes) == 20
    np.testing.assert_allclose(small.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(small.reliability.expected, whole.reliability.expected, atol=1e-6)


def test_a_result_that_does_not_fit_into_memory_is_refused_before_the_work(
    sample: Simulated, measured: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Little:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", lambda: Little)
    monkeypatch.setattr(task, "gene_model", lambda *_: pytest.fail("it was fitted"))
    with pytest.raises(StdiffError, match=r"20 genes in .* take .* GB of memory"):
        predict_genes(measured, sample.reference, which="all-missing", **QUICK)


def test_a_second_gene_needs_no_second_fit(sample: Simulated, measured: Tissue) -> None:
    first, second = sample.hidden_genes[:2]
    predict_genes(measured, sample.reference, genes=first, **QUICK)
    found = predict_genes(measured, sample.reference, genes=second, **QUICK)
    assert any("kept from an earlier fit" in note for note in found.record.notes)
    other = predict_genes(measured, sample.reference, genes=second, **QUICK | {"seed": 1})
    assert not any("kept from an earlier fit" in note for note in other.record.notes)


def test_a_model_is_kept_with_its_folds_and_refused_for_other_tissue(
    sample: Simulated, measured: Tissue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gene, folder = sample.hidden_genes[0], tmp_path / "model"
    first = predict_genes(measured, sample.reference, genes=gene, save_model=folder, **QUICK)
    models.forget()
    with monkeypatch.context() as patch:
        patch.setattr(models, "hold_out", lambda *_: pytest.fail("folds were run again"))
        again = predict_genes(measured, sample.reference, genes=gene, model=folder, **QUICK)
    np.testing.assert_array_equal(again.mean, first.mean)
    np.testing.assert_array_equal(again.std, first.std)
    assert again.reliability.expected == first.reliability.expected
    assert any("was given" in note for note in again.record.notes)
    other = measured.rows(measured.section != "section_1")
    with pytest.raises(
        StdiffError, match="other values or cells than the one that the model was fitted"
    ):
        predict_genes(other, sample.reference, genes=gene, model=folder, **QUICK)
    fewer = sample.reference[:, [g for g in sample.reference.var_names if g != gene][2:]]
    with pytest.raises(StdiffError, match="fitted on other visible genes"):
        predict_genes(measured, fewer, which="all-missing", model=folder, **QUICK)


def test_a_fitted_model_is_refused_for_other_tissue(sample: Simulated, measured: Tissue) -> None:
    gene = sample.hidden_genes[0]
    predict_genes(measured, sample.reference, genes=gene, **QUICK)
    (model,) = models._recent.values()
    other = measured.rows(measured.section != "section_1")
    with pytest.raises(StdiffError, match="fitted on other tissue or another reference"):
        predict_genes(other, sample.reference, genes=gene, model=model, **QUICK)


def test_a_run_can_be_cancelled_at_any_step(sample: Simulated, measured: Tissue) -> None:
    for stage in ("Smoothing", "Genes"):
        models.forget()
        monitor = Monitor(interval=0)

        def listen(progress: Any, monitor: Monitor = monitor, stage: str = stage) -> None:
            if progress.stage.startswith(stage):
                monitor.cancel()

        monitor._listener = listen
        with pytest.raises(Cancelled):
            predict_genes(
                measured, sample.reference, which="all-missing", monitor=monitor, **QUICK
            )


def test_measured_values_of_a_gene_that_is_not_shared_change_nothing(
    sample: Simulated, measured: Tissue
) -> None:
    """A gene that the reference lacks is no part of the panel, whatever it holds."""
    gene = sample.hidden_genes[0]
    less = sample.reference[:, [g for g in sample.reference.var_names if g != measured.genes[0]]]
    first = predict_genes(measured, less, genes=gene, **QUICK)
    x = measured.expression.toarray()
    x[:, 0] = np.random.default_rng(3).poisson(40, len(x))
    noisy = replace(measured, expression=x)
    models.forget()
    second = predict_genes(noisy, less, genes=gene, **QUICK)
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.std, second.std)
    assert first.reliability.expected == second.reliability.expected


def test_the_cost_counts_the_result(sample: Simulated, measured: Tissue) -> None:
    config = PredictGenesConfig(which="all-missing", **QUICK)
    job = task.prepare(measured, sample.reference, read=None, config=config, monitor=Monitor())
    cost = task.estimate(job, config)
    assert cost.seconds > 0
    assert cost.memory_mib > 8 * measured.n_cells * 20 / 2**20
