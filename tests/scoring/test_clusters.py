"""Clusters of cells against annotated types."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stdiff.scoring.clusters import annotated, cluster_scores


def groups(apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 60)
    centres = rng.normal(0, apart, (3, 20))
    return np.repeat(centres, 60, axis=0) + rng.normal(0, 1, (180, 20)), labels


def test_types_that_stand_apart_are_found_and_noise_is_not() -> None:
    clear = cluster_scores(*groups(5.0))
    assert clear == pytest.approx({"ari": 1, "ami": 1, "nmi": 1})
    noise = cluster_scores(*groups(0.0))
    assert abs(noise["ari"]) < 0.1
    assert abs(noise["ami"]) < 0.1


def test_cells_without_a_type_take_no_part() -> None:
    x, labels = groups(5.0)
    more = np.concatenate([labels, ["nan", "Unknown", ""]])
    assert annotated(more).sum() == 180
    assert cluster_scores(np.vstack([x, np.zeros((3, 20))]), more)["ari"] == pytest.approx(1)


def test_scale_and_order_of_genes_and_constant_ones_do_not_matter() -> None:
    x, labels = groups(1.0)
    other = np.hstack([x[:, ::-1] * 7 + 3, np.ones((len(x), 1))])
    assert cluster_scores(other, labels) == pytest.approx(cluster_scores(x, labels), abs=0.05)


def test_without_two_types_there_is_no_score() -> None:
    x, labels = groups(1.0)
    assert cluster_scores(x[:60], labels[:60]) is None
    assert cluster_scores(np.ones_like(x), labels) is None
