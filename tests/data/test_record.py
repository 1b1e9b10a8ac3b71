from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest
from pydantic import ValidationError

from napari_stdiff.data.record import RunRecord, describe_input, versions
from napari_stdiff.data.tissue import Origin, Tissue


def tissue() -> Tissue:
    return Tissue(
        expression=np.ones((3, 2), np.float32),
        values="counts",
        genes=np.array(["a", "b"]),
        names=np.array(["1", "2", "3"]),
        coords=np.zeros((3, 3)),
        unit="um",
        section=np.array(["s", "s", "t"]),
        origin=Origin(path="x.h5ad", kind="h5ad", keys={"section": "slice"}, notes=("Said.",)),
    )


def test_a_record_comes_back_from_json_as_it_went() -> None:
    record = RunRecord(
        task="interpolate",
        method="knn",
        parameters={"k": 5, "at": "middle", "nested": {"list": [1, 2.5, None]}},
        target={"z": 40.0, "hidden": ""},
        input=describe_input(tissue()),
        scores={"pcc": 0.25, "crps": None},
        seconds={"fit": 1.5},
        notes=("One.", "Two."),
    )
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    assert json.loads(record.model_dump_json())["generated"] is True


def test_a_record_knows_when_and_with_what_it_was_made() -> None:
    record = RunRecord(task="interpolate", method="knn")
    assert datetime.fromisoformat(record.created).tzinfo is not None
    assert {"python", "numpy", "anndata", "napari-stdiff"} <= set(record.versions)
    assert record.versions == versions()


def test_a_record_refuses_fields_it_does_not_know_and_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="colour"):
        RunRecord(task="interpolate", method="knn", colour="red")
    record = RunRecord(task="interpolate", method="knn")
    with pytest.raises(ValidationError):
        record.seed = 3


def test_the_input_is_described_by_what_was_read_and_a_fingerprint() -> None:
    said = describe_input(tissue())
    assert said["path"] == "x.h5ad"
    assert said["keys"] == {"section": "slice"}
    assert said["notes"] == ["Said."]
    assert said["unit"] == "um"
    assert said["fingerprint"] == tissue().fingerprint()
    assert json.loads(json.dumps(said)) == said
