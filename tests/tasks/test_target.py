"""Beyond the stack: what is allowed, where cells go, and how far they are trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.prediction import Query
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.registry import interpolation_methods
from napari_stdiff.tasks import fitted as fitted_module
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.tasks.fitted import forget
from napari_stdiff.tasks.interpolate import interpolate
from napari_stdiff.tasks.placement import parents, place
from napari_stdiff.tasks.target import target_of

KNN = InterpolateConfig(method="typed-knn", draws=1, neighbours=15)
BEYOND = KNN.but(extrapolate=True)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fitted_module, "cache_folder", lambda: tmp_path / "models")
    forget()


@pytest.mark.parametrize("settings", [{"at": 55.0}, {"at": -3.0}, {"hide": "s0"}, {"hide": "s4"}])
def test_the_refusal_names_the_option(tissue: Tissue, settings: dict[str, object]) -> None:
    with pytest.raises(StdiffError, match="extrapolate"):
        interpolate(tissue, config=KNN, **settings)  # type: ignore[arg-type]
    section = interpolate(tissue, config=BEYOND, **settings)  # type: ignore[arg-type]
    assert section.record.target["extrapolated"] is True
    assert "Extrapolated" in " ".join(section.record.notes)


@pytest.mark.parametrize("z", [-31.0, 71.0])
def test_too_far_is_refused_with_the_bounds(tissue: Tissue, z: float) -> None:
    with pytest.raises(StdiffError, match="beyond 3 spacings; choose a depth between -30 and 70"):
        interpolate(tissue, config=BEYOND, at=z)
    nearest = -30.0 if z < 0 else 70.0
    assert interpolate(tissue, config=BEYOND, at=nearest).z == nearest


def test_lambda_goes_on_beyond_the_ends(tissue: Tissue) -> None:
    assert parents(tissue, -5.0, True) == ("s0", "s1", -0.5)
    assert parents(tissue, 55.0, True) == ("s3", "s4", 2.5)
    assert parents(tissue, 12.5, True) == parents(tissue, 12.5)


def test_confidence_is_one_inside_and_falls_outside(tissue: Tissue) -> None:
    inside = interpolate(tissue, config=BEYOND, at=15.0)
    assert (inside.confidence == 1).all()
    assert (inside.distance > 0).all()
    levels = []
    for z in (41.0, 50.0, 65.0):
        section = interpolate(tissue, config=BEYOND, at=z)
        np.testing.assert_allclose(section.confidence, np.exp(-section.distance / 10))
        np.testing.assert_allclose(section.distance, z - 40)  # copies of the last section
        levels.append(section.confidence.mean())
    assert 1 > levels[0] > levels[1] > levels[2] > 0


def test_a_cell_far_from_any_other_is_trusted_less(tissue: Tissue) -> None:
    target = target_of(tissue, BEYOND.but(at=45.0))
    _, confidence = target.trust(Query(np.array([[45.0, 50, 50], [45.0, 500, 500]])))
    assert confidence[0] > 0.4
    assert confidence[1] < 1e-6


@pytest.mark.parametrize("cells", ["auto", "nearest", "transport", "grid"])
def test_cells_beyond_come_from_the_last_section(tissue: Tissue, cells: str) -> None:
    query = place(tissue, 55.0, BEYOND.but(cells=cells))
    last = tissue.split("s4")[1]
    assert (query.coords[:, 0] == 55).all()
    assert query.n_cells == pytest.approx(last.n_cells, rel=0.2)
    if cells in ("auto", "nearest"):
        np.testing.assert_array_equal(query.coords[:, 1:], last.coords[:, 1:])
        assert (query.cell_type == last.cell_type).all()


def test_transport_goes_on_moving_beyond(tissue: Tissue) -> None:
    rows = np.flatnonzero(tissue.section == "s0")
    coords = tissue.coords[np.tile(rows, 2)].copy()
    coords[len(rows) :] += [10, 0, 4]
    two = tissue.rows(np.tile(rows, 2))
    two = type(two)(
        **{
            **two.__dict__,
            "coords": coords,
            "section": np.repeat(["a", "b"], len(rows)).astype(object),
            "cell_type": None,
        }
    )
    query = place(two, 15.0, BEYOND.but(cells="transport"))
    shift = query.coords[:, 2].mean() - coords[len(rows) :, 2].mean()
    assert shift == pytest.approx(2)


@pytest.mark.parametrize("method", interpolation_methods())
def test_every_method_works_at_the_ends(tissue: Tissue, method: str) -> None:
    config = BEYOND.but(method=method, epochs=1, width=16, depth=1, sampler_steps=2, device="cpu")
    for settings in ({"hide": "s0"}, {"at": 55.0}):
        prediction = interpolate(tissue, config=config, **settings).prediction  # type: ignore[arg-type]
        assert np.isfinite(prediction.mean).all()
        assert prediction.draws is not None
        assert np.isfinite(prediction.draws).all()
