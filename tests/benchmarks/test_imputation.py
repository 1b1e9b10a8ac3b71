"""The benchmark of hidden entries: what methods and peers see, kept results, the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

import napari_stdiff as st
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.base import Cost
from napari_stdiff.methods.entries.base import EntryMethod
from napari_stdiff.methods.entries.settings import EntrySettings

runner = pytest.importorskip("entries.runner", reason="the benchmarks are not here")

from entries import bars, cases, figures, peers, summary, tables, unit  # noqa: E402


class Mean(EntryMethod):
    """Fills in means, and what a reference says where there is one."""

    id = "mean"
    title = "Mean"
    description = ""
    reference = "none"
    lift = 0.0

    def fit(self, visible: Visible, config: EntrySettings, monitor: st.Monitor) -> Self:
        self.visible = visible
        return self

    def sample(self, cells: np.ndarray, n_draws: int, monitor: st.Monitor) -> Prediction:
        known = self.visible
        level = known.standard.mean(axis=1, keepdims=True) * self.lift
        mean = np.where(known.seen, known.expression, known.restored(level))[cells]
        noise = np.random.default_rng(0).normal(0, 1, (n_draws, known.n_cells, known.n_genes))
        draws = np.maximum(mean + noise[:, cells] * known.deviation, 0).astype(np.float32)
        return Prediction(known.genes, mean.astype(np.float32), draws=draws)

    def save(self, folder: Path) -> None:
        raise AssertionError

    @classmethod
    def load(cls, folder: Path, visible: Visible) -> Self:
        raise AssertionError

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        return Cost(0, 0.1, 1.0)


class Level(Mean):
    """The same, by how much a cell expresses."""

    id = "stmcdi"
    reference = "optional"
    lift = 1.0


class Broken(Mean):
    def fit(self, visible: Visible, config: EntrySettings, monitor: st.Monitor) -> Self:
        raise MemoryError("too much")


CLASSES = {"mean": Mean, "stmcdi": Level, "vae": Broken}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run units in this process; return what was run."""
    ran: list[str] = []
    monkeypatch.setattr(unit, "entry_method_class", CLASSES.__getitem__)

    def process(what: Any, data: Path, work: Path, limit: float) -> str:
        units = [unit.Unit.parse(u) for u in json.loads(what[1])]
        ran.extend(u.key for u in units)
        unit.run_units(units, data, work)
        return ""

    monkeypatch.setattr(runner, "_process", process)
    return ran


def planned(methods: list[str], some: list[str], protocols: list[str]) -> list[unit.Unit]:
    return runner.plan(some, protocols, methods, seed=0, draws=16, scale_to=60)


def test_every_case_and_protocol_is_one_of_the_issue() -> None:
    assert cases.ALL["osmfish_stdiff.sc"].reference == "osmfish_stdiff.sc.h5ad"
    assert not cases.ALL["osmfish_stdiff"].reference
    assert not cases.suits("fly_bdtnp", "thinning")
    assert cases.suits("osmfish", "thinning")
    assert not cases.suits("osmfish", "genes")
    assert cases.suits("osmfish.sc", "genes")
    assert cases.protocol_of("entries70").hide == 0.7
    assert set(runner.known_methods()) == set(runner.METHODS)


def test_papers_and_peers_run_last_and_in_the_first_protocol_alone() -> None:
    methods = ["stmcdi-paper", "mean", "stmcdi", "magic"]
    units = planned(methods, ["quick", "quick.sc"], ["entries30", "genes", "thinning"])
    assert [u.method for u in units[:2]] == ["mean", "stmcdi"]
    assert {u.protocol for u in units if u.slow} == {"entries30", "genes"}
    assert [u.slow for u in units] == sorted(u.slow for u in units)
    assert {u.case for u in units if u.protocol == "genes"} == {"quick.sc"}
    assert len({u.key for u in units}) == len(units)


def test_a_method_without_use_for_a_reference_is_run_without(here: list[str]) -> None:
    for method, protocol, case in (
        ("mean", "entries30", "quick"),
        ("stmcdi", "entries30", "quick.sc"),  # which looks at one, in this file
        ("mean", "genes", "quick.sc"),
    ):
        own = unit.Unit("quick.sc", protocol, method)
        assert unit.lent(own).case == case
    assert unit.lent(unit.Unit("simulated.sc", "entries30", "mean")).case == "simulated.sc"


@pytest.mark.parametrize("protocol", ["entries30", "nonzero30", "genes", "thinning"])
def test_what_is_hidden_leaves_what_methods_see_as_it_is(protocol: str) -> None:
    case = "quick.sc" if protocol == "genes" else "quick"
    opened, guarded = cases.open_case(case, protocol, 0, Path())
    assert guarded
    if protocol == "thinning":
        return
    # and a visible entry does move it, so that the guard can fail
    tissue, reference = cases.sides(case, Path())
    x = tissue.expression.toarray()
    rows, columns = np.nonzero(opened.visible.seen)
    x[rows[0], columns[0]] += 1
    config = cases.EvaluateImputeConfig.of(
        pattern=cases.protocol_of(protocol).pattern, hide=cases.protocol_of(protocol).hide
    )
    known = None if reference is None else st.read_reference(reference)
    other = cases.open_entries(cases.replace(tissue, expression=x), known, None, config)
    assert other.visible.tissue_fingerprint() != opened.visible.tissue_fingerprint()


def test_from_units_to_the_report(here: list[str], tmp_path: Path) -> None:
    methods = ["mean", "stmcdi", "vae"]
    units = planned(methods, ["quick", "quick.sc"], ["entries30", "genes", "thinning"])
    swept = runner.sweep(["quick"], ["mean", "stmcdi"], [20, 60], 0)
    said: list[str] = []
    runner.run([*units, *swept], Path(), tmp_path, said.append)
    count = len(here)
    assert count == len({unit.lent(u) for u in units}) + len(swept)
    runner.run([*units, *swept], Path(), tmp_path, said.append)
    assert len(here) == count  # what is there is not run again
    accounts = summary.gather(units, swept, tmp_path)
    assert [a.case for a in accounts] == ["quick", "quick.sc"]
    plain, referred = accounts
    assert list(plain.first) == ["mean", "stmcdi"]
    assert plain.errors["vae, entries30"] == "MemoryError: too much"
    assert "makes no use of a reference" in referred.left_out["genes"]["mean"]
    row = plain.first["stmcdi"]
    assert row.score("pcc") == pytest.approx(np.nanmean(row.per_gene["pcc"]), abs=1e-5)
    assert row.score("zeros.rmse") is not None
    assert row.result["unmoved_by_hidden"]
    assert row.result["clusters"]["ari"] is not None
    assert set(plain.swept["stmcdi"]) == {20, 60}
    assert plain.comparisons("stmcdi")["mean"].genes == 20
    report = tables.as_markdown(accounts)
    assert "MemoryError: too much" in report
    assert "| stmcdi |" in report
    assert "Whole marker genes hidden" in report
    assert "share hidden" in report
    json.loads(json.dumps(tables.as_json(accounts)))
    runner.run(units, Path(), tmp_path, said.append, again=True)
    assert all(key.endswith("/vae") for key in here[count:])


def test_pictures_are_drawn_of_what_is_there(
    here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "cell_umap", lambda *_: None)  # loads for seconds
    units = planned(["mean", "stmcdi"], ["quick"], ["entries30"])
    swept = runner.sweep(["quick"], ["stmcdi"], [20, 60], 0)
    runner.run([*units, *swept], Path(), tmp_path, print)
    accounts = summary.gather(units, swept, tmp_path)
    made = figures.draw_figures(accounts, tmp_path / "out", tmp_path, Path(), print)
    names = [path.stem.removeprefix("benchmark-impute-") for path in made]
    assert names == ["shares", "quick-hidden", "quick-markers"]
    assert all(path.stat().st_size > 1500 for path in made)


def row_of(method: str, pcc: float, case: str = "starmap", **changes: Any) -> summary.Row:
    """Return a row whose genes have about this Pearson; the better, the better all scores."""
    wobble = pcc + 1e-3 * np.sin(np.arange(20.0))
    per_gene = pd.DataFrame({"pcc": wobble}, index=[f"g{i}" for i in range(20)])
    part = {"pcc": pcc, "rmse": 1 - pcc, "mae": 1 - pcc, "crps": 1 - pcc, "entries": 50}
    part |= {"coverage80": 0.8, "coverage80_expected": 0.8}
    result = {
        "pcc": pcc,
        "rmse": 1 - pcc,
        "crps": 1 - pcc,
        "coverage80": 0.8,
        "zeros": part,
        "nonzeros": part,
        "clusters": None,
        "populations": None,
        "fit_seconds": 9.0,
        "sample_seconds": 1.0,
        "fit_cpu_seconds": 9.0,
        "sample_cpu_seconds": 1.0,
        "facts": {},
        "unmoved_by_hidden": True,
        "peak_mib": 1.0,
        "per_gene": unit.plain_table(per_gene),
        **changes,
    }
    return summary.Row(unit.Unit(case, "entries30", method), result)


def account_of(*rows: summary.Row) -> summary.Account:
    first = {row.method: row for row in rows}
    return summary.Account(rows[0].unit.case, {"entries30": first})


def found(accounts: list[summary.Account], start: str) -> bars.Bar:
    return next(bar for bar in bars.bars(accounts) if bar.title.startswith(start))


def test_bars_say_by_how_much() -> None:
    ahead = account_of(
        row_of("stmcdi", 0.2), row_of("stack", 0.2), row_of("blend", 0.17), row_of("ridge", 0.15)
    )
    first = found([ahead], "With 30 %")
    assert first.met  # the stack may share the first place
    assert "Pearson: first (stmcdi 0.2000; stack 0.2000" in first.lines[0]
    assert found([ahead], "Over the data sets").met
    assert "+17.6%" in found([ahead], "Over the data sets").summary
    floors = found([ahead], "Pearson of at least")
    assert floors.met is None  # reached here, and the others were not run
    assert "2 not run yet" in floors.summary
    assert found([ahead], "Each of the two beats").met
    assert found([ahead], "Zeros and non-zeros").met
    assert found([ahead], "80 %").met
    assert found([ahead], "Hidden entries").met
    assert found([ahead], "STARmap").met
    behind = account_of(row_of("spotdiff", 0.16), row_of("blend", 0.17), row_of("ridge", 0.165))
    for start in ("With 30 %", "Over the data sets", "Pearson of", "Each of the two", "Zeros"):
        assert found([behind], start).met is False
    assert "ridge 0.1650" in found([behind], "Each of the two").lines[0]


def test_spotdiff_is_compared_with_stmcdi_where_there_is_a_reference() -> None:
    rows = [row_of(m, p, "osmfish.sc") for m, p in (("stmcdi", 0.4), ("spotdiff", 0.42))]
    bar = found([account_of(*rows)], "spotdiff beats")
    assert bar.met
    assert "100% of the genes" in bar.lines[0]
    plain = [row_of(m, p, "osmfish") for m, p in (("stmcdi", 0.4), ("spotdiff", 0.42))]
    assert found([account_of(*plain)], "spotdiff beats").met is None


def test_a_default_is_compared_with_the_full_time_of_its_paper() -> None:
    full = {"full_seconds_estimated": 5000.0, "full_configuration": {"epochs": 9}, "epochs": 2}
    paper = row_of("stmcdi-paper", 0.1, facts=full)
    bar = found([account_of(row_of("stmcdi", 0.2), paper)], "Each default")
    assert bar.met
    assert "500 times" in bar.lines[0]
    assert "scaled run" in bar.lines[0]
    slow = row_of("stmcdi", 0.2, fit_cpu_seconds=600.0)
    assert found([account_of(slow, paper)], "Each default").met is False


def test_no_peer_is_called_like_a_method_of_the_package() -> None:
    from napari_stdiff.methods.entries.registry import entry_methods

    assert not set(entry_methods()) & set(peers.PEERS)


class Fixed(peers.EntryPeer):
    """A peer whose answer is known: half of the mean, which its scale has to mend."""

    id = "magic"
    title = "Fixed"
    description = ""

    def ask(self, visible: Visible, config: EntrySettings) -> tuple[np.ndarray, None]:
        return peers.on_scale(visible, np.tile(visible.mean / 2, (visible.n_cells, 1))), None


def test_a_peer_is_brought_to_the_scale_of_visible_entries() -> None:
    opened, _ = cases.open_case("quick", "entries30", 0, Path())
    visible = opened.visible
    fitted = Fixed().fit(visible, EntrySettings(), st.Monitor())
    cells = np.arange(5)
    answer = fitted.sample(cells, 4, st.Monitor())
    np.testing.assert_array_equal(
        answer.mean[visible.seen[cells]], visible.expression[cells][visible.seen[cells]]
    )
    hidden = ~visible.seen[cells]
    expected = np.tile(visible.mean, (5, 1))[hidden]
    np.testing.assert_allclose(answer.mean[hidden], expected, rtol=0.35)
    assert answer.draws is None
    with pytest.raises(st.StdiffError, match="is not kept"):
        fitted.save(Path())


@pytest.mark.parametrize("name", [n for n, peer in peers.PEERS.items() if peer.module])
def test_a_peer_answers_for_every_entry_and_sees_nothing_hidden(name: str) -> None:
    if not peers.PEERS[name].installed:
        pytest.skip(f"{peers.PEERS[name].title} is not installed")
    opened, guarded = cases.open_case("quick.sc", "entries30", 0, Path())
    assert guarded
    config = EntrySettings(epochs=3, draws=4)
    fitted = peers.peer_class(name)().fit(opened.visible, config, st.Monitor())
    answer = fitted.sample(np.arange(opened.visible.n_cells), 4, st.Monitor())
    own = answer.mean[opened.hidden]
    assert np.isfinite(own).all()
    assert 0.3 < own.mean() / opened.truth[opened.hidden].mean() < 3
