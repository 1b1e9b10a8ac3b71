"""Genes of other tables about the same cells: found with their table's name, shown, walked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from scipy import sparse
from spatialdata import SpatialData
from spatialdata.models import TableModel

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.predicted import PredictedGenes, Reliability
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.reading import read
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.results import save
from napari_stdiff.data.simulate import simulate
from napari_stdiff.viewer.compare import why_not
from napari_stdiff.viewer.cutting import coarse_picture, make_cut, why_rough
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.show import colour
from napari_stdiff.viewer.widgets.colour_panel import index_of
from napari_stdiff.viewer.widgets.stack import StackWidget
from napari_stdiff.viewer.widgets.status_row import STATUS

pytestmark = pytest.mark.viewer


@pytest.fixture(scope="module")
def sample() -> SpatialData:
    return simulate(
        n_sections=3, cells_per_section=60, n_genes=10, n_extra_genes=0, image_size=50
    ).sdata


@pytest.fixture
def sdata(sample: SpatialData) -> SpatialData:
    """Return the tissue with three more tables about its cells, one of them reliable in parts."""
    out = SpatialData.init_from_elements({name: e for _, name, e in sample.gen_elements()})
    own = next(iter(sample.tables.values()))
    keys = own.uns["spatialdata_attrs"]
    rng = np.random.default_rng(0)
    first = str(own.var_names[0])
    for name, genes, values, var in (
        ("tangram", ["Vip", first], rng.random((own.n_obs, 2)), {}),
        ("panel_2", ["Sst"], rng.poisson(2.0, (own.n_obs, 1)), {}),
        ("guess", ["Npy"], rng.random((own.n_obs, 1)), {"expected_pearson": [0.3]}),
    ):
        obs = own.obs[[keys["region_key"], keys["instance_key"]]].reset_index(drop=True)
        obs.index = [f"{name}{i}" for i in range(len(obs))]
        table = AnnData(
            sparse.csr_matrix(values.astype(np.float32)), obs=obs, var=pd.DataFrame(var, genes)
        )
        out[name] = TableModel.parse(
            table,
            region=list(obs[keys["region_key"]].cat.categories),
            region_key=keys["region_key"],
            instance_key=keys["instance_key"],
        )
    return out


@pytest.fixture
def session(viewer: ViewerModel, sdata: SpatialData) -> Session:
    session = session_of(viewer)
    session.set_tissue(read(sdata, table=own_table(sdata)), sdata)
    return session


def own_table(sdata: SpatialData) -> str:
    """Return the name of the measured table."""
    return next(name for name in sdata.tables if name not in ("tangram", "panel_2", "guess"))


def test_genes_are_found_with_the_name_of_their_table(session: Session) -> None:
    index = index_of(session)
    (vip,) = [hit.entry for hit in index.search("vip") if hit.how == "is"]
    assert (vip.kind, vip.table, vip.called) == ("table", "tangram", "Vip (tangram)")
    npy = index.search("npy")[0].entry
    assert (npy.badge, npy.expected) == ("medium", 0.3)
    first = str(session.tissue.genes[0])
    both = [hit.entry.table for hit in index.search(first) if hit.how == "is"]
    assert both == ["", "tangram"]  # the tissue's own first
    assert index.meant(first).table == ""
    assert index.meant("VIP").called == "Vip (tangram)"
    listed = index.pasted(f"vip, {first}, Sst, Nope")
    assert [e.called for e in listed.found] == ["Vip (tangram)", first, "Sst (panel_2)"]
    assert listed.missing == ("Nope",)


def test_nothing_is_read_before_somebody_looks(
    session: Session, sdata: SpatialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    from napari_stdiff.viewer import table_genes

    real = table_genes.other_tables
    monkeypatch.setattr(table_genes, "other_tables", lambda *a: asked.append("!") or real(*a))
    session.set_tissue(session.tissue, sdata)
    session.stack.colour_by("gene", str(session.tissue.genes[1]))
    session.stack.set_spacing(2.0)
    assert asked == []
    index_of(session)
    index_of(session)
    assert asked == ["!"]


def test_sections_are_coloured_by_the_rule_of_the_tissue(
    session: Session, sdata: SpatialData
) -> None:
    stack = session.stack
    stack.colour_by("gene", "Vip (tangram)")
    raw = sdata.tables["tangram"].X[:, 0].toarray().ravel()
    names = sdata.tables[own_table(sdata)].obs_names  # its rows are in the order of these
    order = names.get_indexer(session.tissue.names)
    np.testing.assert_allclose(stack.colouring.measured, raw[order], rtol=1e-6)
    assert stack.limits == pytest.approx(tuple(np.percentile(raw, [1, 99])), rel=1e-4)
    assert stack.title == "Vip (tangram)\nvalues as in that table"
    stack.colour_by("gene", "Sst (panel_2)")  # counts
    assert stack.title == "Sst (panel_2)\nlog-normalised"
    counts = sdata.tables["panel_2"].X[:, 0].toarray().ravel()[order]
    assert float(stack.colouring.measured.max()) < float(counts.max())
    stack.colour_by("gene", "Npy (guess)")
    trust = "medium reliability, expected r 0.30"
    assert stack.title == f"Npy (guess) · predicted\nvalues as in that table; {trust}"
    with pytest.raises(StdiffError, match="no gene 'Npy \\(tangram\\)'"):
        stack.colour_by("gene", "Npy (tangram)")


def test_a_name_alone_is_enough_for_a_picture(session: Session) -> None:
    colour(session, "Vip")
    assert session.stack.colouring.name == "Vip (tangram)"


def test_it_is_a_second_gene_and_outlasts_other_results(session: Session) -> None:
    stack, tissue = session.stack, session.tissue
    stack.colour_by("gene", str(tissue.genes[0]))
    stack.second.choose(f"{tissue.genes[0]} (tangram)")
    assert stack.second.is_on
    n = tissue.n_cells
    trust = Reliability(np.array([0.7]), np.array([0.6]), np.array([0.8]))
    values = np.ones((n, 1), np.float32)
    result = PredictedGenes(
        "more",
        Prediction(np.array(["Cux2"], object), values, values),
        tissue.names,
        trust,
        RunRecord(task="predict-genes", method="ridge"),
    )
    session.predictions.keep(result, persist=False)
    assert stack.second.is_on
    stack.colour_by("gene", "Vip (tangram)")
    session.predictions.remove("more")
    assert stack.colouring.name == "Vip (tangram)"
    stack.second.choose("")
    assert "one map only" in why_not(session)


def test_the_microtome_averages_it(session: Session) -> None:
    stack = session.stack
    stack.colour_by("gene", "Vip (tangram)")
    depths = sorted(session.tissue.section_z.values())
    picture = coarse_picture(make_cut(session.tissue), sum(depths[:2]) / 2, stack.colouring)
    assert np.isfinite(picture.values).all()
    assert "a gene of another table" in why_rough(stack.colouring, session.tissue, picture)


def test_a_result_of_an_earlier_session_comes_back_with_its_badge_and_once(
    sdata: SpatialData, tmp_path: Path, qapp: Any, qtbot: Any
) -> None:
    store = str(tmp_path / "tissue.zarr")
    sdata.write(store)
    tissue = read(store, table=own_table(sdata))
    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(tissue, store)
    values = np.ones((tissue.n_cells, 1), np.float32)
    trust = Reliability(np.array([0.7]), np.array([0.6]), np.array([0.8]))
    result = PredictedGenes(
        "genes_ridge",
        Prediction(np.array(["Cux2"], object), values, values),
        tissue.names,
        trust,
        RunRecord(task="predict-genes", method="ridge"),
    )
    with qtbot.waitSignal(session.predictions.saved, timeout=30_000):
        session.predictions.keep(result)
    again = ViewerModel()
    later = session_of(again)
    later.set_tissue(read(store, table=own_table(sdata)), store)
    entries = [hit.entry for hit in index_of(later).search("cux2") if hit.how == "is"]
    assert [(e.kind, e.badge, e.called) for e in entries] == [("predicted", "high", "Cux2")]
    assert index_of(later).meant("Vip").called == "Vip (tangram)"  # from disk, too


def test_typing_and_enter_show_it(
    make_napari_viewer: Callable[..., Any], sdata: SpatialData, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = StackWidget(viewer)
    viewer.window.add_dock_widget(dock)
    session = session_of(viewer)
    session.set_tissue(read(sdata, table=own_table(sdata)), sdata)
    box = dock.colours.search
    box.selectAll()
    qtbot.keyClicks(box, "vip")
    assert box.found.index(0).data(STATUS) == "in tangram"
    assert "'tangram'" in box.found.index(0).data(Qt.ItemDataRole.ToolTipRole)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert session.stack.colouring.name == box.text() == "Vip (tangram)"
    assert dock.colours.recents.keys[0] == ("gene", "Vip (tangram)")


def test_a_result_about_another_table_is_found_with_its_badge(
    session: Session, sdata: SpatialData
) -> None:
    """Its cells go by other names, but annotate the same instances."""
    tissue = read(sdata, table="tangram")
    values = np.full((tissue.n_cells, 1), 3.5, np.float32)
    trust = Reliability(np.array([0.7]), np.array([0.6]), np.array([0.8]))
    result = PredictedGenes(
        "genes_ridge",
        Prediction(np.array(["Cux2"], object), values, values),
        tissue.names,
        trust,
        RunRecord(task="predict-genes", method="ridge", input={"table": "tangram"}),
    )
    save(result, sdata)
    session.set_tissue(read(sdata, table=own_table(sdata)), sdata)
    assert session.predictions.results == {}  # not about cells of these names
    (found,) = [hit.entry for hit in index_of(session).search("cux2") if hit.how == "is"]
    assert (found.kind, found.badge, found.called) == ("table", "high", "Cux2 (genes_ridge)")
    session.stack.colour_by("gene", found.called)
    np.testing.assert_array_equal(session.stack.colouring.measured, 3.5)
    assert "high reliability, expected r 0.70" in session.stack.title
