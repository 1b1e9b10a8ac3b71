"""Baselines from neighbouring cells: against brute force, and the promises of every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.neighbours import Knn, Linear, NeighbourMethod, TypedDonor, TypedKnn
from napari_stdiff.methods.registry import method_class
from napari_stdiff.methods.settings import InterpolationSettings
from napari_stdiff.scoring.section import pcc

MakeTissue = Callable[..., Tissue]
BASELINES = ("linear", "knn", "typed-knn", "typed-donor", "field")


def fitted(name: str, tissue: Tissue, **settings: object) -> NeighbourMethod:
    method = method_class(name)()
    return method.fit(tissue, None, InterpolationSettings.of(**settings), Monitor())


def predicted(name: str, tissue: Tissue, query: Query, draws: int = 16) -> Prediction:
    return fitted(name, tissue).sample(query, draws, Monitor())


@pytest.fixture(scope="module")
def split(make_tissue: MakeTissue) -> tuple[Tissue, Tissue]:
    return make_tissue().split("s2")


def test_linear_is_the_mean_of_the_nearest_cell_of_each_parent(
    split: tuple[Tissue, Tissue],
) -> None:
    visible, hidden = split
    x = Normaliser.fit(visible)(visible)
    out = predicted("linear", visible, Query(hidden.coords[:20]))
    for i, cell in enumerate(hidden.coords[:20]):
        parents = []
        for name in ("s1", "s3"):
            rows = np.flatnonzero(visible.section == name)
            far = np.linalg.norm(visible.coords[rows, 1:] - cell[1:], axis=1)
            parents.append(x[rows[far.argmin()]])
        np.testing.assert_allclose(out.mean[i], np.mean(parents, axis=0), rtol=1e-5)
        for draw in out.draws:
            assert any((draw[i] == parent).all() for parent in parents)


def test_at_an_end_only_one_side_is_there(make_tissue: MakeTissue) -> None:
    visible, hidden = make_tissue().split("s0")
    x = Normaliser.fit(visible)(visible)
    out = predicted("linear", visible, Query(hidden.coords[:5]))
    rows = np.flatnonzero(visible.section == "s1")
    far = np.linalg.norm(visible.coords[rows, 1:] - hidden.coords[0, 1:], axis=1)
    np.testing.assert_allclose(out.mean[0], x[rows[far.argmin()]], rtol=1e-6)


def test_typed_draws_copy_whole_cells_of_the_type(split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    x = Normaliser.fit(visible)(visible)
    out = predicted("typed-donor", visible, Query(hidden.coords, hidden.cell_type))
    for kind in ("glia", "neuron", "vessel"):
        of_kind = {
            row.tobytes()
            for row in x[(visible.cell_type == kind) & np.isin(visible.section, ["s1", "s3"])]
        }
        for draw in out.draws[:3]:
            assert {row.tobytes() for row in draw[hidden.cell_type == kind]} <= of_kind


@pytest.mark.parametrize("name", ["knn", "typed-knn", "typed-donor"])
def test_draws_have_the_mean_and_the_spread_that_are_stated(
    name: str, split: tuple[Tissue, Tissue]
) -> None:
    visible, hidden = split
    query = Query(hidden.coords[:25], hidden.cell_type[:25])
    out = predicted(name, visible, query, 256)
    np.testing.assert_allclose(out.draws.mean(0), out.mean, atol=0.25)
    np.testing.assert_allclose(out.draws.mean(0).mean(), out.mean.mean(), atol=0.01)
    np.testing.assert_allclose((out.draws.std(0)).mean(), out.std.mean(), rtol=0.03)


def test_types_help_where_genes_mark_types(split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    truth = Normaliser.fit(visible)(hidden)
    query = Query(hidden.coords, hidden.cell_type)
    score = {name: pcc(truth, predicted(name, visible, query, 0).mean) or 0 for name in BASELINES}
    assert min(score["typed-knn"], score["typed-donor"], score["field"]) > score["knn"] + 0.1
    assert score["knn"] > score["linear"]


def test_neighbours_are_tuned_on_training_sections_or_set(split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    tuned = fitted("knn", visible)
    assert tuned.k > 1
    chosen = fitted("knn", visible, neighbours=3)
    assert (chosen.k, chosen.n_sections) == (3, 2)
    query = Query(hidden.coords[:30])
    a, b = (m.sample(query, 0, Monitor()).mean for m in (tuned, chosen))
    assert not np.allclose(a, b)


def test_two_sections_are_enough_and_so_is_one(make_tissue: MakeTissue) -> None:
    query = Query(np.array([[5.0, 50, 50]]), np.array(["glia"], dtype=object))
    for sections in (1, 2):
        tissue = make_tissue(sections=sections, n=40)
        for name in BASELINES:
            assert np.isfinite(predicted(name, tissue, query).mean).all()


@pytest.mark.parametrize("name", BASELINES)
def test_neither_order_nor_batch_matters_to_the_bit(
    name: str, split: tuple[Tissue, Tissue]
) -> None:
    visible, hidden = split
    method = fitted(name, visible)
    whole = method.sample(Query(hidden.coords, hidden.cell_type), 4, Monitor())
    for rows in (np.random.default_rng(0).permutation(hidden.n_cells), np.arange(7), [149]):
        part = method.sample(Query(hidden.coords[rows], hidden.cell_type[rows]), 4, Monitor())
        np.testing.assert_array_equal(part.mean, whole.mean[rows])
        np.testing.assert_array_equal(part.std, whole.std[rows])
        np.testing.assert_array_equal(part.draws, whole.draws[:, rows])


@pytest.mark.parametrize("name", BASELINES)
def test_seed(name: str, split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    query = Query(hidden.coords, hidden.cell_type)
    a, b, c = (
        fitted(name, visible, seed=seed, neighbours=9).sample(query, 2, Monitor())
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a.draws, b.draws)
    assert (a.draws != c.draws).any()
    assert (a.draws[0] != a.draws[1]).any()


@pytest.mark.parametrize("name", BASELINES)
def test_saved_and_loaded_predicts_the_same(
    name: str, split: tuple[Tissue, Tissue], tmp_path: Path
) -> None:
    visible, hidden = split
    query = Query(hidden.coords, hidden.cell_type)
    method = fitted(name, visible, seed=5)
    method.save(tmp_path)
    # what is at hand when it is loaded is the tissue with the hidden section
    again = type(method).load(tmp_path, visible).sample(query, 3, Monitor())
    first = method.sample(query, 3, Monitor())
    for what in ("mean", "std", "draws"):
        np.testing.assert_array_equal(getattr(again, what), getattr(first, what))
    assert {p.name for p in tmp_path.iterdir()} == {"model.json", "model.safetensors"}


@pytest.mark.parametrize("name", ["typed-knn", "typed-donor", "field"])
def test_unknown_types_fall_back_and_say_so(name: str, split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    n = hidden.n_cells
    for kind, counted in (
        (None, "The cells have no cell type"),
        (np.where(np.arange(n) < 3, "alien", hidden.cell_type).astype(object), f"3 of {n} cells"),
        (np.where(np.arange(n) < 2, None, hidden.cell_type), f"2 of {n} cells"),
    ):
        out = predicted(name, visible, Query(hidden.coords, kind))
        assert len(out.notes) == 1
        assert out.notes[0].startswith(counted)
        assert np.isfinite(out.mean).all()
    assert predicted(name, visible, Query(hidden.coords, hidden.cell_type)).notes == ()
    untyped = replace(visible, cell_type=None)
    assert predicted(name, untyped, Query(hidden.coords, hidden.cell_type)).notes


def test_a_type_missing_from_the_flanks_is_taken_from_farther_away(
    make_tissue: MakeTissue,
) -> None:
    tissue = make_tissue()
    kind = tissue.cell_type.copy()
    kind[(kind == "vessel") & (tissue.section != "s0")] = "glia"
    visible, hidden = replace(tissue, cell_type=kind).split("s3")
    x = Normaliser.fit(visible)(visible)
    query = Query(hidden.coords[:10], np.array(["vessel"] * 10, dtype=object))
    donors = {row.tobytes() for row in x[visible.cell_type == "vessel"]}
    out = predicted("typed-donor", visible, query)
    assert {row.tobytes() for row in out.draws.reshape(-1, 8)} <= donors


@pytest.mark.parametrize("name", BASELINES)
def test_without_draws_there_is_the_mean_alone(name: str, split: tuple[Tissue, Tissue]) -> None:
    visible, hidden = split
    query = Query(hidden.coords, hidden.cell_type)
    out = predicted(name, visible, query, 0)
    assert out.std is None
    assert out.draws is None
    assert out.complete
    assert out.mean.dtype == np.float32
    assert (out.mean >= 0).all()
    np.testing.assert_array_equal(out.mean, predicted(name, visible, query, 2).mean)


@pytest.mark.parametrize("name", BASELINES)
def test_cancelled_in_the_draws_keeps_what_is_done(
    name: str, split: tuple[Tissue, Tissue]
) -> None:
    visible, hidden = split

    def stop_at_third_draw(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            monitor.cancel()

    monitor = Monitor(stop_at_third_draw, interval=0)
    method = fitted(name, visible)
    out = method.sample(Query(hidden.coords, hidden.cell_type), 8, monitor)
    assert not out.complete
    assert 0 < len(out.draws) < 8
    whole = method.sample(Query(hidden.coords, hidden.cell_type), 8, Monitor())
    np.testing.assert_array_equal(out.draws, whole.draws[: len(out.draws)])
    with pytest.raises(Cancelled):
        method.sample(Query(hidden.coords, hidden.cell_type), 8, monitor)


@pytest.mark.parametrize("name", BASELINES)
def test_cost_is_stated(name: str, split: tuple[Tissue, Tissue]) -> None:
    cost = method_class(name).cost(split[0], InterpolationSettings(), 100)
    assert 0 < cost.seconds < 60
    assert cost.memory_mib > 0


def test_ids_and_titles() -> None:
    for cls in (Linear, Knn, TypedKnn, TypedDonor):
        assert method_class(cls.id) is cls
        assert cls.title
        assert cls.description.endswith(".")
