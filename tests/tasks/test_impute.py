"""Filling in: what is kept, what is filled, how well it is said to go, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.imputed import Imputed
from napari_stdiff.data.results import load_imputed, save
from napari_stdiff.data.simulate import Simulated, simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.closed_form import SoftSvdMethod
from napari_stdiff.tasks import entry_model as models
from napari_stdiff.tasks import impute as task
from napari_stdiff.tasks import populations
from napari_stdiff.tasks.impute import impute
from napari_stdiff.tasks.impute_config import ImputeConfig

QUICK: dict[str, Any] = {"method": "soft-svd", "draws": 16}


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    models.forget()


@pytest.fixture(scope="module")
def tissue(make_tissue: Callable[..., Tissue]) -> Tissue:
    return make_tissue(sections=2, n=100)


@pytest.fixture(scope="module")
def gaps(tissue: Tissue) -> np.ndarray:
    return np.random.default_rng(5).random(tissue.expression.shape) < 0.2


def with_gaps(tissue: Tissue, gaps: np.ndarray, noise: int = 0) -> Tissue:
    """Return the tissue with gaps, and in them nothing, or counts of chance."""
    there = np.random.default_rng(noise).poisson(40, gaps.shape) * (noise > 0)
    values = np.where(gaps, there, tissue.expression.toarray()).astype(np.float32)
    return replace(tissue, expression=sparse.csr_matrix(values), missing=sparse.csr_matrix(gaps))


def scaled(tissue: Tissue, gaps: np.ndarray) -> np.ndarray:
    """Return log1p of counts over the library of what is measured, times the median library."""
    x = np.where(gaps, 0, tissue.expression.toarray()).astype(np.float64)
    library = x.sum(axis=1) / (~gaps).mean(axis=1)
    floor = max(np.percentile(library, 1), library[library > 0].min())
    library = np.maximum(library, floor)
    return np.log1p(x * (np.median(library) / library)[:, None])


def same(one: Imputed, other: Imputed) -> None:
    for part in ("mean", "std", "measured", "filled", "checked"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part), err_msg=part)
    assert one.scores == other.scores


def test_gaps_are_filled_and_measured_values_stay_to_the_bit(
    tissue: Tissue, gaps: np.ndarray
) -> None:
    found = impute(with_gaps(tissue, gaps), **QUICK)
    assert np.array_equal(found.filled, gaps)
    assert found.mean.dtype == np.float32
    assert np.array_equal(found.mean[~gaps], found.measured[~gaps])
    assert np.isnan(found.measured[gaps]).all()
    np.testing.assert_allclose(found.measured[~gaps], scaled(tissue, gaps)[~gaps], rtol=1e-5)
    assert found.std is not None
    assert (found.std[~gaps] == 0).all()
    assert (found.std[gaps] > 0).mean() > 0.9
    assert (found.mean >= 0).all()
    hidden = np.log1p(tissue.expression.toarray())[gaps]
    assert np.corrcoef(hidden, found.mean[gaps])[0, 1] > 0.4


def test_what_is_hidden_by_a_mask_leaves_no_trace(tissue: Tissue, gaps: np.ndarray) -> None:
    same(
        impute(with_gaps(tissue, gaps, noise=1), **QUICK),
        impute(with_gaps(tissue, gaps, noise=2), **QUICK),
    )


def test_checked_values_leave_no_trace_in_what_is_filled_in(
    tissue: Tissue, gaps: np.ndarray
) -> None:
    """What the check hides may be anything: the method fitted on the rest answers the same."""
    answers = []
    for noise in (0, 3):
        job = task.prepare(
            with_gaps(tissue, gaps), None, read=None, config=CONFIG, monitor=Monitor()
        )
        check = task.hide(job.visible.seen, 0.1, 0)
        wrong = np.random.default_rng(noise).poisson(40, check.shape) if noise else 0
        raw = np.where(check, wrong, job.visible.raw).astype(np.float32)
        visible = replace(job.visible, raw=raw)
        found, _ = models.entry_model(visible, check, True, CONFIG, Monitor())
        part = found.method.sample(np.arange(visible.n_cells), 16, Monitor())
        answers.append((part.mean, part.std))
        models.forget()
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


CONFIG = ImputeConfig.of(**QUICK)


def test_zeros_are_filled_by_what_is_expected_and_the_rest_stays(tissue: Tissue) -> None:
    found = impute(tissue, genes="gene1,gene6", **QUICK)
    dense = tissue.columns(np.array([1, 6])).expression.toarray()
    assert list(found.genes) == ["gene1", "gene6"]
    assert np.array_equal(found.filled, dense == 0)
    assert (found.measured[found.filled] == 0).all()
    assert np.array_equal(found.mean[~found.filled], found.measured[~found.filled])
    # a zero was seen as a zero: less is expected there than the gene has on average
    average = found.measured.mean(axis=0)
    for g in range(2):
        assert found.mean[found.filled[:, g], g].mean() < average[g]
    assert any("A zero may be true" in note for note in found.record.notes)
    assert found.record.target["missing"] == "zeros"
    assert found.record.target["filled"] == int((dense == 0).sum())


def test_filled_zeros_are_nearer_to_the_truth_and_not_too_high() -> None:
    sample = simulate(
        n_sections=3, cells_per_section=150, n_genes=20, n_extra_genes=0, image_size=60, depth=40
    )
    found = impute(sample.sdata, clusters=False, **QUICK | {"draws": 0})
    expected = np.asarray(sample.truth[found.names, found.genes].X, dtype=float)
    counts = sample.sdata.tables["table"][found.names, found.genes].X.toarray()
    total = np.median(counts.sum(axis=1))
    truth = np.log1p(expected / expected.sum(axis=1, keepdims=True) * total)[found.filled]
    filled = found.mean[found.filled]
    assert np.sqrt(((filled - truth) ** 2).mean()) < 0.7 * np.sqrt((truth**2).mean())
    assert abs((filled - truth).mean()) < 0.3 * truth.mean()


def test_all_values_can_be_denoised(tissue: Tissue, gaps: np.ndarray) -> None:
    found = impute(tissue, missing="none", **QUICK)
    assert found.filled.all()
    assert not np.isnan(found.measured).any()
    assert np.mean((found.mean == found.measured)[found.measured > 0]) < 0.05
    # the switch does the same to what is measured, beside the gaps
    both = impute(with_gaps(tissue, gaps), denoise=True, **QUICK)
    assert both.filled.all()
    assert np.array_equal(np.isnan(both.measured), gaps)


def test_the_mask_layer_of_a_table(tissue: Tissue, gaps: np.ndarray) -> None:
    adata = AnnData(tissue.expression.copy(), obs=tissue.obs.copy())
    adata.var_names = tissue.genes
    adata.obs["section"] = tissue.section
    adata.obsm["spatial3d"] = tissue.coords[:, ::-1]
    adata.layers["unknown"] = gaps
    found = impute(adata, mask_layer="unknown", **QUICK)
    assert np.array_equal(found.filled, gaps)
    same(found, impute(with_gaps(tissue, gaps), **QUICK))
    with pytest.raises(StdiffError, match="cannot be looked up for a tissue in memory"):
        impute(tissue, mask_layer="unknown", **QUICK)


def test_every_run_is_checked_on_hidden_values(tissue: Tissue, gaps: np.ndarray) -> None:
    found = impute(with_gaps(tissue, gaps), check_share=0.1, **QUICK)
    assert list(found.scores) == ["soft-svd", "mean", "spatial-knn"]
    own, mean = found.scores["soft-svd"], found.scores["mean"]
    assert mean["pcc"] == pytest.approx(0, abs=1e-6)
    assert own["pcc"] is not None
    assert own["pcc"] > 0.2
    assert own["coverage80"] is not None
    assert 0.6 < own["coverage80"] < 0.95
    for score in ("cosine", "rmse", "mae"):
        assert own[score] is not None
        assert mean[score] is not None
    n = int(found.checked.sum())
    assert n == found.record.target["checked"]
    assert 0.05 < n / (~gaps).sum() < 0.2
    pearson = found.reliability.expected
    assert np.nanmean(pearson) == pytest.approx(own["pcc"])
    assert any("Held-out check" in note for note in found.record.notes)
    none = impute(with_gaps(tissue, gaps), **QUICK | {"draws": 0})
    assert none.std is None
    assert none.scores["soft-svd"]["coverage80"] is None


def test_clusters_before_and_after(
    tissue: Tissue, gaps: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = impute(with_gaps(tissue, gaps), **QUICK)
    assert set(found.clusters) == {"before", "after"}
    assert set(found.clusters["after"]) == {"ari", "ami", "nmi"}
    assert impute(with_gaps(tissue, gaps), clusters=False, **QUICK).clusters == {}
    bare = replace(tissue, cell_type=None)
    assert impute(with_gaps(bare, gaps), **QUICK).clusters == {}
    monkeypatch.setattr(populations, "_CLUSTERED", 90)
    fewer = impute(with_gaps(tissue, gaps), **QUICK)
    assert fewer.clusters != found.clusters


def test_one_section_alone(tissue: Tissue, gaps: np.ndarray, tmp_path: Path) -> None:
    gapped = with_gaps(tissue, gaps)
    found = impute(gapped, section="s1", **QUICK)
    assert list(found.names) == list(tissue.names[100:])
    same(found, impute(gapped.split("s1")[1], **QUICK))
    save(found, tmp_path / "new.zarr", gapped)
    assert load_imputed(tmp_path / "new.zarr", "imputed_soft-svd").names.size == 100
    with pytest.raises(StdiffError, match="no section 'nothing'; the sections are: s0, s1"):
        impute(gapped, section="nothing", **QUICK)


def test_memory_is_bounded_and_chunks_change_nothing(
    tissue: Tissue, gaps: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = impute(with_gaps(tissue, gaps), **QUICK)
    largest: list[int] = []
    sample = SoftSvdMethod.sample

    def noted(self: Any, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Any:
        largest.append(len(cells))
        return sample(self, cells, n_draws, monitor)

    monkeypatch.setattr(SoftSvdMethod, "sample", noted)
    monkeypatch.setattr(models, "_MEMORY", 4 * 8 * 36 * 50)
    models.forget()
    same(impute(with_gaps(tissue, gaps), **QUICK), whole)
    assert max(largest) == 50
    assert len(largest) == 4


def test_what_does_not_fit_into_memory_is_refused(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Little:
        available = 1000

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    with pytest.raises(StdiffError, match="8 genes in 200 cells take"):
        impute(tissue, **QUICK)


def test_a_fit_is_used_again_and_a_model_kept(
    tissue: Tissue, gaps: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gapped = with_gaps(tissue, gaps)
    first = impute(gapped, save_model=tmp_path / "model", **QUICK)
    fits: list[str] = []
    fit = SoftSvdMethod.fit

    def noted(self: Any, *arguments: Any) -> Any:
        fits.append(self.id)
        return fit(self, *arguments)

    monkeypatch.setattr(SoftSvdMethod, "fit", noted)
    again = impute(gapped, **QUICK)
    same(first, again)
    assert any("kept from an earlier fit" in note for note in again.record.notes)
    models.forget()
    loaded = impute(gapped, model=tmp_path / "model", **QUICK | {"check_share": 0.3})
    same(first, loaded)  # what was hidden is part of the model
    assert any("was given" in note for note in loaded.record.notes)
    one = impute(gapped, genes="gene3", model=tmp_path / "model", **QUICK)
    np.testing.assert_array_equal(one.mean[:, 0], first.mean[:, 3])
    assert fits == []
    impute(gapped, **QUICK | {"seed": 1})
    assert fits == ["soft-svd"]


def test_a_model_of_other_tissue_is_refused(
    tissue: Tissue, gaps: np.ndarray, tmp_path: Path, make_tissue: Callable[..., Tissue]
) -> None:
    gapped, folder = with_gaps(tissue, gaps), tmp_path / "model"
    impute(gapped, save_model=folder, **QUICK)
    kept = models._recent.values()[-1]
    others = {
        "other values": with_gaps(make_tissue(sections=2, n=100, seed=1), gaps),
        "other gaps": with_gaps(tissue, ~gaps),
        "fewer cells": gapped.split("s1")[1],
    }
    for other in others.values():
        for model in (folder, kept):
            with pytest.raises(StdiffError, match="fitted on"):
                impute(other, model=model, **QUICK)
    with pytest.raises(StdiffError, match="fitted to fill in what is missing"):
        impute(gapped, model=folder, denoise=True, **QUICK)
    with pytest.raises(StdiffError, match="no model of an imputation in"):
        impute(gapped, model=tmp_path, **QUICK)
    (folder / "check.safetensors").write_bytes(b"nonsense")
    with pytest.raises(StdiffError, match="cannot be read"):
        impute(gapped, model=folder, **QUICK)


def test_a_cancelled_run_ends_and_leaves_nothing(tissue: Tissue, gaps: np.ndarray) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.stage.startswith("Cells"):
            monitor.cancel()

    monitor = Monitor(stop, interval=0)
    with pytest.raises(Cancelled):
        impute(with_gaps(tissue, gaps), monitor=monitor, **QUICK)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)


def test_progress_goes_on_to_the_end(tissue: Tissue, gaps: np.ndarray) -> None:
    seen: list[Progress] = []
    impute(with_gaps(tissue, gaps), monitor=Monitor(seen.append, interval=0), **QUICK)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9


def test_a_reference_that_is_not_looked_at_is_told_and_one_that_is_needed_asked_for(
    tissue: Tissue, gaps: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample: Simulated = simulate(
        n_sections=3, cells_per_section=60, n_genes=10, n_reference_cells=100, image_size=60
    )
    found = impute(sample.sdata, sample.reference, **QUICK)
    assert any("The reference is not looked at" in note for note in found.record.notes)
    assert "reference" not in found.record.target
    monkeypatch.setattr(SoftSvdMethod, "reference", "needed")
    with pytest.raises(StdiffError, match="learns from a single-cell reference; name one"):
        impute(sample.sdata, **QUICK)
    seen: list[Visible] = []
    fit = SoftSvdMethod.fit
    monkeypatch.setattr(
        SoftSvdMethod, "fit", lambda self, *a: (seen.append(a[0]), fit(self, *a))[1]
    )
    found = impute(sample.sdata, sample.reference, **QUICK)
    assert found.record.target["reference_cells"] == 100
    assert seen[0].reference is not None
    assert seen[0].reference.shape == (100, 10)


def test_the_record_says_how_it_was_made(tissue: Tissue, gaps: np.ndarray) -> None:
    gapped = with_gaps(tissue, gaps)
    record = impute(gapped, **QUICK).record
    assert record.task == "impute"
    assert record.parameters["draws"] == 16
    assert record.input["fingerprint"] == gapped.fingerprint()
    assert set(record.seconds) == {"read", "fit", "sample", "check", "clusters"}
    assert record.target["filled_share"] == pytest.approx(gaps.mean(), abs=1e-4)
    assert record == type(record).model_validate_json(record.model_dump_json())


def test_the_cost_is_told_before(tissue: Tissue, gaps: np.ndarray) -> None:
    job = task.prepare(with_gaps(tissue, gaps), None, read=None, config=CONFIG, monitor=Monitor())
    cost = task.estimate(job, CONFIG)
    assert cost.seconds > 0
    assert cost.memory_mib > 13 * gaps.size / 2**20
