"""Labels under a section: which element, which cell, and where their pixels lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from spatialdata import SpatialData
from spatialdata.models import Labels2DModel, PointsModel, TableModel
from spatialdata.transformations import Affine

from napari_stdiff import read
from napari_stdiff.data import segmentation
from napari_stdiff.data.segmentation import labels_of

IMAGE = np.zeros((30, 40), np.int32)
IMAGE[2:8, 3:9], IMAGE[10:20, 20:30], IMAGE[22:28, 1:7] = 7, 4, 9
TURNED = Affine(
    [[0.0, -2.0, 100.0], [2.0, 0.0, 5.0], [0, 0, 1]],
    input_axes=("x", "y"),
    output_axes=("x", "y"),
)


def store(names: Sequence[str] = ("left", "right")) -> SpatialData:
    labels = {
        name: Labels2DModel.parse(IMAGE, dims=("y", "x"), transformations={"global": TURNED})
        for name in names
    }
    obs = pd.DataFrame(
        {
            "region": pd.Categorical([name for name in names for _ in range(3)]),
            "instance_id": [9, 4, 7] * len(names),
        },
        index=[f"cell{i}" for i in range(3 * len(names))],
    )
    table = AnnData(np.ones((len(obs), 2), np.float32), obs=obs)
    parsed = TableModel.parse(
        table, region=list(names), region_key="region", instance_key="instance_id"
    )
    return SpatialData(labels=labels, tables={"table": parsed})


def test_each_section_has_the_labels_of_its_own_element() -> None:
    tissue = read(store())
    assert set(tissue.segmentation) == {"left", "right"}
    held = tissue.segmentation["right"]
    assert held.ids.to_dict() == {"cell3": 9, "cell4": 4, "cell5": 7}
    assert not isinstance(held.image, np.ndarray)  # nothing is loaded before it is looked at


def test_the_pixels_of_a_cell_lie_around_it() -> None:
    tissue = read(store())
    held = tissue.segmentation["left"]
    image = np.asarray(held.image)
    for name, label in held.ids.items():
        pixels = np.column_stack([*np.nonzero(image == label), np.ones((image == label).sum())])
        middle = (pixels @ held.to_tissue.T).mean(axis=0)[:2]
        np.testing.assert_allclose(middle, tissue.coords[tissue.names == name][0, 1:])


def test_cells_that_are_left_out_take_their_section_with_them() -> None:
    tissue = read(store())
    assert set(tissue.rows(tissue.section == "left").segmentation) == {"left"}


def test_points_have_no_outlines() -> None:
    sdata = store(["left"])
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}, index=[9, 4, 7])
    del sdata.labels["left"]
    sdata.points["left"] = PointsModel.parse(frame)
    assert read(sdata).segmentation == {}


@pytest.mark.parametrize("scales", [None, [2]])
def test_a_large_picture_is_thinned_and_stays_in_place(
    monkeypatch: pytest.MonkeyPatch, scales: list[int] | None
) -> None:
    monkeypatch.setattr(segmentation, "LARGEST", 11)
    element = Labels2DModel.parse(IMAGE, dims=("y", "x"), scale_factors=scales)
    image, to_system = labels_of(element, "global")
    assert max(image.shape) <= 11
    assert set(np.unique(np.asarray(image))) <= {0, 4, 7, 9}  # no label is an average
    rows, columns = np.nonzero(np.asarray(image) == 4)
    centres = np.column_stack([rows, columns, np.ones(len(rows))]) @ to_system.T
    full = np.argwhere(IMAGE == 4)
    low, high = full.min(axis=0), full.max(axis=0) + 1
    assert (centres[:, :2] >= low).all()
    assert (centres[:, :2] <= high).all()
