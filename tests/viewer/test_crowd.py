"""Which cells are drawn while too many are in sight; all else knows every cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Points
from scipy import sparse

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.viewer.crowd import Crowd
from napari_stdiff.viewer.figure import take
from napari_stdiff.viewer.layers import camera_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.widgets.stack import StackWidget

pytestmark = pytest.mark.viewer
CELLS, MOST = 600, 300  # of each of two sections


@pytest.fixture
def crowded() -> Tissue:
    """Return two square sections of many cells, far apart."""
    rng = np.random.default_rng(0)
    section = np.repeat(["low", "high"], CELLS).astype(object)
    z = np.where(section == "low", 0.0, 500.0)
    names = np.array([f"cell{i}" for i in range(2 * CELLS)])
    return Tissue(
        expression=sparse.csr_matrix(rng.poisson(2.0, (2 * CELLS, 3)).astype(np.float32)),
        values="counts",
        genes=np.array(["A", "B", "C"]),
        names=names,
        coords=np.column_stack([z, rng.uniform(0, 1000, (2 * CELLS, 2))]),
        unit="um",
        section=section,
        obs=pd.DataFrame({"kind": rng.choice(["x", "y"], 2 * CELLS)}, index=names),
    )


@pytest.fixture
def session(make_napari_viewer: Any, crowded: Tissue, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return the session of a viewer in which two of eight cells may be drawn."""
    from napari_stdiff.viewer import crowd
    from napari_stdiff.viewer.preferences import Preferences

    monkeypatch.setattr(crowd, "preferences", lambda: Preferences(most_drawn=MOST))
    viewer = make_napari_viewer()
    viewer.window.resize(800, 600)
    session = session_of(viewer)
    session.set_tissue(crowded, None)
    return session


def drawn(session: Session) -> list[int]:
    """Return how many cells of each section are drawn: shown, and of some size."""
    layers = [layer for layer in session.viewer.layers if isinstance(layer, Points)]
    for layer in layers:
        assert np.array_equal(layer.shown, np.broadcast_to(layer.size > 0, len(layer.data)))
    return [int(layer.shown.sum()) for layer in layers]


def test_an_even_share_is_drawn_and_the_layers_have_all(session: Session) -> None:
    crowd: Crowd = session.stack.crowd
    assert drawn(session) == [MOST // 2, MOST // 2]
    assert crowd.words == "25 % of 1,200 cells drawn; zoom in to see all"
    assert [len(layer.data) for layer in session.viewer.layers] == [CELLS, CELLS]
    assert len(session.stack.colouring.measured) == 2 * CELLS


def test_the_same_cells_are_drawn_each_time(session: Session, crowded: Tissue) -> None:
    before = [layer.shown.copy() for layer in session.viewer.layers]
    session.set_tissue(crowded.but(), None)
    after = [layer.shown for layer in session.viewer.layers]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_zooming_in_shows_all_that_are_in_sight(session: Session) -> None:
    stack, viewer = session.stack, session.viewer
    far = [layer.shown.copy() for layer in viewer.layers]
    camera_of(viewer).zoom *= 6
    stack.crowd.fit()
    assert stack.crowd.words == ""
    from napari_stdiff.viewer.crowd import seen_by

    for section, before in zip(stack.sections, far, strict=True):
        near = seen_by(viewer, section)
        assert section.points is not None
        assert section.points.shown[near].all()
        assert np.array_equal(section.points.shown[~near], before[~near])
    assert sum(np.count_nonzero(seen_by(viewer, s)) for s in stack.sections) > 0
    camera_of(viewer).zoom /= 6
    stack.crowd.fit()
    assert [layer.shown.sum() for layer in viewer.layers] == [m.sum() for m in far]


def test_a_section_in_2d_is_a_picture_of_its_own(session: Session) -> None:
    session.stack.set_ndisplay(2)
    session.stack.crowd.fit()
    assert drawn(session) == [MOST, MOST]
    assert session.stack.crowd.words.startswith("50 % of 600 cells")
    session.stack.set_ndisplay(3)
    assert sum(drawn(session)) <= MOST + 2  # at once, not only when the camera rests


def test_colours_labels_and_sizes_keep_to_it(session: Session) -> None:
    stack = session.stack
    stack.colour_by("gene", "B")
    assert drawn(session) == [MOST // 2, MOST // 2]
    stack.colour_by("column", "kind")
    stack.filter.toggle("kind", "x")
    kept = stack.colouring.measured == "y"
    for section in stack.sections:
        assert section.points is not None
        assert section.drawn is not None
        assert np.array_equal(section.points.shown, kept[section.rows] & section.drawn)
    stack.filter.toggle("kind", "x")
    stack.set_size(2.0)
    assert drawn(session) == [MOST // 2, MOST // 2]


def test_hiding_a_section_leaves_room_for_the_other(session: Session) -> None:
    low, high = session.stack.sections
    session.stack.set_visible(low, False)
    session.stack.crowd.fit()
    assert high.points is not None
    assert high.points.shown.sum() == MOST


def test_an_exported_figure_has_all_cells(session: Session, tmp_path: Path) -> None:
    seen: list[list[int]] = []
    viewer = session.viewer
    shoot = viewer.screenshot
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(viewer),
            "screenshot",
            lambda self, *a, **k: seen.append(drawn(session)) or shoot(*a, **k),
        )
        take(session, 1.0)
    assert seen == [[CELLS, CELLS]]
    assert drawn(session) == [MOST // 2, MOST // 2]


def test_the_dock_says_which_share_is_drawn(session: Session) -> None:
    dock = StackWidget(session.viewer)
    session.viewer.window.add_dock_widget(dock, name="Stack")
    assert dock.crowd.text() == "25 % of 1,200 cells drawn; zoom in to see all"
    assert dock.crowd.isVisibleTo(dock)
    camera_of(session.viewer).zoom *= 6
    session.stack.crowd.fit()
    assert not dock.crowd.isVisibleTo(dock)


def test_few_cells_are_all_drawn(make_napari_viewer: Any, crowded: Tissue) -> None:
    session = session_of(make_napari_viewer())
    session.set_tissue(crowded, None)
    assert drawn(session) == [CELLS, CELLS]
    assert session.stack.crowd.words == ""
    assert not session.stack.crowd.thinned
