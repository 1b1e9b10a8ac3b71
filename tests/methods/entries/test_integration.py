"""The integration network: its losses, its pairing, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.methods.entries.integration import (
    Integration,
    Places,
    cosines,
    location_loss,
    pearson_loss,
    squared_error,
)
from napari_stdiff.methods.entries.settings import EntrySettings

CPU = torch.device("cpu")


def tables(visible) -> tuple[torch.Tensor, torch.Tensor]:
    shown = torch.from_numpy(visible.seen.astype(np.float32))
    return torch.from_numpy(np.array(visible.standard)), shown


def fitted(visible, steps: int = 60, **how: float) -> Integration:
    return Integration().fit(visible, EntrySettings.of(**how), CPU, Monitor(), steps)


def test_losses_are_of_visible_entries() -> None:
    rng = np.random.default_rng(0)
    mapped, values = (torch.from_numpy(rng.normal(size=(30, 4)).astype("f4")) for _ in range(2))
    seen = torch.from_numpy((rng.random((30, 4)) > 0.4).astype("f4"))
    expected = np.mean(((mapped - values) ** 2)[seen > 0].numpy())
    assert float(squared_error(mapped, values, seen)) == pytest.approx(expected, rel=1e-5)
    r = []
    for j in range(4):
        rows = (seen[:, j] > 0).numpy()
        r.append(np.corrcoef(mapped[rows, j], values[rows, j])[0, 1])
    assert float(pearson_loss(mapped, values, seen)) == pytest.approx(1 - np.mean(r), abs=1e-5)
    noise = values + 100 * (1 - seen)
    assert torch.allclose(pearson_loss(mapped, values, seen), pearson_loss(mapped, noise, seen))


def test_location_draws_near_spots_together_and_keeps_far_ones_apart() -> None:
    anchor = torch.zeros(1, 3, requires_grad=True)
    near, far = torch.full((1, 3), 0.5), torch.full((1, 3), 0.2)
    one = location_loss(anchor, near, far, torch.tensor([1.0]), 2.0)
    assert float(one.detach()) == pytest.approx(0.25 * np.exp(-0.5) + 0.8**2, abs=1e-6)
    one.backward()
    # downhill is away from the far spot, which is nearer than the margin
    assert anchor.grad is not None
    assert (anchor.grad > 0).all()
    with torch.no_grad():
        beyond = location_loss(anchor, anchor, torch.full((1, 3), 3.0), torch.tensor([1.0]), 2.0)
        wide = location_loss(anchor, near, near * 9, torch.tensor([9.0]), 2.0)
        close = location_loss(anchor, near, near * 9, torch.tensor([0.0]), 2.0)
    assert float(beyond) == 0
    assert float(wide) < float(close)


def test_cosines_are_over_visible_entries() -> None:
    spots = torch.tensor([[1.0, 0.0, 2.0]])
    seen = torch.tensor([[1.0, 0.0, 1.0]])
    cells = torch.tensor([[1.0, 50.0, 2.0], [2.0, 0.0, -1.0]])
    assert torch.allclose(cosines(spots, seen, cells), torch.tensor([[1.0, 0.0]]), atol=1e-6)


def test_a_spot_without_visible_entries_leaves_the_slope_finite() -> None:
    cells = torch.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True)
    cosines(torch.zeros(1, 2), torch.zeros(1, 2), cells).sum().backward()
    assert cells.grad is not None
    assert torch.isfinite(cells.grad).all()


def test_scale_of_distances_is_the_median_to_the_nearest_spot(make_visible) -> None:
    visible = make_visible(cells=80, sections=2)
    places = Places.of(visible)
    least = []
    for i in range(80):
        same = (visible.section == visible.section[i]) & (np.arange(80) != i)
        least.append(np.linalg.norm(visible.coords[same] - visible.coords[i], axis=1).min())
    assert places.sigma == pytest.approx(np.median(least))
    assert (visible.section[places.near] == visible.section[:, None]).all()
    assert Places.of(visible, 3.0).sigma == 3.0
    far = places.far(np.arange(80), visible, np.random.default_rng(0))
    assert (far != np.arange(80)).mean() > 0.9


def test_training_puts_right_what_the_reference_has_wrong(make_visible, make_pair) -> None:
    visible = make_pair(cells=400, lacking=3)
    # the first genes of the reference are another's: only what is learned can tell
    order = np.r_[np.roll(np.arange(7), 1), np.arange(7, 21)]
    visible = replace(visible, reference_raw=visible.reference_raw[:, order])
    truth = visible.standardised(visible.scaled(make_visible(cells=400, share=0.0).raw))
    hidden = ~visible.seen

    def found(one: Integration, columns: slice) -> float:
        x = one.fused(*tables(visible), 10).numpy()
        part = hidden[:, columns]
        return float(np.corrcoef(x[:, columns][part], truth[:, columns][part])[0, 1])

    before, after = fitted(visible, 0), fitted(visible, 100)
    assert found(after, slice(0, 7)) > found(before, slice(0, 7)) + 0.15
    assert found(after, slice(21, None)) > 0.2, "genes that the reference lacks are mapped to"


def test_fusion_is_the_weighted_mean_of_the_most_similar(make_pair) -> None:
    visible = make_pair(cells=60)
    one = fitted(visible, 5)
    x, seen = tables(visible)
    with torch.no_grad():
        similar = cosines(x, seen, one.mapped)[7].numpy()
        found = one.fused(x, seen, 4)[7].numpy()
    top = np.argsort(-similar)[:4]
    assert np.allclose(
        found, similar[top] @ one.mapped.numpy()[top] / similar[top].sum(), atol=1e-4
    )


@pytest.mark.parametrize("name", ["mse", "location", "pearson"])
def test_each_loss_can_be_switched_off(make_pair, name: str) -> None:
    one = fitted(make_pair(cells=60), 4, **{f"{name}_weight": 0.0})
    assert set(one.losses) == {"mse", "location", "pearson"} - {name}


def test_hidden_values_change_nothing_and_the_seed_everything(make_pair) -> None:
    visible = make_pair(cells=80)
    noise = np.random.default_rng(5).poisson(50, visible.raw.shape).astype(np.float32)
    other = replace(visible, raw=np.where(visible.seen, visible.raw, noise))
    one = fitted(visible, 4).mapped
    assert torch.equal(one, fitted(other, 4).mapped)
    assert not torch.equal(one, fitted(visible, 4, seed=1).mapped)


def test_restored_it_is_the_same(make_pair) -> None:
    visible = make_pair(cells=60)
    one = fitted(visible, 4)
    again = Integration().restore(visible, EntrySettings(), CPU, one.weights(), one.facts())
    assert torch.equal(one.mapped, again.mapped)
    assert again.facts() == one.facts()
