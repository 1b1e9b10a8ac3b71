"""Held-out cells of measured sections: hidden from everything, generated, scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.evaluation.generate import evaluate_generate, hidden_rows
from napari_stdiff.evaluation.hidden_cells import type_difference
from napari_stdiff.evaluation.report import format_report
from napari_stdiff.methods.base import Method
from napari_stdiff.methods.registry import interpolation_methods, method_class
from napari_stdiff.scoring.section import SCORES
from napari_stdiff.tasks.config import GenerateConfig

QUICK = GenerateConfig(
    epochs=1, width=16, depth=1, sampler_steps=2, device="cpu", neighbours=8, noise_level=0.5
)
ALL = {*SCORES, "moran_error", "enrichment", "type_difference"}


def test_returns_what_the_file_holds(tissue: Tissue) -> None:
    names = ["knn", "typed-knn"]
    result = evaluate_generate(tissue, methods=names, config=QUICK)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result) == ["task", "dataset", "protocol", "methods", "reference"]
    protocol = result["protocol"]
    assert protocol["tier"] == "A"
    assert protocol["sections"] == tissue.sections
    assert protocol["hidden_cells"] + protocol["visible_cells"] == tissue.n_cells
    assert protocol["hidden_cells"] == pytest.approx(0.2 * tissue.n_cells, abs=3)
    knn, typed = (result["methods"][name] for name in names)
    assert set(knn) >= ALL
    for score in ("pcc", "nmse", "crps", "energy_distance", "enrichment", "moran_error"):
        assert typed[score] is not None
    assert typed["pcc"] > knn["pcc"] + 0.1
    assert typed["enrichment"] > knn["enrichment"]
    text = format_report(result)
    assert "cells hidden in 5 sections" in text
    assert "enrich." in text
    assert "(measured cells)" in text


def noisy(tissue: Tissue, rows: np.ndarray) -> Tissue:
    x = tissue.expression.toarray()
    x[rows] = np.random.default_rng(9).poisson(3, (rows.sum(), x.shape[1]))
    return replace(tissue, expression=sparse.csr_matrix(x))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple[Any, Prediction]]]:
    """Return a function that keeps every query and prediction of a method."""

    def watch(name: str) -> list[tuple[Any, Prediction]]:
        seen: list[tuple[Any, Prediction]] = []
        cls: type[Method] = method_class(name)
        sample = cls.sample

        def kept(self: Method, query: Any, *rest: Any) -> Prediction:
            seen.append((query, sample(self, query, *rest)))
            return seen[-1][1]

        monkeypatch.setattr(cls, "sample", kept)
        return seen

    return watch


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("name", [m for m in interpolation_methods() if "paper" not in m])
def test_nothing_hidden_leaks(name: str, tissue: Tissue, answers: Any) -> None:
    """The hidden cells' expression replaced by noise changes no output, to the bit."""
    seen = answers(name)
    hide = hidden_rows(tissue, 0.2, "section_2", 0)
    scores = []
    for data in (tissue, noisy(tissue, hide)):
        result = evaluate_generate(
            data,
            section="section_2",
            methods=[name],
            config=QUICK,
            n_draws=2,
            enrichment=False,
        )
        scores.append(result["methods"][name]["pcc"])
    (_, first), (_, second) = seen
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.draws, second.draws)
    assert scores[0] != scores[1]


def test_the_tier_says_what_is_given(tissue: Tissue, answers: Any) -> None:
    seen = answers("knn")
    hidden = tissue.rows(hidden_rows(tissue, 0.2, "all", 0))
    quick: dict[str, Any] = {"methods": ["knn"], "config": QUICK, "n_draws": 0}
    for tier in ("A", "B", "C"):
        evaluate_generate(tissue, tier=tier, enrichment=False, **quick)  # type: ignore[arg-type]
    (a, _), (b, _), (c, _) = seen
    np.testing.assert_array_equal(a.coords, hidden.coords)
    assert (a.cell_type == hidden.cell_type).all()
    np.testing.assert_array_equal(b.coords, hidden.coords)
    assert b.cell_type is None
    assert len(c.coords) == hidden.n_cells
    assert not np.isin(c.coords[:, 1], hidden.coords[:, 1]).any()


def test_from_nothing_uses_nothing_of_the_hidden_cells(tissue: Tissue, answers: Any) -> None:
    seen = answers("typed-knn")
    hide = hidden_rows(tissue, 0.3, "all", 0)
    coords, kind = tissue.coords.copy(), tissue.cell_type.copy()
    coords[hide, 1:] += 40
    kind[hide] = np.random.default_rng(0).permutation(kind[hide])
    for data in (tissue, replace(tissue, coords=coords, cell_type=kind)):
        evaluate_generate(
            data,
            hold_out=0.3,
            methods=["typed-knn"],
            tier="C",
            config=QUICK,
            n_draws=2,
            enrichment=False,
        )
    (one, first), (two, second) = seen
    np.testing.assert_array_equal(one.coords, two.coords)
    assert (one.cell_type == two.cell_type).all()
    np.testing.assert_array_equal(first.draws, second.draws)


def test_from_nothing_is_scored_as_a_cloud(tissue: Tissue) -> None:
    result = evaluate_generate(tissue, methods=["typed-knn"], tier="C", hold_out=0.4, config=QUICK)
    scores = result["methods"]["typed-knn"]
    for name in ("pcc_binned", "density_pcc", "variance_ratio", "energy_distance", "enrichment"):
        assert scores[name] is not None
    assert scores["density_pcc"] > 0.3
    reference = result["reference"]  # real cells in their place: what can be had
    for name in ("density_pcc", "enrichment"):
        assert scores[name] == pytest.approx(reference[name], abs=0.3)
    assert reference["type_difference"] < 0.25
    assert 0 <= scores["type_difference"] < 0.25
    for name in ("pcc", "spearman", "nmse", "crps"):
        assert scores[name] is None


def test_one_section_without_types(tissue: Tissue) -> None:
    one = replace(tissue.split("section_3")[1], cell_type=None)
    result = evaluate_generate(one, methods=["knn"], n_draws=1, config=QUICK, enrichment=False)
    assert result["protocol"]["tier"] == "B"
    assert "hidden in section 'section_3'" in format_report(result)
    for tier in ("B", "C"):
        result = evaluate_generate(one, methods=["knn"], tier=tier, n_draws=1, enrichment=False)
        assert result["methods"]["knn"]["variance_ratio"] is not None
        assert result["methods"]["knn"]["type_difference"] is None


def test_one_kind_of_cell_has_no_neighbourhoods_to_compare(tissue: Tissue) -> None:
    alike = replace(tissue, cell_type=np.full(tissue.n_cells, "neuron", dtype=object))
    result = evaluate_generate(alike, methods=["typed-knn"], config=QUICK)
    assert result["methods"]["typed-knn"]["enrichment"] is None
    assert result["methods"]["typed-knn"]["pcc"] is not None


def test_what_cannot_be_done_is_refused(tissue: Tissue) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({"section": "nowhere"}, "no section 'nowhere'"),
        ({"methods": ["magic"]}, "no method 'magic'"),
        ({"hold_out": 1.0}, "between 0 and 1"),
        ({"tier": "D"}, "no tier 'D'"),
        ({"hold_out": 0.0001}, "hold out more"),
    ]
    for settings, message in bad:
        with pytest.raises(StdiffError, match=message):
            evaluate_generate(tissue, **{"methods": ["knn"], **settings})
    with pytest.raises(StdiffError, match="Tier A needs cell types"):
        evaluate_generate(replace(tissue, cell_type=None), methods=["knn"], tier="A")


def test_the_seed_chooses_the_cells(tissue: Tissue) -> None:
    masks = [hidden_rows(tissue, 0.2, "all", seed) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_composition_of_types() -> None:
    a, b = np.array(["x", "y"], object), np.array(["x", "x", None], object)
    assert type_difference(a, b) == 0.5
    assert type_difference(a, np.array(["z"], object)) == 1.0
    assert type_difference(a, None) is None


def test_progress_goes_from_start_to_end(tissue: Tissue) -> None:
    seen: list[float] = []
    evaluate_generate(
        tissue,
        methods=["knn", "typed-donor"],
        n_draws=0,
        enrichment=False,
        config=QUICK,
        monitor=Monitor(lambda p: seen.append(p.fraction), interval=0),
    )
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


def test_neighbours_on_real_tissue(real_data: Callable[[str], Path]) -> None:
    result = evaluate_generate(
        real_data("merfish_hypothalamus.h5ad"),
        section="bregma_-0.14",
        methods=["typed-donor"],
        enrichment=False,
    )
    scores = result["methods"]["typed-donor"]
    assert scores["pcc"] == pytest.approx(0.431, abs=0.02)
    assert scores["variance_ratio"] == pytest.approx(1, abs=0.1)
    assert scores["moran_error"] < 0.06
