"""The task from tissue to virtual section."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import fitted as fitted_module
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.fitted import fitted, forget, key_of
from napari_stdiff.tasks.interpolate import estimate, interpolate

QUICK = InterpolateConfig(epochs=1, width=16, depth=1, draws=2, sampler_steps=2, device="cpu")
KNN = InterpolateConfig(method="typed-knn", draws=2)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fitted_module, "cache_folder", lambda: tmp_path / "models")
    forget()
    yield
    forget()


def test_a_hidden_section_is_predicted_where_it_was(tissue: Tissue) -> None:
    section = interpolate(tissue, config=KNN, hide="s2")
    hidden = tissue.split("s2")[1]
    np.testing.assert_array_equal(section.query.coords, hidden.coords)
    assert section.z == pytest.approx(20.0)
    assert section.unit == "um"
    assert section.record.target["tier"] == "A"
    assert section.record.scores["pcc"] > 0.1
    assert section.prediction.draws.shape == (2, hidden.n_cells, tissue.n_genes)
    assert "tier A" in " ".join(section.record.notes)


def test_tiers_give_less_and_less(tissue: Tissue) -> None:
    b = interpolate(tissue, config=KNN, hide="s2", tier="B")
    assert b.query.cell_type is None
    c = interpolate(tissue, config=KNN, hide="s2", tier="C")
    assert not np.array_equal(c.query.coords, tissue.split("s2")[1].coords)
    assert c.record.scores["pcc"] is None
    assert c.record.target["cells"] == "transport"


def test_at_a_depth_between_sections(tissue: Tissue) -> None:
    section = interpolate(tissue, config=KNN, at=13.0)
    assert (section.query.coords[:, 0] == 13.0).all()
    assert section.record.scores == {}
    assert section.record.target["hidden"] == ""


def test_the_middle_is_that_of_the_widest_gap(tissue: Tissue) -> None:
    gap = tissue.rows(tissue.section != "s3")
    assert interpolate(gap, config=KNN).z == pytest.approx(30.0)


def test_given_cells_are_the_ones_predicted(tissue: Tissue) -> None:
    query = Query(np.array([[12.0, 5.0, 5.0], [12.0, 50.0, 50.0]]))
    section = interpolate(tissue, config=KNN, at=12.0, query=query)
    assert section.prediction.mean.shape == (2, tissue.n_genes)
    assert section.record.target["cells"] == "given"


def test_the_record_says_how_it_was_made(tissue: Tissue) -> None:
    record = interpolate(tissue, config=KNN, hide="s2", seed=4).record
    again = json.loads(record.model_dump_json())
    assert again["parameters"]["seed"] == again["seed"] == 4
    assert again["method"] == "typed-knn"
    assert again["chosen"]["neighbours"] > 1
    assert again["input"]["fingerprint"] == tissue.fingerprint()
    assert set(again["seconds"]) == {"read", "place", "fit", "sample"}
    assert again["versions"]["torch"]
    assert again["generated"] is True


@pytest.mark.parametrize("method", ["stdiffusion", "stdiffusion-paper"])
def test_same_seed_same_section(tissue: Tissue, method: str) -> None:
    answers = []
    for seed in (0, 0, 1):
        forget()
        answers.append(
            interpolate(tissue, config=QUICK.but(method=method, seed=seed), hide="s2").prediction
        )
        shutil.rmtree(fitted_module.cache_folder())
    np.testing.assert_array_equal(answers[0].mean, answers[1].mean)
    np.testing.assert_array_equal(answers[0].draws, answers[1].draws)
    assert not np.array_equal(answers[0].draws, answers[2].draws)


def test_a_fit_is_kept_and_lambda_does_not_need_another(tissue: Tissue) -> None:
    first = interpolate(tissue, config=QUICK, hide="s2")
    again = interpolate(tissue, config=QUICK, hide="s2")
    assert "kept from an earlier fit" in " ".join(again.record.notes)
    np.testing.assert_array_equal(first.prediction.draws, again.prediction.draws)
    forget()  # from the disk
    from_disk = interpolate(tissue, config=QUICK, hide="s2")
    np.testing.assert_array_equal(first.prediction.draws, from_disk.prediction.draws)
    moved = interpolate(tissue, config=QUICK, hide="s2", blend="fixed", blend_value=1.0)
    assert "kept from an earlier fit" in " ".join(moved.record.notes)
    assert not np.array_equal(first.prediction.draws, moved.prediction.draws)


def test_the_fit_depends_on_what_is_visible(tissue: Tissue) -> None:
    visible = tissue.split("s2")[0]
    other = replace(visible, expression=visible.expression + visible.expression)
    keys = {
        key_of(visible, QUICK),
        key_of(other, QUICK),
        key_of(visible, QUICK.but(seed=1)),
        key_of(visible, QUICK.but(width=32)),
        key_of(visible, KNN),
    }
    assert len(keys) == 5
    assert key_of(visible, QUICK) == key_of(visible, QUICK.but(hide="s2", draws=9))


def test_a_damaged_kept_model_is_fitted_anew(tissue: Tissue) -> None:
    visible = tissue.split("s2")[0]
    fitted(visible, KNN, Monitor())
    forget()
    folder = fitted_module.cache_folder() / key_of(visible, KNN)
    (folder / "model.json").write_text("{")
    assert fitted(visible, KNN, Monitor())[1] is False


@pytest.mark.parametrize("method", ["typed-knn", "stdiffusion"])
def test_a_saved_model_has_not_seen_what_is_hidden(
    tissue: Tissue, tmp_path: Path, method: Literal["typed-knn", "stdiffusion"]
) -> None:
    config = QUICK.but(method=method)
    for name, seen in (("honest", tissue.split("s2")[0]), ("all", tissue)):
        fitted(seen, config, Monitor())[0].save(tmp_path / name)
    own = interpolate(tissue, config=config, hide="s2")
    taken = interpolate(tissue, config=config, hide="s2", model=tmp_path / "honest")
    np.testing.assert_array_equal(taken.prediction.mean, own.prediction.mean)
    with pytest.raises(StdiffError, match="fitted with the hidden cells visible"):
        interpolate(tissue, config=config, hide="s2", model=tmp_path / "all")
    assert interpolate(tissue, config=config, at=13.0, model=tmp_path / "all").record.scores == {}


def test_a_cancelled_fit_raises_and_keeps_nothing(tissue: Tissue) -> None:
    def listener(progress: Progress) -> None:
        if "Fitting" in progress.stage:
            monitor.cancel()

    monitor = Monitor(listener, interval=0)
    with pytest.raises(Cancelled):
        interpolate(tissue, config=QUICK.but(epochs=50), hide="s2", monitor=monitor)
    assert not fitted_module.cache_folder().exists()


def test_cancelled_while_drawing_hands_back_what_is_done(tissue: Tissue) -> None:
    def listener(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            monitor.cancel()

    monitor = Monitor(listener, interval=0)
    section = interpolate(tissue, config=QUICK.but(draws=9), hide="s2", monitor=monitor)
    assert not section.prediction.complete
    assert section.prediction.draws.shape[0] == 2
    assert section.record.scores["pcc"] is not None
    assert section.record.scores["variance_ratio"] is None
    assert "Cancelled after 2 of 9 draws" in " ".join(section.record.notes)
    again = interpolate(tissue, config=QUICK.but(draws=1), hide="s2")
    assert "kept from an earlier fit" in " ".join(again.record.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hide": "s9"}, "no section 's9'"),
        ({"hide": "s2", "at": 5.0}, "not both"),
        ({"hide": "s0"}, "both sides"),
        ({"at": 99.0}, "both sides"),
        ({"tier": "B"}, "name it with hide"),
        ({"cells": "given"}, "no positions file"),
        ({"method": "magic"}, "method"),
        ({"draws": -1}, "draws"),
        ({"nonsense": 1}, "no such setting"),
    ],
)
def test_bad_requests_get_one_sentence(
    tissue: Tissue, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(StdiffError, match=message) as caught:
        interpolate(tissue, **{"config": KNN, **settings})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_too_few_sections_are_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="only one section"):
        interpolate(tissue.split("s2")[1], config=KNN)
    two = tissue.rows(np.isin(tissue.section, ["s1", "s2"]))
    assert interpolate(two, config=KNN).z == pytest.approx(15.0)
    with pytest.raises(StdiffError, match="at least 3"):
        interpolate(two, config=KNN, hide="s1")


def test_tier_a_without_types_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="Tier A needs cell types"):
        interpolate(replace(tissue, cell_type=None), config=KNN, hide="s2", tier="A")


@pytest.mark.parametrize("method", ["stdiffusion", "stdiffusion-paper", "typed-knn"])
def test_the_cost_is_said_before(tissue: Tissue, method: str) -> None:
    small = estimate(tissue, QUICK.but(method=method, hide="s2"))
    large = estimate(tissue, QUICK.but(method=method, hide="s2", width=512, epochs=500, draws=64))
    assert small.seconds > 0
    assert small.memory_mib < large.memory_mib
    if method != "typed-knn":
        assert 0 < small.parameters < large.parameters
        assert small.seconds < large.seconds


def test_given_cells_are_compared_with_a_hidden_section(tissue: Tissue, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("x,y,cell_type\n" + "".join(f"{i},{i},glia\n" for i in range(5, 95)))
    section = interpolate(tissue, config=KNN, hide="s2", cells="given", positions=str(few))
    assert section.query.n_cells == 90
    assert section.record.scores["pcc"] is None  # other cells: nothing to pair
    own = Query(tissue.split("s2")[1].coords)
    assert interpolate(tissue, config=KNN, hide="s2", query=own).record.scores["pcc"] is not None
    with pytest.raises(StdiffError, match="have no tier"):
        interpolate(tissue, config=KNN, hide="s2", cells="given", positions=str(few), tier="A")


@pytest.mark.parametrize("tier", ["A", "B"])
def test_a_tier_with_cells_takes_no_others(tissue: Tissue, tier: str) -> None:
    with pytest.raises(StdiffError, match=f"Tier {tier} takes the cells of the hidden section"):
        interpolate(tissue, config=KNN, hide="s2", tier=tier, cells="grid")


@pytest.mark.parametrize(
    ("method", "fact"), [("stdiffusion", "noise"), ("stdiffusion-paper", "deviations")]
)
def test_the_record_says_what_the_model_chose(tissue: Tissue, method: str, fact: str) -> None:
    record = interpolate(tissue, config=QUICK.but(method=method), hide="s2").record
    assert fact in json.loads(record.model_dump_json())["chosen"]


def test_a_lambda_that_nothing_would_use_is_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="has no lambda"):
        interpolate(tissue, hide="s2", method="knn", blend="fixed", blend_value=0.3)
