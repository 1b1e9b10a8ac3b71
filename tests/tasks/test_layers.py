"""Layers of one section, laid out like a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.results import load_result, save
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import fitted as fitted_module
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.fitted import forget
from napari_stdiff.tasks.interpolate import interpolate
from napari_stdiff.tasks.layers import laminar
from napari_stdiff.tasks.target import between_layers, target_of

KNN = InterpolateConfig(method="knn", draws=1, neighbours=15)
SAID = ReadConfig(layer_key="layer")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fitted_module, "cache_folder", lambda: tmp_path / "models")
    forget()


@pytest.fixture(scope="session")
def strips(make_tissue: Callable[..., Tissue]) -> Tissue:
    """One section of five layers along x, each 20 thick, 100 long; gene0 rises across them."""
    flat = make_tissue(sections=1, n=2500)
    rng = np.random.default_rng(3)
    x = flat.coords[:, 2]
    counts = flat.expression.toarray()
    counts[:, 0] = rng.poisson(0.2 * x)
    layer = np.array([f"L{int(v // 20) + 1}" for v in x], dtype=object)
    return replace(flat, expression=counts.astype(np.float32), layer=layer)


def bent(tissue: Tissue, turn: float = 1.0) -> Tissue:
    """Roll a flat section up: x becomes the distance from a centre, y the angle."""
    y, x = tissue.coords[:, 1], tissue.coords[:, 2]
    radius, angle = 80 + x, turn * (y / 100 - 0.5)
    coords = np.column_stack([tissue.coords[:, 0], radius * np.sin(angle), radius * np.cos(angle)])
    return replace(tissue, coords=coords)


@pytest.mark.parametrize("shape", [lambda t: t, bent])
@pytest.mark.parametrize("middle", [2, 3, 4])
def test_parents_are_the_layers_on_both_sides(
    strips: Tissue, shape: Callable[[Tissue], Tissue], middle: int
) -> None:
    found = laminar(shape(strips), f"L{middle}")
    assert (found.low, found.high) == (f"L{middle - 1}", f"L{middle + 1}")
    assert found.tissue.sections == [f"L{i}" for i in range(1, 6) if i != middle]
    assert found.thickness == pytest.approx(20, rel=0.25)


def test_lambda_is_the_share_of_the_distances(strips: Tissue) -> None:
    found = laminar(strips, "L3")
    x = found.hidden.coords[:, 2]
    share = found.hidden.coords[:, 0] / (2 * found.thickness)
    np.testing.assert_allclose(share, (x - 40) / 20, atol=0.2)
    assert ((share > 0) & (share < 1)).all()


@pytest.mark.parametrize("shape", [lambda t: t, bent])
def test_cells_are_matched_along_the_layer(
    strips: Tissue, shape: Callable[[Tissue], Tissue]
) -> None:
    """What is moved into the band stays at the same place along it, whatever the bend."""
    flat, curved = (laminar(t, "L3", match="depth") for t in (strips, shape(strips)))
    place = curved.tissue.coords[:, 1:]
    along = place[:, 0]
    radius = place[:, 1]
    if shape is bent:
        along = (np.arctan2(place[:, 0], place[:, 1]) + 0.5) * 100
        radius = np.hypot(*place.T) - 80
    np.testing.assert_allclose(along, flat.measured[:, 0], atol=12)
    inner = np.isin(curved.tissue.section, ["L2", "L4"])
    assert np.percentile(radius[inner], [2, 98]) == pytest.approx([40, 60], abs=4)


def test_an_outermost_layer_needs_to_be_allowed(strips: Tissue) -> None:
    with pytest.raises(StdiffError, match="extrapolate"):
        laminar(strips, "L1")
    found = laminar(strips, "L1", extrapolate=True, match="depth")
    assert (found.low, found.high) == ("L2", "")
    assert found.tissue.sections == ["L5", "L4", "L3", "L2"]
    assert found.thickness == pytest.approx(20, rel=0.25)
    assert found.tissue.coords[:, 2].mean() == pytest.approx(10, abs=6)
    section = interpolate(strips, config=KNN, hide="L1", extrapolate=True)
    assert section.record.target["extrapolated"] is True
    assert (section.confidence < 1).all()


def test_a_layer_is_predicted_where_it_is(strips: Tissue) -> None:
    section = interpolate(strips, config=KNN, hide="L3", tier="B")
    own = strips.layer == "L3"
    np.testing.assert_array_equal(section.query.coords, strips.coords[own])
    assert section.record.target["parents"] == ["L2", "L4"]
    assert section.record.target["between"] == "layers"
    assert section.distance is not None
    assert section.distance.max() < 12
    assert (section.confidence == 1).all()
    seen = section.prediction.mean[:, 0]
    assert np.corrcoef(seen, strips.coords[own][:, 2])[0, 1] > 0.3


def test_a_layer_whose_name_no_file_can_have_is_stored_and_read_back(
    strips: Tissue, tmp_path: Path
) -> None:
    named = replace(strips, layer=np.where(strips.layer == "L3", "Layer 2/3", strips.layer))
    section = interpolate(named, read=SAID, config=KNN.but(hide="Layer 2/3"))
    assert section.name == "virtual_Layer_2_3_knn"
    path = tmp_path / "out.zarr"
    assert save(section, path, named).table == section.name  # the name it had all along
    again = load_result(path, section.name)
    assert again.record.target["hidden"] == "Layer 2/3"
    np.testing.assert_allclose(again.query.coords, section.query.coords)


def test_tier_c_fills_the_band(strips: Tissue) -> None:
    section = interpolate(strips, config=KNN, hide="L3", tier="C", match="depth")
    assert section.record.scores["pcc"] is None
    assert section.record.scores["variance_ratio"] is not None
    low, high = np.percentile(section.query.coords[:, 2], [2, 98])
    assert (low, high) == pytest.approx((40, 60), abs=5)


def test_strips_that_look_like_sections_are_one_section(strips: Tissue) -> None:
    z = np.array([float(name[1]) for name in strips.layer])
    cut = replace(strips, section=strips.layer, coords=np.column_stack([z, strips.coords[:, 1:]]))
    assert between_layers(cut, KNN.but(hide="L3"), SAID)
    assert not between_layers(cut, KNN.but(hide="L3"), ReadConfig())
    target = target_of(cut, KNN.but(hide="L3"), SAID)
    assert target.laminar is not None
    assert "one section" in " ".join(target.notes)
    shown = interpolate(cut, read=SAID, config=KNN, hide="L3").query.coords
    assert (shown[:, 0] == 3).all()


def test_the_section_with_most_of_the_layer_is_taken(strips: Tissue) -> None:
    few = np.random.default_rng(0).random(strips.n_cells) < 0.5
    rows = np.concatenate([np.flatnonzero(few), np.arange(strips.n_cells)])
    section = np.repeat(["a", "b"], [few.sum(), strips.n_cells]).astype(object)
    coords = strips.coords[rows].copy()
    coords[:, 0] = np.where(section == "a", 0.0, 10.0)
    both = replace(
        strips.rows(rows),
        section=section,
        coords=coords,
        names=np.array([f"c{i}" for i in range(len(rows))]),
    )
    assert laminar(both, "L3").section == "b"
    assert laminar(both, "L3", section="a").section == "a"
    with pytest.raises(StdiffError, match="no section 'c'"):
        laminar(both, "L3", section="c")


def test_parents_can_be_said(strips: Tissue) -> None:
    found = laminar(strips, "L3", parents="L1, L5")
    assert (found.low, found.high) == ("L1", "L5")
    with pytest.raises(StdiffError, match="not two layers"):
        laminar(strips, "L3", parents="L3,L4")


@settings(max_examples=12)
@given(st.floats(0, 360), st.floats(0.2, 50))
def test_turning_and_scaling_changes_nothing(turn: float, scale: float) -> None:
    strips = _STRIPS[0]
    a = np.deg2rad(turn)
    spin = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    coords = strips.coords.copy()
    coords[:, 1:] = scale * coords[:, 1:] @ spin.T
    turned = replace(strips, coords=coords)
    before, after = (laminar(t, "L4", match="depth") for t in (strips, turned))
    assert (after.low, after.high) == (before.low, before.high)
    np.testing.assert_allclose(
        after.tissue.coords[:, 1:],
        scale * before.tissue.coords[:, 1:] @ spin.T,
        atol=1e-6 * scale * 100,
    )


_STRIPS: list[Tissue] = []


@pytest.fixture(scope="session", autouse=True)
def _keep(strips: Tissue) -> None:
    _STRIPS.append(strips)


@pytest.mark.parametrize(
    ("changes", "asked", "message"),
    [
        ({}, {"hide": "L9"}, "no layer of that name"),
        ({"layer": None}, {"hide": "L3", "between": "layers"}, "no layers"),
        ({}, {"between": "layers"}, "name the layer"),
        ({}, {"hide": "L9", "between": "layers"}, "no layer 'L9'"),
    ],
)
def test_bad_requests_get_one_sentence(
    strips: Tissue, changes: dict[str, object], asked: dict[str, object], message: str
) -> None:
    with pytest.raises(StdiffError, match=message) as caught:
        interpolate(replace(strips, **changes), config=KNN, **asked)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_two_layers_beside_the_hidden_one_are_needed(strips: Tissue) -> None:
    two = strips.rows(np.isin(strips.layer.astype(str), ["L1", "L2"]))
    with pytest.raises(StdiffError, match="two beside"):
        laminar(two, "L1")


def test_parents_without_a_layer_are_refused(tissue: Tissue) -> None:
    with pytest.raises(StdiffError, match="hidden layer"):
        interpolate(tissue, config=KNN, hide="s2", parents="a,b")


@pytest.mark.parametrize(
    ("file", "key", "hide", "low", "high"),
    [
        ("starmap_layers.h5ad", "slice", "2", "1", "3"),
        ("starmap_visp.h5ad", "layer", "L2/3", "L1", "L4"),
        ("osmfish.h5ad", "layer", "Layer 6", "Layer 5", "White matter"),
        ("heart.h5ad", "region", "left ventricle", "left atria", "right ventricle"),
    ],
)
def test_real_layers_find_their_parents(
    real_data: Callable[[str], Path], file: str, key: str, hide: str, low: str, high: str
) -> None:
    config = ReadConfig(layer_key=key)
    target = target_of(read(real_data(file), config), KNN.but(hide=hide), config)
    assert target.laminar is not None
    assert (target.laminar.low, target.laminar.high) == (low, high)
