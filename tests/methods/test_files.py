"""Models in a folder, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.files import known_labels, read_model, refuse_misfit, write_model
from napari_stdiff.methods.registry import load_method, method_class
from napari_stdiff.methods.settings import InterpolationSettings


def test_round_trip(tmp_path: Path) -> None:
    tensors = {
        "weights": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
        "rows": np.array([3, 1], dtype=np.int64),
        "mask": np.array([True, False]),
        "nothing": np.zeros((0, 4), dtype=np.float64),
    }
    write_model(tmp_path / "deep" / "model", "knn", {"genes": ["a"], "rate": 0.1}, tensors)
    meta, read = read_model(tmp_path / "deep" / "model", "knn")
    assert meta["genes"] == ["a"]
    assert meta["rate"] == 0.1
    assert set(read) == set(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(read[name], value)
        assert read[name].dtype == value.dtype


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StdiffError, match="no saved model"):
        read_model(tmp_path)
    write_model(tmp_path, "knn", {}, {"a": np.zeros(3)})
    with pytest.raises(StdiffError, match="is a 'knn', not a 'field'"):
        read_model(tmp_path, "field")
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(StdiffError, match="newer version"):
        read_model(tmp_path)
    for bad in ("[]", "{", json.dumps({"format": 1})):
        (tmp_path / "model.json").write_text(bad)
        with pytest.raises(StdiffError, match="cannot be read"):
            read_model(tmp_path)
    (tmp_path / "model.json").write_text(text)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(StdiffError, match="cannot be read"):
        read_model(tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StdiffError, match="cannot be written"):
        write_model(tmp_path / "taken", "knn", {}, {})


def test_misfits_are_named(make_tissue: Callable[..., Tissue]) -> None:
    tissue = make_tissue()
    fits = {"genes": list(tissue.genes), "types": ["glia", "neuron", "vessel", "other"]}
    refuse_misfit(fits, tissue)
    refuse_misfit({"genes": ["gene1"]}, tissue)
    missing = [f"lost{i}" for i in range(6)]
    with pytest.raises(StdiffError, match=r"genes 'lost0', 'lost1', .* and 2 more"):
        refuse_misfit({**fits, "genes": [*missing, "gene1"]}, tissue)
    with pytest.raises(StdiffError, match="does not know the cell type 'vessel'"):
        refuse_misfit({**fits, "types": ["glia", "neuron"]}, tissue)
    refuse_misfit({**fits, "types": []}, tissue)
    refuse_misfit(fits, make_tissue(cell_type=None))


def test_known_labels_leaves_out_what_is_missing() -> None:
    labels = np.array(["b", None, float("nan"), "a", "b"], dtype=object)
    assert known_labels(labels) == ["a", "b"]
    assert known_labels(None) == []


def test_a_model_with_something_missing_is_refused(
    make_tissue: Callable[..., Tissue], tmp_path: Path
) -> None:
    tissue = make_tissue()
    method = method_class("typed-knn")().fit(tissue, None, InterpolationSettings(), Monitor())
    method.save(tmp_path)
    assert load_method("typed-knn", tmp_path, tissue).id == "typed-knn"
    meta = json.loads((tmp_path / "model.json").read_text())
    for name in set(meta) - {"format", "kind"}:
        left = {k: v for k, v in meta.items() if k != name}
        (tmp_path / "model.json").write_text(json.dumps(left))
        with pytest.raises(StdiffError, match="damaged or of another version"):
            load_method("typed-knn", tmp_path, tissue)
