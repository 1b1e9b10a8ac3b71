"""Imputed values over measured cells: views, one scale, two halves of a canvas, gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_stdiff.data.gaps import mask_layers
from napari_stdiff.data.imputed import Imputed, reliability_of
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.viewer.beside import grid_of
from napari_stdiff.viewer.cover import KEY
from napari_stdiff.viewer.layers import FAINTEST, camera_of, state_of
from napari_stdiff.viewer.session import Session, session_of
from napari_stdiff.viewer.widgets.imputed_results import describe

pytestmark = pytest.mark.viewer


def imputed(tissue: Tissue, name: str = "imputed_blend", seed: int = 0) -> Imputed:
    rng = np.random.default_rng(seed)
    measured = rng.random((tissue.n_cells, 2)).astype(np.float32)
    filled = rng.random(measured.shape) < 0.3
    mean = np.where(filled, np.float32(2.0) + measured, measured)
    measured[filled] = 0
    spread = np.where(filled, np.float32(0.2), np.float32(0))
    scores = {"pcc": 0.5, "rmse": 0.8, "coverage80": 0.79, "mean:pcc": 0.0, "soft-svd:pcc": 0.55}
    return Imputed(
        name,
        Prediction(np.array(["Gad1", "Tac1"], object), mean, spread),
        tissue.names,
        measured,
        filled,
        reliability_of(np.array([0.6, np.nan]), np.array([40, 0])),
        np.array([40, 0]),
        RunRecord(task="impute", method="blend", scores=scores),
    )


def layers(viewer: ViewerModel, role: str) -> list[Any]:
    """Return the layers of a role; those that stand for imputed values only while in sight."""
    found = [layer for layer in viewer.layers if (state_of(layer) or {}).get("role") == role]
    return [layer for layer in found if layer.visible or role != "imputed"]


def test_points_stay_out_of_sight_below_a_heat_map(session: Session, small_tissue: Tissue) -> None:
    session.imputations.keep(imputed(small_tissue))
    stack = session.stack
    stack.colour_by("gene", "Gad1")
    stack.set_view("imputed")
    stack.set_drawing("heat")
    stack.flip()  # the layers of imputed cells go; those of measured ones must not come back
    for section in stack.sections:
        assert section.heat is not None
        assert section.heat.visible
        assert not section.points.visible
    stack.set_drawing("points")
    assert all(section.points.visible for section in stack.sections)


def test_measured_values_are_shown_until_imputed_ones_are_asked_for(
    viewer: ViewerModel, session: Session, small_tissue: Tissue
) -> None:
    known = imputed(small_tissue)
    session.imputations.keep(known)
    stack = session.stack
    stack.colour_by("gene", "Gad1")
    assert layers(viewer, "imputed") == []
    np.testing.assert_array_equal(stack.colouring.measured, known.measured[:, 0])
    limits = stack.limits
    stack.flip()
    np.testing.assert_array_equal(stack.colouring.measured, known.mean[:, 0])
    assert stack.limits == limits  # both views count for the scale
    assert limits[1] > 2.0
    for layer, section in zip(layers(viewer, "imputed"), small_tissue.sections, strict=True):
        rows = small_tissue.section == section
        filled = known.filled[rows, 0]
        assert ([str(s) for s in layer.symbol] == np.where(filled, "square", "disc")).all()
        np.testing.assert_array_equal(layer.features["filled in"], filled)
        np.testing.assert_allclose(layer.features["measured"], known.measured[rows, 0], atol=6e-4)
    stack.colour_by("gene", "Tac1")  # imputed, too: the view stays
    assert stack.colouring.filled is not None
    filled = known.filled[:, 1].sum()
    assert f"{filled} of 120 filled in; hidden values: r unknown" in stack.title
    stack.colour_by("gene", "Gad2")
    assert layers(viewer, "imputed") == []
    assert all(layer.visible for layer in layers(viewer, "points"))


def test_measured_values_fade(viewer: ViewerModel, session: Session, small_tissue: Tissue) -> None:
    known = imputed(small_tissue)
    session.imputations.keep(known)
    session.stack.colour_by("gene", "Gad1")
    session.stack.set_view("imputed")
    session.stack.set_only_filled(True)
    alpha = np.concatenate([layer.face_color[:, 3] for layer in layers(viewer, "imputed")])
    order = [np.flatnonzero(small_tissue.section == name) for name in small_tissue.sections]
    filled = known.filled[np.concatenate(order), 0]
    np.testing.assert_allclose(alpha, np.where(filled, 1.0, FAINTEST), atol=1e-6)


def test_side_by_side(
    viewer: ViewerModel,
    session: Session,
    small_tissue: Tissue,
    make_virtual: Callable[..., VirtualSection],
) -> None:
    known = imputed(small_tissue)
    session.imputations.keep(known)
    stack, grid, camera = session.stack, grid_of(viewer), camera_of(viewer)
    stack.colour_by("gene", "Gad1")
    before = camera.center, camera.zoom
    stack.set_view("both")
    assert grid.enabled
    section = stack.section("second")

    def column(layer: Any) -> int:
        return int(grid.position(viewer.layers.index(layer), viewer.layers)[1])

    pairs = [(section.points, section.cover), (section.image, section.twin)]
    for left, right in pairs:
        assert left.visible
        assert right.visible
        assert (column(left), column(right)) == (0, 1)
    rows = small_tissue.section == "second"
    np.testing.assert_allclose(section.points.features["value"], known.measured[rows, 0])
    np.testing.assert_allclose(section.cover.features["value"], known.mean[rows, 0])
    assert section.points.face_contrast_limits == section.cover.face_contrast_limits
    section.points.visible = False  # linked
    assert not section.cover.visible
    stack.set_visible(section, True)
    assert section.points.visible
    assert section.cover.visible
    session.add_result(make_virtual("virtual_a", 20.0), persist=False)  # a layer that comes later
    stack._beside._group()  # as the event loop does
    assert {column(layer) for layer in stack.section("virtual_a", True).layers} == {0}
    assert column(section.cover) == 1
    stack.set_quantity("std")  # of a scale of its own
    assert stack.view == "imputed"
    assert not grid.enabled
    assert not section.twin.visible
    assert not section.points.visible
    assert (camera.center, camera.zoom) == before
    stack.set_quantity("mean")
    stack.set_view("both")
    session.set_tissue(replace(small_tissue), None)  # other data
    assert not grid.enabled
    assert layers(viewer, "imputed") == []


def test_the_key_flips_what_is_imputed(
    viewer: ViewerModel, session: Session, small_tissue: Tissue
) -> None:
    session.imputations.keep(imputed(small_tissue))
    press = next(f for key, f in viewer.keymap.items() if str(key).lower() == KEY)
    session.stack.colour_by("gene", "Gad1")
    press(viewer)
    assert session.stack.view == "imputed"
    press(viewer)
    assert session.stack.view == "raw"


def test_cells_outside_of_the_result_show_what_was_measured(
    session: Session, small_tissue: Tissue
) -> None:
    one = small_tissue.split("second")[1]
    known = imputed(one)
    session.imputations.keep(known)
    session.stack.colour_by("gene", "Gad1")
    session.stack.set_view("imputed")
    rows = small_tissue.section == "second"
    shown = session.stack.colouring
    np.testing.assert_array_equal(shown.measured[rows], known.mean[:, 0])
    assert not shown.filled[~rows].any()
    expected = session.stack._values.gene("Gad1")[~rows]
    np.testing.assert_array_equal(shown.measured[~rows], expected)


def test_gaps_of_a_tissue_are_no_zeros(viewer: ViewerModel, small_tissue: Tissue) -> None:
    missing = np.zeros(small_tissue.expression.shape, bool)
    missing[:7, 0] = True
    session = session_of(viewer)
    session.set_tissue(replace(small_tissue, missing=missing), None)
    session.stack.colour_by("gene", "Gad1")
    assert np.isnan(session.stack.colouring.measured[:7]).all()
    assert np.isfinite(session.stack.colouring.measured[7:]).all()


def test_a_result_in_words(small_tissue: Tissue) -> None:
    text = describe(imputed(small_tissue))
    assert "of 2 genes filled in by blend" in text
    assert "40 measured values were hidden, and predicted with r 0.50, no better than" in text
    assert "(low rank, 0.55)" in text
    assert "The 80 % intervals hold 79% of them" in text
    unknown = replace(imputed(small_tissue), record=RunRecord(task="impute", method="blend"))
    assert "too few hidden values" in describe(unknown)


def test_boolean_layers_of_a_table_are_found(tmp_path: Any) -> None:
    from anndata import AnnData
    from scipy import sparse

    table = AnnData(np.ones((4, 3), np.float32))
    table.layers["lost"] = np.eye(4, 3) > 0
    table.layers["thin"] = sparse.csr_matrix(np.eye(4, 3) > 0)
    table.layers["counts"] = np.ones((4, 3))
    path, store = tmp_path / "a.h5ad", tmp_path / "a.zarr"
    table.write_h5ad(path)
    table.write_zarr(store)
    for data in (table, path, str(store)):
        assert mask_layers(data) == ["lost", "thin"]
    assert mask_layers(None) == mask_layers(tmp_path / "none.h5ad") == []
