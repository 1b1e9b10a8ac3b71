"""One section at several lambdas, and lambda chosen without the target."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import fitted as fitted_module
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.fitted import forget
from napari_stdiff.tasks.interpolate import interpolate
from napari_stdiff.tasks.lambdas import choose_lambda, has_lambda
from napari_stdiff.tasks.sweep import Sweep, sweep_lambda

QUICK = InterpolateConfig(epochs=1, width=16, depth=1, draws=2, sampler_steps=2, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("models")
    patch.setattr(fitted_module, "cache_folder", lambda: folder)
    forget()
    yield
    patch.undo()
    forget()


@pytest.fixture(scope="module")
def slope(tissue: Tissue) -> Tissue:
    """A tissue whose gene0 rises from section to section."""
    counts = tissue.expression.toarray()
    counts[:, 0] = np.random.default_rng(0).poisson(1 + tissue.coords[:, 0])
    return replace(tissue, expression=counts.astype(np.float32))


@pytest.fixture(scope="module")
def sweep(slope: Tissue) -> Sweep:
    return sweep_lambda(slope, config=QUICK.but(hide="s2"), values=(0.0, 0.5, 1.0))


def test_the_map_goes_from_one_parent_to_the_other(sweep: Sweep) -> None:
    levels = [section.prediction.mean[:, 0].mean() for section in sweep.sections]
    assert levels[0] < levels[1] < levels[2]
    for section in sweep.sections:
        np.testing.assert_allclose(
            section.prediction.mean, section.prediction.draws.mean(axis=0), atol=1e-5
        )
    assert sweep.geometric == pytest.approx(0.5)


def test_each_section_says_its_lambda(sweep: Sweep) -> None:
    assert [s.record.target["lambda"] for s in sweep.sections] == list(sweep.values)
    assert len({s.name for s in sweep.sections}) == 3
    for section in sweep.sections:
        assert "not used to choose" in " ".join(section.record.notes)
        assert section.record.scores["pcc"] is not None
    dumped = json.loads(json.dumps(sweep.dump(), allow_nan=False))
    assert dumped["target_scores"]["used_for_choosing"] is False
    assert [row["lambda"] for row in dumped["training_crps"]] == [0.0, 0.5, 1.0]
    assert dumped["record"]["scores"] == {}


def test_the_target_plays_no_part_in_the_choice(slope: Tissue, sweep: Sweep) -> None:
    rows = slope.section == "s2"
    other = np.asarray(slope.expression).copy()
    other[rows] = np.random.default_rng(1).poisson(20, other[rows].shape)
    again = sweep_lambda(
        replace(slope, expression=other), config=QUICK.but(hide="s2"), values=(0.0, 0.5, 1.0)
    )
    assert again.chosen == sweep.chosen
    assert again.training == sweep.training
    assert again.sections[0].record.scores != sweep.sections[0].record.scores


def test_the_lambda_that_predicts_a_training_section_is_chosen(slope: Tissue) -> None:
    """The middle one of the visible sections is as the one above it."""
    visible = slope.split("s2")[0]
    x = np.asarray(visible.expression).copy()
    x[visible.section == "s3", 0] = np.random.default_rng(5).poisson(41, 150)
    left, losses = choose_lambda(replace(visible, expression=x), QUICK, Monitor(), (0.0, 0.5, 1.0))
    assert left == "s3"
    assert min(losses, key=lambda v: losses[v]) == 1.0


def test_chosen_lambda_is_used_and_recorded(slope: Tissue) -> None:
    config = QUICK.but(hide="s2", blend="chosen")
    record = interpolate(slope, config=config).record
    assert record.parameters["blend"] == "chosen"
    assert record.chosen["lambda"] in [float(v) for v in record.chosen["lambda_crps"]]
    assert record.chosen["lambda_from"] in ("s1", "s3")


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        ({"method": "knn"}, (0.5,), "has no lambda; choose stdiffusion"),
        ({}, (), "from 0 to 1"),
        ({}, (1.2,), "from 0 to 1"),
        ({"at": 45.0, "extrapolate": True}, (0.5,), "one parent alone"),
    ],
)
def test_bad_requests_get_one_sentence(
    tissue: Tissue, settings: dict[str, object], values: tuple[float, ...], message: str
) -> None:
    with pytest.raises(StdiffError, match=message):
        sweep_lambda(tissue, config=QUICK.but(**settings), values=values)


def test_too_few_sections_to_choose(tissue: Tissue) -> None:
    two = tissue.rows(np.isin(tissue.section, ["s1", "s2"]))
    found = sweep_lambda(two, config=QUICK, values=(0.5,))
    assert found.chosen is None
    assert found.training == {}
    with pytest.raises(StdiffError, match="only 2 are visible"):
        interpolate(two, config=QUICK.but(blend="chosen"))


def test_who_has_lambda() -> None:
    assert has_lambda("stdiffusion")
    assert has_lambda("stdiffusion-paper")
    assert not has_lambda("typed-knn")
