"""The live cut: what is coarse, what is refined, and that both are the section that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import live_cut
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.fitted import fitted
from napari_stdiff.tasks.interpolate import interpolate
from napari_stdiff.tasks.live_cut import LiveCut, keep_config, lie_over

pytestmark = pytest.mark.usefixtures("no_kept_models")


def values_of(tissue: Tissue, gene: str) -> np.ndarray:
    return Normaliser.fit(tissue)(tissue)[:, int(np.flatnonzero(tissue.genes == gene)[0])]


def test_a_constant_is_cut_as_that_constant(tissue: Tissue) -> None:
    cut = LiveCut(tissue)
    values = np.full(tissue.n_cells, 2.5)
    np.testing.assert_allclose(cut.coarse(13.0, values), 2.5, rtol=1e-6)


def test_a_coarse_cut_goes_from_one_section_to_the_other(tissue: Tissue) -> None:
    cut = LiveCut(tissue)
    values = 1.0 * (tissue.section == "s2")
    for z, wanted in ((10.1, 0.01), (15.0, 0.5), (19.0, 0.9)):
        np.testing.assert_allclose(cut.coarse(z, values, "step"), wanted, atol=1e-5)


def test_other_sections_do_not_matter_to_a_coarse_cut(tissue: Tissue) -> None:
    rng = np.random.default_rng(0)
    values = values_of(tissue, "gene0")
    noise = np.where(np.isin(tissue.section, ["s1", "s2"]), values, rng.normal(size=len(values)))
    cut = LiveCut(tissue)
    np.testing.assert_array_equal(cut.coarse(14.0, values), cut.coarse(14.0, noise))


def test_cells_without_a_value_are_left_out(tissue: Tissue) -> None:
    cut = LiveCut(tissue)
    values = np.where(tissue.section == "s1", np.nan, 3.0)
    np.testing.assert_allclose(cut.coarse(14.0, values), 3.0, rtol=1e-6)
    assert np.isnan(cut.coarse(14.0, np.full(tissue.n_cells, np.nan))).all()


def test_a_kept_cut_is_the_one_that_was_looked_at(tissue: Tissue) -> None:
    cut, z = LiveCut(tissue), 14.0
    there = cut.pair(z).lines.there(cut.pair(z).weight(z))
    config = keep_config(tissue, InterpolateConfig(at=z, cells="lines"))
    kept = interpolate(tissue, config=config.but(draws=2))
    np.testing.assert_array_equal(kept.query.coords, cut.query(z).coords)
    np.testing.assert_array_equal(kept.query.cell_type, cut.query(z).cell_type)
    for gene in ("gene1", "gene6"):
        refined = cut.refined(z, gene, Monitor())
        column = int(np.flatnonzero(tissue.genes == gene)[0])
        np.testing.assert_array_equal(refined[there], kept.prediction.mean[:, column])
        assert np.isnan(refined[~there]).all()
        coarse = cut.coarse(z, values_of(tissue, gene))[there]
        assert np.corrcoef(coarse, refined[there])[0, 1] > 0.85, gene


def test_the_spread_of_near_cells_is_that_of_the_mixture(tissue: Tissue) -> None:
    cut = LiveCut(tissue)
    step = 1.0 * (tissue.section == "s2")  # one section says 0, the other 1
    for z in (12.0, 15.0, 18.0):
        share = cut.pair(z).weight(z)
        wanted = np.sqrt(share * (1 - share))
        np.testing.assert_allclose(cut.spread(z, step, "step"), wanted, atol=1e-5)
    values = np.full(tissue.n_cells, 2.5)
    np.testing.assert_allclose(cut.spread(13.0, values), 0.0, atol=1e-3)
    assert np.isnan(cut.spread(14.0, np.full(tissue.n_cells, np.nan))).all()


def test_the_spread_is_that_of_the_section_that_is_kept(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_cut, "_CHUNK", 7)  # draws do not depend on how cells are parted
    cut, z = LiveCut(tissue), 14.0
    there = cut.pair(z).lines.there(cut.pair(z).weight(z))
    config = InterpolateConfig(at=z, cells="lines", effort="quick")
    kept = interpolate(tissue, config=config).prediction.std
    assert kept is not None
    mean = cut.refined(z, "gene1", Monitor())
    for gene in ("gene1", "gene6"):
        column = int(np.flatnonzero(tissue.genes == gene)[0])
        refined = cut.refined(z, gene, Monitor(), "std")[there]
        np.testing.assert_allclose(refined, kept[:, column], rtol=1e-4, atol=1e-5)
        coarse = cut.spread(z, values_of(tissue, gene))[there]
        assert 0.5 < coarse.mean() / refined.mean() < 2.0
    np.testing.assert_array_equal(cut.refined(z, "gene1", Monitor()), mean)


def test_another_gene_at_the_same_depth_costs_nothing(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = LiveCut(tissue)
    cut.refined(14.0, "gene1", Monitor())
    monkeypatch.setattr(LiveCut, "_predict", lambda *_: pytest.fail("predicted once more"))
    assert np.isfinite(cut.refined(14.0, "gene2", Monitor())).any()


def test_where_genes_are_many_only_one_is_kept(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = LiveCut(tissue).refined(14.0, "gene3", Monitor())
    monkeypatch.setattr(live_cut, "_VALUES_KEPT", 10)
    np.testing.assert_array_equal(LiveCut(tissue).refined(14.0, "gene3", Monitor()), every)


def test_refining_stops_when_nobody_wants_it(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_cut, "_CHUNK", 10)
    cut = LiveCut(tissue)
    cut.fit(Monitor())
    monitor = Monitor(lambda p: monitor.cancel() if p.done >= 30 else None, interval=0)
    with pytest.raises(Cancelled):
        cut.refined(14.0, "gene1", monitor)


def test_labels_are_those_of_the_nearer_section(tissue: Tissue) -> None:
    cut = LiveCut(tissue)
    assert set(cut.labels(12.0, tissue.section)) == {"s1"}
    assert set(cut.labels(18.0, tissue.section)) == {"s2"}
    kinds = cut.labels(12.0, np.asarray(tissue.cell_type))
    codes = cut.pair(12.0).lines.code
    assert [cut.types[c] for c in codes] == list(kinds)


def test_what_cannot_be_cut_is_said(tissue: Tissue, make_tissue: Callable[..., Tissue]) -> None:
    with pytest.raises(StdiffError, match="only one section"):
        LiveCut(make_tissue(sections=1))
    flat = replace(tissue, coords=tissue.coords * (0.0, 1.0, 1.0))
    with pytest.raises(StdiffError, match="nothing is between them"):
        LiveCut(flat)
    with pytest.raises(StdiffError, match="between"):
        LiveCut(tissue).pair(99.0)
    with pytest.raises(StdiffError, match="no gene 'Nope'"):
        LiveCut(tissue).refined(14.0, "Nope", Monitor())


def test_sections_beside_each_other_are_not_aligned(tissue: Tissue) -> None:
    a, b = (tissue.coords[tissue.section == name, 1:] for name in ("s1", "s2"))
    assert lie_over(a, b)
    assert not lie_over(a, b + np.array([0.0, 90.0]))
    assert LiveCut(tissue).pair(14.0).aligned


def test_a_full_model_that_is_there_is_taken(tissue: Tissue) -> None:
    full = InterpolateConfig(at=14.0, cells="lines", method="typed-knn")
    assert keep_config(tissue, full).effort == "quick"
    fitted(tissue, full, Monitor())
    assert keep_config(tissue, full).effort == "full"


def test_a_large_tissue_is_not_refined_unasked(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_cut, "LONGEST", 1e-9)
    cut = LiveCut(tissue)
    assert "keep a cut" in cut.refused()
    cut.fit(Monitor())
    assert cut.refused() == ""  # it is there now
