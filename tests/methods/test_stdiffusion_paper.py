"""The paper's configuration: what is printed, cells from noise alone, runs scaled to a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.network import process_called
from napari_stdiff.methods.paper_network import PaperNetwork, PaperTraining
from napari_stdiff.methods.settings import InterpolationSettings
from napari_stdiff.methods.stdiffusion_paper import StDiffusionPaper

Make = Callable[..., Tissue]


class Within(InterpolationSettings):
    """New cells lie in measured sections."""

    within: ClassVar[bool] = True


QUICK = {"epochs": 6, "width": 32, "batch_size": 128, "sampler_steps": 4, "device": "cpu"}


def fitted(tissue: Tissue, **said: object) -> StDiffusionPaper:
    return StDiffusionPaper().fit(
        tissue, None, InterpolationSettings.of(**{**QUICK, **said}), Monitor()
    )


@pytest.fixture(scope="module")
def split(make_tissue: Make) -> tuple[Tissue, Tissue]:
    return make_tissue(sections=4, n=120).split("s2")


@pytest.fixture(scope="module")
def between(split: tuple[Tissue, Tissue]) -> StDiffusionPaper:
    return fitted(split[0])


@pytest.fixture(scope="module")
def within(split: tuple[Tissue, Tissue]) -> StDiffusionPaper:
    return StDiffusionPaper().fit(split[0], None, Within.of(**QUICK), Monitor())


def test_what_the_paper_prints_is_kept() -> None:
    method = StDiffusionPaper()
    method.configure(InterpolationSettings())
    said = method.config
    assert (said.process, said.epochs, said.learning_rate) == ("ddpm-linear", 300, 1e-3)
    process = process_called(said.process)
    betas = process.betas  # type: ignore[attr-defined]
    assert (betas[0], betas[-1]) == (1e-4, 0.02)
    network = PaperNetwork(8, 3, said.width, said.depth)
    linear = [m for m in network.net if isinstance(m, torch.nn.Linear)]
    assert len(linear) == said.depth
    assert linear[0].in_features == 8 + 3 * 32  # x, Embed(type), Lin(place), step


def test_zero_epochs_are_those_of_the_paper() -> None:
    method = StDiffusionPaper()
    method.configure(InterpolationSettings(epochs=0))
    assert method.config.epochs == 300


def test_what_stops_the_training_is_visible_and_from_all_sections(
    split: tuple[Tissue, Tissue],
) -> None:
    visible = split[0]
    n = visible.n_cells
    training = PaperTraining(
        np.zeros((n, 8), dtype=np.float32),
        np.zeros((n, 3), dtype=np.float32),
        3,
        InterpolationSettings(process="ddpm-linear"),
        torch.device("cpu"),
    )
    held, kept = training.held.numpy(), training.kept.numpy()
    assert len(held) == n // 10
    assert sorted([*held, *kept]) == list(range(n))
    assert set(visible.section[held]) == set(visible.sections)


def test_training_stops_early_where_nothing_gets_better() -> None:
    rng = np.random.default_rng(0)  # noise, of which nothing can be learned
    training = PaperTraining(
        rng.normal(size=(40, 6)).astype(np.float32),
        np.zeros((40, 3), dtype=np.float32),
        0,
        InterpolationSettings(process="ddpm-linear", learning_rate=0.1, batch_size=8),
        torch.device("cpu"),
    )
    steps = 200 * training.per_epoch
    out, done = training.run(256, 2, steps, Monitor(), checks=60)
    assert done < steps
    assert out.best_steps < done


def test_a_type_need_not_be_known(between: StDiffusionPaper) -> None:
    before = PaperTraining(
        between.values,
        np.zeros((len(between.values), 3), dtype=np.float32),
        3,
        between.config,
        torch.device("cpu"),
    ).network(32, 2)
    after = between.network
    assert isinstance(after, PaperNetwork)
    ratio = after.kind.weight[0] / before.kind.weight[0]
    assert float(ratio.std()) > 1e-4  # learned, and not only decayed as what gets no gradient


def test_cells_within_sections_come_from_noise_alone(within: StDiffusionPaper) -> None:
    within.configure(Within.of(**QUICK))
    process = process_called("ddpm-linear")
    assert within.facts()["noise_level"] == process.sigma_max
    assert not within._start(within.cells.coords).any()
    query = Query(within.cells.coords[:40] + np.array([0, 1, 1]))
    plain = within.sample(query, 3, Monitor())
    kept = within.values
    within.values = kept[::-1].copy()  # other cells at every place: none is looked at
    again = within.sample(query, 3, Monitor())
    within.values = kept
    np.testing.assert_array_equal(plain.draws, again.draws)


def test_few_steps_from_noise_stay_within_what_was_seen(within: StDiffusionPaper) -> None:
    within.configure(Within.of(**QUICK))
    out = within.sample(Query(within.cells.coords[:40]), 3, Monitor())
    assert out.draws is not None
    most = within.cells.expression.max(axis=0)
    assert (out.draws <= most + 1e-4).all()
    assert out.draws.min() >= 0


def test_every_step_is_taken_within_sections_unless_said() -> None:
    method = StDiffusionPaper()
    method.configure(Within())
    assert method.config.sampler_steps == 1000
    method.configure(Within(sampler_steps=50))
    assert method.config.sampler_steps == 50


def test_a_noise_level_within_sections_starts_from_the_nearest_cell(
    within: StDiffusionPaper,
) -> None:
    within.configure(Within.of(**QUICK, noise_level=0.5))
    cells = within.cells
    np.testing.assert_array_equal(within._start(cells.coords), within.values)


def test_beyond_the_stack_there_is_one_parent(
    between: StDiffusionPaper, split: tuple[Tissue, Tissue]
) -> None:
    cells = between.cells
    last = cells.section == "s3"
    beyond = cells.coords[last] + np.array([10, 0, 0])
    for weight in (0.0, 0.4, 1.0):
        between.configure(InterpolationSettings.of(**QUICK, blend="fixed", blend_value=weight))
        np.testing.assert_allclose(between._start(beyond), between.values[last], rtol=1e-5)
    between.configure(InterpolationSettings.of(**QUICK))
    np.testing.assert_array_equal(between._start(beyond), between.values[last])
    out = between.sample(Query(beyond, split[0].cell_type[last]), 2, Monitor())
    assert np.isfinite(out.mean).all()


def test_lambda_is_that_of_the_depth(between: StDiffusionPaper) -> None:
    between.configure(InterpolationSettings.of(**QUICK))
    cells = between.cells
    where = np.array([[22.5, 40.0, 60.0]])  # s1 lies at 10, s3 at 30
    near = [
        np.flatnonzero(cells.section == s)[
            np.linalg.norm(cells.coords[cells.section == s, 1:] - where[0, 1:], axis=1).argmin()
        ]
        for s in ("s1", "s3")
    ]
    expected = 0.375 * between.values[near[0]] + 0.625 * between.values[near[1]]
    np.testing.assert_allclose(between._start(where)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("which", ["between", "within"])
@settings(max_examples=4)
@given(data=st.data())
def test_neither_batch_nor_order_matters(
    which: str, data: st.DataObject, request: pytest.FixtureRequest
) -> None:
    method: StDiffusionPaper = request.getfixturevalue(which)
    method.configure((Within if which == "within" else InterpolationSettings).of(**QUICK))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    coords = np.column_stack([rng.uniform(-15, 45, 30), rng.uniform(0, 100, (30, 2))])
    kinds = rng.choice(np.array(["glia", "neuron", "new", None], dtype=object), 30)
    whole = method.sample(Query(coords, kinds), 2, Monitor())
    some = np.array(data.draw(st.permutations(range(30))))[: data.draw(st.integers(1, 30))]
    part = method.sample(Query(coords[some], kinds[some]), 2, Monitor())
    assert whole.draws is not None
    np.testing.assert_array_equal(part.mean, whole.mean[some])
    np.testing.assert_array_equal(part.draws, whole.draws[:, some])


def test_the_hidden_section_changes_nothing(
    split: tuple[Tissue, Tissue], make_tissue: Make
) -> None:
    """All sections are at hand; only the visible ones go into the fit."""
    whole = make_tissue(sections=4, n=120)
    spoiled = whole.expression.toarray()
    spoiled[whole.section == "s2"] = 999
    visible, hidden = replace(whole, expression=spoiled).split("s2")
    query = Query(hidden.coords, hidden.cell_type)
    a = fitted(split[0]).sample(query, 2, Monitor())
    b = fitted(visible).sample(query, 2, Monitor())
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.draws, b.draws)


def test_cancelled_it_keeps_what_is_drawn(
    between: StDiffusionPaper, split: tuple[Tissue, Tissue]
) -> None:
    def stop(progress: Progress) -> None:
        if progress.message.startswith("draw 4"):
            monitor.cancel()

    between.configure(InterpolationSettings.of(**QUICK))
    monitor = Monitor(stop, interval=0)
    query = Query(split[1].coords, split[1].cell_type)
    out = between.sample(query, 8, monitor)
    assert not out.complete
    assert out.draws is not None
    assert 0 < len(out.draws) < 8
    with pytest.raises(Cancelled):
        between.sample(query, 8, monitor)


def test_sizes_are_those_of_the_fit(between: StDiffusionPaper) -> None:
    between.configure(InterpolationSettings(width=999, epochs=77, sampler_steps=3))
    facts = between.facts()
    assert (facts["width"], facts["epochs"], facts["sampler_steps"]) == (32, 6, 3)
    between.configure(InterpolationSettings.of(**QUICK))


def test_a_scaled_run_says_so_and_is_kept_as_it_is(
    split: tuple[Tissue, Tissue], tmp_path: Path
) -> None:
    visible, hidden = split
    config = InterpolationSettings.of(epochs=10_000, width=64, scale_to=0.5, device="cpu")
    method = StDiffusionPaper().fit(visible, None, config, Monitor())
    facts = method.facts()
    assert facts["epochs"] < 10_000
    assert facts["epochs_run"] <= facts["epochs"]
    assert facts["full_configuration"]["epochs"] == 10_000
    assert facts["full_seconds_estimated"] > 0.5
    query = Query(hidden.coords, hidden.cell_type)
    out = method.sample(query, 2, Monitor())
    assert any(note.startswith("Scaled run") for note in out.notes)
    method.save(tmp_path)
    again = StDiffusionPaper.load(tmp_path, visible)
    again.configure(config)
    assert again.facts() == facts
    np.testing.assert_array_equal(again.sample(query, 2, Monitor()).draws, out.draws)


def test_a_full_run_has_no_such_note(
    between: StDiffusionPaper, split: tuple[Tissue, Tissue]
) -> None:
    between.configure(InterpolationSettings.of(**QUICK))
    out = between.sample(Query(split[1].coords, split[1].cell_type), 0, Monitor())
    assert out.notes == ()
    assert "full_seconds_estimated" not in between.facts()


def test_the_cost_follows_the_work(split: tuple[Tissue, Tissue]) -> None:
    visible = split[0]

    def cost(said: InterpolationSettings, cells: int = 20_000) -> float:
        return StDiffusionPaper.cost(visible, said, cells).seconds

    full = cost(InterpolationSettings())
    assert cost(InterpolationSettings(epochs=10_000)) > 1.2 * full
    assert cost(InterpolationSettings(), 40_000) > 1.5 * full
    assert cost(Within()) > 5 * full  # every one of 1,000 steps in place of 100
    assert cost(InterpolationSettings(scale_to=7)) == 7
