"""Files, stores and objects: what is refused, and that nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff import ReadConfig, StdiffError, read
from napari_stdiff.data.store import check_store


def test_a_tissue_is_returned_as_it_is(make_adata):
    tissue = read(make_adata())
    assert read(tissue) is tissue


def test_h5ad_and_zarr_give_what_the_object_gives(make_adata, tmp_path):
    adata = make_adata()
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    expected = read(adata)
    for name, kind in (("a.h5ad", "h5ad"), ("a.zarr", "anndata")):
        tissue = read(str(tmp_path / name))
        assert tissue.fingerprint() == expected.fingerprint()
        assert tissue.origin.kind == kind
        assert tissue.origin.path == str(tmp_path / name)


def test_keys_are_fields_of_the_config(make_adata):
    tissue = read(make_adata(), ReadConfig(spacing=7.0), cell_type_key="none")
    assert tissue.cell_type is None
    assert tissue.section_z == {"s1": 0.0, "s2": 7.0, "s10": 14.0}
    with pytest.raises(StdiffError, match="no such setting"):
        read(make_adata(), no_such_key="x")


def test_reading_leaves_file_and_object_alone(make_adata, tmp_path):
    path = tmp_path / "a.h5ad"
    adata = make_adata(uns={"cell_type_colors": ["#ff0000", "#00ff00"]})
    x = adata.X.copy()
    adata.write_h5ad(path)
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    read(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    tissue = read(adata)
    tissue.obs["new"] = 1
    assert "new" not in adata.obs
    assert (x != adata.X).nnz == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.h5ad", None, "no file or store"),
        ("empty.h5ad", b"", "is empty"),
        ("text.h5ad", b"x,y\n1,2\n", "not HDF5"),
    ],
)
def test_wrong_files_are_named_in_one_sentence(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StdiffError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_hdf5_without_a_table_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(StdiffError, match="holds no AnnData"):
        read(tmp_path / "other.h5ad")


def test_a_cut_off_file_is_refused(make_adata, tmp_path):
    path = tmp_path / "cut.h5ad"
    make_adata().write_h5ad(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StdiffError, match="cannot be read"):
        read(path)


def test_folders_that_are_no_store_are_refused(tmp_path):
    import zarr

    (tmp_path / "folder").mkdir()
    with pytest.raises(StdiffError, match=r"not a \.zarr store"):
        read(tmp_path / "folder")
    zarr.open_group(str(tmp_path / "other.zarr"), mode="w").attrs["a"] = 1
    with pytest.raises(StdiffError, match="neither SpatialData nor AnnData"):
        read(tmp_path / "other.zarr")


def test_other_objects_are_refused():
    with pytest.raises(StdiffError, match="cannot be read from a ndarray"):
        read(np.zeros((3, 2)))


def test_one_section_is_read_and_only_then_refused(make_adata):
    from napari_stdiff.data.checks import need_sections

    tissue = read(make_adata()[:8].copy())
    assert tissue.sections == ["s1"]
    with pytest.raises(StdiffError, match="only one section"):
        need_sections(tissue)
    three = read(make_adata())
    need_sections(three, 3)
    with pytest.raises(StdiffError, match="only 3 sections"):
        need_sections(three, 4)


REAL = {
    # name: (sections, first and last z, unit, values, keys)
    "merfish_hypothalamus": (5, (-240, -40), "um", "counts", "slice bregma cell_type domain"),
    "heart": (9, (192, 353), "unit", "counts", "slice anterior_posterior - region"),
    "synovium_RA2": (7, None, "unit", "counts", "slice z - label"),
    "breast_cancer_stack": (4, None, "unit", "counts", "slice z - -"),
    "olfactory_bulb": (4, None, "unit", "counts", "slice order - -"),
    "starmap_layers": (5, None, "unit", "log-normalised", "slice order - -"),
    "starmap_visp": (1, (0, 0), "unit", "counts", "- order cell_type layer"),
    "osmfish": (1, (0, 0), "unit", "counts", "- order cell_type layer"),
    "osmfish_stdiff": (1, (0, 0), "unit", "counts", "- order - -"),
    "pdac": (1, (0, 0), "unit", "counts", "- order - -"),
    "fly_bdtnp": (1, None, "unit", "log-normalised", "- coordinates - -"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data_is_understood_without_being_told(real_data, name):
    n, z, unit, values, roles = REAL[name]
    tissue = read(Path(real_data(f"{name}.h5ad")))
    assert len(tissue.sections) == n
    assert (tissue.unit, tissue.values) == (unit, values)
    keys = {k: "order" if v == "section order" else v for k, v in tissue.origin.keys.items()}
    roles_found = [keys.get(r, "-") for r in ("section", "z", "cell_type", "layer")]
    assert " ".join(roles_found) == roles
    depths = [tissue.section_z[s] for s in tissue.sections]
    if z is not None:
        np.testing.assert_allclose([depths[0], depths[-1]], z)
    if n > 1:
        assert min(np.diff(depths)) > 0


def test_real_spots_lie_on_their_histology(real_data):
    tissue = read(real_data("olfactory_bulb.h5ad"))
    assert list(tissue.histology) == tissue.sections
    for section, picture in tissue.histology.items():
        at = tissue.coords[tissue.section == section][:, 1:]
        pixel = np.linalg.inv(picture.to_tissue) @ np.c_[at, np.ones(len(at))].T
        rows, columns = np.rint(pixel[:2]).astype(int)
        tissue_color = np.asarray(picture.image)[rows, columns].mean()
        mirrored = np.asarray(picture.image)[columns, rows].mean()
        assert tissue_color < mirrored - 5  # stained tissue is darker than the bare slide


@pytest.mark.parametrize("name", ["locked.h5ad", "locked.zarr"])
def test_what_may_not_be_read_is_told(name, tmp_path, monkeypatch):
    place = tmp_path / name
    place.mkdir() if name.endswith("zarr") else place.write_bytes(b"x")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    for look in (read, check_store):
        with pytest.raises(StdiffError, match="may not be read by this user"):
            look(place)
