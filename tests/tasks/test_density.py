"""New cells of a section are where its cells are, as dense and of the same types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.scoring.section import density_pcc
from napari_stdiff.tasks.density import Measured


@pytest.fixture(scope="module")
def ring() -> Measured:
    """A ring of 2,000 cells, denser on the right, with a hole, type 1 in a thin inner layer."""
    rng = np.random.default_rng(3)
    radius = np.sqrt(rng.uniform(0.3**2, 1, 6000))
    angle = rng.uniform(0, 2 * np.pi, 6000)
    yx = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    yx = yx[rng.random(6000) < np.where(yx[:, 1] > 0, 0.5, 0.15)]
    spread = cKDTree(yx).query(yx, k=2)[0][:, 1]
    yx = yx[spread > 0.004]
    inner = np.linalg.norm(yx, axis=1) < 0.36
    return Measured("s", 7.0, yx, inner.astype(int), ("outer", "inner"))


def coords(yx: np.ndarray) -> np.ndarray:
    return np.column_stack([np.zeros(len(yx)), yx])


def test_new_cells_follow_density_outline_and_types(ring: Measured) -> None:
    yx, code, notes = ring.anew(len(ring.yx), np.random.default_rng(0))
    assert len(yx) == len(ring.yx)
    assert notes == []
    assert (density_pcc(coords(ring.yx), coords(yx)) or 0) > 0.9
    radius = np.linalg.norm(yx, axis=1)
    assert radius.max() < 1.03
    assert radius.min() > 0.27
    assert code.mean() == pytest.approx(ring.code.mean(), abs=1e-9)
    assert radius[code == 1].mean() == pytest.approx(
        np.linalg.norm(ring.yx, axis=1)[ring.code == 1].mean(), abs=0.01
    )
    assert np.quantile(radius[code == 1], 0.95) < 0.42


def test_new_cells_keep_their_distance(ring: Measured) -> None:
    yx, _, _ = ring.anew(len(ring.yx), np.random.default_rng(0))
    new, old = (cKDTree(x).query(x, k=2)[0][:, 1] for x in (yx, ring.yx))
    assert np.quantile(new, 0.05) > 0.85 * np.quantile(old, 0.05)
    assert cKDTree(ring.yx).query(yx)[0].min() > 0  # none is a copy


def test_denser_avoids_the_measured_cells(ring: Measured) -> None:
    yx, code, _ = ring.between(3.0, np.random.default_rng(0))
    assert len(yx) == len(code) == 2 * len(ring.yx)
    gap = cKDTree(ring.yx).query(yx)[0]
    free, _, _ = ring.anew(2 * len(ring.yx), np.random.default_rng(0))
    assert np.quantile(gap, 0.02) > 1.5 * np.quantile(cKDTree(ring.yx).query(free)[0], 0.02)
    assert (density_pcc(coords(ring.yx), coords(yx)) or 0) > 0.9


def test_few_cells_are_spread_over_the_section(ring: Measured) -> None:
    yx, code, _ = ring.anew(60, np.random.default_rng(0))
    assert len(yx) == 60
    assert np.ptp(yx, axis=0).min() > 1.4
    assert set(code) == {0, 1}


def test_the_seed_decides(ring: Measured) -> None:
    one, same, other = (ring.anew(50, np.random.default_rng(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_types_come_from_the_cells_around(ring: Measured) -> None:
    rng = np.random.default_rng(0)
    assert (ring.types_at(np.array([[0.0, 0.95]] * 50), rng) == 0).all()
    assert (ring.types_at(np.array([[0.0, 0.31]] * 50), rng) == 1).mean() > 0.6
    mixed = ring.types_at(np.array([[0.0, 0.36]] * 400), rng).mean()
    assert 0.2 < mixed < 0.8
    far = ring.types_at(np.array([[1e6, 0.0]]), rng)
    assert far[0] in (0, 1)


def test_unknown_types_are_never_drawn(ring: Measured) -> None:
    some = replace(ring, code=np.where(np.arange(len(ring.code)) % 2, ring.code, -1))
    assert (some.types_at(some.yx, np.random.default_rng(0)) >= 0).all()
    none = replace(ring, code=np.full(len(ring.code), -1))
    assert (none.types_at(none.yx, np.random.default_rng(0)) == -1).all()


def test_spots_on_a_grid_stay_on_it() -> None:
    i, j = np.meshgrid(np.arange(12.0), np.arange(12.0), indexing="ij")
    spots = Measured("s", 0.0, np.column_stack([i.ravel(), j.ravel()]), np.full(144, -1), ())
    for yx, _, notes in (
        spots.between(2.0, np.random.default_rng(0)),
        spots.anew(0, np.random.default_rng(0)),
    ):
        np.testing.assert_allclose(np.mod(yx, 1), 0.5)
        assert len(yx) == 121
        assert "grid" in notes[0]
    assert len(spots.anew(300, np.random.default_rng(0))[0]) == 300


@pytest.mark.parametrize("where", ["line", "point", "pairs"])
def test_odd_sections_still_answer(where: str) -> None:
    rng = np.random.default_rng(0)
    yx = {
        "line": np.column_stack([rng.uniform(size=40), np.zeros(40)]),
        "point": np.zeros((40, 2)),
        "pairs": np.repeat(rng.uniform(size=(20, 2)), 2, axis=0),
    }[where]
    section = Measured("s", 0.0, yx, np.zeros(40, dtype=int), ("a",))
    for new, code, _ in (section.anew(30, rng), section.between(2.0, rng)):
        assert np.isfinite(new).all()
        assert len(new) == len(code) > 0


def test_too_few_cells_are_refused(make_tissue: Callable[..., Tissue]) -> None:
    with pytest.raises(StdiffError, match="only 6 cells"):
        Measured.of(make_tissue(sections=2, n=6), "s1")
