"""The equations of SpaDiT's paper, put right: process, masks, covariance, attention, scan."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_stdiff.diffusion.process import Ddpm
from napari_stdiff.methods.genes.paper.backbones import backbone_called
from napari_stdiff.methods.genes.paper.condition import condition_called, written_out_attention
from napari_stdiff.methods.genes.paper.embedding import LatentEmbedding
from napari_stdiff.methods.genes.paper.mamba import selective_scan
from napari_stdiff.methods.genes.paper.network import Shape
from napari_stdiff.methods.genes.paper.patches import PATCHES, patch_order
from napari_stdiff.methods.genes.paper.process import (
    Rotated,
    ancestral_learned,
    hidden_entries,
    masked_loss,
    variance,
)

PROCESS = Rotated.quadratic(200)


def levels(n: int = 200) -> Tensor:
    return PROCESS.table[torch.linspace(0, 199, n).long()].float()


def test_the_schedule_is_quadratic() -> None:
    betas = Rotated.quadratic(1000).betas
    assert betas[0] == pytest.approx(1e-6)
    assert betas[-1] == pytest.approx(0.05)
    np.testing.assert_allclose(np.diff(np.sqrt(betas)), np.diff(np.sqrt(betas))[0])
    assert PROCESS.sigma_max > 5


def test_the_rotation_is_that_of_noise_and_clean_values() -> None:
    torch.manual_seed(0)
    x0, eps, sigma = torch.randn(200, 5), torch.randn(200, 5), levels()
    x, s = PROCESS.encode(x0, sigma, eps), sigma[:, None]
    v = (eps - s * x0) / (1 + s**2).sqrt()
    torch.testing.assert_close(PROCESS.clean(v, x, sigma), x0, rtol=1e-3, atol=1e-3)


def test_the_weight_makes_the_error_that_of_the_output() -> None:
    torch.manual_seed(0)
    sigma, x = levels(20), torch.randn(20, 5)
    a, b = torch.randn(20, 5), torch.randn(20, 5)
    away = PROCESS.clean(a, x, sigma) - PROCESS.clean(b, x, sigma)
    again = PROCESS.weight(sigma)[:, None] * away**2
    torch.testing.assert_close(again, (a - b) ** 2, rtol=1e-3, atol=1e-4)


def test_a_network_that_says_nothing_is_right_about_unit_noise() -> None:
    """At the start the output is 0: the best guess where x0 is standard normal."""
    x, sigma = torch.randn(20, 5), levels(20)
    clean = PROCESS.denoise(lambda x, _l, _c: torch.zeros_like(x), x, sigma, None)
    torch.testing.assert_close(clean, x / (1 + sigma[:, None] ** 2))


def test_masks_take_their_shares_of_zeros_and_of_others() -> None:
    zero = torch.rand(50, 2000, generator=torch.Generator().manual_seed(1)) < 0.6
    hidden = hidden_entries(
        torch.zeros(zero.shape), zero, 0.4, 0.1, torch.Generator().manual_seed(2)
    )
    assert float(hidden[zero].float().mean()) == pytest.approx(0.4, abs=0.01)
    assert float(hidden[~zero].float().mean()) == pytest.approx(0.1, abs=0.01)


def test_masked_values_are_targets_and_never_inputs() -> None:
    x0 = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros_like(x0, dtype=torch.bool)
    hidden[:, :3] = True
    seen: list[Tensor] = []

    def net(x: Tensor, level: Tensor, cond: object) -> Tensor:
        seen.append(x.clone())
        return torch.zeros_like(x)

    def loss(values: Tensor) -> float:
        generator = torch.Generator().manual_seed(3)
        return float(masked_loss(PROCESS, net, values, hidden, None, generator))

    other = x0.clone()
    other[:, :3] += 2.0
    a, b = loss(x0), loss(other)
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)
    assert b > a  # the true expression is what counts, not zero


def test_the_learned_variance_lies_between_the_two_of_the_chain() -> None:
    ddpm, t = Ddpm.make("quadratic", 200, 1e-6, 0.05), 120
    kept = np.cumprod(1 - ddpm.betas)
    now, then = ddpm.table[t], ddpm.table[t - 1]
    beta = ddpm.betas[t]
    tilde = beta * (1 - kept[t - 1]) / (1 - kept[t])
    on_this_scale = 1 / kept[t - 1]  # a variance of x_t divided by A
    low = variance(torch.tensor(-50.0, dtype=torch.float64), now, then)
    high = variance(torch.tensor(50.0, dtype=torch.float64), now, then)
    assert float(low) == pytest.approx(tilde * on_this_scale, rel=1e-6)
    assert float(high) == pytest.approx(beta * on_this_scale, rel=1e-6)


def test_the_covariance_learns_that_the_mean_is_wrong() -> None:
    """With a clean estimate of 0 for data of spread 1 the best variance is the upper end."""
    raw = torch.zeros(1, requires_grad=True)

    def net(x: Tensor, level: Tensor, cond: object) -> Tensor:
        sigma = PROCESS.table[(level * 200).round().long()].float()[:, None]
        out = x * (1 + sigma**2).sqrt() / sigma / (1 + sigma**2).sqrt()
        return torch.cat([out, raw.expand(x.shape)], dim=1)

    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(256, 4, generator=generator)
    none = torch.zeros_like(x0, dtype=torch.bool)
    masked_loss(PROCESS, net, x0, none, None, generator, covariance=True).backward()
    assert raw.grad is not None
    assert float(raw.grad) < 0  # a step of descent raises the variance


def test_draws_with_the_learned_variance_have_the_data_spread() -> None:
    """For normal data the exact denoiser and the posterior's variance give the data back."""
    spread = 0.5

    def net(x: Tensor, level: Tensor, cond: object) -> Tensor:
        sigma = PROCESS.table[(level * 200).round().long()].float()[:, None]
        noised = x * (1 + sigma**2).sqrt()
        clean = spread**2 / (spread**2 + sigma**2) * noised
        out = (noised / (1 + sigma**2) - clean) * (1 + sigma**2).sqrt() / sigma
        return torch.cat([out, torch.full_like(x, -50.0)], dim=1)

    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(4000, 2, generator=generator)

    grid = PROCESS.grid(200)
    start = float(grid[0]) * noise()
    out = ancestral_learned(PROCESS, net, None, start, grid, noise, (-9.0, 9.0), lambda *_: None)
    assert float(out.std()) == pytest.approx(spread, rel=0.05)


def test_flash_and_written_out_attention_are_the_same() -> None:
    torch.manual_seed(0)
    flash = condition_called("flash", 20, 6, 32, 4)
    plain = condition_called("attention", 20, 6, 32, 4)
    plain.load_state_dict(flash.state_dict())
    profile, features = torch.randn(5, 20), torch.randn(20, 6)
    torch.testing.assert_close(flash(profile, features), plain(profile, features))
    q, k, v = torch.randn(3, 2, 4, 7, 8).unbind(0)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(written_out_attention(q, k, v), expected)


@pytest.mark.parametrize("name", ["flash", "attention", "mlp", "pca"])
def test_conditions_depend_on_the_gene_and_on_the_reference(name: str) -> None:
    torch.manual_seed(0)
    module = condition_called(name, 20, 6, 32, 4)  # type: ignore[arg-type]
    profile, features = torch.randn(2, 20), torch.randn(20, 6)
    out = module(profile, features)
    assert not torch.allclose(out[0], out[1])
    assert not torch.allclose(out, module(profile, torch.randn(20, 6)))


def test_no_condition_is_zeros() -> None:
    out = condition_called("zeros", 20, 6, 32, 4)(torch.randn(3, 20), torch.randn(20, 6))
    assert out.shape == (3, 32)
    assert not out.any()


def test_only_the_tissue_part_is_noised() -> None:
    torch.manual_seed(0)
    embed = LatentEmbedding(5, 12, 16, 3, concatenate=True)
    profile = torch.randn(2, 12)
    a, b = (embed(torch.randn(2, PATCHES, 5), profile) for _ in range(2))
    torch.testing.assert_close(a[..., 8:], b[..., 8:], rtol=0, atol=0)
    assert not torch.allclose(a[..., :8], b[..., :8])
    apart = LatentEmbedding(5, 12, 16, 3, concatenate=False)
    x = torch.randn(2, PATCHES, 5)
    torch.testing.assert_close(apart(x, profile), apart(x, torch.randn(2, 12)))


@pytest.mark.parametrize("name", ["transformer", "unet", "mamba"])
def test_backbones_keep_genes_apart(name: str) -> None:
    torch.manual_seed(0)
    net = backbone_called(name, 16, 3, 2)  # type: ignore[arg-type]
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.2)
    h, c = torch.randn(6, PATCHES, 16), torch.randn(6, 16)
    whole = net(h, c)
    torch.testing.assert_close(net(h[2:3], c[2:3]), whole[2:3], rtol=1e-4, atol=1e-5)
    other = h.clone()
    other[:, 0] += 1
    away = (net(other, c) - whole).abs().amax(dim=(0, 2))
    assert (away > 0).all()  # every token of a gene knows of its first one


@pytest.mark.parametrize("name", ["transformer", "mamba"])
def test_blocks_do_nothing_at_the_start(name: str) -> None:
    net = backbone_called(name, 16, 4, 2)  # type: ignore[arg-type]
    h = torch.randn(2, PATCHES, 16)
    torch.testing.assert_close(net(h, torch.randn(2, 16)), h)


def test_the_scan_is_the_recurrence() -> None:
    torch.manual_seed(0)
    x, step = torch.randn(2, 5, 3), torch.rand(2, 5, 3) + 0.1
    a, b, c = -torch.rand(3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    out = selective_scan(x, step, a, b, c)
    for n in range(2):
        for channel in range(3):
            state = np.zeros(4)
            for t in range(5):
                d = float(step[n, t, channel])
                state = np.exp(d * a[channel].numpy()) * state
                state = state + d * b[n, t].numpy() * float(x[n, t, channel])
                expected = float(state @ c[n, t].numpy())
                assert float(out[n, t, channel]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("cells", [9, 64, 121])
def test_patches_are_neighbours_and_all_spots_are_in_one(cells: int) -> None:
    coords = np.random.default_rng(0).uniform(0, 100, (cells, 3))
    order = patch_order(coords)
    assert sorted(order) == list(range(cells))
    if cells > 50:
        size = -(-cells // PATCHES)
        groups = [coords[order[i : i + size]] for i in range(0, cells, size)]
        within = np.mean([g.std(axis=0).mean() for g in groups])
        assert within < 0.75 * coords.std(axis=0).mean()


def test_the_network_puts_spots_back_where_they_were() -> None:
    shape = Shape(21, 10, 4, 16, 1, 2, 2, "transformer", "flash", True, False)
    net = shape.build(0)
    order = torch.randperm(21, generator=torch.Generator().manual_seed(0))
    net.order.copy_(order)
    net.decoder.set.bias.data[-1] = 1.0  # the input goes straight through
    x = torch.randn(3, 21)
    out = net(x, torch.full((3,), 0.5), torch.randn(3, 10))
    torch.testing.assert_close(out, x)


def test_heads_divide_the_width() -> None:
    def heads(width: int, said: int) -> int:
        return Shape(9, 9, 4, width, 1, said, 1, "transformer", "flash", True, False).heads_used

    assert heads(1024, 64) == 64
    assert heads(64, 64) == 8
    assert heads(24, 64) == 3
    assert heads(8, 8) == 1
