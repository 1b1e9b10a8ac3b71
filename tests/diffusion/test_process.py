"""The noise processes against closed forms and against diffusers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_stdiff.diffusion.process import Ddpm, Edm, Process

PROCESSES = {
    "edm": Edm(),
    "linear": Ddpm.make("linear", 1000),
    "quadratic": Ddpm.make("quadratic", 200, 1e-6, 0.05),
    "cosine": Ddpm.make("cosine", 100),
}


@pytest.mark.parametrize("schedule", ["linear", "quadratic", "cosine"])
def test_single_steps_compose_to_the_closed_form(schedule: str) -> None:
    """A chain of q(x_t | x_t-1) = N(sqrt(1 - beta) x, beta) has the marginals that are used."""
    process = Ddpm.make(schedule, 50, 1e-4, 0.05)
    signal, variance = 1.0, 0.0
    for t, beta in enumerate(process.betas):
        signal, variance = signal * math.sqrt(1 - beta), variance * (1 - beta) + beta
        sigma = float(process.table[t])
        assert signal == pytest.approx(1 / math.sqrt(1 + sigma**2), rel=1e-9)
        assert variance == pytest.approx(sigma**2 / (1 + sigma**2), rel=1e-9)


def test_linear_schedule_is_that_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02)
    kept = theirs.alphas_cumprod.double()
    sigma = ((1 - kept) / kept).sqrt()
    torch.testing.assert_close(PROCESSES["linear"].table, sigma, rtol=1e-4, atol=0)


def test_cosine_schedule_is_that_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(100, beta_schedule="squaredcos_cap_v2")
    np.testing.assert_allclose(PROCESSES["cosine"].betas, theirs.betas, rtol=1e-3)


@pytest.mark.parametrize("name", PROCESSES)
def test_encode_has_the_variance_it_says(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.zeros(20_000, 1)
    eps = torch.randn(x0.shape, generator=generator)
    assert float(PROCESSES[name].encode(x0, 1.5, eps).std()) == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("start", [None, 1.0])
def test_grids_fall_from_the_start_to_zero(name: str, start: float | None) -> None:
    process = PROCESSES[name]
    grid = process.grid(8, start)
    assert len(grid) == 9
    assert bool((grid[1:] < grid[:-1]).all())
    assert float(grid[-1]) == 0
    assert float(grid[0]) == pytest.approx(start or process.sigma_max, rel=0.2)


@pytest.mark.parametrize("name", PROCESSES)
def test_training_levels_stay_in_range_and_follow_the_generator(name: str) -> None:
    process = PROCESSES[name]
    draws = [
        process.training_sigmas(500, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert bool((draws[0] > 0).all())


def optimal(process: Process, mean: float, std: float):  # type: ignore[no-untyped-def]
    """Return the network whose clean estimate is exact for data N(mean, std^2)."""

    def net(x: torch.Tensor, level: torch.Tensor, cond: None) -> torch.Tensor:
        if isinstance(process, Edm):
            sigma = torch.exp(4 * level)[:, None]
            total = (sigma**2 + 1).sqrt()
            noisy = x * total
            clean = (std**2 * noisy + sigma**2 * mean) / (std**2 + sigma**2)
            return (clean - noisy / total**2) * total / sigma
        assert isinstance(process, Ddpm)
        step = (level * len(process.betas)).round().long()
        sigma = process.table[step].to(x)[:, None]
        noisy = x * (1 + sigma**2).sqrt()
        clean = (std**2 * noisy + sigma**2 * mean) / (std**2 + sigma**2)
        return (noisy - clean) / sigma

    return net


@pytest.mark.parametrize("name", PROCESSES)
def test_denoise_undoes_the_preconditioning(name: str) -> None:
    """With the optimal network, the clean estimate is Bayes' posterior mean."""
    process = PROCESSES[name]
    x = torch.linspace(-3, 3, 7)[:, None]
    for sigma in process.grid(5)[:-1]:
        level = torch.full((7,), float(sigma))
        got = process.denoise(optimal(process, 0.5, 0.7), x, level, None)
        want = (0.49 * x + sigma**2 * 0.5) / (0.49 + sigma**2)
        torch.testing.assert_close(got, want, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_optimal_network_has_the_lowest_loss(name: str) -> None:
    process = PROCESSES[name]
    x0 = 0.5 + 0.7 * torch.randn(4000, 2, generator=torch.Generator().manual_seed(3))
    losses = [
        float(process.loss(optimal(process, m, s), x0, None, torch.Generator().manual_seed(4)))
        for m, s in ((0.5, 0.7), (0.0, 0.7), (0.5, 1.4))
    ]
    assert losses[0] == min(losses)


def test_mean_is_one_evaluation_without_input() -> None:
    process = Edm(sigma_max=1000.0)
    got = process.mean(optimal(process, 0.5, 0.7), None, torch.zeros(4, 2))
    torch.testing.assert_close(got, torch.full((4, 2), 0.5), rtol=1e-3, atol=1e-3)
