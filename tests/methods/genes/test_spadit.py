"""spadit: errors that are standard normal, a strength that pays, steps that are enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from torch import Tensor

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes import spadit, stack_network
from napari_stdiff.methods.genes.judging import Judgement, Trials
from napari_stdiff.methods.genes.residual import Residual
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.spadit import Spadit
from napari_stdiff.scoring.distribution import crps

MakePanel = Callable[..., Panel]
HIDDEN = ["G3", "G8", "G11", "G13"]


@pytest.fixture(scope="module")
def full(make_panel: MakePanel) -> Panel:
    return make_panel(shared=16, cells=150, reference_cells=150, sections=1)


class Recording(Spadit):
    """Keeps the errors that its diffusion learned from."""

    errors: np.ndarray

    def _errors(self, raw: np.ndarray, truth: np.ndarray, monitor: Monitor) -> np.ndarray:
        self.errors = super()._errors(raw, truth, monitor)
        self.raw = raw
        return self.errors


@pytest.fixture(scope="module")
def method(full: Panel) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_network, "_STEPS", 30)
        patch.setattr(spadit, "_STEPS", 60)
        config = GeneSettings.of(inner_folds=2, width=16, device="cpu")
        return Recording().fit(full.without(HIDDEN), config, Monitor())


@pytest.fixture
def strong(method: Spadit, monkeypatch: pytest.MonkeyPatch) -> Spadit:
    """The same, using all that it learned, whether that pays or not."""
    monkeypatch.setattr(method, "diffusion_strength", 1.0)
    return method


def test_errors_of_visible_genes_are_standard_normal(full: Panel, method: Recording) -> None:
    errors = method.errors
    assert errors.shape == full.without(HIDDEN).tissue.shape
    assert abs(errors.mean()) < 0.15
    assert errors.std() == pytest.approx(1, abs=0.12)
    assert np.abs(errors).max() <= 3.2


def test_what_it_chose_is_told(method: Spadit) -> None:
    facts = method.facts()
    assert facts["diffusion_strength"] in spadit._STRENGTHS
    assert facts["diffusion_widening"] in spadit._WIDENINGS
    assert 0 <= facts["shared_error"] <= 0.9
    assert {"weights", "correction_strength", "pooled_genes"} <= set(facts)


def test_without_strength_draws_are_of_the_stacks_spread(
    full: Panel, method: Spadit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "diffusion_strength", 0.0)
    monkeypatch.setattr(method, "widening", 1.0)
    ours = method.sample(HIDDEN, 32, Monitor())
    theirs = super(Spadit, method).sample(HIDDEN, 32, Monitor())
    assert ours.draws is not None
    assert theirs.draws is not None
    assert np.array_equal(ours.mean, theirs.mean)
    at = [0.1, 0.3, 0.5, 0.7, 0.9]
    a, b = (np.quantile(x.draws, at, axis=(0, 1)) for x in (ours, theirs))
    assert np.abs(a - b).max() < 0.06
    scores = [crps(full.tissue[:, [3, 8, 11, 13]], x.draws) for x in (ours, theirs)]
    assert scores[0] == pytest.approx(scores[1], rel=0.01)


def test_eight_steps_are_nearly_two_hundred(
    full: Panel, strong: Spadit, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = full.tissue[:, [3, 8, 11, 13]]
    few = strong.sample(HIDDEN, 16, Monitor())
    many_steps = strong.config.model_copy(update={"sampler_steps": 200})
    monkeypatch.setattr(strong, "config", many_steps)
    many = strong.sample(HIDDEN, 16, Monitor())
    assert few.draws is not None
    assert many.draws is not None
    assert np.abs(few.mean - many.mean).mean() < 0.02
    assert crps(truth, few.draws) == pytest.approx(crps(truth, many.draws), rel=0.01)


def test_the_mean_is_the_networks_however_strong_the_diffusion(strong: Spadit) -> None:
    theirs = super(Spadit, strong).sample(HIDDEN, 0, Monitor()).mean
    for draws in (0, 4):
        assert np.array_equal(strong.sample(HIDDEN, draws, Monitor()).mean, theirs)


def test_draws_of_a_gene_hang_together_as_errors_do(method: Spadit) -> None:
    basis = method._noise.basis
    shares = np.zeros(basis.shape[1])

    def spread_of_level() -> float:
        draws = method.sample(["W0"], 24, Monitor()).draws
        assert draws is not None
        return float(draws.mean(axis=(1, 2)).std())

    kept = method._noise
    method._noise = replace(kept, variances=shares)
    alone = spread_of_level()
    method._noise = replace(kept, variances=shares + np.eye(len(shares))[0] * 0.6)
    together = spread_of_level()
    method._noise = kept
    assert together > 3 * alone


def test_how_genes_are_dealt_to_blocks_changes_nothing(
    full: Panel, strong: Spadit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = strong.sample(HIDDEN, 2, Monitor())
    monkeypatch.setattr(stack_network, "_BLOCK", full.n_cells)
    parts = strong.sample(HIDDEN, 2, Monitor())
    assert np.allclose(whole.mean, parts.mean, atol=1e-5)
    assert (np.abs(whole.draws - parts.draws) < 1e-2).mean() > 0.99


class Knowing(Residual):
    """A network whose conditions are what it answers."""

    def prepare(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Return the conditions."""
        return cond, cond

    def at(self, x: Tensor, level: Tensor, prepared: tuple[Tensor, Tensor]) -> Tensor:
        """Return the conditions."""
        return prepared[0]


@pytest.mark.parametrize(("share", "chosen"), [(0.7, 1.0), (-0.7, 0.0)])
def test_the_strength_follows_what_is_learned(
    full: Panel, method: Recording, share: float, chosen: float
) -> None:
    """Conditions that give the answer away are used; those that mislead are not."""
    truth, cells = full.without(HIDDEN).tissue, np.arange(full.n_cells)
    judgement = Judgement(method.spread, method.raw, truth, cells)
    trials = Trials(list(product(spadit._STRENGTHS, spadit._WIDENINGS)), judgement)
    answers = share * method.errors.T.reshape(-1, 1)
    genes = np.arange(truth.shape[1])
    method._judge(trials, judgement, Knowing(1, 4, 1), answers, genes, Monitor())
    strength, _ = trials.ways[trials.best()]
    assert strength == chosen


def test_a_sampler_with_noise_of_its_own_is_refused_before_the_work(full: Panel) -> None:
    with pytest.raises(StdiffError, match=r"'ancestral' has some\. Choose one of: dpm"):
        Spadit().fit(full, GeneSettings.of(sampler="ancestral"), Monitor())
