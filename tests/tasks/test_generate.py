"""Cells generated inside measured sections: what is asked for is what comes, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.results import load_result, save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.registry import method_class
from napari_stdiff.tasks.config import GenerateConfig, InterpolateConfig
from napari_stdiff.tasks.fitted import forget
from napari_stdiff.tasks.generate import estimate, generate

QUICK: dict[str, Any] = {"method": "typed-knn", "neighbours": 8, "draws": 2}


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()


@pytest.fixture(scope="module")
def single(make_tissue: Callable[..., Tissue]) -> Tissue:
    """One section of 200 cells."""
    return make_tissue(sections=1, n=200)


def written(folder: Path, text: str) -> str:
    path = folder / "cells.csv"
    path.write_text(text)
    return str(path)


def test_new_cells_in_the_middle_of_a_stack(tissue: Tissue) -> None:
    cells = generate(tissue, **QUICK)
    assert cells.name == "generated_s2_typed-knn"
    assert cells.query.n_cells == 150
    assert (cells.query.coords[:, 0] == 20.0).all()
    assert set(cells.query.cell_type) == {"glia", "neuron", "vessel"}
    assert cells.prediction.draws.shape == (2, 150, 8)
    record = cells.record
    assert record.task == "generate"
    assert record.generated
    assert record.target["section"] == "s2"
    assert record.target["n_cells"] == 150
    assert record.parameters["cells"] == "new"
    assert record.notes[0].startswith("Generated: 150 cells that nobody measured, in section 's2'")
    assert cells.distance is not None
    assert (cells.confidence == 1).all()


def test_one_section_is_enough(single: Tissue) -> None:
    cells = generate(single, n_cells=40, **QUICK)
    assert cells.query.n_cells == 40
    measured = single.coords[:, 1:]
    assert (cells.query.coords[:, 1:] >= measured.min(axis=0) - 5).all()
    assert (cells.query.coords[:, 1:] <= measured.max(axis=0) + 5).all()


def test_cells_of_a_type_express_as_their_neighbours_do(single: Tissue) -> None:
    cells = generate(single, **QUICK)
    for i, name in enumerate(("glia", "neuron", "vessel")):
        mine = cells.query.cell_type == name
        marker = cells.prediction.mean[:, 5 + i]
        assert marker[mine].mean() > 2 * marker[~mine].mean()


def test_denser_adds_the_cells_between_alone(tissue: Tissue) -> None:
    cells = generate(tissue, cells="denser", factor=1.5, section="s0", **QUICK)
    assert cells.query.n_cells == 75
    assert cells.name == "generated_denser_s0_typed-knn"
    assert (cells.query.coords[:, 0] == 0.0).all()
    assert cells.distance is not None
    assert cells.distance.min() > 0


@pytest.mark.parametrize(
    ("types", "expected"), [("auto", None), ("none", None), ("drawn", "known")]
)
def test_given_positions(single: Tissue, tmp_path: Path, types: Any, expected: str | None) -> None:
    file = written(tmp_path, "x,y\n10,20\n50,60\n")
    cells = generate(single, cells="given", positions=file, types=types, **QUICK)
    np.testing.assert_array_equal(cells.query.coords, [[0, 20, 10], [0, 60, 50]])
    if expected is None:
        assert cells.query.cell_type is None
    else:
        assert set(cells.query.cell_type) <= {"glia", "neuron", "vessel"}


def test_given_types_are_kept_and_empty_ones_drawn_on_demand(
    single: Tissue, tmp_path: Path
) -> None:
    file = written(tmp_path, "x,y,cell_type\n10,20,vessel\n50,60,\n")
    given = generate(single, cells="given", positions=file, **QUICK).query.cell_type
    assert list(given) == ["vessel", ""]
    drawn = generate(single, cells="given", positions=file, types="drawn", **QUICK)
    assert drawn.query.cell_type[0] == "vessel"
    assert drawn.query.cell_type[1] in ("glia", "neuron", "vessel")


def test_types_may_be_left_open(single: Tissue) -> None:
    assert generate(single, n_cells=20, types="none", **QUICK).query.cell_type is None
    untyped = replace(single, cell_type=None)
    assert generate(untyped, n_cells=20, **QUICK).query.cell_type is None
    with pytest.raises(StdiffError, match="no cell types to draw from"):
        generate(untyped, n_cells=20, types="drawn", **QUICK)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "positions and types drawn as dense"),
        ({"types": "none"}, "positions drawn as dense as the measured cells, types left open"),
        ({"cells": "denser"}, "positions and types drawn between"),
        ({"cells": "denser", "types": "none"}, "positions drawn, types left open, between"),
        ({"positions": "x,y\n10,20\n"}, "positions given, types left open"),
        ({"positions": "x,y\n10,20\n", "types": "drawn"}, "positions given, types drawn"),
        ({"positions": "x,y,cell_type\n10,20,glia\n"}, "positions and types given"),
    ],
)
def test_the_first_note_says_what_was_drawn(
    single: Tissue, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    if "positions" in settings:
        file = written(tmp_path, settings["positions"])
        settings = {**settings, "cells": "given", "positions": file}
    assert f"({said}" in generate(single, **{**QUICK, **settings}).record.notes[0]


def test_a_query_names_its_section_by_its_depth(tissue: Tissue) -> None:
    query = Query(np.array([[30.0, 50.0, 50.0], [30.0, 20.0, 20.0]]))
    cells = generate(tissue, query=query, **QUICK)
    assert cells.record.target["section"] == "s3"
    assert cells.query is query


def test_cells_outside_are_told_and_trusted_less(single: Tissue, tmp_path: Path) -> None:
    file = written(tmp_path, "x,y\n50,50\n160,50\n")
    cells = generate(single, cells="given", positions=file, **QUICK)
    (note,) = [n for n in cells.record.notes if "outside" in n]
    assert note.startswith("1 of 2 cells")
    assert "6" in note  # about 60 um away
    assert cells.confidence is not None
    assert cells.confidence[0] == 1
    assert 0 < cells.confidence[1] < 0.8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"section": "s9"}, "no section 's9'; there is: s0"),
        ({"cells": "denser", "factor": 1.0}, "(?i)factor.*greater than 1"),
        ({"cells": "denser", "n_cells": 40}, "for new cells alone"),
        ({"positions": "x,y\n10,20\n", "n_cells": 40}, "for new cells alone"),
        ({"cells": "given"}, "no positions file"),
        ({"values": "draw", "draws": 0}, "draws 1 or more"),
        ({"positions": "x,y,cell_type\n1,2,gila\n"}, "'gila'.*types are: glia, neuron"),
        ({"positions": "x,y\n1e5,2e5\n"}, "None of the 1 positions lies near.*in the frame"),
        ({"positions": "x,y\n"}, "needs rows"),
        ({"positions": "x,y\n50,50\n1e300,50\n"}, "too far to compute with"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    single: Tissue, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    if "positions" in settings:
        file = written(tmp_path, settings["positions"])
        settings = {**settings, "cells": "given", "positions": file}
    with pytest.raises(StdiffError, match=message):
        generate(single, **{**QUICK, **settings})


def test_a_section_called_auto_is_that_section(make_tissue: Callable[..., Tissue]) -> None:
    two = make_tissue(sections=2, n=30)
    named = replace(two, section=np.where(two.section == "s1", "auto", two.section))
    assert generate(named, n_cells=5, **QUICK).record.target["section"] == "auto"


def test_x_is_the_mean_or_one_draw(single: Tissue, tmp_path: Path) -> None:
    for values in ("mean", "draw"):
        cells = generate(single, n_cells=30, values=values, **QUICK)
        prediction = cells.prediction
        out = tmp_path / f"{values}.zarr"
        saved = save(cells, out)
        from anndata import read_zarr

        table = read_zarr(out / "tables" / saved.table)
        shown = prediction.mean if values == "mean" else prediction.draws[0]
        np.testing.assert_array_equal(np.asarray(table.X), shown)
        assert table.obs["generated"].all()
        again = load_result(out, saved.table)
        np.testing.assert_array_equal(again.prediction.mean, prediction.mean)
        np.testing.assert_array_equal(again.prediction.draws, prediction.draws)
        np.testing.assert_array_equal(again.values, shown)


def test_same_seed_same_cells(single: Tissue) -> None:
    one, same, other = (generate(single, n_cells=30, seed=s, **QUICK) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.query.coords, same.query.coords)
    np.testing.assert_array_equal(one.prediction.draws, same.prediction.draws)
    assert not np.array_equal(one.query.coords, other.query.coords)


def test_the_model_itself_generates(single: Tissue) -> None:
    cells = generate(single, n_cells=15, draws=1, epochs=1, width=16, depth=1, sampler_steps=2)
    assert np.isfinite(cells.prediction.mean).all()
    assert cells.record.method == "stdiffusion"


def test_a_fit_is_kept_and_a_saved_one_taken(single: Tissue, tmp_path: Path) -> None:
    generate(single, n_cells=10, **QUICK)
    again = generate(single, n_cells=12, **QUICK)
    assert any("kept from an earlier fit" in note for note in again.record.notes)
    config = GenerateConfig(**QUICK)
    method_class("typed-knn")().fit(single, None, config, Monitor()).save(tmp_path / "model")
    taken = generate(single, n_cells=12, model=tmp_path / "model", **QUICK)
    np.testing.assert_array_equal(taken.prediction.mean, again.prediction.mean)
    between = InterpolateConfig(method="typed-knn")
    method_class("typed-knn")().fit(single, None, between, Monitor()).save(tmp_path / "other")
    with pytest.raises(StdiffError, match="was fitted to interpolate; fit one to generate cells"):
        generate(single, n_cells=12, model=tmp_path / "other", **QUICK)


def test_progress_and_cancel(single: Tissue) -> None:
    seen: list[float] = []
    generate(single, n_cells=10, monitor=Monitor(lambda p: seen.append(p.fraction), 0), **QUICK)
    assert seen == sorted(seen)
    assert seen[-1] > 0.95
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(Cancelled):
        generate(single, monitor=monitor, **QUICK)


def test_the_cost_grows_with_the_cells(single: Tissue) -> None:
    few, many = (
        estimate(single, GenerateConfig(method="typed-knn", cells="denser", factor=f))
        for f in (2, 90)
    )
    assert many.memory_mib > few.memory_mib


def test_spots_of_a_transcriptome_on_a_grid(single: Tissue) -> None:
    i, j = (x.ravel() for x in np.meshgrid(np.arange(14.0), np.arange(14.0), indexing="ij"))
    spots = single.rows(np.arange(196))
    spots = replace(
        spots,
        coords=np.column_stack([np.zeros(196), i, j]),
        cell_type=None,
        expression=sparse.csr_matrix(spots.expression),
    )
    cells = generate(spots, cells="denser", factor=4, **{**QUICK, "method": "knn"})
    assert any("3." in note or "grid" in note for note in cells.record.notes)
    np.testing.assert_allclose(np.mod(cells.query.coords[:, 1:], 0.5), 0, atol=1e-9)
