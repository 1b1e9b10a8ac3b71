"""The stack and its dock, with the real widgets of a real window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Points
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from scipy import sparse

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer import show as show_module
from napari_stdiff.viewer.layers import camera_of, scale_map, state_of
from napari_stdiff.viewer.session import session_of
from napari_stdiff.viewer.show import settle, show
from napari_stdiff.viewer.stack import Stack
from napari_stdiff.viewer.widgets.stack import StackWidget

pytestmark = pytest.mark.viewer

Make = Callable[..., VirtualSection]


class Desk:
    """A viewer with the dock, and the tissue open in it."""

    def __init__(self, viewer: Any, tissue: Tissue) -> None:
        self.viewer = viewer
        viewer.window.resize(800, 600)  # software rendering: fewer pixels, less waiting
        self.session = session_of(viewer)
        self.dock = StackWidget(viewer)
        viewer.window.add_dock_widget(self.dock, name="Stack")
        self.session.set_tissue(tissue, None)
        settle()

    @property
    def stack(self) -> Stack:
        return self.session.stack

    def points(self) -> list[Points]:
        return [layer for layer in self.viewer.layers if isinstance(layer, Points)]

    def pick_gene(self, qtbot: Any, text: str) -> None:
        line = self.dock.colours.search
        line.clear()
        qtbot.keyClicks(line, text)
        qtbot.keyClick(line, Qt.Key.Key_Return)
        settle()

    def picture(self) -> np.ndarray:
        settle()
        return np.asarray(self.viewer.screenshot(flash=False))[..., :3]


@pytest.fixture
def desk(make_napari_viewer: Callable[..., Any], small_tissue: Tissue) -> Desk:
    return Desk(make_napari_viewer(show=True), small_tissue)


@pytest.fixture
def plain(make_napari_viewer: Callable[..., Any], small_tissue: Tissue) -> Desk:
    """Return a desk without pictures, for what does not look at them: half as much to draw."""
    return Desk(make_napari_viewer(show=True), replace(small_tissue, histology={}))


@pytest.fixture
def open_desk(make_napari_viewer: Callable[..., Any]) -> Callable[[Tissue], Desk]:
    return lambda tissue: Desk(make_napari_viewer(show=True), tissue)


def pose(viewer: Any) -> tuple[float, ...]:
    camera = camera_of(viewer)
    return (*camera.center, camera.zoom, *camera.angles)


def test_every_section_lies_on_its_picture(desk: Desk) -> None:
    roles = [state_of(layer)["role"] for layer in desk.viewer.layers]
    assert roles.count("points") == roles.count("histology") == 3
    assert desk.viewer.dims.ndisplay == 3
    picture = desk.picture()
    assert picture.std() > 10  # neither blank nor one colour
    assert (picture > 200).all(axis=-1).any()  # the pale pictures are in sight


def test_typing_a_gene_and_enter_colours_all_sections_on_one_scale(
    plain: Desk, qtbot: Any, small_tissue: Tissue
) -> None:
    before = [layer.face_color.copy() for layer in plain.points()]
    plain.pick_gene(qtbot, "slc17")  # a part of its name, in any case
    assert plain.stack.colouring.name == "Slc17a6"
    limits = {tuple(layer.face_contrast_limits) for layer in plain.points()}
    assert limits == {plain.stack.limits}
    for old, layer in zip(before, plain.points(), strict=True):
        assert not np.allclose(old, layer.face_color)
    shown = [layer.face_colorbar.visible for layer in plain.points()]
    assert shown.count(True) == 1
    assert plain.dock.colours.legend.gradient.isVisibleTo(plain.dock)
    assert "Slc17a6" in plain.dock.colours.legend.title.text()


def test_a_gene_that_is_not_there_gets_a_sentence(plain: Desk, qtbot: Any) -> None:
    plain.pick_gene(qtbot, "xyz")
    assert "xyz" in plain.dock.colours.message.text()
    assert plain.dock.colours.message.isVisibleTo(plain.dock)
    plain.pick_gene(qtbot, "Gad1")
    assert not plain.dock.colours.message.isVisibleTo(plain.dock)


def test_an_all_zero_gene_is_painted_with_its_colour_bar(desk: Desk, qtbot: Any) -> None:
    desk.pick_gene(qtbot, "Zero")
    assert desk.stack.colouring.name == "Zero"
    lo, hi = desk.stack.limits
    assert hi > lo
    assert desk.picture().std() > 10
    desk.dock.view.two.click()
    assert desk.picture().std() > 10


def test_missing_values_are_painted_grey(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue, qtbot: Any
) -> None:
    x = small_tissue.expression.toarray()
    x[:, 0] = np.nan
    x[:60, 1] = np.nan
    broken = replace(small_tissue, expression=x, values="log-normalised")
    desk = open_desk(broken)
    for gene in ("Gad1", "Gad2"):
        desk.pick_gene(qtbot, gene)
        assert desk.stack.colouring.name == gene
        assert np.isfinite(desk.stack.limits).all()
        assert desk.picture().std() > 10
    assert "no value" in desk.dock.colours.legend.marks.text()


def test_a_section_of_one_cell_and_a_tissue_of_one_section(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue, qtbot: Any
) -> None:
    keep = small_tissue.section != "third"
    keep[np.flatnonzero(small_tissue.section == "third")[0]] = True
    desk = open_desk(small_tissue.rows(keep))
    desk.pick_gene(qtbot, "Gad1")
    assert desk.picture().std() > 10
    desk.session.set_tissue(small_tissue.rows(np.array([0])), None)
    desk.pick_gene(qtbot, "Gad1")
    desk.picture()
    assert len(desk.points()) == 1


def test_a_tissue_without_pictures_types_or_counts(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue
) -> None:
    nothing = sparse.csr_matrix(small_tissue.expression.shape, dtype=np.float32)
    bare = replace(
        small_tissue, expression=nothing, histology={}, cell_type=None, obs=small_tissue.obs[[]]
    )
    desk = open_desk(replace(bare, origin=replace(bare.origin, keys={})))
    assert desk.stack.colouring.kind == "gene"
    desk.picture()


def test_annotations_have_their_own_colours_and_a_legend(plain: Desk, qtbot: Any) -> None:
    panel = plain.dock.colours
    assert plain.stack.colouring.name == "cell_type"  # what a tissue with types opens with
    colours = {tuple(np.round(c[:3], 3)) for layer in plain.points() for c in layer.face_color}
    assert colours == {(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)}
    assert panel.legend.swatches.colours == {"neuron": "#ff0000", "glia": "#0000ff"}
    plain.pick_gene(qtbot, "depth")  # the same box
    assert plain.stack.colouring.kind == "number"
    assert panel.legend.gradient.isVisibleTo(plain.dock)
    plain.pick_gene(qtbot, "one colour")
    assert plain.stack.colouring.kind == "none"
    assert not panel.scale.isVisibleTo(plain.dock)


def test_limits_clipping_and_colormap(plain: Desk, qtbot: Any) -> None:
    panel = plain.dock.colours
    plain.pick_gene(qtbot, "Tac1")
    auto = plain.stack.limits
    panel.high.setValue(0.5)
    assert plain.stack.limits[1] == pytest.approx(0.5)
    assert all(layer.face_contrast_limits[1] == pytest.approx(0.5) for layer in plain.points())
    panel.auto.click()
    assert plain.stack.limits == auto
    panel.clip_high.setValue(60)
    assert plain.stack.limits[1] < auto[1]
    panel.range.setValue((0.2, 0.9))
    assert plain.stack.limits == pytest.approx((0.2, 0.9))
    panel.low.setValue(7.0)  # above the upper end: still a scale
    assert plain.stack.limits[1] > plain.stack.limits[0]
    panel.colormap.setCurrentText("magma")
    panel.colormap.textActivated.emit("magma")
    assert {layer.face_colormap.name for layer in plain.points()} == {scale_map("magma").name}


def test_the_camera_stays_where_the_user_put_it(
    plain: Desk, qtbot: Any, make_virtual: Make
) -> None:
    camera = camera_of(plain.viewer)
    camera.angles = (10.0, 20.0, 30.0)
    camera.zoom = 1.7
    camera.center = (5.0, 60.0, 70.0)
    before = pose(plain.viewer)
    plain.pick_gene(qtbot, "Gad1")
    plain.dock.view.spacing.box.setValue(2.0)
    plain.dock.view.point_size.box.setValue(1.5)
    plain.dock.view.points.slider.setValue(100)
    plain.session.add_result(make_virtual("v", 90.0), persist=False)
    settle()
    assert pose(plain.viewer) == pytest.approx(before)
    plain.dock.view.two.click()
    plain.dock.view.three.click()
    assert pose(plain.viewer) == pytest.approx(before)
    plain.dock.view.whole.click()
    assert pose(plain.viewer) != pytest.approx(before)


def test_stretch_moves_layers_and_leaves_the_data(desk: Desk, small_tissue: Tissue) -> None:
    desk.dock.view.spacing.box.setValue(4.0)
    layer = desk.stack.section("third").points
    np.testing.assert_array_equal(layer.data[:, 0], 130.0)
    image = desk.stack.section("third").image
    assert image.data_to_world((0, 0, 0))[0] == pytest.approx(4 * 130.0)
    assert desk.dock.view.spacing.value() == 4.0


def test_points_stay_on_our_side_of_their_picture(desk: Desk) -> None:
    camera = camera_of(desk.viewer)
    section = desk.stack.section("second")

    def lift() -> float:
        points = section.points.data_to_world(section.points.data[0])[0]
        return float(points - section.image.data_to_world((0, 0, 0))[0])

    for direction in ((-1.0, 0.3, 0.2), (1.0, 0.3, 0.2)):
        camera.set_view_direction(direction, (0, -1, 0))
        size = float(section.points.size[0])
        assert lift() == pytest.approx(-np.sign(direction[0]) * size / 2, rel=1e-3)
    desk.dock.view.two.click()
    assert lift() == pytest.approx(0.0)


def test_a_lone_section_is_seen_in_2d(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue
) -> None:
    """A new viewer is in 2D already, so nothing tells that it is."""
    desk = open_desk(small_tissue.rows(np.flatnonzero(small_tissue.section == "second")))
    desk.stack.colour_by("none")
    assert desk.viewer.dims.ndisplay == 2
    seen = desk.picture()
    (points,) = desk.points()
    points.visible = False
    assert (seen != desk.picture()).any(axis=-1).sum() > 100  # pixels that the cells cover


def test_no_spot_is_cut_by_its_picture(desk: Desk) -> None:
    """The same number of coloured pixels with and without pictures, from both sides."""
    desk.stack.colour_by("none")
    camera = camera_of(desk.viewer)
    for name in ("first", "third"):
        desk.stack.set_visible(desk.stack.section(name), False)
    image = desk.stack.section("second").image
    for direction in ((-1.0, -0.8, -0.3), (1.0, -0.8, -0.3)):
        camera.set_view_direction(direction, (-direction[0], 0, 0))
        desk.viewer.reset_view(reset_camera_angle=False)
        counts = []
        for shown in (True, False):
            image.visible = shown
            picture = desk.picture().astype(int)
            blue = (np.abs(picture - (0x56, 0xB4, 0xE9)) < 30).all(axis=-1)
            counts.append(int(blue.sum()))
        image.visible = True
        assert counts[1] > 50
        assert counts[0] == pytest.approx(counts[1], rel=0.1)


def test_scrubbing_shows_a_section_at_every_stop(desk: Desk, make_virtual: Make) -> None:
    desk.session.add_result(make_virtual("v", 90.0), persist=False)
    desk.dock.view.two.click()
    dims = desk.viewer.dims
    dims.set_point(0, dims.range[0].start)
    stops = []
    for _ in range(6):
        assert desk.picture().std() > 3
        stops.append(round(dims.point[0] / desk.stack.spacing, 6))
        dims.set_current_step(0, dims.current_step[0] + 1)
    assert stops[:4] == [0.0, 50.0, 90.0, 130.0]
    for wanted in np.linspace(*dims.range[0][:2], 9):
        dims.set_point(0, wanted)
        settle()
        assert round(dims.point[0] / desk.stack.spacing, 6) in (0.0, 50.0, 90.0, 130.0)


def test_a_section_that_is_not_flat_is_seen_whole_in_2d(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue
) -> None:
    coords = small_tissue.coords.copy()
    coords[:, 0] += np.linspace(-8, 8, len(coords))
    desk = open_desk(replace(small_tissue, coords=coords))
    desk.dock.view.two.click()
    section = desk.stack.section("second")
    desk.stack.go_to(section)
    settle()
    point, half = desk.viewer.dims.point[0], desk.viewer.dims.thickness[0] / 2
    world = np.array([section.points.data_to_world(row)[0] for row in section.points.data])
    assert (np.abs(world - point) <= half).all()


def test_the_users_own_volume_keeps_its_slider(plain: Desk) -> None:
    plain.viewer.add_image(np.zeros((60, 20, 20)), name="mine")
    plain.dock.view.two.click()
    plain.viewer.dims.set_point(0, 21.0)
    assert plain.viewer.dims.point[0] == 21.0


def test_a_virtual_section_is_marked_and_can_stand_beside_the_truth(
    desk: Desk, qtbot: Any, make_virtual: Make
) -> None:
    desk.session.add_result(make_virtual("between", 90.0), persist=False)
    desk.session.add_result(make_virtual("again", 50.0), persist=False)
    again, between = desk.stack.section("again", True), desk.stack.section("between", True)
    assert again.points.name == "virtual · again"
    assert set(again.points.symbol) != set(desk.stack.section("second").points.symbol)
    assert again.frame in desk.viewer.layers

    def shift(section: Any) -> float:
        return float(section.points.data_to_world(section.points.data[0])[2]) - float(
            section.points.data[0, 2]
        )

    assert shift(again) > 100
    assert shift(between) == 0
    desk.dock.view.beside.setChecked(False)
    assert shift(again) == 0
    desk.pick_gene(qtbot, "Gad1")
    assert again.points.face_contrast_limits == desk.stack.limits
    panel = desk.dock.colours
    mean = again.points.face_color.copy()
    panel.quantity.setCurrentIndex(1)
    panel.quantity.activated.emit(1)
    assert not np.allclose(again.points.face_color, mean)
    assert "spread" in panel.legend.title.text()


def test_points_that_are_small_on_the_canvas_keep_their_colour(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue
) -> None:
    desk = open_desk(replace(small_tissue, histology={}))
    desk.stack.colour_by("column", "cell_type")  # red and blue
    camera = camera_of(desk.viewer)
    camera.zoom *= 1.2 / (camera.zoom * float(desk.points()[0].size[0]))  # 1.2 pixels each
    picture = desk.picture().astype(int)[60:]  # less the caption
    seen = picture[picture.max(axis=-1) > 60]
    assert len(seen) > 20
    assert np.median(np.ptp(seen, axis=-1)) > 50  # not the grey of a rim


def test_results_of_one_section_are_seen_in_2d(
    open_desk: Callable[[Tissue], Desk], small_tissue: Tissue, make_virtual: Make
) -> None:
    one = small_tissue.rows(small_tissue.section == "first")
    desk = open_desk(one)
    before = camera_of(desk.viewer).zoom
    desk.session.add_result(make_virtual("layer", 0.0), persist=False)
    desk.stack.reveal("layer")
    assert desk.viewer.dims.ndisplay == 2
    assert camera_of(desk.viewer).zoom < before  # it stands beside the section
    desk.stack.frame()
    assert desk.viewer.dims.ndisplay == 2  # all is at one depth: nothing to see in 3D


def test_a_new_result_is_gone_to_in_2d(plain: Desk, make_virtual: Make) -> None:
    plain.dock.view.two.click()
    plain.session.add_result(make_virtual("between", 90.0), persist=False)
    plain.stack.reveal("between")
    assert abs(plain.viewer.dims.point[0] - 90.0) < 20  # nearer to it than to any other


def test_sections_are_listed_shown_and_hidden(desk: Desk, make_virtual: Make) -> None:
    desk.session.add_result(make_virtual("v", 90.0), persist=False)
    tree = desk.dock.sections
    rows = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    assert [(r.text(0), r.text(2)) for r in rows] == [
        ("third", "measured"),
        ("v", "virtual"),
        ("second", "measured"),
        ("first", "measured"),
    ]
    rows[2].setCheckState(0, Qt.CheckState.Unchecked)
    second = desk.stack.section("second")
    assert not second.points.visible
    assert not second.image.visible
    second.points.visible = True  # by the eye in napari's own list
    row = tree.topLevelItem(2)
    assert row.checkState(0) == Qt.CheckState.Checked
    tree.itemDoubleClicked.emit(tree.topLevelItem(1), 0)
    assert desk.viewer.dims.ndisplay == 2
    settle()
    assert abs(desk.viewer.dims.point[0] - 90.0) < 20  # nearer to it than to any other


def test_layers_can_be_removed_at_any_time_and_come_back(
    desk: Desk, qtbot: Any, make_virtual: Make
) -> None:
    desk.session.add_result(make_virtual("v", 90.0), persist=False)
    desk.viewer.layers.remove(desk.stack.section("second").points)
    desk.viewer.layers.remove(desk.stack.section("first").image)
    desk.viewer.layers.remove(desk.stack.section("v", True).frame)
    desk.pick_gene(qtbot, "Gad1")
    desk.dock.view.spacing.box.setValue(3.0)
    desk.dock.view.histology.slider.setValue(50)
    tree = desk.dock.sections
    assert tree.topLevelItem(2).checkState(0) == Qt.CheckState.Unchecked
    tree.topLevelItem(2).setCheckState(0, Qt.CheckState.Checked)
    assert "second" in [layer.name for layer in desk.viewer.layers]
    assert desk.stack.section("second").points.face_contrast_limits == desk.stack.limits
    desk.viewer.layers.clear()
    desk.pick_gene(qtbot, "Gad2")
    desk.dock.view.two.click()
    desk.dock.view.three.click()
    desk.session.remove_result("v")
    desk.picture()


def test_opacity_and_size(desk: Desk) -> None:
    desk.dock.view.histology.box.setValue(0.25)
    desk.dock.view.points.box.setValue(0.5)
    images = [layer for layer in desk.viewer.layers if isinstance(layer, Image)]
    assert {layer.opacity for layer in images} == {0.25}
    assert {layer.opacity for layer in desk.points()} == {0.5}
    before = float(desk.points()[0].size[0])
    desk.dock.view.point_size.box.setValue(2.0)
    assert float(desk.points()[0].size[0]) == pytest.approx(2 * before)


def test_the_selection_is_left_alone(plain: Desk, make_virtual: Make) -> None:
    mine = plain.stack.section("second").points
    plain.viewer.layers.selection = {mine}
    plain.session.add_result(make_virtual("v", 90.0), persist=False)
    assert set(plain.viewer.layers.selection) == {mine}


def test_the_users_text_on_the_canvas_is_left_alone(plain: Desk, qtbot: Any) -> None:
    text = plain.viewer.canvas.overlays.text
    assert text.text == "cell_type"
    text.text = "my own"
    plain.pick_gene(qtbot, "Gad1")
    assert text.text == "my own"


def test_the_dock_shows_how_the_data_was_read(plain: Desk) -> None:
    assert "Made for a test." in plain.dock.data.detected.text()
    assert "3 sections" in plain.dock.data.about.text()


def test_nothing_is_cut_off_at_300_pixels(plain: Desk, qtbot: Any, make_virtual: Make) -> None:
    long = make_virtual("a_very_long_name_of_a_result_as_people_give_them_to_things", 50.0)
    plain.session.add_result(long, persist=False)
    for gene in ("Gad1", "Slc17a6"):
        plain.pick_gene(qtbot, gene)
        assert plain.dock.body.minimumSizeHint().width() <= 300
    plain.stack.colour_by("column", "cell_type")
    settle()
    assert plain.dock.body.minimumSizeHint().width() <= 300


def test_closing_and_reopening_the_dock(plain: Desk, qtbot: Any, small_tissue: Tissue) -> None:
    plain.viewer.window.remove_dock_widget(plain.dock)
    plain.stack.colour_by("gene", "Gad1")  # nobody listens, nothing breaks
    plain.session.set_tissue(small_tissue, None)
    again = StackWidget(plain.viewer)
    plain.viewer.window.add_dock_widget(again)
    settle()
    plain.stack.colour_by("gene", "Tac1")
    assert again.colours.search.text() == "Tac1"


def test_show_writes_the_canvas_and_the_window(
    qtbot: Any,
    small_tissue: Tissue,
    make_virtual: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(show_module, "WINDOW_SIZE", (1000, 700))
    path = tmp_path / "pictures" / "stack.png"
    show(
        small_tissue,
        results=[make_virtual("v", 90.0)],
        color="Gad1",
        screenshot=path,
        block=False,
    )
    for file in (path, path.with_name("stack_window.png")):
        picture = QImage(str(file))
        assert picture.width() > 300
        colours = {picture.pixel(x, y) for x in range(0, picture.width(), 7)
                   for y in range(0, picture.height(), 7)}  # fmt: skip
        assert len(colours) > 20


def test_real_spots_lie_on_their_tissue(
    open_desk: Callable[[Tissue], Desk], real_data: Callable[[str], Path]
) -> None:
    """Below the spots of the olfactory bulb the H&E is darker than the glass around them."""
    from napari_stdiff.data.reading import read

    desk = open_desk(read(str(real_data("olfactory_bulb.h5ad"))))
    for section in desk.stack.sections:
        picture = section.image.data[0]
        pixels = np.array([section.image.world_to_data(section.points.data_to_world(row))[1:]
                           for row in section.points.data]).astype(int)  # fmt: skip
        below = picture[pixels[:, 0], pixels[:, 1]].mean()
        assert below < picture.mean() - 10
