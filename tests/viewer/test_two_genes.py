"""Two genes in two colours."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.viewer.two_genes import SCHEMES, Scheme, blend, colormap_of

UNIT = ((0.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_each_gene_has_its_colour_and_both_are_white(scheme: Scheme) -> None:
    colours = blend(np.array([1.0, 0, 1, 0]), np.array([0.0, 1, 1, 0]), UNIT, scheme)
    for got, wanted in zip(colours[:2, :3], scheme.rgb, strict=True):
        assert np.abs(got - wanted).max() < 0.07
    np.testing.assert_allclose(colours[2], 1.0, atol=1e-6)
    assert colours[3, :3].max() < 0.1


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
@pytest.mark.parametrize(
    "seen",  # linear RGB of Vienot, Brettel and Mollon (1999): protanopes, deuteranopes
    [
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ],
    ids=["protanopia", "deuteranopia"],
)
def test_colour_blind_readers_tell_the_two_apart(scheme: Scheme, seen: list[list[float]]) -> None:
    first, second = (np.asarray(seen) @ np.asarray(c) ** 2.2 for c in scheme.rgb)
    assert np.linalg.norm(first - second) > 0.5


def test_each_gene_is_on_its_own_scale() -> None:
    limits = ((0.0, 10.0), (2.0, 4.0))
    a = blend(np.array([5.0]), np.array([3.0]), limits, SCHEMES[0])
    b = blend(np.array([0.5]), np.array([0.5]), UNIT, SCHEMES[0])
    np.testing.assert_allclose(a, b, atol=1e-6)
    beyond = blend(np.array([99.0]), np.array([-9.0]), limits, SCHEMES[0])
    np.testing.assert_allclose(beyond, blend(np.ones(1), np.zeros(1), UNIT, SCHEMES[0]))


def test_a_cell_without_a_value_is_grey() -> None:
    colours = blend(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), UNIT, SCHEMES[0])
    np.testing.assert_allclose(colours[:, :3], colours[0, 0])
    assert 0.4 < colours[0, 0] < 0.7


def test_a_map_gives_each_number_its_colour() -> None:
    colours = tuple((i / 9, 0.0, 1 - i / 9, 1.0) for i in range(10))
    got = colormap_of(colours).map(np.arange(10) / 9)
    np.testing.assert_allclose(got, colours, atol=1e-6)
    assert colormap_of(colours).map(np.array([np.nan]))[0, 3] == 0
