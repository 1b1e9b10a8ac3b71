"""Diffusion of the residual: nothing learned changes nothing, and what is learned pays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.methods.genes.corrections import Training, fit_on
from napari_stdiff.methods.genes.noise import scores_of
from napari_stdiff.methods.genes.residual import NODES, Residual, between, loss_of, solve
from napari_stdiff.scoring.distribution import crps

CPU = torch.device("cpu")
WIDTH = 3


def _nothing() -> None:
    """Never stop."""


def _solved(
    network: Residual,
    conditions: np.ndarray,
    strength: float = 1.0,
    steps: int = 8,
    sampler: str = "dpm++2m",
) -> np.ndarray:
    return solve(network, conditions, strength, sampler, steps, CPU, _nothing)


def _data(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return conditions, of which the first says where x0 lies and the second how surely."""
    rng = np.random.default_rng(seed)
    conditions = rng.uniform(-1, 1, (n, WIDTH)).astype(np.float32)
    deviation = np.where(conditions[:, 1] > 0, 0.3, 0.9)
    goal = conditions[:, 0] + deviation * rng.standard_normal(n)
    return conditions, goal.astype(np.float32)


@pytest.fixture(scope="module")
def learned() -> Residual:
    conditions, goal = _data(4000, 0)
    loss = loss_of(torch.from_numpy(conditions), torch.from_numpy(goal), CPU)
    return fit_on(
        lambda: Residual(WIDTH, 16, 1), loss, np.arange(4000), Training(250), 0, Monitor()
    )


@pytest.mark.parametrize("steps", [4, 8, 30])
@pytest.mark.parametrize("sampler", ["dpm++2m", "heun"])
def test_without_strength_noise_stays_what_it_is(
    learned: Residual, sampler: str, steps: int
) -> None:
    found = _solved(learned, _data(5, 1)[0], strength=0.0, steps=steps, sampler=sampler)
    assert found.shape == (len(NODES), 5)
    assert found.dtype == np.float32
    assert np.allclose(found, NODES[:, None], atol=1e-3)


def test_a_network_that_learned_nothing_changes_nothing() -> None:
    found = _solved(Residual(WIDTH, 8, 1), _data(4, 2)[0])
    assert np.allclose(found, NODES[:, None], atol=1e-3)


def test_more_noise_is_never_less(learned: Residual) -> None:
    assert (np.diff(_solved(learned, _data(50, 3)[0]), axis=0) >= 0).all()


def test_conditions_move_and_narrow_the_distribution(learned: Residual) -> None:
    conditions = np.array([[0.8, 0.5, 0], [-0.8, 0.5, 0], [0, -0.5, 0]], dtype=np.float32)
    found = _solved(learned, conditions)
    middle = found[len(NODES) // 2 - 1 : len(NODES) // 2 + 1].mean(axis=0)
    assert middle[0] > 0.4
    assert middle[1] < -0.4
    wide = found[7] - found[2]
    assert wide[0] < 0.8 * wide[2]


def test_what_is_learned_lowers_the_crps_of_data_never_seen(learned: Residual) -> None:
    conditions, goal = _data(600, 4)
    levels = np.repeat(((np.arange(32) + 0.5) / 32)[:, None], 600, 1)
    noise = scores_of(levels)
    losses = {}
    for strength in (0.0, 0.5, 1.0):
        draws = between(_solved(learned, conditions, strength), noise)
        losses[strength] = crps(goal[:, None], draws[:, :, None])
    plain = np.quantile(goal, levels[:, 0])  # the best that knows no condition
    unknowing = crps(goal[:, None], np.repeat(plain[:, None, None], 600, 1))
    assert losses[1.0] < losses[0.5] < losses[0.0]
    assert losses[1.0] < 0.85 * unknowing


def test_eight_steps_are_nearly_two_hundred(learned: Residual) -> None:
    conditions, goal = _data(400, 5)
    noise = scores_of(np.repeat(((np.arange(32) + 0.5) / 32)[:, None], 400, 1))
    few, many = (between(_solved(learned, conditions, steps=steps), noise) for steps in (8, 200))
    assert np.abs(few.mean(axis=0) - many.mean(axis=0)).max() < 0.1
    assert few.std(axis=0).mean() == pytest.approx(many.std(axis=0).mean(), rel=0.03)
    scores = [crps(goal[:, None], draws[:, :, None]) for draws in (few, many)]
    assert scores[0] == pytest.approx(scores[1], rel=0.01)


def test_what_is_prepared_once_answers_as_the_whole(learned: Residual) -> None:
    conditions = torch.from_numpy(_data(7, 6)[0])
    x, level = torch.linspace(-1, 1, 7)[:, None], torch.full((7,), 0.3)
    with torch.no_grad():
        whole = learned(x, level, conditions)
        parts = learned.at(x, level, learned.prepare(conditions))
    assert torch.allclose(whole, parts, atol=1e-6)


def test_an_entry_does_not_depend_on_those_beside_it(
    learned: Residual, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = _data(20, 7)[0]
    together = _solved(learned, conditions)
    monkeypatch.setattr("napari_stdiff.methods.genes.residual._BLOCK", 7)
    assert np.allclose(together, _solved(learned, conditions), atol=1e-5)
    assert np.allclose(together[:, [11]], _solved(learned, conditions[[11]]), atol=1e-5)


def test_between_is_on_straight_lines_and_goes_on_at_the_ends() -> None:
    nodes = np.stack([2 * NODES + 1, -NODES[0] + NODES], axis=1).astype(np.float32)
    noise = np.array([[0.1, 0.1], [-3.4, 3.4], [NODES[4], NODES[0]]], dtype=np.float32)
    found = between(nodes, noise)
    assert np.allclose(found[:, 0], 2 * noise[:, 0] + 1, atol=1e-5)
    assert np.allclose(found[:, 1], noise[:, 1] - NODES[0], atol=1e-5)


def test_solving_stops_when_asked_to(learned: Residual) -> None:
    def stop() -> None:
        raise Cancelled("now")

    with pytest.raises(Cancelled):
        solve(learned, _data(3, 8)[0], 1.0, "heun", 2, CPU, stop)


def test_training_leaves_the_global_generator_and_follows_its_seed() -> None:
    conditions, goal = (torch.from_numpy(x) for x in _data(300, 9))

    def once(seed: int) -> np.ndarray:
        loss = loss_of(conditions, goal, CPU)
        network = fit_on(
            lambda: Residual(WIDTH, 8, 1), loss, np.arange(300), Training(6), seed, Monitor()
        )
        return _solved(network, conditions.numpy()[:4])

    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first = once(0)
    assert torch.equal(before, torch.rand(1))
    assert np.array_equal(first, once(0))
    assert not np.array_equal(first, once(1))
