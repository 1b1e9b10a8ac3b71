"""`generate` and `evaluate generate` from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_stdiff.data.results import list_results, load_result

pytestmark = pytest.mark.usefixtures("no_kept_models")
Run = Callable[..., int]
QUICK = ("--method", "typed-knn", "--neighbours", "8", "--draws", "2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, write_store: Callable[..., Path]) -> Path:
    """Return a small simulated store, written by the command."""
    return write_store(tmp_path_factory.mktemp("cli"), n_sections=3, cells_per_section=80)


def test_generate_adds_a_result_that_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    record, model = tmp_path / "record.json", tmp_path / "model"
    options = ["--cells", "denser", "--values", "draw", "--out", store, "--json", record]
    assert run("generate", store, *options, "--save-model", model, *QUICK) == 0
    said = capsys.readouterr().out
    assert "nobody measured" in said
    assert "Saved as 'generated_denser_section_2_typed-knn'" in said
    (result,) = list_results(store)
    assert result.record.task == "generate"
    assert json.loads(record.read_text())["target"]["section"] == "section_2"
    loaded = load_result(store, result.name)
    assert loaded.query.n_cells == json.loads(record.read_text())["target"]["n_cells"]
    assert (loaded.values == loaded.prediction.draws[0]).all()
    again = ["--model", model, "--n-cells", "7", "--out", tmp_path / "new.zarr"]
    assert run("generate", store, *again, *QUICK) == 0
    assert list_results(tmp_path / "new.zarr")[0].n_cells == 7


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "Say where the result goes"),
        (["--json", "a.json", "--positions", "p.csv"], "--cells given only"),
        (["--json", "a.json", "--factor", "1"], "--factor: input should be greater than 1"),
        (["--json", "a.json", "--section", "nowhere"], "There is no section 'nowhere'"),
        (["--json", "a.json", "--cells", "given"], "no positions file"),
    ],
)
def test_bad_input_gets_a_sentence(
    store: Path,
    options: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("generate", store, *options, *QUICK) == 2
    assert expected in capsys.readouterr().err


def test_evaluate_writes_a_table_and_a_file(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    out = tmp_path / "scores.json"
    options = ["--methods", "knn,typed-knn", "--neighbours", "8", "--section", "section_1"]
    options += ["--draws", "2", "--hold-out", "0.3", "--tier", "B", "--no-enrichment"]
    assert run("evaluate", "generate", store, *options, "--json", out) == 0
    said = capsys.readouterr().out
    assert "hidden in section 'section_1'" in said
    assert "typed-knn" in said
    result = json.loads(out.read_text())
    assert result["task"] == "generate"
    assert result["protocol"]["hidden_cells"] == 24
    assert result["protocol"]["tier"] == "B"
    assert list(result["methods"]) == ["knn", "typed-knn"]
