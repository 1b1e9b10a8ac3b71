"""Expected errors by depth: measured by leaving out, and growing away from what was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor
from napari_stdiff.data.normalise import Normaliser
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks import depth_error
from napari_stdiff.tasks.depth_error import DepthError, left_out, of_gene, of_labels
from napari_stdiff.tasks.interpolate import interpolate

DEPTHS = {"a": 0.0, "b": 10.0, "c": 20.0, "d": 40.0}


@pytest.fixture(autouse=True)
def fresh() -> None:
    depth_error._seen.forget()


def test_errors_grow_from_measured_sections() -> None:
    error = DepthError(DEPTHS, {"b": (10.0, 0.8), "c": (10.0, 0.6)}, 0.4, 1.0)
    np.testing.assert_array_equal(error.at(np.array(list(DEPTHS.values()))), 0.0)
    # an end of the stack cannot be left out: its neighbour speaks for the gap
    np.testing.assert_allclose(error.at(5.0), 0.4 + 0.04 * 5, rtol=1e-5)
    np.testing.assert_allclose(error.at(30.0), 0.4 + 0.02 * 10, rtol=1e-5)
    np.testing.assert_allclose(error.at(15.0), 0.4 + 0.03 * 5, rtol=1e-5)
    assert error.at(11.0) < error.at(15.0)


def test_errors_never_fall_away_from_measured_sections() -> None:
    error = DepthError(DEPTHS, {"b": (10.0, 0.3), "c": (10.0, 0.3)}, 0.4, 1.0)
    np.testing.assert_allclose(error.at(np.array([1.0, 5.0, 15.0])), 0.4)


def test_without_an_inner_section_nothing_is_known() -> None:
    error = DepthError({"a": 0.0, "b": 10.0}, {}, 0.4, 1.0)
    assert not error.known
    assert np.isnan(error.at(5.0)).all()


def test_errors_are_those_of_hidden_sections(tissue: Tissue) -> None:
    found = list(left_out(tissue, Monitor()))
    assert [f.section for f in found] == ["", "s1", "s2", "s3"]
    assert [f.away for f in found] == [0.0, 10.0, 10.0, 10.0]
    hidden = interpolate(tissue, hide="s2", effort="quick", draws=0)
    gene = int(np.flatnonzero(tissue.genes == "gene5")[0])
    visible, own = tissue.split("s2")
    truth = Normaliser.fit(visible)(own)[:, gene]
    wanted = np.sqrt(np.mean((hidden.prediction.mean[:, gene] - truth) ** 2))
    error = of_gene(tissue, "gene5", found, 1.2)
    np.testing.assert_allclose(error.inner["s2"][1], wanted, rtol=1e-5)
    assert error.worst == 1.2
    assert error.known


def test_what_was_done_before_a_cancel_is_not_done_again(
    tissue: Tissue, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = depth_error._errors
    calls: list[int] = []

    def counted(*args: object) -> np.ndarray:
        calls.append(1)
        return errors(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(depth_error, "_errors", counted)
    monitor = Monitor()
    rest = left_out(tissue, monitor)
    assert [next(rest).section, next(rest).section] == ["", "s1"]
    monitor.cancel()
    with pytest.raises(Cancelled):
        next(rest)
    assert len(calls) == 2
    assert len(list(left_out(tissue, Monitor()))) == 4
    assert len(calls) == 4


def test_labels_that_follow_position_are_mostly_right(
    make_tissue: Callable[..., Tissue],
) -> None:
    tissue = make_tissue(sections=3, n=400)
    left = np.where(tissue.coords[:, 1] < 50, "left", "right").astype(object)
    error = of_labels(tissue, left)
    assert error.worst == 1.0
    assert error.at(5.0) < 0.1
    random = np.random.default_rng(0).permutation(left)
    assert 0.4 < of_labels(tissue, random).at(5.0) < 0.6
    some = np.where(np.arange(len(left)) % 2 == 0, "", left).astype(object)
    assert of_labels(tissue, some).at(5.0) < 0.15  # cells without a label are not asked about
