"""The benchmark of hidden sections: what is hidden, tests over genes, errors, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import napari_stdiff as st

runner = pytest.importorskip("stacks.runner", reason="the benchmarks are not here")

from stacks import bars, cases, significance, summary, tables, unit  # noqa: E402


def test_cases_are_inner_sections_at_every_distance(make_tissue) -> None:
    found = cases.cases_of("merfish", make_tissue(5, 10))
    assert [(c.hidden, c.distance) for c in found] == [
        ("s1", "±50 um"),
        ("s2", "±50 um"),
        ("s3", "±50 um"),
        ("s2", "±100 um"),
    ]


def test_farther_neighbours_means_nearer_sections_are_gone(make_tissue, monkeypatch) -> None:
    tissue = make_tissue(5, 20)
    monkeypatch.setattr(cases, "open_tissue", lambda *_: tissue)
    near = cases.load(cases.Case("merfish", "s2"), Path(), Path())
    far = cases.load(cases.Case("merfish", "s2", 1), Path(), Path())
    assert near.visible.sections == ["s0", "s1", "s3", "s4"]
    assert far.visible.sections == ["s0", "s4"]
    assert far.hidden.sections == ["s2"]


def test_holm_against_its_definition() -> None:
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert significance.holm([]) == []


def test_a_verdict_needs_a_difference_that_is_no_chance() -> None:
    rng = np.random.default_rng(0)
    ours = rng.normal(0.3, 0.1, 200)
    others = {
        "worse": ours - rng.normal(0.05, 0.02, 200),
        "same": ours + rng.normal(0.0005, 0.1, 200),
        "better": ours + rng.normal(0.05, 0.02, 200),
    }
    others["better"][:5] = np.nan
    found = {c.other: c for c in significance.compare(ours, others)}
    assert significance.verdict(found["worse"]) == "first"
    assert significance.verdict(found["better"]) == "below"
    assert found["better"].genes == 195
    assert found["same"].p > 0.05
    same = significance.compare(ours, {"copy": ours})[0]
    assert (same.p, significance.verdict(same)) == (1.0, "first")


def test_bootstrap_interval_holds_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 0.2, (4, 10)), rng.normal(1, 0.2, (16, 400))
    a = significance.bootstrap_interval(few, np.ones(10))
    b = significance.bootstrap_interval(many, np.ones(400))
    assert a is not None
    assert b is not None
    assert a[0] < few.mean() < a[1]
    assert b[0] < 1 < b[1]
    assert b[1] - b[0] < (a[1] - a[0]) / 3
    assert significance.bootstrap_interval(np.zeros((0, 0)), np.zeros(0)) is None


def test_small_sections_get_fewer_bins() -> None:
    assert unit.bins_for(5000) == 15
    assert unit.bins_for(260) == 3
    assert unit.bins_for(720) == 6


@pytest.fixture
def tissue(make_tissue, monkeypatch) -> st.Tissue:
    made = make_tissue(5, 60)
    monkeypatch.setattr(cases, "open_tissue", lambda *_: made)
    return made


def run_here(u, data, work, limit=0) -> str:
    """Stand in for the process of a unit."""
    if u[0] != "--unit":
        return "no such thing"
    said = unit.Unit.parse(u[1])
    if said.method == "linear":
        return "MemoryError"
    unit.run_unit(said, data, work)
    return ""


def test_from_units_to_the_report(tissue, tmp_path: Path, monkeypatch) -> None:
    case = cases.Case("merfish", "s2", 1)
    units = [unit.Unit(case, m, 0) for m in ("linear", "typed-knn", "typed-donor")]
    ran: list[str] = []

    def process(what, data, work, limit):
        ran.append(unit.Unit.parse(what[1]).method)
        return run_here(what, data, work)

    monkeypatch.setattr(runner, "_process", process)
    said: list[str] = []
    runner.run(units, Path(), tmp_path, said.append)
    assert ran == ["linear", "typed-knn", "typed-donor"]
    assert "error: MemoryError" in said[1]

    runner.run(units, Path(), tmp_path, said.append)
    assert len(ran) == 3  # what is there is not run again
    runner.run(units, Path(), tmp_path, said.append, again=True)
    assert ran[3:] == ["linear"]

    # the enrichment by squidpy is tested with the scores; it takes seconds to load
    monkeypatch.setattr(
        summary, "neighbourhood_enrichment", lambda codes, n, graph: np.eye(n) * len(codes)
    )
    (account,) = summary.gather(units, tmp_path)
    assert set(account.rows) == {"typed-knn", "typed-donor"}
    assert account.errors == {"linear, seed 0": "MemoryError"}
    scores = account.rows["typed-knn"].scores
    wanted = ("pcc", "pcc_binned", "nmse", "crps", "energy_distance", "moran_error")
    assert all(scores[k] is not None for k in wanted)
    assert np.nanmean(account.rows["typed-knn"].genes()) == pytest.approx(scores["pcc"])
    assert account.interval is not None
    energy = account.score("typed-donor", "energy_distance")
    assert account.interval[0] < energy < account.interval[1]
    report = tables.as_markdown([account])
    assert "MERFISH hypothalamus" in report
    assert "MemoryError" in report
    assert json.loads(json.dumps(tables.as_json([account])))["cases"][0]["hidden"] == "s2"


def account_with(ours: dict, other: dict, **changes) -> summary.Account:
    rows = {}
    for name, scores in {"stdiffusion": ours, "typed-knn": other}.items():
        genes = np.linspace(0, 0.2, 50) + scores["pcc"] + 1e-3 * np.sin(np.arange(50))
        rows[name] = summary.Row(
            name, scores, 10.0, 1.0, 10.0, False, [0], 12.0, [{"pcc_genes": genes}]
        )
    said = {"tier": "A", "cells": 100, "n_genes": 50, "errors": {}, **changes}
    account = summary.Account(rows=rows, **said)
    summary._tests(account)
    return account


def test_bars_say_by_how_much() -> None:
    good = {"pcc": 0.5, "pcc_binned": 0.7, "crps": 0.2, "energy_distance": 0.3}
    bad = {"pcc": 0.4, "pcc_binned": 0.6, "crps": 0.25, "energy_distance": 0.5}
    large = cases.Case("merfish", "s2")
    first, *_ = bars.bars([account_with(good, bad, case=large)])
    assert first.met
    assert "+0.0500" in "".join(first.lines)
    first, *_ = bars.bars([account_with(bad, good, case=large)])
    assert first.met is False
    assert "missed" in first.lines[0]
    small = cases.Case("heart", "s2")
    _, ahead, *_ = bars.bars([account_with(good, bad, case=small)])
    assert ahead.met
    _, behind, energy, quick = bars.bars([account_with(bad, good, case=small)])
    assert behind.met is False
    assert "below (best baseline typed-knn; mean difference -0.1000" in behind.lines[0]
    assert energy.met is None
    assert quick.met is None
    account = account_with(bad, good, case=small)
    account.interval = (0.35, 0.45)
    assert bars.bars([account])[2].met is False


def test_a_paper_that_was_scaled_counts_with_its_full_time() -> None:
    good = {"pcc": 0.5, "pcc_binned": 0.7, "crps": 0.2}
    account = account_with(good, good, case=cases.Case("heart", "s2"))
    for full, met in ((190.0, False), (210.0, True)):
        account.rows["stdiffusion-paper"] = summary.Row(
            "stdiffusion-paper", {"pcc": 0.45}, 60.0, 1.0, full, True, [0], 70.0
        )
        assert bars.bars([account])[3].met is met


def test_the_fastest_setting_that_scores_enough_is_timed() -> None:
    good = {"pcc": 0.5, "pcc_binned": 0.7, "crps": 0.2}
    account = account_with(good, good, case=cases.Case("heart", "s2"))

    def row(name: str, pcc: float, seconds: float) -> None:
        account.rows[name] = summary.Row(
            name, {"pcc": pcc}, seconds, 1.0, seconds, False, [0], seconds
        )

    row("stdiffusion-paper", 0.45, 100.0)
    for pcc, met in ((0.46, True), (0.44, False)):
        row("stdiffusion-quick", pcc, 2.0)
        found = bars.bars([account])[3]
        assert found.met is met
        assert ("stdiffusion-quick" in found.lines[0]) is met
    assert account.best == "typed-knn"
    assert "stdiffusion-quick" not in account.baselines()


def test_a_setting_that_stands_as_a_method_is_run_as_such(tissue, tmp_path: Path) -> None:
    one = unit.Unit(cases.Case("merfish", "s2"), "stdiffusion-quick", 0, draws=2)
    unit.run_unit(one, Path(), tmp_path)
    found = unit.done(one, tmp_path)
    assert found["facts"]["guess_share"] == 1
    assert found["parameters"] == 0
