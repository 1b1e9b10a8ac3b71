"""The samplers against a Gaussian whose optimal denoiser is known, and against diffusers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from napari_stdiff.diffusion.process import Ddpm, Edm
from napari_stdiff.diffusion.samplers import ancestral, dpmpp_2m, heun, run_sampler

MEAN, STD = 0.5, 0.7
NAMES = ["dpm++2m", "heun", "ancestral"]


def clean(x: Tensor, sigma: Tensor) -> Tensor:
    """Return E[x0 | x] for data N(MEAN, STD^2)."""
    s = sigma[:, None] ** 2
    return (STD**2 * x + s * MEAN) / (STD**2 + s)


def noise_like(x: Tensor, seed: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("process", [Edm(), Ddpm.make("linear", 1000)], ids=["edm", "ddpm"])
def test_samples_have_the_mean_and_spread_of_the_data(name: str, process: Edm | Ddpm) -> None:
    # ancestral steps with the smaller of the two fixed variances converge slowly
    grid = process.grid(1000 if name == "ancestral" else 100)
    x = grid[0] * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    out = run_sampler(name, clean, x, grid, noise_like(x, 1))
    assert float(out.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(out.std()) == pytest.approx(STD, rel=0.04)


def exact(x: Tensor, sigma: Tensor | float) -> Tensor:
    """Return where the probability flow of the Gaussian ends that passes `x` at `sigma`."""
    return MEAN + (x - MEAN) * STD / (STD**2 + sigma**2) ** 0.5


@pytest.mark.parametrize("sampler", [dpmpp_2m, heun])
def test_deterministic_samplers_follow_the_exact_flow(sampler: Callable[..., Tensor]) -> None:
    grid = Edm(sigma_max=10.0, sigma_min=0.002).grid(60)
    x = torch.linspace(-20, 20, 9)[:, None]
    torch.testing.assert_close(sampler(clean, x, grid), exact(x, grid[0]), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("sampler", [dpmpp_2m, heun])
def test_the_error_falls_with_the_square_of_the_steps(sampler: Callable[..., Tensor]) -> None:
    x = torch.linspace(-20, 20, 9).double()[:, None]
    errors = []
    for steps in (20, 80):
        grid = Edm(sigma_max=10.0, sigma_min=1e-3).grid(steps).double()
        grid = torch.cat([grid[:-1], grid.new_zeros(1)])
        errors.append(float((sampler(clean, x, grid) - exact(x, grid[0])).abs().max()))
    assert errors[1] < errors[0] / 8


def test_ancestral_step_is_the_posterior_of_ddpm() -> None:
    """One step equals N(mu~, beta~) of Ho et al., carried to this scale."""
    process = Ddpm.make("linear", 1000)
    t = 400
    grid = process.table[[t, t - 1]].double()
    kept = torch.from_numpy((1 - process.betas).cumprod())
    beta = float(process.betas[t])
    x, x0 = torch.tensor([[1.3]]).double(), torch.tensor([[0.2]]).double()
    mean = (
        kept[t - 1] ** 0.5 * beta / (1 - kept[t]) * x0
        + (1 - beta) ** 0.5 * (1 - kept[t - 1]) / (1 - kept[t]) * (x * kept[t] ** 0.5)
    ) / kept[t - 1] ** 0.5
    std = ((1 - kept[t - 1]) / (1 - kept[t]) * beta / kept[t - 1]) ** 0.5
    for eps in (0.0, 1.0):
        got = ancestral(lambda *_: x0, x, grid, lambda e=eps: torch.full_like(x, e))
        torch.testing.assert_close(got, mean + std * eps, rtol=1e-9, atol=0)


def test_dpmpp_2m_is_that_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.EDMDPMSolverMultistepScheduler(
        sigma_min=0.002, sigma_max=10.0, sigma_data=STD, lower_order_final=False
    )
    theirs.set_timesteps(12)
    grid = theirs.sigmas
    start = torch.linspace(-15, 15, 7)[:, None]
    x = start.clone()
    for i, t in enumerate(theirs.timesteps):
        sigma = grid[i].expand(len(x))
        estimate = clean(x, sigma)
        s, d = grid[i], STD
        skip, out = d**2 / (s**2 + d**2), s * d / (s**2 + d**2) ** 0.5
        x = theirs.step((estimate - skip * x) / out, t, x).prev_sample
    torch.testing.assert_close(dpmpp_2m(clean, start, grid), x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_callback_sees_every_step(name: str) -> None:
    seen: list[tuple[int, int]] = []
    grid = Edm().grid(5)
    x = torch.ones(2, 1)
    run_sampler(name, clean, x, grid, noise_like(x, 0), lambda i, n, _: seen.append((i, n)))
    assert seen == [(i, 5) for i in range(1, 6)]
