"""`impute` from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from anndata.io import read_elem, write_elem

from napari_stdiff.compute.monitor import Cancelled
from napari_stdiff.data.results import list_results, load_imputed
from napari_stdiff.methods.entries.closed_form import SoftSvdMethod
from napari_stdiff.tasks.entry_model import forget

QUICK = ("--method", "soft-svd", "--draws", "16")


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    forget()


@pytest.fixture
def store(tmp_path: Path, write_store: Callable[..., Path]) -> Path:
    return write_store(tmp_path, n_sections=3, cells_per_section=80)


def test_a_store_gains_the_imputed_values(
    store: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    record, model = store.with_name("record.json"), store.with_name("model")
    keep = ["--save-model", model, "--json", record]
    assert run("impute", store, *QUICK, *keep) == 0
    said = capsys.readouterr()
    assert "Saved as 'imputed_soft-svd'" in said.out
    table = said.out.splitlines()
    (head,) = (line for line in table if "hidden values" in line)
    assert head.split()[2:] == ["pcc", "cosine", "rmse", "mae", "crps", "coverage80"]
    assert [line.split()[0] for line in table if line.startswith(("  mean", "  soft-svd"))] == [
        "soft-svd",
        "mean",
    ]
    assert "  after " in said.out
    assert "Held-out check" in said.out
    assert "A zero may be true" in said.err
    (info,) = list_results(store)
    assert info.record.task == "impute"
    found = load_imputed(store, info.name)
    assert np.array_equal(found.mean[~found.filled], found.measured[~found.filled])
    written = json.loads(record.read_text())
    gene = str(found.genes[0])
    assert written["genes"][gene]["filled"] == int(found.filled[:, 0].sum())
    # a second run adds another table, by the model of the first
    more = ["--genes", gene, "--model", model, "--name", "one gene"]
    assert run("impute", store, *QUICK, *more) == 0
    sizes = {i.name: i.n_genes for i in list_results(store)}
    assert sizes == {"imputed_soft-svd": 12, "one_gene": 1}
    assert run("info", store) == 0
    assert "one_gene  impute by soft-svd" in capsys.readouterr().out
    assert run("remove", store, "one_gene") == 0
    assert [i.name for i in list_results(store)] == ["imputed_soft-svd"]


def test_nan_in_a_store_and_a_new_store_for_the_result(
    store: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    table = zarr.open_group(store / "tables" / "table", mode="r+")
    x = np.asarray(read_elem(table["X"]).todense(), dtype=np.float32)
    gaps = np.random.default_rng(0).random(x.shape) < 0.1
    write_elem(table, "X", np.where(gaps, np.nan, x))
    other = ["--hide", "section_2", "--method", "linear", "--out", store]
    assert run("interpolate", store, *other) == 2
    assert "NaN" in capsys.readouterr().err
    new = store.with_name("new.zarr")
    assert run("impute", store, "--section", "section_2", "--out", new, *QUICK) == 0
    found = load_imputed(new, "imputed_soft-svd")
    assert np.array_equal(np.isnan(found.measured), found.filled)
    assert list_results(store) == []


def test_a_cancelled_run_leaves_the_store_as_it_was(
    store: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object) -> None:
        raise Cancelled("stopped")

    def content() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}

    before = content()
    monkeypatch.setattr(SoftSvdMethod, "sample", stopped)
    assert run("impute", store, *QUICK) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert content() == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--genes", "Nothing"], "no gene 'Nothing'"),
        (["--missing", "nan"], "holds no NaN"),
        (["--mask-layer", "gaps"], "There is no layer 'gaps'"),
        (["--missing", "some"], "missing"),
        (["--method", "magic"], "method"),
        (["--section", "nothing"], "no section 'nothing'"),
        (["--model", "nowhere"], "no model of an imputation in 'nowhere'"),
        (["--reference", "nowhere.h5ad", "--method", "spotdiff-paper"], "nowhere.h5ad"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(
    store: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    expected: str,
) -> None:
    method = [] if "--method" in options else QUICK
    assert run("impute", store, *options, *method) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said
    assert list_results(store) == []
