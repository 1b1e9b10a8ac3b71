"""What is taken from an AnnData, and what is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_stdiff import StdiffError, read


def test_coordinates_are_z_y_x(make_adata):
    adata = make_adata()
    tissue = read(adata, spacing=5)
    np.testing.assert_array_equal(tissue.coords[:, 2], adata.obsm["spatial"][:, 0])
    np.testing.assert_array_equal(tissue.coords[:, 1], adata.obsm["spatial"][:, 1])
    assert tissue.coords.dtype == np.float64
    assert list(tissue.names) == list(adata.obs_names)
    assert list(tissue.genes) == list(adata.var_names)


@pytest.mark.parametrize("form", ["csr", "csc", "dense", "int", "float64"])
def test_expression_keeps_its_values_and_stays_sparse(make_adata, form):
    plain = make_adata()
    x = {
        "csr": plain.X,
        "csc": plain.X.tocsc(),
        "dense": plain.X.toarray(),
        "int": plain.X.astype(np.int64),
        "float64": plain.X.astype(np.float64),
    }[form]
    tissue = read(make_adata(X=x))
    assert sparse.issparse(tissue.expression) == (form != "dense")
    assert tissue.expression.dtype == np.float32
    for k, gene in enumerate(plain.var_names):
        np.testing.assert_array_equal(tissue.dense(gene), plain.X[:, k].toarray().ravel())


def test_unsorted_and_repeated_entries_are_put_right_in_a_copy():
    x = sparse.csr_matrix(
        (np.array([1, 2, 3], np.float32), np.array([1, 0, 0]), np.array([0, 3, 3])), shape=(2, 2)
    )
    adata = AnnData(x, obsm={"spatial": np.zeros((2, 2))})
    tissue = read(adata)
    np.testing.assert_array_equal(tissue.expression.toarray(), [[5, 1], [0, 0]])
    assert adata.X.nnz == 3


def test_counts_and_log_values_are_told_apart_and_said(make_adata):
    counts = make_adata()
    assert read(counts).values == "counts"
    logged = make_adata(X=sparse.csr_matrix(np.log1p(counts.X.toarray())))
    tissue = read(logged)
    assert tissue.values == "log-normalised"
    assert any("log-normalised" in n for n in tissue.origin.notes)
    scaled = make_adata(X=counts.X.toarray() * 100.5)
    assert any("large for log values" in n for n in read(scaled).origin.notes)


# --- depth


def test_order_is_natural_and_spacing_is_said(make_adata):
    tissue = read(make_adata())
    assert tissue.sections == ["s1", "s2", "s10"]
    assert list(tissue.section_z.values()) == [0.0, 10.0, 20.0]  # neighbours are 10 apart
    assert tissue.origin.keys["z"] == "section order"
    assert any("spacing of 10 units is assumed" in n for n in tissue.origin.notes)


def test_deliberate_order_of_categories_is_kept(make_adata):
    given = pd.Categorical(
        np.repeat(["s1", "s2", "s10"], 8), categories=["s10", "s1", "s2"], ordered=True
    )
    assert read(make_adata({"slice": given})).sections == ["s10", "s1", "s2"]


@pytest.mark.parametrize(
    ("key", "per_section", "z", "unit"),
    [
        ("bregma", [-0.04, -0.09, -0.14], [-40, -90, -140], "um"),
        ("Bregma", [-4, -9, -14], [-40, -90, -140], "um"),
        ("bregma_um", [-40, -90, -140], [-40, -90, -140], "um"),
        ("z_mm", [1, 2, 3], [1000, 2000, 3000], "um"),
        ("z_um", [0, 12, 24], [0, 12, 24], "um"),
        ("z", [0.0, 0.05, 0.1], [0, 50, 100], "um"),
        ("z", [0, 50, 100], [0, 50, 100], "unit"),
        ("z", [3, 4, 5], [0, 10, 20], "unit"),  # section numbers
    ],
)
def test_depth_column_and_its_unit(make_adata, key, per_section, z, unit):
    adata = make_adata({key: np.repeat(np.array(per_section, float), 8)})
    adata.obsm["spatial"] = adata.obsm["spatial"] * 10
    tissue = read(adata)
    assert tissue.unit == unit
    assert tissue.origin.keys["z"] == key
    want = np.array(z) * (10 if z == [0, 10, 20] else 1)
    np.testing.assert_allclose([tissue.section_z[s] for s in ("s1", "s2", "s10")], want)


@pytest.mark.parametrize(
    ("unit", "z"),
    [("um", [1, 2, 3]), ("mm", [1000, 2000, 3000]), ("nm", [0.001, 0.002, 0.003])],
)
def test_said_unit_wins(make_adata, unit, z):
    tissue = read(make_adata({"deep": np.repeat([1.0, 2, 3], 8)}), z_key="deep", z_unit=unit)
    np.testing.assert_allclose([tissue.section_z[s] for s in ("s1", "s2", "s10")], z)
    assert tissue.unit == "um"
    same = read(make_adata({"deep": np.repeat([1.0, 2, 3], 8)}), z_key="deep", z_unit="same")
    assert (same.unit, same.section_z["s10"]) == ("unit", 3.0)


def test_unit_hint_of_the_file_is_used(make_adata):
    assert read(make_adata(uns={"unit": "um"})).unit == "um"
    assert read(make_adata()).unit == "unit"


def test_depth_that_varies_within_sections_is_not_taken_unasked(make_adata):
    adata = make_adata({"z": np.arange(24.0)})
    assert read(adata).origin.keys["z"] == "section order"
    assert read(adata, z_key="z").coords[5, 0] == 5.0
    assert read(make_adata({"z": np.repeat([1.0, 2, 30], 8)}), z_key="none").origin.keys["z"] == (
        "section order"
    )


def test_third_column_is_the_depth(make_adata):
    adata = make_adata()
    z = np.repeat([0.0, 100, 150], 8)
    adata.obsm["spatial3d"] = np.c_[adata.obsm["spatial"] * 2, z]
    tissue = read(adata)
    assert tissue.section_z == {"s1": 0.0, "s2": 100.0, "s10": 150.0}
    np.testing.assert_array_equal(tissue.coords[:, 2], adata.obsm["spatial"][:, 0] * 2)
    assert tissue.origin.keys["coordinates"] == "spatial3d"
    flat = read(adata, spatial_key="spatial")
    np.testing.assert_array_equal(flat.coords[:, 2], adata.obsm["spatial"][:, 0])


def test_sections_come_from_depth_where_no_column_tells_them(make_adata):
    adata = make_adata({"slice": None, "Bregma": np.repeat([26.0, 21, 16], 8)})
    tissue = read(adata)
    assert tissue.sections == ["16", "21", "26"]
    assert tissue.section_z == {"26": 260.0, "21": 210.0, "16": 160.0}
    assert tissue.origin.keys["section"] == tissue.origin.keys["z"] == "Bregma"
    said = read(adata, section_key="Bregma")
    np.testing.assert_array_equal(said.coords, tissue.coords)
    deep = make_adata({"slice": None})
    deep.obsm["spatial"] = np.c_[deep.obsm["spatial"], np.repeat([0.0, 5, 10], 8)]
    assert read(deep).section_z == {"0": 0.0, "5": 5.0, "10": 10.0}


def test_a_batch_of_several_depths_is_divided(make_adata):
    batch = np.repeat(["a", "a", "b"], 8)
    tissue = read(make_adata({"slice": None, "batch": batch, "z": np.repeat([0.0, 50, 120], 8)}))
    assert tissue.section_z == {"0": 0.0, "50": 50.0, "120": 120.0}
    assert read(make_adata({"slice": None, "batch": batch})).sections == ["a", "b"]


# --- labels


def test_labels_are_detected_said_and_ignored(make_adata):
    adata = make_adata({"region": np.repeat(["L1", "L2"], 12), "other": np.tile(["a", "b"], 12)})
    tissue = read(adata)
    assert list(tissue.cell_type[:2]) == ["neuron", "glia"]
    assert tissue.origin.keys["layer"] == "region"
    assert list(tissue.layer[[0, -1]]) == ["L1", "L2"]
    said = read(adata, cell_type_key="other", layer_key="none", section_key="none")
    assert set(said.cell_type) == {"a", "b"}
    assert said.layer is None
    assert said.sections == ["section"]


def test_missing_labels_become_unknown(make_adata):
    types = np.tile(["a", None, "nan"], 8)
    tissue = read(make_adata({"cell_type": pd.Categorical(types)}))
    assert list(tissue.cell_type[:3]) == ["a", "unknown", "unknown"]
    assert any("16 without one" in n for n in tissue.origin.notes)


def test_colors_come_with_the_labels(make_adata):
    tissue = read(make_adata(uns={"cell_type_colors": ["red", "#00ff00"], "x_colors": ["red"]}))
    assert tissue.colors == {"cell_type": {"glia": "#ff0000", "neuron": "#00ff00"}}


def test_wrong_colors_are_left_out(make_adata):
    short = make_adata(uns={"cell_type_colors": ["red"]})
    wrong = make_adata(uns={"cell_type_colors": ["no colour", "red"]})
    assert read(short).colors == read(wrong).colors == {}


# --- histology


def _library(shape=(20, 40), scale=0.5, **more):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (*shape, 3)).astype(np.uint8)
    return {
        "images": {"hires": image, "lowres": image[::2, ::2]},
        "scalefactors": {"tissue_hires_scalef": scale, "tissue_lowres_scalef": scale / 2},
        **more,
    }


def test_each_section_gets_the_picture_of_its_name(make_adata):
    adata = make_adata(uns={"spatial": {"s1": _library(), "s10": _library(scale=1.0)}})
    tissue = read(adata)
    assert set(tissue.histology) == {"s1", "s10"}
    np.testing.assert_array_equal(tissue.histology["s1"].to_tissue, np.diag([2, 2, 1]))
    np.testing.assert_array_equal(tissue.histology["s10"].to_tissue, np.diag([1, 1, 1]))
    assert tissue.histology["s1"].image.shape == (20, 40, 3)


def test_lowres_and_float_and_grey_pictures(make_adata):
    library = _library()
    library["images"] = {"lowres": np.linspace(0, 1, 200).reshape(10, 20).astype(np.float32)}
    tissue = read(make_adata({"slice": None}, uns={"spatial": {"lib": library}}))
    assert tissue.sections == ["lib"]
    picture = tissue.histology["lib"]
    assert picture.image.dtype == np.uint8
    assert picture.image.shape == (10, 20, 3)
    assert picture.image.max() == 255
    np.testing.assert_array_equal(picture.to_tissue, np.diag([4, 4, 1]))


def test_library_column_links_pictures_to_sections(make_adata):
    library = np.repeat(["A", "B", "C"], 8)
    adata = make_adata(
        {"library_id": library}, uns={"spatial": {k: _library(scale=1.0) for k in "ABC"}}
    )
    assert read(adata).sections == ["A", "B", "C"]
    assert set(read(adata, section_key="slice").histology) == {"s1", "s2", "s10"}


def test_picture_follows_into_a_registered_frame(make_adata):
    adata = make_adata(uns={"spatial": {s: _library(scale=1.0) for s in ("s1", "s2", "s10")}})
    x, y = adata.obsm["spatial"].T
    turned = np.c_[100 - 2 * y, 2 * x, np.repeat([0.0, 50, 100], 8)]
    adata.obsm["spatial3d"] = turned
    tissue = read(adata)
    corner = tissue.histology["s1"].to_tissue @ [10, 30, 1]  # the pixel of spot x = 30, y = 10
    np.testing.assert_allclose(corner[:2], [60, 80])
    adata.obsm["spatial3d"] = np.random.default_rng(0).random((24, 3)) * 100
    assert read(adata).histology == {}


def test_picture_elsewhere_is_left_out_and_said(make_adata):
    adata = make_adata({"slice": None}, uns={"spatial": {"lib": _library(scale=50.0)}})
    tissue = read(adata)
    assert tissue.histology == {}
    assert any("lies outside the picture" in n for n in tissue.origin.notes)


# --- refusals


def _with(x, row, value):
    x = x.toarray()
    x[row] = value
    return x


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_unusable_expression(make_adata, value, form):
    adata = make_adata()
    adata.X = form(_with(adata.X, (3, 2), value))
    with pytest.raises(StdiffError, match="negative" if value == -1 else "NaN or infinite"):
        read(adata)


def test_no_expression(make_adata):
    adata = make_adata()
    empty = AnnData(obs=adata.obs, var=adata.var, obsm={"spatial": adata.obsm["spatial"]})
    with pytest.raises(StdiffError, match="no expression"):
        read(empty)


def test_no_coordinates_lists_what_is_there(make_adata):
    adata = make_adata()
    adata.obsm["X_pca"] = np.zeros((24, 3))
    del adata.obsm["spatial"]
    with pytest.raises(StdiffError, match=r"no coordinates.*X_pca"):
        read(adata)
    with pytest.raises(StdiffError, match=r"no obsm key 'where'; there is: X_pca"):
        read(adata, spatial_key="where")
    assert read(adata, spatial_key="X_pca").n_cells == 24


@pytest.mark.parametrize(
    ("coordinates", "said"),
    [
        (np.full((24, 2), np.nan), "24 of 24 cells or spots have NaN"),
        (np.zeros((24, 4)), r"shape \(24, 4\)"),
        (np.full((24, 2), "a"), "not numbers"),
    ],
)
def test_unusable_coordinates(make_adata, coordinates, said):
    adata = make_adata()
    adata.obsm["spatial"] = coordinates
    with pytest.raises(StdiffError, match=said):
        read(adata)


def test_duplicate_names(make_adata):
    twice = make_adata()
    twice.obs_names = ["a", "a", *twice.obs_names[2:]]
    with pytest.raises(StdiffError, match=r"obs name.*\(a\)"):
        read(twice)
    twice = make_adata()
    twice.var_names = ["g", "g", "h", "i", "j"]
    with pytest.raises(StdiffError, match=r"gene name.*var_names_make_unique"):
        read(twice)


def test_empty_table(make_adata):
    with pytest.raises(StdiffError, match="empty"):
        read(make_adata()[:0].copy())
    with pytest.raises(StdiffError, match="empty"):
        read(make_adata()[:, :0].copy())


@pytest.mark.parametrize("role", ["section_key", "z_key", "cell_type_key", "layer_key"])
def test_named_column_that_is_not_there(make_adata, role):
    with pytest.raises(StdiffError, match=r"'nothing'; there is: slice, cell_type, n_counts"):
        read(make_adata(), **{role: "nothing"})


def test_columns_that_cannot_serve(make_adata):
    with pytest.raises(StdiffError, match="does not hold numbers"):
        read(make_adata(), z_key="cell_type")
    with pytest.raises(StdiffError, match="empty or infinite for 1"):
        read(make_adata({"z": [np.nan, *[1.0] * 23]}), z_key="z")
    with pytest.raises(StdiffError, match="8 cells or spots have no section"):
        read(make_adata({"gap": pd.Categorical(["a"] * 16 + [None] * 8)}), section_key="gap")


def test_a_result_is_never_read_as_tissue(make_adata):
    with pytest.raises(StdiffError, match="result of napari-stdiff"):
        read(make_adata(uns={"stdiff": "{}"}))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from([np.float32, np.float64, np.int32]),
)
def test_any_sections_in_any_order_keep_rows_together(codes, dense, dtype):
    n = len(codes)
    x = np.arange(n * 2).reshape(n, 2).astype(dtype)
    adata = AnnData(
        x if dense else sparse.csr_matrix(x),
        obs=pd.DataFrame({"slice": [f"s{c}" for c in codes]}, index=[f"c{i}" for i in range(n)]),
        obsm={"spatial": np.c_[np.arange(n), -np.arange(n)].astype(float)},
    )
    tissue = read(adata, section_key="slice", spacing=3.0)
    rank = {c: i for i, c in enumerate(sorted(set(codes)))}
    np.testing.assert_array_equal(tissue.coords[:, 0], [3.0 * rank[c] for c in codes])
    np.testing.assert_array_equal(tissue.coords[:, 2], np.arange(n))
    np.testing.assert_array_equal(tissue.dense(str(tissue.genes[1])), x[:, 1])
    assert list(tissue.section) == [f"s{c}" for c in codes]


def test_coordinates_out_of_all_reach_are_refused(make_adata):
    adata = make_adata({"z": np.repeat([0.0, 5, 10], 8)})
    adata.obsm["spatial"] = adata.obsm["spatial"] * 1e200
    with pytest.raises(StdiffError, match="too far to compute with"):
        read(adata)
