"""The benchmark of hidden genes: folds, what methods and peers see, kept results, the report."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import napari_stdiff as st
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.methods.genes.settings import GeneSettings

runner = pytest.importorskip("genes.runner", reason="the benchmarks are not here")

from genes import bars, cases, peers, studies, summary, tables, unit  # noqa: E402

N_CELLS, N_REFERENCE, N_VISIBLE, N_HIDDEN = 90, 80, 10, 3


def raw_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return counts of a tissue and a reference with programmes in common."""
    rng = np.random.default_rng(seed)
    programmes = rng.gamma(0.5, 1.0, (5, N_VISIBLE + N_HIDDEN))
    sides = [
        rng.poisson(rng.dirichlet(np.full(5, 0.2), n) @ programmes * 8).astype(np.float32)
        for n in (N_CELLS, N_REFERENCE)
    ]
    return sides[0], sides[1]


def make_panel() -> Panel:
    tissue, reference = raw_pair()
    tissue = tissue.copy()
    tissue[4, :N_VISIBLE] = 0  # an empty cell
    rng = np.random.default_rng(1)
    coords = np.column_stack([np.zeros(N_CELLS), rng.random((N_CELLS, 2)) * 100])
    names = [f"Gene{i}" for i in range(N_VISIBLE)]
    return Panel(
        genes=np.array(names, dtype=object),
        # names that differ in case alone: some tools lower it
        wanted=np.array([n.lower() for n in names[:N_HIDDEN]], dtype=object),
        tissue_raw=tissue[:, :N_VISIBLE],
        reference_raw=sparse.csr_matrix(reference),
        tissue_values="counts",
        reference_values="counts",
        coords=coords,
        section=np.array(["s"] * N_CELLS, dtype=object),
    )


def opened_with(hidden_values: np.ndarray | None = None) -> cases.Opened:
    """Return a pair that was read from memory, as a case is."""
    from anndata import AnnData

    tissue, reference = raw_pair()
    names = [f"g{i}" for i in range(tissue.shape[1])]
    sides = []
    for values in (tissue, reference):
        obs = pd.DataFrame(index=[f"c{i}" for i in range(len(values))])
        sides.append(AnnData(values, obs=obs, var=pd.DataFrame(index=names)))
    sides[0].obsm["spatial"] = np.random.default_rng(1).random((N_CELLS, 2)) * 100
    found = cases.open_gene_pair(*sides, None, cases.EvaluateGenesConfig())
    return cases.Opened(found.tissue, found.reference, found.match, found.panel)


def a_unit(**changes) -> unit.Unit:
    return replace(unit.Unit("quick", "ridge", 0, draws=16), **changes)


def test_folds_hide_every_gene_once() -> None:
    opened = opened_with()
    parts = [unit.hidden_genes(opened, a_unit(fold=k)) for k in range(5)]
    assert sorted(np.concatenate(parts)) == sorted(opened.shared)
    other = unit.hidden_genes(opened, a_unit(seed=1))
    assert sorted(other) != sorted(parts[0])


@pytest.mark.parametrize("removed", [0.0, 0.5])
def test_what_methods_see_has_nothing_of_the_hidden_genes(removed: float) -> None:
    opened = opened_with()
    one = a_unit(removed=removed)
    hidden = unit.hidden_genes(opened, one)
    panel, unmoved = unit.visible_panel(one, opened, hidden)
    assert unmoved
    assert not set(hidden) & set(panel.genes)
    whole = opened.panel.without(hidden)
    left = panel.tissue_raw.sum() / whole.tissue_raw.sum()
    assert left == pytest.approx(1 - removed, abs=0.05)
    # and a visible gene does move it, so that the guard can fail
    seen = opened.with_raw(panel.genes[:1], np.zeros((N_CELLS, 1), np.float32))
    assert seen.panel.without(hidden).fingerprint() != whole.fingerprint()


def test_no_peer_is_called_like_a_method_of_the_package() -> None:
    from napari_stdiff.methods.genes.registry import gene_methods

    assert not set(gene_methods()) & set(peers.PEERS)
    assert set(runner.known_methods()) == set(runner.METHODS)


def test_peers_get_the_hidden_genes_of_the_reference_and_no_others() -> None:
    panel = make_panel()
    small = cases.narrowed(panel, panel.wanted[1:2])
    assert list(small.wanted) == [panel.wanted[1]]
    assert np.array_equal(small.profiles(small.wanted), panel.profiles(panel.wanted[1:2]))
    assert np.array_equal(small.reference, panel.reference)


@pytest.mark.parametrize("name", [n for n, peer in peers.PEERS.items() if peer.place])
def test_a_peer_sees_the_panel_alone(name: str, tmp_path: Path) -> None:
    """Hidden genes of the tissue replaced by noise change nothing, to the bit."""
    if not peers.PEERS[name].installed:
        pytest.skip(f"{peers.PEERS[name].title} is not installed")
    opened = opened_with()
    one = a_unit(method=name)
    hidden = unit.hidden_genes(opened, one)
    noise = np.random.default_rng(5).poisson(9, (N_CELLS, len(hidden))).astype(np.float32)
    config = GeneSettings(epochs=3, draws=4)
    answers = []
    for pair in (opened, opened.with_raw(hidden, noise)):
        panel, _ = unit.visible_panel(one, pair, hidden)
        fitted = peers.peer_class(name)().fit(panel, config, st.Monitor())
        answers.append(fitted.sample(hidden, 4, st.Monitor()))
    assert np.array_equal(answers[0].mean, answers[1].mean)
    assert (answers[0].draws is None) == (answers[1].draws is None)
    if answers[0].draws is not None:
        assert np.array_equal(answers[0].draws, answers[1].draws)


@pytest.mark.parametrize("name", [n for n, peer in peers.PEERS.items() if peer.place])
def test_a_peer_answers_on_the_scale_of_the_panel(name: str, tmp_path: Path) -> None:
    if not peers.PEERS[name].installed:
        pytest.skip(f"{peers.PEERS[name].title} is not installed")
    panel = make_panel()
    fitted = peers.peer_class(name)().fit(panel, GeneSettings(epochs=60), st.Monitor())
    found = fitted.sample(panel.wanted[::-1], 0, st.Monitor())
    assert list(found.genes) == list(panel.wanted[::-1])
    assert found.mean.shape == (N_CELLS, N_HIDDEN)
    assert (found.mean >= 0).all()
    ratio = found.mean.mean() / panel.profiles(panel.wanted).mean()
    assert 0.4 < ratio < 2.5
    fitted.save(tmp_path)
    again = type(fitted).load(tmp_path, panel)
    assert np.array_equal(again.sample(panel.wanted[::-1], 0, st.Monitor()).mean, found.mean)
    with pytest.raises(st.StdiffError, match="not"):
        type(fitted).load(tmp_path, panel.without(panel.genes[:1]))


class Fixed(peers.Peer):
    """A peer whose answer is known: the reference's mean, and draws around it."""

    id = "tangram"
    title = "Fixed"
    description = ""
    epochs = 1

    def ask(self, panel, config, epochs):
        mean = np.tile(panel.profiles(panel.wanted).mean(axis=0), (panel.n_cells, 1))
        mean += panel.tissue.mean(axis=1, keepdims=True)
        draws = np.random.default_rng(0).normal(mean, 0.5, (config.draws, *mean.shape))
        return peers.base.Answer(mean, np.maximum(draws, 0))

    @classmethod
    def epoch_seconds(cls, cells, reference):
        return 1.0

    @classmethod
    def bytes_needed(cls, cells, reference):
        return 1.0


def test_a_peer_is_asked_once_and_scored_as_often_as_needed(tmp_path: Path, monkeypatch) -> None:
    asked = []

    class Counting(Fixed):
        def ask(self, panel, config, epochs):
            asked.append(len(panel.wanted))
            return super().ask(panel, config, epochs)

    monkeypatch.setattr(unit, "peer_class", lambda name: lambda **_: Counting())
    monkeypatch.setattr(unit, "new_method", lambda u: Counting())
    opened, one = opened_with(), a_unit(method="tangram")
    unit.run_unit(one, opened, tmp_path)
    first = unit.done(one, tmp_path)
    (tmp_path / f"{one.key}.json").unlink()
    unit.run_unit(one, opened, tmp_path)
    assert asked == [len(unit.hidden_genes(opened, one))]
    assert unit.done(one, tmp_path)["per_gene"]["pcc"] == pytest.approx(first["per_gene"]["pcc"])
    other = opened.with_raw(opened.shared, np.ones((N_CELLS, len(opened.shared)), np.float32))
    (tmp_path / f"{one.key}.json").unlink()
    unit.run_unit(one, other, tmp_path)
    assert len(asked) == 2  # another tissue: what was kept is not its answer


@pytest.fixture
def here(monkeypatch) -> list[str]:
    """Run units in this process on a small pair; return what was run."""
    opened, ran = opened_with(), []
    monkeypatch.setattr(unit, "open_pair", lambda *_: opened)
    monkeypatch.setattr(summary, "open_pair", lambda *_: opened)

    def process(what, data, work, limit, threads=1):
        assert what[0] == "--units"
        units = [unit.Unit.parse(u) for u in json.loads(what[1])]
        ran.extend(u.key for u in units)
        if units[0].method == "pls":
            return "MemoryError"
        unit.run_units(units, data, work)
        return ""

    monkeypatch.setattr(runner, "_process", process)
    return ran


def planned(methods: list[str]) -> list[unit.Unit]:
    return runner.plan(
        ["quick"], methods, folds=3, seed=0, draws=16, scale_to=60, data=Path(), say=print
    )


def test_from_units_to_the_report(here: list[str], tmp_path: Path) -> None:
    units = planned(["knn", "ridge", "pls"])
    assert [u.method for u in units[::3]] == ["ridge", "pls", "knn"]  # as they are shown
    fewer = runner.thinned(units, [0.5], slow=False)
    said: list[str] = []
    runner.run([*units, *fewer], Path(), tmp_path, said.append)
    count = len(here)
    assert count == 18
    runner.run([*units, *fewer], Path(), tmp_path, said.append)
    assert len(here) == count  # what is there is not run again
    runner.run(units, Path(), tmp_path, said.append, again=True)
    assert all("/pls/" in key for key in here[count:])

    (account,) = summary.gather(units, fewer, {}, tmp_path, Path())
    assert account.whole() == ["ridge", "knn"]
    assert account.errors["pls, fold 0"] == "MemoryError"
    assert account.sizes == {"cells": N_CELLS, "reference_cells": N_REFERENCE, "genes": 13}
    row = account.means["ridge"]
    assert row["pcc"] == pytest.approx(np.nanmean(list(account.rows["ridge"].pcc.values())))
    assert row["crps"] is not None
    assert {account.score(m, "accuracy_score") for m in account.whole()} <= {
        *(k / 16 for k in range(17))
    }
    assert set(account.thinned[0.5]) == {"ridge", "knn"}
    report = tables.as_markdown([account], None)
    assert "MemoryError" in report
    assert "| ridge |" in report
    found = json.loads(json.dumps(tables.as_json([account], None)))
    assert set(found["pairs"][0]["methods"]["knn"]["per_gene"]) == {f"g{i}" for i in range(13)}


def test_a_peer_that_is_not_here_keeps_its_place_in_the_report(
    tmp_path: Path, monkeypatch
) -> None:
    gone = replace(peers.PEERS["gimvi"], module="no_such_module")
    monkeypatch.setitem(peers.PEERS, "gimvi", gone)
    units, said = planned(["knn", "gimvi"]), []
    assert {u.method for u in runner.installed(units, said.append)} == {"knn"}
    assert "gimVI" in said[0]
    assert runner.with_results(["knn"], ["quick"], tmp_path) == ["knn"]
    own = next(u for u in units if u.method == "gimvi")
    unit.write(own, tmp_path, {"error": "none"})
    assert runner.with_results(["knn"], ["quick"], tmp_path) == ["knn", "gimvi"]


def test_sampling_steps_are_compared_on_the_pairs_that_are_named() -> None:
    units = planned(["ridge", "knn"])
    found = runner.stepped(units, "knn", [8, 50], [])
    assert found[8] == [u for u in units if u.method == "knn"]  # the usual number: no run more
    assert [dict(u.settings) for u in found[50]] == [{"sampler_steps": 50}] * 3
    assert {u.key for u in found[8]}.isdisjoint(u.key for u in found[50])
    assert runner.stepped(units, "knn", [50], ["merfish"]) == {50: []}


def test_the_whole_task_is_timed(tmp_path: Path) -> None:
    timing = studies.Timing("ridge", cells=60, genes=15, reference=50, wanted=4, cores=1)
    assert studies.timed(timing, tmp_path) is None
    studies.run_timing(timing, tmp_path)
    found = studies.timed(timing, tmp_path)
    assert found["found"] == {"cells": 60, "genes": 4}
    assert found["seconds"] > 0
    assert bars.bars([], found)[3].met


def test_pictures_are_drawn_of_what_is_there(here: list[str], tmp_path: Path, monkeypatch) -> None:
    from genes import figures

    monkeypatch.setattr(figures, "open_pair", lambda *_: opened_with())
    monkeypatch.setattr(figures, "gene_umap", lambda *_: None)  # loads for seconds
    units = planned(["knn", "ridge"])
    fewer = runner.thinned(units, [0.5], slow=False)
    runner.run([*units, *fewer], Path(), tmp_path, print)
    accounts = summary.gather(units, fewer, {}, tmp_path, Path())
    made = figures.draw_figures(accounts, tmp_path / "out", tmp_path, Path(), print)
    names = [path.stem.removeprefix("benchmark-genes-") for path in made]
    assert names == [
        *("quick-gene-distances", "quick-spot-distances", "quick-maps"),
        *("ranks", "pearson", "fewer-counts"),
    ]
    assert all(path.stat().st_size > 1500 for path in made)


def row_of(method: str, pcc: float, crps: float = 0.3, folds=(0, 1), **changes) -> summary.Row:
    """Return a row whose genes have about this Pearson; the better, the better all scores."""
    genes = [f"g{i}" for i in range(20) if i % 2 in folds]
    wobble = 1e-3 * np.sin(np.arange(len(genes)))
    per_gene = pd.DataFrame(
        {
            "pcc": pcc + wobble,
            "ssim": pcc + wobble,
            "rmse": 1 - pcc + wobble,
            "rmse_z": 1 - pcc + wobble,
            "js": 1 - pcc + wobble,
            "crps": crps + wobble,
            "coverage80": 0.8,
        },
        index=genes,
    )
    names = ("n", "inside", "n_zero", "inside_zero", "n_nonzero", "inside_nonzero")
    names += tuple(f"{p}_expected_{k}" for p in ("n", "inside") for k in ("zero", "nonzero"))
    shares = dict(zip(names, (100, 80, 50, 45, 50, 35, 50, 50, 45, 35), strict=True))
    counts = pd.DataFrame({k: float(v) for k, v in shares.items()}, index=genes)
    said = {"fit_seconds": 10.0, "sample_seconds": 2.0, "cpu_seconds": 12.0, **changes}
    units = {k: a_unit(method=method, fold=k, folds=2) for k in folds}
    return summary.Row(
        method,
        unit.GeneScores(per_gene, counts),
        list(folds),
        memory=1.0,
        parameters=0,
        facts={},
        unmoved=True,
        units=units,
        **said,
    )


def account_of(*rows: summary.Row) -> summary.Account:
    genes = {k: [f"g{i}" for i in range(20) if i % 2 == k] for k in (0, 1)}
    held = {row.method: row for row in rows}
    account = summary.Account("merfish", {}, 2, genes, held, {})
    account.means = {m: row.scores.means for m, row in held.items()}
    ranks = summary.accuracy_scores({m: account.means[m] for m in account.whole()})
    for method, value in ranks.items():
        account.means[method]["accuracy_score"] = value
    account.comparisons = summary._compared(account)
    return account


def test_bars_say_by_how_much() -> None:
    ahead = account_of(
        row_of("spadit", 0.5, 0.2), row_of("stack", 0.5, 0.21), row_of("knn", 0.45, 0.25)
    )
    first, gain, *_ = bars.bars([ahead], None)
    assert first.met  # the stack may share the first place in Pearson, not in CRPS
    assert "mean Pearson: first" in first.lines[0]
    assert "CRPS: first (0.20" in first.lines[2]
    assert gain.met
    assert "+11.1%" in gain.summary
    behind = account_of(row_of("spadit", 0.46, 0.3), row_of("knn", 0.45, 0.25))
    first, gain, *_ = bars.bars([behind], None)
    assert first.met is False
    assert gain.met is False
    assert "CRPS: missed" in first.lines[2]


def test_a_peer_that_ran_some_folds_is_compared_on_those() -> None:
    ours, peer = row_of("spadit", 0.5), row_of("gimvi", 0.6, folds=(1,), cpu_seconds=90.0)
    account = account_of(ours, row_of("knn", 0.4), peer)
    assert account.partial() == ["gimvi"]
    first, gain, faster, *_ = bars.bars([account], None)
    assert first.met is False
    assert any("(on 1 of 2 folds): missed" in line for line in first.lines)
    assert gain.met  # against methods that ran all folds
    assert faster.met
    assert "7.5 times" in faster.lines[0]
    assert account.comparisons["gimvi"].genes == 10
    assert "ran 1 of 2 folds" in tables.as_markdown([account], None)


def test_other_bars() -> None:
    account = account_of(row_of("spadit", 0.5))
    account.stepped = {8: {"pcc": 0.499, "crps": 0.3}, 1000: {"pcc": 0.5, "crps": 0.29}}
    timing = asdict(studies.Timing()) | {"seconds": 130.0, "cpu_seconds": 1.0, "peak_mib": 1.0}
    *_, two, steps, covers, apart, guard = bars.bars([account], timing)
    assert two.met is False
    assert steps.met is False
    assert "CRPS: 0.3000, 0.2900 (+3.45% lost)" in steps.lines[1]
    assert "(+0.20% lost)" in steps.lines[0]
    assert covers.met
    assert apart.met is False
    assert "2 of 2" in apart.summary
    assert guard.met
    account.rows["spadit"].scores.counts["n_zero"] = 0.5
    assert "0.50% of the entries, too few" in bars.bars([account], None)[-2].lines[0]
    account.rows["spadit"].unmoved = False
    assert bars.bars([account], None)[-1].met is False


def test_scores_of_folds_are_those_of_all_genes_at_once() -> None:
    rng = np.random.default_rng(0)
    truth = rng.poisson(2, (50, 6)).astype(np.float32)
    draws = rng.poisson(2, (16, 50, 6)).astype(np.float32)
    genes = np.array(list("abcdef"), dtype=object)
    mean = draws.mean(axis=0)
    parts = []
    for at in (slice(0, 2), slice(2, 6)):
        found = unit.score_genes(
            truth[:, at], Prediction(genes[at], mean[:, at], draws=draws[:, :, at])
        )
        said = {"per_gene": unit._plain(found.per_gene), "counts": unit._plain(found.counts)}
        parts.append(json.loads(json.dumps(said)))
    joined = unit.scores_of(parts).means
    whole = unit.score_genes(truth, Prediction(genes, mean, draws=draws)).means
    for name in ("pcc", "ssim", "rmse", "js", "crps"):
        assert joined[name] == pytest.approx(whole[name])


def test_distances_keep_the_order_of_the_measured_clusters() -> None:
    from genes import figures

    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(2, 30)), 3, axis=0) + 0.01 * rng.normal(size=(6, 30))
    found = figures._distances(rows)
    assert found[0, 1] < 0.01 < found[0, 4]
    assert np.allclose(found, found.T)
    assert figures._distances(np.ones((2, 5))).tolist() == [[0, 1], [1, 0]]
