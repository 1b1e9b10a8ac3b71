"""`evaluate impute` from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_stdiff import cli
from napari_stdiff.data.simulate import write_sample
from napari_stdiff.evaluation import impute

SIZES = {
    "n_sections": 3,
    "cells_per_section": 60,
    "n_genes": 12,
    "n_extra_genes": 4,
    "n_reference_cells": 120,
    "image_size": 60,
}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left_with:
        cli.main([str(a) for a in arguments])
    code = left_with.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "tissue.zarr", **SIZES)


def test_methods_are_compared_and_the_report_grows(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    options = ["--hide", "0.4", "--section", "section_1", "--draws", "16", "--json", file]
    assert run("evaluate", "impute", store, "--methods", "mean", *options) == 0
    first = json.loads(file.read_text())
    assert list(first["methods"]) == ["mean"]
    assert first["protocol"]["hide"] == 0.4
    assert first["protocol"]["section"] == "section_1"
    capsys.readouterr()
    both = ["--methods", "mean,soft-svd", "--resume"]
    assert run("evaluate", "impute", store, *both, *options) == 0
    report = json.loads(file.read_text())
    assert report["methods"]["mean"] == first["methods"]["mean"]
    assert report["methods"]["soft-svd"]["rmse"] > 0
    assert "soft-svd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["--pattern", "genes"], "needs a single-cell reference"),
        (["--hide", "1.2"], "hide"),
        (["--methods", "nothing"], "There is no method 'nothing'"),
        (["--section", "nowhere"], "nowhere"),
        (["--genes", "Nothing1"], "Nothing1"),
        (["--resume"], "--resume needs the file"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    store: Path, said: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", "impute", store, *said) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_options_and_reference_reach_the_evaluation(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def instead(data: Any, reference: Any, **said: Any) -> Any:
        seen.update(said, reference=reference)
        raise KeyboardInterrupt

    monkeypatch.setattr(impute, "evaluate_impute", instead)
    reference = store.with_name("tissue_reference.h5ad")
    options = ["--pattern", "thinning", "--seed", "4", "--genes", "A,B", "--reference", reference]
    assert run("evaluate", "impute", store, *options) == 130
    assert seen["pattern"] == "thinning"
    assert seen["seed"] == 4
    assert seen["genes"] == "A,B"
    assert seen["reference"] == str(reference)
    assert seen["methods"] is None
