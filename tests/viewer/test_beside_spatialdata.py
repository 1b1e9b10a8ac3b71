"""Open in either plugin, go on in the other; with the real napari-spatialdata, and without it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.interop import sources
from napari_stdiff.viewer.session import session_of

from .test_writer import predicted

pytestmark = pytest.mark.viewer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "tissue.zarr"
    simulate(
        n_sections=3, cells_per_section=50, n_genes=10, n_extra_genes=0, n_reference_cells=50,
        image_size=50, seed=5,
    ).sdata.write(path)  # fmt: skip
    return path


def keep(session: Any, tissue: Tissue, qtbot: Any) -> str:
    """Keep predicted genes of the open tissue, and wait until the store has them."""
    name = session.predictions.keep(predicted(tissue))
    saved = session.predictions.kept.stored_as
    qtbot.waitUntil(lambda: name in saved or name in session.predictions.notes, timeout=30_000)
    return str(saved[name])


def theirs(viewer: Any, sdata: Any, qtbot: Any) -> Any:
    """Return a layer that napari-spatialdata made of the first section's cells."""
    plugin = pytest.importorskip("napari_spatialdata")
    plugin.Interactive(sdata, headless=True).add_element("section_1_circles", "global")
    qtbot.waitUntil(lambda: "section_1_circles" in viewer.layers, timeout=30_000)
    return viewer.layers["section_1_circles"]


@pytest.mark.parametrize("as_path", [True, False])
def test_their_view_colours_by_our_results(
    make_napari_viewer: Callable[..., Any], store: Path, qtbot: Any, as_path: bool
) -> None:
    """With the store open there and its path open here, and with one object in both."""
    view_module = pytest.importorskip("napari_spatialdata._view")
    from spatialdata import SpatialData

    sdata = SpatialData.read(store)
    viewer = make_napari_viewer(show=True)
    layer = theirs(viewer, sdata, qtbot)
    session = session_of(viewer)
    (source,) = sources(viewer.layers)  # our docks read its layers
    tissue = read(source.data, source.reading(ReadConfig()))
    session.set_tissue(tissue, str(store) if as_path else sdata)
    listed = list(layer.metadata["table_names"])
    name = keep(session, tissue, qtbot)
    qtbot.waitUntil(lambda: layer.metadata["table_names"] == [*listed, name], timeout=10_000)
    assert set(layer.metadata) & {"stdiff"} == set()

    viewer.layers.selection = {layer}
    view = view_module.QtAdataViewWidget(viewer)
    qtbot.addWidget(view)
    offered = [view.table_name_widget.itemText(i) for i in range(view.table_name_widget.count())]
    assert name in offered
    view.table_name_widget.setCurrentText(name)
    qtbot.waitUntil(
        lambda: view.model.adata is not None and "Extra1" in view.model.adata.var_names
    )
    shown = view.model.adata[:, "Extra1"].X
    first = tissue.section == "section_1"
    expected = session.predictions.results[name].prediction.mean[first, 0]
    dense = shown.toarray() if hasattr(shown, "toarray") else np.asarray(shown)
    np.testing.assert_allclose(dense.ravel(), expected, rtol=1e-5)

    session.predictions.remove(name)
    assert layer.metadata["table_names"] == listed
    assert name not in sdata.tables


def test_a_layer_that_comes_later_lists_our_results_too(
    make_napari_viewer: Callable[..., Any], store: Path, qtbot: Any
) -> None:
    from spatialdata import SpatialData

    viewer = make_napari_viewer(show=True)
    viewer.open(str(store), plugin="napari-stdiff")  # opened here, gone on with there
    session = session_of(viewer)
    qtbot.waitUntil(lambda: session.tissue is not None, timeout=30_000)
    before = SpatialData.read(store)  # read before there was a result
    name = keep(session, session.tissue, qtbot)
    layer = theirs(viewer, before, qtbot)
    assert name in layer.metadata["table_names"]


def test_other_stores_are_left_alone(
    make_napari_viewer: Callable[..., Any], store: Path, qtbot: Any, small_tissue: Tissue
) -> None:
    from spatialdata import SpatialData

    sdata = SpatialData.read(store)
    viewer = make_napari_viewer(show=True)
    layer = theirs(viewer, sdata, qtbot)
    before = list(layer.metadata["table_names"])
    session = session_of(viewer)
    session.set_tissue(replace(small_tissue), None)
    session.predictions.keep(predicted(small_tissue), persist=False)
    assert layer.metadata["table_names"] == before
    assert set(sdata.tables) == {"table"}


def test_without_the_plugin_all_of_ours_is_there() -> None:
    code = (
        "import sys; sys.modules['napari_spatialdata'] = None\n"
        "import napari_stdiff.viewer.reader, napari_stdiff.viewer.writer\n"
        "import napari_stdiff.viewer.actions, napari_stdiff.viewer.lending\n"
        "import napari_stdiff.viewer.keys, napari_stdiff.viewer.figure\n"
        "from napari.components import ViewerModel\n"
        "from napari_stdiff.viewer.session import session_of\n"
        "from napari_stdiff import read, simulate\n"
        "sdata = simulate(n_sections=3, cells_per_section=50, image_size=50).sdata\n"
        "viewer = ViewerModel()\n"
        "session = session_of(viewer)\n"
        "session.set_tissue(read(sdata), sdata)\n"
        "assert len(session.viewer.layers) == 6, session.viewer.layers\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=180)
