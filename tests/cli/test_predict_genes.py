"""`predict-genes` and `evaluate predict-genes` from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_stdiff import cli
from napari_stdiff.compute.monitor import Cancelled
from napari_stdiff.data.results import list_results, load_predicted
from napari_stdiff.data.simulate import simulate, write_sample
from napari_stdiff.tasks.gene_model import forget

SIZES = {
    "n_sections": 3,
    "cells_per_section": 80,
    "n_genes": 20,
    "n_extra_genes": 12,
    "n_reference_cells": 200,
    "image_size": 60,
}
QUICK = ("--method", "ridge", "--draws", "16", "--inner-folds", "2")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left_with:
        cli.main([str(a) for a in arguments])
    code = left_with.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    forget()


@pytest.fixture(scope="module")
def genes() -> list[str]:
    return simulate(**SIZES).hidden_genes


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "tissue.zarr", **SIZES)


@pytest.fixture
def reference(store: Path) -> Path:
    return store.with_name("tissue_reference.h5ad")


def test_a_store_gains_the_genes_that_were_named(
    store: Path, reference: Path, genes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    record, model = store.with_name("record.json"), store.with_name("model")
    options = ["--reference", reference, *QUICK]
    asked = f"{genes[0].lower()},{genes[1]}x"
    keep = ["--save-model", model, "--json", record]
    assert run("predict-genes", store, "--genes", asked, *options, *keep) == 0
    said = capsys.readouterr()
    assert "Saved as 'genes_ridge'" in said.out
    assert genes[0] in said.out
    assert "expected Pearson" in said.out
    assert "is neither in the tissue nor in the reference" in said.err
    (info,) = list_results(store)
    assert info.record.task == "predict-genes"
    found = load_predicted(store, info.name)
    assert list(found.genes) == [genes[0]]
    written = json.loads(record.read_text())
    assert written["genes"][genes[0]]["badge"] == found.reliability.badges[0]
    # a second run adds another table, by the model of the first
    more = ["--all-missing", "--model", model, "--name", "all of them"]
    assert run("predict-genes", store, *more, *options) == 0
    assert {i.name: i.n_genes for i in list_results(store)} == {
        "genes_ridge": 1,
        "all_of_them": 12,
    }
    assert run("info", store) == 0
    assert "all_of_them  predict-genes by ridge" in capsys.readouterr().out
    assert run("remove", store, "all_of_them") == 0
    assert [i.name for i in list_results(store)] == ["genes_ridge"]


def test_the_result_can_go_to_a_new_store(store: Path, reference: Path) -> None:
    new = store.with_name("new.zarr")
    options = ["--reference", reference, "--hvg", "3", "--out", new, *QUICK]
    assert run("predict-genes", store, *options) == 0
    assert [i.n_genes for i in list_results(new)] == [3]
    assert list_results(store) == []


def test_a_cancelled_run_leaves_the_store_as_it_was(
    store: Path,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from napari_stdiff.methods.genes.closed_form import RidgeMethod

    def stopped(*_: object) -> None:
        raise Cancelled("stopped")

    before = sorted(p for p in store.rglob("*"))
    monkeypatch.setattr(RidgeMethod, "sample", stopped)
    assert run("predict-genes", store, "--reference", reference, "--all-missing", *QUICK) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert sorted(p for p in store.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--genes", "A"], "Name the single-cell reference with --reference"),
        (["--reference", "REF", "--genes", "A", "--hvg", "3"], "Say one of --genes and --hvg"),
        (["--reference", "REF", "--all-missing", "--hvg", "3"], "one of --all-missing and --hvg"),
        (["--reference", "REF", "--hvg", "-1"], "--hvg takes the number of genes"),
        (["--reference", "REF"], "Name the genes to predict"),
        (["--reference", "REF", "--genes", "Nothing"], "neither in the tissue nor in the ref"),
        (["--reference", "nowhere.h5ad", "--genes", "A"], "There is no reference 'nowhere.h5ad'"),
        (["--reference", "REF", "--genes", "A", "--folds", "1"], "--folds: input should be"),
    ],
)
def test_bad_input_gets_a_sentence(
    store: Path,
    reference: Path,
    options: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(reference) if o == "REF" else o for o in options]
    assert run("predict-genes", store, *given, "--method", "ridge") == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.strip().splitlines()[-1]) > 20
    assert list_results(store) == []


def test_evaluate_writes_a_table_and_a_file_and_goes_on_where_it_was(
    store: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = store.with_name("scores.json")
    options = ["--reference", reference, "--seed", "2", "--draws", "16"]
    options += ["--inner-folds", "2", "--json", out, "--folds"]
    assert run("evaluate", "predict-genes", store, "--methods", "ridge", *options, "3") == 0
    said = capsys.readouterr().out
    assert "hidden in 3 folds" in said
    first = json.loads(out.read_text())
    assert first["task"] == "predict-genes"
    assert list(first["methods"]) == ["ridge"]
    more = ["--methods", "ridge,pls", "--resume", *options, "3"]
    assert run("evaluate", "predict-genes", store, *more) == 0
    second = json.loads(out.read_text())
    assert list(second["methods"]) == ["ridge", "pls"]
    same = first["methods"]["ridge"] | {"accuracy_score": 0}
    assert second["methods"]["ridge"] | {"accuracy_score": 0} == same
    other = ["--methods", "pls", "--resume", *options, "4"]
    assert run("evaluate", "predict-genes", store, *other) == 2
    assert "another protocol" in capsys.readouterr().err


def test_evaluate_takes_sections_as_a_reference(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--section", "section_2", "--reference-sections", "section_1,section_3"]
    options += ["--methods", "ridge", "--folds", "3", "--inner-folds", "2", "--genes", "12"]
    options += ["--draws", "0"]
    assert run("evaluate", "predict-genes", store, *options) == 0
    said = capsys.readouterr().out
    assert "sections section_1, section_3, without places" in said
    assert "the 12 of 20 that the reference expresses most" in said
    wrong = ["--section", "section_1", "--reference-sections", "section_1", "--methods", "ridge"]
    assert run("evaluate", "predict-genes", store, *wrong) == 2
    assert "is predicted and in the reference too" in capsys.readouterr().err
