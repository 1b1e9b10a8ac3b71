"""Sections are aligned whatever way is asked, composed to the fixed one, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.alignment import Alignment
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.registration.frames import about, describe, moved
from napari_stdiff.tasks.align import align

QUICK: dict[str, Any] = {"starts": 6, "spots": 120, "components": 6}


@pytest.fixture(scope="module")
def stack() -> Tissue:
    sizes = {"n_sections": 4, "cells_per_section": 250, "n_genes": 30, "image_size": 100}
    return read(simulate(**sizes, seed=2).sdata)


def turned(tissue: Tissue, angles: dict[str, float]) -> tuple[Tissue, dict[str, np.ndarray]]:
    put = {}
    for name in tissue.sections:
        centre = tissue.coords[tissue.section == name, 1:].mean(axis=0)
        put[name] = about(angles.get(name, 0.0), centre, centre + angles.get(name, 0.0))
    record = RunRecord(task="align", method="given")
    return Alignment(put, "", {}, tissue.unit, record).apply(tissue), put


def apart(tissue: Tissue, found: Alignment, put: dict[str, np.ndarray]) -> float:
    """Return the mean distance of cells from where they were before they were turned."""
    distances = []
    for name in tissue.sections:
        at = tissue.coords[tissue.section == name, 1:]
        back = moved(at, found.transforms[name] @ put[name])
        distances.append(np.sqrt(((back - at) ** 2).sum(axis=1)).mean())
    return float(np.max(distances))


@pytest.mark.parametrize("method", ["expression", "histology"])
def test_a_turned_stack_is_put_together(stack: Tissue, method: str) -> None:
    start, put = turned(stack, {"section_1": 170.0, "section_3": -40.0, "section_4": 95.0})
    found = align(start, method=method, **QUICK)
    assert found.fixed == "section_2"
    np.testing.assert_array_equal(found.transforms["section_2"], np.eye(3))
    # the anatomy itself drifts by some 20 um from section to section
    assert apart(stack, found, put) < 70
    quality = found.quality
    assert quality["after"] > quality["before"] + 0.3
    assert quality["sections"]["section_1"]["rotation"] == pytest.approx(-170, abs=4)
    assert [p["moving"] for p in quality["pairs"]] == ["section_1", "section_3", "section_4"]
    assert [p["fixed"] for p in quality["pairs"]] == ["section_2", "section_2", "section_3"]
    record = found.record
    assert (record.task, record.method, record.generated) == ("align", method, False)
    assert record.scores["neighbour_correlation_after"] == quality["after"]
    np.testing.assert_allclose(
        record.chosen["transforms"]["section_4"], found.transforms["section_4"]
    )


def test_the_same_seed_gives_the_same(stack: Tissue) -> None:
    few = stack.rows(np.isin(stack.section, ["section_1", "section_2"]))
    for method in ("expression", "histology"):
        first, second = (align(few, method=method, keep=False, **QUICK) for _ in range(2))
        for name, matrix in first.transforms.items():
            np.testing.assert_array_equal(matrix, second.transforms[name])


def test_a_stack_in_place_is_left_there(make_tissue: Callable[..., Tissue]) -> None:
    # the same section three times: nothing can be better than where it lies
    one = make_tissue(1, 200)
    names = np.concatenate([[f"{n}-{s}" for n in one.names] for s in range(3)])
    same = replace(
        one.rows(np.tile(np.arange(one.n_cells), 3)),
        names=names,
        section=np.repeat(["s0", "s1", "s2"], one.n_cells),
        coords=np.column_stack(
            [np.repeat([0.0, 10, 20], one.n_cells), np.tile(one.coords[:, 1:], (3, 1))]
        ),
        obs=one.obs.iloc[:0],
    )
    found = align(same, **QUICK)
    assert found.changed == []
    assert found.quality["after"] == found.quality["before"]
    assert any("stay as they lie" in note for note in found.record.notes)
    assert any("No section moves" in note for note in found.record.notes)


def test_the_fixed_section_is_the_one_said(stack: Tissue) -> None:
    start, _ = turned(stack, {"section_2": 60.0})
    found = align(start, fixed="section_4", **QUICK)
    assert found.fixed == "section_4"
    np.testing.assert_array_equal(found.transforms["section_4"], np.eye(3))
    assert found.quality["sections"]["section_2"]["rotation"] == pytest.approx(-60, abs=4)


@pytest.mark.parametrize("transform", ["rigid", "affine"])
def test_landmarks(stack: Tissue, transform: str, tmp_path: Path) -> None:
    start, put = turned(stack, {"section_1": 20.0, "section_3": 160.0})
    places = np.array([[100.0, 200], [700, 300], [400, 900], [250, 1100]])
    marks = {name: moved(places, matrix) for name, matrix in put.items()}
    found = align(start, landmarks=marks, transform=transform, **QUICK)
    assert found.record.method == "landmarks"
    assert apart(stack, found, put) < 1e-6
    rows = [f"{name},{x},{y},{i}" for name, at in marks.items() for i, (y, x) in enumerate(at)]
    file = tmp_path / "marks.csv"
    file.write_text("\n".join(["section,x,y,name", *rows]), encoding="utf-8")
    from_file = align(start, landmarks=file, transform=transform, **QUICK)
    assert from_file.record.parameters["landmarks"] == str(file)
    for name, matrix in found.transforms.items():
        np.testing.assert_allclose(from_file.transforms[name], matrix, atol=1e-9)


def test_what_is_refused(stack: Tissue, make_tissue: Callable[..., Tissue]) -> None:
    for settings, sentence in (
        ({"fixed": "nowhere"}, "no section 'nowhere'"),
        ({"method": "landmarks"}, "needs some"),
        ({"landmarks": {"nowhere": np.zeros((3, 2))}}, "no section 'nowhere'"),
        ({"landmarks": {"section_1": np.zeros((3, 2))}}, "has no landmarks"),
        ({"starts": 0}, "starts"),
    ):
        with pytest.raises(StdiffError, match=sentence):
            align(stack, **settings)  # type: ignore[arg-type]
    with pytest.raises(StdiffError, match="only one section"):
        align(make_tissue(1))
    with pytest.raises(StdiffError, match="needs a picture of every section"):
        align(make_tissue(3), method="histology")
    with pytest.raises(StdiffError, match="has 4 cells or spots"):
        align(make_tissue(2, 4))
    piled = make_tissue(2)
    with pytest.raises(StdiffError, match="'s0' lie at one place"):
        align(replace(piled, coords=piled.coords * [1, 0, 0]))


def test_it_can_be_cancelled(stack: Tissue) -> None:
    monitor = Monitor(lambda p: monitor.cancel() if p.stage.startswith("Aligning") else None, 0)
    with pytest.raises(Cancelled):
        align(stack, monitor=monitor, **QUICK)


def test_progress_reaches_the_end(stack: Tissue) -> None:
    seen: list[float] = []
    align(stack, monitor=Monitor(lambda p: seen.append(p.fraction), 0), **QUICK)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "turn"), [("olfactory_bulb.h5ad", 178.0), ("breast_cancer_stack.h5ad", 156.0)]
)
def test_real_stacks(real_data: Callable[[str], Path], name: str, turn: float) -> None:
    found = align(real_data(name), starts=8, spots=250)
    assert found.quality["after"] > found.quality["before"] + 0.35
    assert all(p["after"] > 0.5 for p in found.quality["pairs"])
    last = list(found.transforms)[-1]
    assert abs(abs(describe(found.transforms[last], np.zeros(2)).rotation) - turn) < 4
