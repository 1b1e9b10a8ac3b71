"""Data that napari-spatialdata, or a person, put on the canvas; and life without that plugin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from napari.components import ViewerModel
from napari.layers import Image, Points

import napari_stdiff
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.interop import source_of, sources


@pytest.fixture(scope="module")
def sdata() -> Any:
    return simulate(
        n_sections=3,
        cells_per_section=50,
        n_genes=10,
        n_extra_genes=0,
        n_reference_cells=50,
        image_size=50,
        seed=5,
    ).sdata


def points(**metadata: Any) -> Points:
    return Points(np.zeros((2, 2)), name="cells", metadata=metadata)


def test_plain_layers_and_ours_carry_nothing(sdata: Any) -> None:
    assert source_of(points()) is None
    assert source_of(points(sdata=None, adata=None)) is None
    ours = {"role": "points", "section": "a", "virtual": False}
    assert source_of(points(stdiff=ours, sdata=sdata)) is None


def test_layer_leads_to_its_table(sdata: Any) -> None:
    layer = points(
        sdata=sdata, name="section_1_circles", table_names=["table"], _current_cs="global"
    )
    source = source_of(layer)
    assert source is not None
    assert (source.data, source.table, source.coordinate_system) == (sdata, "table", "global")
    assert source.label == "SpatialData in memory"
    config = source.reading(ReadConfig(section_key="section"))
    assert config == ReadConfig(section_key="section", table="table", coordinate_system="global")
    said = ReadConfig(table="other")
    assert source.reading(said).table == "other"  # what the user said stays


def test_missing_and_none_metadata_of_other_versions(sdata: Any) -> None:
    linked = points(sdata=sdata, name=None, adata=None, table_names=None, region_key=None)
    source = source_of(linked)
    assert source is not None
    assert (source.table, source.coordinate_system) == ("", "")
    assert source.reading(ReadConfig()) == ReadConfig()


def test_our_own_results_are_not_measurements(sdata: Any) -> None:
    from spatialdata import SpatialData

    table = sdata["table"].copy()
    table.uns["stdiff"] = "{}"
    both = SpatialData(
        shapes=dict(sdata.shapes), tables={"a_result": table, "table": sdata["table"]}
    )
    layer = points(sdata=both, name="section_1_circles", table_names=["a_result", "table"])
    source = source_of(layer)
    assert source is not None
    assert source.table == "table"
    only = SpatialData(shapes=dict(sdata.shapes), tables={"a_result": table})
    assert source_of(points(sdata=only, name="x", table_names=["a_result"])) is None


def test_an_anndata_alone_is_data_too() -> None:
    adata = AnnData(np.ones((3, 2)), obsm={"spatial": np.zeros((3, 2))})
    source = source_of(points(adata=adata))
    assert source is not None
    assert source.data is adata
    assert source_of(points(adata=AnnData(shape=(0, 3)))) is None  # an image's channels


def test_layers_of_one_store_are_one_source(sdata: Any) -> None:
    tables = {"table_names": ["table"], "_current_cs": "global", "sdata": sdata}
    layers = [
        Image(np.zeros((3, 3)), metadata={"sdata": sdata, "_current_cs": "global"}),
        points(name="section_1_circles", **tables),
        points(name="section_2_circles", **tables),
    ]
    found = sources(layers)
    assert [s.table for s in found] == ["table"]
    assert [s.table for s in sources(layers[:1])] == [""]  # the picture alone: read() chooses


def test_nothing_of_ours_imports_the_plugin() -> None:
    source = Path(napari_stdiff.__file__).parent
    for path in source.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.strip().startswith(
                ("import napari_spatialdata", "from napari_spatialdata")
            )


def test_works_where_the_plugin_is_absent() -> None:
    code = (
        "import sys; sys.modules['napari_spatialdata'] = None\n"
        "import numpy as np\n"
        "from napari.layers import Points\n"
        "import napari_stdiff.viewer.widgets.interpolate, napari_stdiff.viewer.sample_data\n"
        "from napari_stdiff.viewer.interop import sources\n"
        "assert sources([Points(np.zeros((1, 2)))]) == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.fixture
def their_viewer(sdata: Any, qapp: Any) -> Any:
    """Return napari-spatialdata's own maker of layers, on a viewer without a window."""
    theirs = pytest.importorskip("napari_spatialdata._viewer")
    from napari.utils.events import EventedList

    return theirs.SpatialDataViewer(ViewerModel(), EventedList([sdata]))


def test_layers_of_the_real_plugin(their_viewer: Any, sdata: Any) -> None:
    circles = their_viewer.get_sdata_circles(sdata, "section_1_circles", "global", False)
    image = their_viewer.get_sdata_image(sdata, "section_1_image", "global", False)
    labels = their_viewer.get_sdata_labels(sdata, "section_2_cells", "global", False)
    for layer in (circles, labels, image):
        source = source_of(layer)
        assert source is not None
        assert source.data is sdata
        assert source.coordinate_system == "global"
    (source,) = sources([image, circles])
    tissue = read(source.data, source.reading(ReadConfig()))
    assert tissue.sections == ["section_1", "section_2", "section_3"]


@pytest.mark.viewer
def test_dock_beside_the_real_plugin(
    make_napari_viewer: Callable[..., Any],
    sdata: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = pytest.importorskip("napari_spatialdata")
    from spatialdata import SpatialData

    sdata = SpatialData(shapes=dict(sdata.shapes), tables={"table": sdata["table"].copy()})
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "docks.json")
    viewer = make_napari_viewer(show=True)
    interactive = theirs.Interactive(sdata, headless=True)
    interactive.add_element("section_1_circles", "global")
    qtbot.waitUntil(lambda: "section_1_circles" in viewer.layers, timeout=20_000)
    theirs_layer = viewer.layers["section_1_circles"]
    before = dict(theirs_layer.metadata)

    _, dock = viewer.window.add_plugin_dock_widget("napari-stdiff", "Interpolate sections")
    choice = dock.data.source.choice
    assert choice.itemText(1) == "layers of SpatialData in memory (table table)"
    choice.setCurrentIndex(1)
    choice.activated.emit(1)
    qtbot.waitUntil(lambda: dock.session.tissue is not None, timeout=20_000)
    assert dock.session.store is sdata
    assert dock.session.read_config.table == "table"
    dock.form.fields["method"].value = "knn"
    dock.form.fields["draws"].value = 0
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job is None, timeout=60_000)
    assert not dock.run_bar.problem.isVisible(), dock.run_bar.problem.details.toPlainText()
    (name,) = dock.session.results
    qtbot.waitUntil(lambda: name in dock.session.saved_names, timeout=20_000)
    assert name in sdata.tables  # their widgets, which hold the same object, can list it

    after = theirs_layer.metadata
    assert after.keys() == before.keys()  # nothing of ours on their layer
    for key in ("sdata", "name", "_current_cs", "table_names", "indices"):
        assert after[key] is before[key] or after[key] == before[key], key
    assert theirs_layer in viewer.layers

    dock.session.remove_result(name)
    assert name not in sdata.tables

    def endless(*_: Any) -> None:
        while True:
            _[-1].check()

    monkeypatch.setattr("napari_stdiff.viewer.widgets.interpolate.interpolate", endless)
    dock.run_bar.run_button.click()
    qtbot.waitUntil(lambda: dock._job.is_running)
    viewer.layers.remove(theirs_layer)  # what the data came from is closed: the run ends
    qtbot.waitUntil(lambda: dock._job is None)
