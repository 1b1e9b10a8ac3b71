from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import SimulateConfig, Simulated, simulate, write_sample
from napari_stdiff.data.simulate_anatomy import LAYERS, Anatomy
from napari_stdiff.data.simulate_expression import TYPES, Programmes, draw_counts

SMALL = {"n_sections": 3, "cells_per_section": 80, "image_size": 90, "n_reference_cells": 100}


@pytest.fixture(scope="module")
def made() -> Simulated:
    """Seven sections with fewer cells than the default."""
    return simulate(cells_per_section=400, image_size=420)


def counts_of(made: Simulated) -> np.ndarray:
    return np.asarray(made.sdata["table"].X.toarray())


def test_the_same_seed_gives_the_same_tissue_to_the_bit_and_another_seed_another() -> None:
    one, two, other = simulate(**SMALL, seed=3), simulate(**SMALL, seed=3), simulate(**SMALL)
    for name in ("section_1_image", "section_3_cells"):
        assert np.array_equal(one.sdata[name].values, two.sdata[name].values)
    assert np.array_equal(counts_of(one), counts_of(two))
    assert np.array_equal(one.truth.X, two.truth.X)
    assert np.array_equal(one.reference.X.toarray(), two.reference.X.toarray())
    assert one.sdata["section_2_circles"].equals(two.sdata["section_2_circles"])
    assert not np.array_equal(one.sdata["section_1_image"].values, other.sdata["section_1_image"])


def test_parameters_decide_the_size() -> None:
    made = simulate(
        n_sections=4,
        cells_per_section=60,
        n_genes=12,
        n_extra_genes=7,
        n_reference_cells=55,
        spacing=10,
        image_size=100,
    )
    table = made.sdata["table"]
    assert table.n_vars == 12
    assert made.truth.n_vars == made.reference.n_vars == 19
    assert made.reference.n_obs == 55
    assert sorted(table.obs["z"].unique()) == [0, 10, 20, 30]
    assert 0.8 * 240 < table.n_obs <= 1.2 * 240
    assert made.sdata["section_4_image"].shape == (3, 68, 100)
    assert made.hidden_section == "section_2"


def test_a_tissue_can_be_read_with_everything_detected(made: Simulated) -> None:
    tissue = read(made.sdata)
    assert tissue.values == "counts"
    assert tissue.unit == "um"
    assert tissue.sections == [f"section_{k}" for k in range(1, 8)]
    assert list(tissue.section_z.values()) == [40.0 * k for k in range(7)]
    assert set(tissue.cell_type) == set(TYPES)
    assert set(tissue.layer) == set(LAYERS)
    assert set(tissue.histology) == set(tissue.sections)
    assert set(tissue.colors["cell_type"]) == set(TYPES)


def test_the_label_under_the_centre_of_a_cell_is_its_own(made: Simulated) -> None:
    from spatialdata.transformations import get_transformation

    labels = made.sdata["section_3_cells"]
    circles = made.sdata["section_3_circles"]
    to_um = get_transformation(labels, "global").to_affine_matrix(("y", "x"), ("y", "x"))
    um = np.stack([circles.geometry.y, circles.geometry.x, np.ones(len(circles))])
    row, column = np.floor(np.linalg.solve(to_um, um)[:2]).astype(int)
    here = labels.values[row, column]
    assert np.mean(here == circles.index.to_numpy()) > 0.97
    obs = made.sdata["table"].obs
    rows = obs["section"] == "section_3"
    assert set(np.unique(labels.values)) - {0} <= set(obs.loc[rows, "cell_id"])


def test_the_image_looks_stained(made: Simulated) -> None:
    image = np.moveaxis(made.sdata["section_4_image"].values, 0, -1).astype(float)
    labels = made.sdata["section_4_cells"].values
    corner = image[:20, :20].reshape(-1, 3).mean(axis=0)
    assert corner.min() > 225, "the slide around the tissue is bright"
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    step = made.config.width / made.config.image_size
    anatomy = Anatomy(made.config.width, 120.0)
    tissue = anatomy.outline((x + 0.5) * step, (y + 0.5) * step, 120.0) < 0.5
    stroma = image[tissue & (labels == 0)].mean(axis=0)
    assert stroma[0] > stroma[2] > stroma[1], "pink: red, then blue, least green"
    nuclei = image[labels > 0].mean(axis=0)
    assert nuclei.mean() < stroma.mean() - 15, "nuclei are darker"
    assert nuclei[2] - nuclei[0] > stroma[2] - stroma[0], "and more blue"


def test_no_two_cells_lie_on_each_other_and_all_lie_in_the_tissue(made: Simulated) -> None:
    anatomy = Anatomy(made.config.width, 120.0)
    gap = 0.6 * anatomy.spacing_of(made.config.cells_per_section)
    for k in range(7):
        circles = made.sdata[f"section_{k + 1}_circles"]
        x, y = circles.geometry.x.to_numpy(), circles.geometry.y.to_numpy()
        xy = np.stack([x, y], axis=1)
        assert cKDTree(xy).query(xy, k=2)[0][:, 1].min() > gap
        assert (anatomy.outline(x, y, 40.0 * k) < 1).all()


def test_the_nucleus_grows_and_vanishes_along_z(made: Simulated) -> None:
    obs = made.sdata["table"].obs
    share = (obs["layer"] == "Nucleus").groupby(obs["section"], observed=True).mean().to_numpy()
    assert share[0] == 0
    assert share[-1] == 0
    peak = int(np.argmax(share))
    assert 2 <= peak <= 5
    assert share[peak] > 0.08
    assert (np.diff(share[: peak + 1]) >= 0).all()
    assert (np.diff(share[peak:]) <= 0).all()


def test_the_layers_change_little_between_neighbours_and_much_over_the_stack() -> None:
    anatomy = Anatomy(1000.0, 120.0)
    y, x = np.mgrid[0:680:80j, 0:1000:120j]
    z = np.arange(0, 241, 40.0)
    maps = [np.where(anatomy.outline(x, y, d) < 1, anatomy.layer(x, y, d), -1) for d in z]
    steps = [np.mean(a != b) for a, b in pairwise(maps)]
    assert min(steps) > 0.005
    assert max(steps) < 0.12
    assert np.mean(maps[0] != maps[-1]) > 0.15


def test_expression_is_smooth_in_space_and_differs_within_a_type(made: Simulated) -> None:
    programmes = Programmes.draw(60, 0, np.random.default_rng(0))
    anatomy = Anatomy(made.config.width, 120.0)
    table = made.sdata["table"]
    xyz = np.column_stack([table.obsm["spatial"], table.obs["z"]])
    one_type = np.zeros(len(xyz), int)
    here = programmes.smooth(xyz, one_type, anatomy)
    near = programmes.smooth(xyz + np.array([0, 0, 10]), one_type, anatomy)
    far = programmes.smooth(xyz[::-1], one_type, anatomy)
    spread = here.std(axis=0)
    assert np.median(spread) > 0.25
    assert np.median(np.abs(near - here)) < 0.25 * np.median(np.abs(far - here))


def test_counts_follow_the_truth_with_noise_around_it(made: Simulated) -> None:
    counts = counts_of(made)
    truth = made.truth
    panel = truth.var["in_panel"].to_numpy()
    assert (counts % 1 == 0).all()
    assert list(truth.var_names[panel]) == list(made.sdata["table"].var_names)
    assert list(truth.obs_names) == list(made.sdata["table"].obs_names)
    expected = truth.X[:, panel] * made.config.depth
    assert np.corrcoef(np.log(expected.mean(0)), np.log(counts.mean(0)))[0, 1] > 0.98
    assert counts.sum(1).mean() == pytest.approx(
        made.config.depth * (1 - made.config.dropout), rel=0.1
    )
    per_gene = [np.corrcoef(expected[:, g], counts[:, g])[0, 1] for g in range(panel.sum())]
    assert 0.35 < np.median(per_gene) < 0.9, "neither hopeless nor noiseless"


def test_position_matters_beyond_type_and_neighbours_are_not_perfect(made: Simulated) -> None:
    table = made.sdata["table"]
    counts = counts_of(made)
    values = np.log1p(counts / counts.sum(1, keepdims=True) * np.median(counts.sum(1)))
    types = table.obs["cell_type"].cat.codes.to_numpy()
    hidden = (table.obs["section"] == made.hidden_section).to_numpy()
    place = np.column_stack([table.obsm["spatial"], table.obs["z"]])
    panel = made.truth.var["in_panel"].to_numpy()
    smooth = made.truth.layers["smooth"][hidden][:, panel]
    best = np.log1p(smooth / smooth.sum(1, keepdims=True) * np.median(counts.sum(1)))
    by_type, by_neighbour = np.empty_like(best), np.empty_like(best)
    for t in np.unique(types[hidden]):
        rows, mine = ~hidden & (types == t), types[hidden] == t
        by_type[mine] = values[rows].mean(0)
        _, near = cKDTree(place[rows]).query(place[hidden][mine], k=12)
        by_neighbour[mine] = values[rows][near].mean(1)

    def pcc(prediction: np.ndarray) -> float:
        truth = values[hidden]
        return float(
            np.mean([np.corrcoef(prediction[:, g], truth[:, g])[0, 1] for g in range(60)])
        )

    assert pcc(by_type) < pcc(by_neighbour) - 0.02
    assert pcc(by_neighbour) < pcc(best) - 0.02


def test_genes_of_a_programme_go_together_within_a_type(made: Simulated) -> None:
    truth = made.truth[(made.truth.obs["cell_type"] == "Astrocyte").to_numpy()]
    state = np.log(truth.X / truth.layers["smooth"])
    names = list(truth.var_names)
    together = np.corrcoef(state[:, [names.index("ProgA1"), names.index("ProgA2")]].T)[0, 1]
    assert together > 0.7


def test_the_reference_has_more_genes_the_same_types_and_a_batch_effect(made: Simulated) -> None:
    reference = made.reference
    table = made.sdata["table"]
    assert sparse.issparse(reference.X)
    assert set(table.var_names) < set(reference.var_names)
    assert reference.n_vars == 180
    assert set(reference.obs["cell_type"]) == set(TYPES)
    shared = list(table.var_names)
    share = [np.asarray(a[:, shared].X.mean(0)).ravel() for a in (table, reference)]
    log = [np.log(s / s.sum()) for s in share]
    assert np.std(log[0] - log[1]) > 0.3
    assert np.corrcoef(log[0], log[1])[0, 1] > 0.5


def test_negative_binomial_counts_spread_more_than_poisson_and_drop_out() -> None:
    rng = np.random.default_rng(0)
    log_mean = np.zeros((20_000, 2))
    depth = np.full(20_000, 20.0)
    counts = draw_counts(log_mean, depth, np.array([2.0, 50.0]), 0.0, rng)
    assert counts.mean(0) == pytest.approx([10, 10], rel=0.05)
    assert counts.var(0) == pytest.approx([10 + 100 / 2, 10 + 100 / 50], rel=0.1)
    lost = draw_counts(log_mean, depth, np.array([50.0, 50.0]), 0.3, rng)
    assert (lost == 0).mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"n_sections": 2}, "n_sections"), ({"dropout": 1.0}, "dropout"), ({"cells": 5}, "cells")],
)
def test_a_bad_setting_is_one_sentence(settings: dict[str, float], word: str) -> None:
    with pytest.raises(StdiffError, match=word):
        simulate(**settings)


def test_a_sample_is_a_store_with_reference_and_truth_beside_it(tmp_path) -> None:
    import anndata
    import spatialdata

    config = SimulateConfig.of(**SMALL)
    path = write_sample(tmp_path / "new" / "mouse.zarr", config)
    names = {"mouse.zarr", "mouse_reference.h5ad", "mouse_truth.h5ad"}
    assert {p.name for p in path.parent.iterdir()} == names
    stored = spatialdata.read_zarr(path)
    made = simulate(config)
    assert np.array_equal(stored["table"].X.toarray(), counts_of(made))
    assert read(path).sections == ["section_1", "section_2", "section_3"]
    truth = anndata.read_h5ad(path.with_name("mouse_truth.h5ad"))
    assert truth.uns["hidden_section"] == "section_2"
    reference = anndata.read_h5ad(path.with_name("mouse_reference.h5ad"))
    assert reference.n_obs == 100


@pytest.mark.parametrize("there", ["s.zarr", "s_reference.h5ad", "s_truth.h5ad"])
def test_a_sample_overwrites_nothing(tmp_path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(StdiffError, match=there):
        write_sample(tmp_path / "s.zarr", **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_sample_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    import anndata

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(anndata.AnnData, "write_h5ad", full)
    with pytest.raises(StdiffError, match="No space left"):
        write_sample(tmp_path / "s.zarr", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_hidden_genes_are_those_that_only_the_reference_has() -> None:
    made = simulate(n_sections=3, cells_per_section=50, n_genes=10, n_extra_genes=5, image_size=60)
    panel = set(made.sdata["table"].var_names)
    assert set(made.hidden_genes) == set(made.reference.var_names) - panel
    assert len(made.hidden_genes) == 5
    assert not set(made.hidden_genes) & panel
