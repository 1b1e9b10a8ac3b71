"""Elements of every kind, matched to their table and brought to one frame."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from shapely import Polygon
from spatialdata import SpatialData, get_centroids
from spatialdata.models import (
    Image2DModel,
    Labels2DModel,
    Labels3DModel,
    PointsModel,
    ShapesModel,
    TableModel,
)
from spatialdata.transformations import Affine, Identity, Scale, Sequence, Translation

from napari_stdiff import StdiffError, read
from napari_stdiff.data.elements import centroids

IDS = [7, 3, 12, 5]
XY = np.array([[10.0, 1], [20, 2], [35, 3], [40, 9]])
TURN = Affine(
    np.array([[0, -2, 100], [2, 0, 10], [0, 0, 1.0]]),
    input_axes=("x", "y"),
    output_axes=("x", "y"),
)


def _turned(xy):
    return np.c_[-2 * xy[:, 1] + 100, 2 * xy[:, 0] + 10]


def _element(kind, transformations):
    if kind == "points":
        data = pd.DataFrame(XY, columns=["x", "y"], index=IDS)
        return PointsModel.parse(data, transformations=transformations)
    if kind == "circles":
        return ShapesModel.parse(
            XY, geometry=0, radius=1.0, index=IDS, transformations=transformations
        )
    if kind == "polygons":
        from geopandas import GeoDataFrame

        squares = [
            Polygon([(x - 1, y - 1), (x + 1, y - 1), (x + 1, y + 1), (x - 1, y + 1)])
            for x, y in XY
        ]
        return ShapesModel.parse(
            GeoDataFrame({"geometry": squares}, index=IDS), transformations=transformations
        )
    image = np.zeros((12, 50), np.int32)
    for i, (x, y) in zip(IDS, XY.astype(int), strict=True):
        image[y - 1 : y + 1, x - 1 : x + 1] = i  # pixel edges x - 1 to x + 1: centroid x, y
    factors = {"scale_factors": [2]} if kind == "multiscale labels" else {}
    return Labels2DModel.parse(
        da.from_array(image, chunks=(5, 7)),
        dims=("y", "x"),
        transformations=transformations,
        **factors,
    )


KINDS = ["points", "circles", "polygons", "labels", "multiscale labels"]


def _by_id(tissue):
    """Return instance -> (z, y, x)."""
    return dict(zip(tissue.dense("id").astype(int).tolist(), tissue.coords, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_element_in_every_system(make_sdata, kind):
    element = _element(kind, {"global": Identity(), "turned": TURN})
    sdata = make_sdata({"cells": element}, {"cells": IDS})
    for system, xy in (("global", XY), ("turned", _turned(XY))):
        tissue = read(sdata, coordinate_system=system)
        where = _by_id(tissue)
        for i, (x, y) in zip(IDS, xy, strict=True):
            np.testing.assert_allclose(where[i], [0, y, x], atol=1e-9)
        assert tissue.origin.coordinate_system == system
        assert tissue.origin.elements == {"cells": "cells"}
        assert tissue.origin.kind == "spatialdata"


@pytest.mark.parametrize("kind", KINDS)
def test_centroids_agree_with_those_of_spatialdata(kind):
    chain = Sequence([Scale([2.0, 3.0], axes=("x", "y")), TURN])
    element = _element(kind, {"global": chain})
    ours = centroids(element, "global", "e").sort_index()
    theirs = get_centroids(element, "global").compute().sort_index()
    np.testing.assert_array_equal(ours.index, theirs.index)
    np.testing.assert_allclose(ours[["x", "y"]], theirs[["x", "y"]])


@pytest.mark.parametrize("kind", ["points", "circles", "labels"])
def test_a_store_gives_what_the_object_gives_and_is_not_changed(make_sdata, tmp_path, kind):
    sdata = make_sdata({"cells": _element(kind, {"global": TURN})}, {"cells": IDS})
    path = tmp_path / "a.zarr"
    sdata.write(path)
    files = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.rglob("*") if p.is_file()}
    for p in path.rglob("*"):
        p.chmod(0o555 if p.is_dir() else 0o444)
    path.chmod(0o555)
    tissue = read(path)
    assert tissue.fingerprint() == read(sdata).fingerprint()
    assert (tissue.origin.path, tissue.origin.table) == (str(path), "table")
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.rglob("*") if p.is_file()}
    assert after == files
    for p in (path, *path.rglob("*")):
        p.chmod(0o755 if p.is_dir() else 0o644)


def test_depth_of_points_shapes_and_labels(make_sdata):
    xyz = np.c_[XY, [1.0, 1, 5, 5]]
    shift = {"global": Translation([0.0, 0, 100], axes=("x", "y", "z"))}
    points = PointsModel.parse(
        pd.DataFrame(xyz, columns=["x", "y", "z"], index=IDS), transformations=shift
    )
    shapes = ShapesModel.parse(xyz, geometry=0, radius=1.0, index=IDS, transformations=shift)
    volume = np.zeros((6, 12, 50), np.int32)
    for i, (x, y, z) in zip(IDS, xyz.astype(int), strict=True):
        volume[z - 1 : z + 1, y - 1 : y + 1, x - 1 : x + 1] = i
    labels = Labels3DModel.parse(volume, dims=("z", "y", "x"), transformations=shift)
    for element in (points, shapes, labels):
        where = _by_id(read(make_sdata({"cells": element}, {"cells": IDS})))
        for i, (x, y, z) in zip(IDS, xyz, strict=True):
            np.testing.assert_allclose(where[i], [z + 100, y, x])


def test_flat_elements_moved_along_z_are_a_stack(make_sdata):
    lifted = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 50.0], [0, 0, 1]])
    elements = {
        "a": _element("circles", {"global": Identity()}),
        "b": _element("circles", {"global": Translation([5.0, 20], axes=("x", "z"))}),
        "c": _element("points", {"global": Affine(lifted, ("x", "y"), ("x", "y", "z"))}),
    }
    tissue = read(make_sdata(elements, dict.fromkeys(elements, IDS)))
    assert tissue.section_z == {"a": 0.0, "b": 20.0, "c": 50.0}


def test_several_regions_are_sections_of_their_own(make_sdata):
    elements = {n: _element("circles", {"global": Identity()}) for n in ("s1", "s2", "s10")}
    tissue = read(make_sdata(elements, dict.fromkeys(elements, IDS)), spacing=4)
    assert tissue.section_z == {"s1": 0.0, "s2": 4.0, "s10": 8.0}
    assert tissue.origin.keys["section"] == "region"
    assert tissue.origin.elements == {"s1": "s1", "s2": "s2", "s10": "s10"}
    assert all(
        name.startswith(f"{s}-") for name, s in zip(tissue.names, tissue.section, strict=True)
    )


def test_a_column_divides_a_region_but_does_not_join_regions(make_sdata):
    one = {"all": _element("points", {"global": Identity()})}
    tissue = read(make_sdata(one, {"all": IDS}, {"slice": {7: "a", 3: "a", 12: "b", 5: "b"}}))
    assert tissue.sections == ["a", "b"]
    assert tissue.origin.elements == {"a": "all", "b": "all"}
    two = {n: _element("points", {"global": Identity()}) for n in ("left", "right")}
    batches = {"batch": dict.fromkeys(IDS, "one")}
    assert read(make_sdata(two, dict.fromkeys(two, IDS), batches)).sections == ["left", "right"]


def test_rows_without_an_instance_are_left_out_and_said(make_sdata):
    sdata = make_sdata(
        {"cells": _element("circles", {"global": Identity()})}, {"cells": [*IDS, 99]}
    )
    tissue = read(sdata)
    assert sorted(tissue.dense("id")) == sorted(IDS)
    assert any("1 row(s) of the table have no instance" in n for n in tissue.origin.notes)
    nobody = make_sdata(
        {"cells": _element("circles", {"global": Identity()})}, {"cells": [98, 99]}
    )
    with pytest.raises(StdiffError, match="annotates nothing"):
        read(nobody)


def test_instances_may_be_names(make_sdata):
    spots = [f"AAC-{i}" for i in IDS]
    circles = ShapesModel.parse(XY, geometry=0, radius=1.0, index=spots)
    table = _table("spots", IDS[::-1])
    table.obs["instance_id"] = spots[::-1]
    tissue = read(SpatialData.init_from_elements({"spots": circles, "table": table}))
    where = _by_id(tissue)
    for i, (x, y) in zip(IDS, XY, strict=True):
        np.testing.assert_array_equal(where[i], [0, y, x])


def test_regions_outside_the_coordinate_system_are_left_out(make_sdata):
    elements = {
        "a": _element("circles", {"global": Identity()}),
        "b": _element("circles", {"global": Identity(), "b only": TURN}),
    }
    sdata = make_sdata(elements, dict.fromkeys(elements, IDS))
    assert read(sdata).sections == ["a", "b"]
    tissue = read(sdata, coordinate_system="b only")
    assert tissue.sections == ["b"]
    assert any("left out" in n and "a" in n for n in tissue.origin.notes)
    with pytest.raises(StdiffError, match=r"'nowhere'; there is: global, b only"):
        read(sdata, coordinate_system="nowhere")


def test_microns_are_known_by_name(make_sdata):
    sdata = make_sdata({"cells": _element("circles", {"microns": Identity()})}, {"cells": IDS})
    assert read(sdata).unit == "um"


# --- tables


def _table(region, ids, **uns):
    obs = pd.DataFrame(
        {"region": pd.Categorical([region] * len(ids)), "instance_id": ids},
        index=[f"r{i}" for i in ids],
    )
    table = AnnData(np.array(ids, np.float32)[:, None], obs=obs, var=pd.DataFrame(index=["id"]))
    table = TableModel.parse(table, region=region, region_key="region", instance_key="instance_id")
    table.uns.update(uns)
    return table


def test_the_measured_table_that_annotates_most_is_taken():
    sdata = SpatialData.init_from_elements(
        {
            "cells": _element("circles", {"global": Identity()}),
            "few": _table("cells", IDS[:2]),
            "most": _table("cells", IDS),
            "result": _table("cells", IDS, stdiff="{}"),
            "plain": AnnData(np.ones((9, 2), np.float32)),
        }
    )
    assert read(sdata).origin.table == "most"
    assert read(sdata, table="few").n_cells == 2
    with pytest.raises(StdiffError, match="result of napari-stdiff"):
        read(sdata, table="result")
    with pytest.raises(StdiffError, match="'plain' annotates nothing"):
        read(sdata, table="plain")
    with pytest.raises(StdiffError, match="no table 'absent'; there is: few, most"):
        read(sdata, table="absent")


def test_stores_without_a_usable_table():
    circles = _element("circles", {"global": Identity()})
    with pytest.raises(StdiffError, match="it has none"):
        read(SpatialData.init_from_elements({"cells": circles}))
    results = SpatialData.init_from_elements(
        {"cells": circles, "r": _table("cells", IDS, stdiff="")}
    )
    with pytest.raises(StdiffError, match="only results"):
        read(results)
    loose = SpatialData.init_from_elements({"t": AnnData(np.ones((3, 2), np.float32))})
    with pytest.raises(StdiffError, match="No table annotates"):
        read(loose)
    gone = SpatialData.init_from_elements({"other": circles, "t": _table("cells", IDS)})
    with pytest.raises(StdiffError, match=r"annotates nothing.*cells.*there is: other"):
        read(gone)


def test_the_same_instance_twice_is_refused(make_sdata):
    twice = ShapesModel.parse(XY, geometry=0, radius=1.0, index=[1, 1, 2, 3])
    with pytest.raises(StdiffError, match="same instance more than once"):
        read(make_sdata({"cells": twice}, {"cells": [1, 2, 3]}))


def test_said_obsm_coordinates_replace_those_of_the_elements(make_sdata):
    sdata = make_sdata({"cells": _element("circles", {"global": Identity()})}, {"cells": IDS})
    sdata["table"].obsm["registered"] = np.arange(8.0).reshape(4, 2)
    tissue = read(sdata, spatial_key="registered")
    np.testing.assert_array_equal(tissue.coords[:, 2], [0, 2, 4, 6])
    with pytest.raises(StdiffError, match="no obsm key 'absent'; there is: registered"):
        read(sdata, spatial_key="absent")


# --- images


def _image(value=0, shape=(3, 30, 60), transformations=None, **more):
    data = np.full(shape, value, np.uint8)
    return Image2DModel.parse(
        data,
        dims=("c", "y", "x"),
        transformations=transformations or {"global": Identity()},
        **more,
    )


def test_images_find_their_section_by_name(make_sdata):
    names = ("s1_spots", "s10_spots", "s2_spots")
    elements = {n: _element("circles", {"global": Identity()}) for n in names}
    images = {
        "s10_hires_image": _image(10),
        "s1_hires_image": _image(1),
        "s1_lowres_image": _image(99),
        "unrelated": _image(5),
    }
    tissue = read(make_sdata(elements, dict.fromkeys(elements, IDS), images=images))
    shown = {s: int(np.asarray(h.image).max()) for s, h in tissue.histology.items()}
    assert shown == {"s1_spots": 1, "s10_spots": 10}


def test_the_only_section_gets_the_image_that_it_lies_in(make_sdata):
    away = {"global": Translation([500.0, 0], axes=("x", "y"))}
    images = {"a": _image(1, transformations=away), "b": _image(2), "c": _image(3, (1, 30, 60))}
    tissue = read(
        make_sdata(
            {"cells": _element("points", {"global": Identity()})}, {"cells": IDS}, images=images
        )
    )
    picture = tissue.histology["cells"]
    assert np.asarray(picture.image).shape == (30, 60, 3)
    assert int(np.asarray(picture.image).max()) == 2


def test_pixels_lie_where_the_labels_of_the_same_pixels_lie(make_sdata):
    chain = {"global": Sequence([Scale([2.0, 3.0], axes=("x", "y")), TURN])}
    labels = np.zeros((30, 60), np.int32)
    ids = {1: (4, 7), 2: (20, 50), 3: (11, 30), 4: (29, 0)}
    for i, at in ids.items():
        labels[at] = i
    sdata = make_sdata(
        {"cells": Labels2DModel.parse(labels, dims=("y", "x"), transformations=chain)},
        {"cells": list(ids)},
        images={"image": _image(transformations=chain)},
    )
    tissue = read(sdata)
    for i, zyx in _by_id(tissue).items():
        there = tissue.histology["cells"].to_tissue @ [*ids[i], 1]
        np.testing.assert_allclose(there[:2], zyx[1:])


def test_large_images_are_shown_small_and_in_place(make_sdata):
    rng = np.random.default_rng(0)
    big = da.from_array(
        rng.integers(0, 255, (3, 300, 5000)).astype(np.uint8), chunks=(3, 100, 777)
    )
    element = {"cells": _element("points", {"global": Scale([100.0, 10], axes=("x", "y"))})}
    for factors in ({}, {"scale_factors": [2, 2]}):
        image = Image2DModel.parse(big, dims=("c", "y", "x"), **factors)
        tissue = read(make_sdata(element, {"cells": IDS}, images={"image": image}))
        picture = tissue.histology["cells"]
        assert isinstance(picture.image, da.Array)
        rows, columns, _ = picture.image.shape
        assert 1000 <= columns <= 2000
        assert np.asarray(picture.image).dtype == np.uint8
        corners = np.array([[-0.5, -0.5, 1], [rows - 0.5, columns - 0.5, 1]]).T
        ends = (picture.to_tissue @ corners)[:2].T
        np.testing.assert_allclose(ends[0], 0, atol=1e-9)
        np.testing.assert_allclose(ends[1], [300, 5000], rtol=0.01)


def test_other_channels_and_depths_of_colour_become_a_picture(make_sdata):
    def picture(data):
        image = Image2DModel.parse(data, dims=("c", "y", "x"))
        element = {"cells": _element("points", {"global": Identity()})}
        tissue = read(make_sdata(element, {"cells": IDS}, images={"image": image}))
        return np.asarray(tissue.histology["cells"].image)

    ramp = np.broadcast_to(np.linspace(0, 1, 60), (4, 30, 60))
    for data in (ramp, (ramp * 60_000).astype(np.uint16), ramp[:2]):
        shown = picture(np.ascontiguousarray(data))
        assert shown.shape == (30, 60, 3)
        assert (shown.dtype, shown.min(), shown.max()) == (np.uint8, 0, 255)


def test_the_simulated_tissue_is_read_whole():
    from napari_stdiff import simulate

    made = simulate(n_sections=3, cells_per_section=60, image_size=60, n_extra_genes=0)
    tissue = read(made.sdata)
    table = made.sdata["table"]
    assert tissue.sections == sorted(table.obs["section"].unique())
    np.testing.assert_allclose(tissue.coords[:, [2, 1]], table.obsm["spatial"])
    assert set(tissue.histology) == set(tissue.sections)
    assert (tissue.values, tissue.origin.keys["cell_type"]) == ("counts", "cell_type")
    assert tissue.origin.keys["layer"] == "layer"
