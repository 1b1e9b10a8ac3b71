"""stDiffusion: what changes a draw, what must not change it, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.settings import InterpolationSettings
from napari_stdiff.methods.stdiffusion import StDiffusion
from napari_stdiff.methods.stdiffusion_paper import StDiffusionPaper
from napari_stdiff.methods.tuning import Chosen, _best_share, _least_noise

QUICK = InterpolationSettings(
    epochs=30, width=32, depth=1, batch_size=128, sampler_steps=3, device="cpu"
)
BOTH: list[type[Method]] = [StDiffusion, StDiffusionPaper]
Make = Callable[..., Tissue]


@pytest.fixture(scope="module")
def visible(make_tissue: Make) -> Tissue:
    return make_tissue(n=300).split("s2")[0]


@pytest.fixture(scope="module")
def hidden(make_tissue: Make) -> Tissue:
    return make_tissue(n=300).split("s2")[1]


@pytest.fixture(scope="module", params=BOTH, ids=lambda c: c.id)
def method(request: pytest.FixtureRequest, visible: Tissue) -> Method:
    cls: type[Method] = request.param
    return cls().fit(visible, None, QUICK, Monitor())


def query(tissue: Tissue) -> Query:
    return Query(tissue.coords, tissue.cell_type)


def ask(method: Method, tissue: Tissue, draws: int = 3, **settings: object) -> Prediction:
    method.configure(QUICK.but(**settings))
    return method.sample(query(tissue), draws, Monitor())


def test_it_answers_in_shape(method: Method, hidden: Tissue) -> None:
    out = ask(method, hidden)
    assert out.mean.shape == (hidden.n_cells, hidden.n_genes)
    assert out.mean.dtype == np.float32
    assert out.draws is not None
    assert out.draws.shape == (3, *out.mean.shape)
    assert out.std is not None
    assert out.std.shape == out.mean.shape
    assert out.mean.min() >= 0
    assert out.draws.min() >= 0
    assert out.complete


def test_without_draws_there_is_no_spread(method: Method, hidden: Tissue) -> None:
    out = ask(method, hidden, draws=0)
    assert out.draws is None
    assert out.std is None


@pytest.mark.parametrize(
    "change",
    [
        {"blend": "fixed", "blend_value": 0.0},
        {"blend": "fixed", "blend_value": 1.0},
        {"noise_level": 2.0},
        {"mixing": "average", "noise_level": 0.5},
        {"sampler": "heun"},
        {"sampler_steps": 7, "noise_level": 1.0},
    ],
)
def test_lambda_t_and_sampler_change_the_draw(
    method: Method, hidden: Tissue, change: dict[str, object]
) -> None:
    plain = ask(method, hidden).draws
    assert not np.array_equal(plain, ask(method, hidden, **change).draws)


def test_the_weights_change_the_draw(method: Method, hidden: Tissue) -> None:
    network = method.core.network if isinstance(method, StDiffusion) else method.network  # type: ignore[attr-defined]
    before = ask(method, hidden)
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05)
    after = ask(method, hidden)
    network.load_state_dict(kept)
    assert not np.array_equal(before.draws, after.draws)
    assert not np.array_equal(before.mean, after.mean)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_lambda_says_which_parent_a_draw_starts_from(visible: Tissue, weight: float) -> None:
    """With no noise and nothing carried, a draw is a cell of the section that lambda names."""
    told = visible.expression.toarray()
    told[:, 0] = np.where(visible.coords[:, 0] > 20, 9, 0)  # says above or below
    marked = replace(visible, expression=told, values="log-normalised")
    method = StDiffusion().fit(marked, None, QUICK, Monitor())
    method.chosen = replace(method.chosen, noise=0.0)
    out = ask(method, visible.split("s1")[1], blend="fixed", blend_value=weight, carry="off")
    middle = method.sample(Query(np.array([[20.0, 50, 50]] * 5)), 4, Monitor())
    assert middle.draws is not None
    assert (middle.draws[..., 0] == 9 * weight).all()
    assert out.draws is not None


def test_neither_batch_nor_order_matters(method: Method, hidden: Tissue) -> None:
    whole = ask(method, hidden)
    rng = np.random.default_rng(0)
    some = rng.permutation(hidden.n_cells)[:77]
    part = ask(method, hidden.rows(some))
    assert whole.draws is not None
    np.testing.assert_array_equal(part.mean, whole.mean[some])
    np.testing.assert_array_equal(part.draws, whole.draws[:, some])


def test_more_draws_begin_with_the_same_ones(method: Method, hidden: Tissue) -> None:
    few, many = ask(method, hidden, draws=2).draws, ask(method, hidden, draws=4).draws
    assert many is not None
    np.testing.assert_array_equal(few, many[:2])


def test_saved_and_loaded_it_answers_the_same(
    method: Method, visible: Tissue, hidden: Tissue, tmp_path: Path
) -> None:
    before = ask(method, hidden)
    method.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {
        "model.safetensors",
        "model.json",
    }
    again = type(method).load(tmp_path / "model", visible)
    after = ask(again, hidden)
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.draws, after.draws)


def test_a_model_refuses_what_does_not_fit(
    method: Method, visible: Tissue, tmp_path: Path
) -> None:
    method.save(tmp_path)
    renamed = np.array(["other", *visible.genes[1:]])
    with pytest.raises(StdiffError, match="gene0"):
        type(method).load(tmp_path, replace(visible, genes=renamed))
    strange = visible.cell_type.copy()
    strange[0] = "martian"
    with pytest.raises(StdiffError, match="martian"):
        type(method).load(tmp_path, replace(visible, cell_type=strange))


def test_unknown_types_are_said(method: Method, hidden: Tissue) -> None:
    method.configure(QUICK)
    out = method.sample(Query(hidden.coords), 1, Monitor())
    assert np.isfinite(out.mean).all()
    assert "no cell type" in " ".join(out.notes)


@pytest.mark.parametrize("cls", BOTH, ids=lambda c: c.id)
def test_it_works_without_types_and_with_two_sections(cls: type[Method], visible: Tissue) -> None:
    two = visible.rows(np.isin(visible.section, ["s1", "s3"]))
    plain = replace(two, cell_type=None)
    method = cls().fit(plain, None, QUICK.but(epochs=1), Monitor())
    out = method.sample(Query(np.array([[20.0, 50.0, 50.0]])), 2, Monitor())
    assert np.isfinite(out.mean).all()
    assert out.notes == ()


def test_many_genes_go_through_their_principal_axes(make_tissue: Make, tmp_path: Path) -> None:
    tissue = make_tissue(sections=3, n=80)
    rng = np.random.default_rng(0)
    wide = rng.poisson(1.0, (tissue.n_cells, 450)).astype(np.float32)
    genes = np.array([f"g{i}" for i in range(450)])
    many = replace(tissue, expression=wide, genes=genes)
    method = StDiffusion().fit(many, None, QUICK.but(epochs=1), Monitor())
    out = method.sample(Query(many.coords[:9], many.cell_type[:9]), 2, Monitor())
    assert out.mean.shape == (9, 450)
    assert out.draws is not None
    assert np.isfinite(out.draws).all()
    # a stack of few cells and many genes has a Gaussian process among its guesses, which is kept
    assert method.core.experts.process is not None
    method.save(tmp_path)
    again = StDiffusion.load(tmp_path, many).sample(
        Query(many.coords[:9], many.cell_type[:9]), 2, Monitor()
    )
    np.testing.assert_array_equal(again.mean, out.mean)
    np.testing.assert_array_equal(again.draws, out.draws)


@pytest.mark.parametrize("process", ["ddpm-linear", "ddpm-quadratic", "ddpm-cosine"])
def test_every_process_can_be_chosen(visible: Tissue, hidden: Tissue, process: str) -> None:
    method = StDiffusion().fit(visible, None, QUICK.but(epochs=1, process=process), Monitor())
    out = method.sample(query(hidden.rows(np.arange(5))), 2, Monitor())
    assert out.draws is not None
    assert np.isfinite(out.draws).all()


def test_it_learns_where_and_of_which_type(make_tissue: Make) -> None:
    tissue = make_tissue(n=400)
    visible, hidden = tissue.split("s2")
    method = StDiffusion().fit(visible, None, QUICK.but(epochs=60), Monitor())
    out = method.sample(query(hidden), 0, Monitor())
    counts = hidden.expression.toarray()
    truth = np.log1p(counts / np.maximum(counts.sum(1, keepdims=True), 1) * 20)
    for gene in range(8):
        assert np.corrcoef(truth[:, gene], out.mean[:, gene])[0, 1] > 0.2


def test_what_the_user_says_beats_the_preset(visible: Tissue) -> None:
    method = StDiffusionPaper()
    method.configure(InterpolationSettings(width=64))
    assert method.config.width == 64
    assert method.config.epochs == 300
    assert method.config.process == "ddpm-linear"


def test_what_was_chosen_yields_to_what_is_said() -> None:
    chosen = Chosen(noise=0.6, carry=1.0)
    assert chosen.how(QUICK).noise == 0.6
    assert chosen.how(QUICK.but(noise_level=2.0)).noise == 2.0
    assert chosen.how(QUICK.but(carry="off")).carry == 0.0


def test_noise_has_to_earn_its_place() -> None:
    assert _least_noise([0.2502, 0.2501, 0.25, 0.26]) == 0.1
    assert _least_noise([0.27, 0.27, 0.25, 0.26]) == 0.6


def test_in_a_hurry_it_guesses_without_a_network(
    make_tissue: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_stdiff.methods.stdiffusion.QUICK_CELLS", 100)
    visible, hidden = make_tissue(n=300).split("s2")
    quick = InterpolationSettings(effort="quick", device="cpu")
    method = StDiffusion().fit(visible, None, quick, Monitor())
    assert (method.facts()["carry"], method.facts()["noise"]) == (0, 0)
    out = method.sample(query(hidden), 2, Monitor())
    assert out.draws is not None
    measured = {row.tobytes() for row in method.core.cells.expression}
    assert {row.tobytes() for row in out.draws.reshape(-1, out.draws.shape[2])} <= measured
    method.save(tmp_path / "model")
    again = StDiffusion.load(tmp_path / "model", visible).sample(query(hidden), 2, Monitor())
    np.testing.assert_array_equal(out.mean, again.mean)
    np.testing.assert_array_equal(out.draws, again.draws)
    untyped = method.sample(Query(hidden.coords), 0, Monitor()).mean
    assert np.isfinite(untyped).all()
    assert not np.array_equal(untyped, out.mean)
    slow = StDiffusion.cost(visible, QUICK, hidden.n_cells)
    assert StDiffusion.cost(visible, quick, hidden.n_cells).seconds < slow.seconds


@pytest.mark.parametrize("said", [{"carry": "full"}, {"noise_level": 0.3}, {"epochs": 5}])
def test_in_a_hurry_what_needs_a_network_is_refused(
    visible: Tissue, hidden: Tissue, said: dict[str, object]
) -> None:
    quick = InterpolationSettings(effort="quick", device="cpu")
    with pytest.raises(StdiffError, match="take effort full"):
        StDiffusion().fit(visible, None, quick.but(**said), Monitor())
    method = StDiffusion().fit(visible, None, quick, Monitor())
    method.configure(quick.but(**said))
    with pytest.raises(StdiffError, match="take effort full"):
        method.sample(query(hidden), 1, Monitor())


def test_the_network_gets_what_the_guess_does_no_better() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 3))
    good, bad = truth + 0.1 * rng.normal(size=truth.shape), rng.normal(size=truth.shape)
    assert _best_share(good, good, truth, np.ones(3)) == 0
    assert _best_share(good, bad, truth, np.ones(3)) > 0.9
    assert _best_share(bad, good, truth, np.ones(3)) < 0.1
