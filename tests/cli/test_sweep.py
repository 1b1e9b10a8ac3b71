"""Layers, the ends of the stack, and `sweep`, from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.cli.sweep import telling_gene
from napari_stdiff.data.prediction import Prediction, Query
from napari_stdiff.data.record import RunRecord
from napari_stdiff.data.results import load_result
from napari_stdiff.data.virtual import VirtualSection
from napari_stdiff.tasks.sweep import Sweep

pytestmark = pytest.mark.usefixtures("no_kept_models")
Run = Callable[..., int]
KNN = ("--method", "typed-knn", "--neighbours", "8", "--draws", "2")
NETWORK = ("--epochs", "1", "--width", "16", "--depth", "1", "--draws", "1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, write_store: Callable[..., Path]) -> Path:
    """Return a small simulated store, written by the command."""
    return write_store(tmp_path_factory.mktemp("cli"), n_sections=4, cells_per_section=150)


def test_beyond_the_stack_is_saved_with_its_confidence(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    out = tmp_path / "new.zarr"
    assert run("interpolate", store, "--at", "150", "--out", out, *KNN) == 2
    assert "extrapolate" in capsys.readouterr().err
    assert run("interpolate", store, "--at", "150", "--extrapolate", "--out", out, *KNN) == 0
    assert "Extrapolated" in capsys.readouterr().out
    result = load_result(out, "virtual_z150_typed-knn")
    assert result.distance.min() == pytest.approx(30)
    np.testing.assert_allclose(result.confidence, np.exp(-result.distance / 40))


def test_a_hidden_layer_is_scored_and_saved(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    out, record, model = tmp_path / "new.zarr", tmp_path / "r.json", tmp_path / "model"
    layer = ["--layer-key", "layer", "--hide", "Layer 2/3"]
    said = ["--out", out, "--json", record, "--save-model", model]
    assert run("interpolate", store, *layer, *said, *KNN) == 0
    kept = json.loads(record.read_text())
    assert kept["target"]["parents"] == ["Layer 1", "Layer 4"]
    assert kept["scores"]["pcc"] is not None
    assert "tier A" in capsys.readouterr().out
    assert (
        load_result(out, "virtual_Layer_2_3_typed-knn").query.n_cells == kept["target"]["n_cells"]
    )
    assert run("interpolate", store, *layer, "--model", model, "--json", record, *KNN) == 0
    scores = tmp_path / "s.json"
    methods = ["--methods", "knn,linear", "--json", scores]
    assert run("evaluate", "interpolate", store, *layer, *methods, "--draws", "1") == 0
    assert "layer 'Layer 2/3' hidden" in capsys.readouterr().out
    assert json.loads(scores.read_text())["protocol"]["between"] == "layers"


def test_an_outermost_section_is_marked(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    scores = tmp_path / "s.json"
    said = ["--hide", "section_1", "--methods", "linear", "--draws", "0", "--json", scores]
    assert run("evaluate", "interpolate", store, *said) == 2
    assert run("evaluate", "interpolate", store, *said, "--extrapolate") == 0
    assert "scores of extrapolation" in capsys.readouterr().out
    assert json.loads(scores.read_text())["protocol"]["extrapolated"] is True


def test_sweep_writes_every_lambda(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    to = tmp_path / "sweep.json"
    said = ["--hide", "section_2", "--values", "0.2,0.8", "--json", to]
    assert run("sweep", store, *said, *NETWORK) == 0
    kept = json.loads(to.read_text())
    assert kept["values"] == [0.2, 0.8]
    assert len(kept["training_crps"]) == len(kept["target_scores"]["scores"]) == 2
    out = capsys.readouterr().out
    assert "predicts the training section 'section_3' best" in out
    assert "play no part in the choice" in out


def test_the_gene_of_the_picture_is_the_one_that_lambda_changes() -> None:
    rng = np.random.default_rng(0)
    genes = np.array(["still", "moved", "noisy"])
    sections = []
    for value in (0.1, 0.9):
        mean = rng.normal(size=(50, 3)) * [1, 1, 9] + [5, 5 + 4 * value, 5]
        record = RunRecord(task="sweep", method="stdiffusion")
        query = Query(rng.random((50, 3)))
        sections.append(VirtualSection("v", query, Prediction(genes, mean), "um", record))
    result = Sweep((0.1, 0.9), tuple(sections), 0.5, None, {}, sections[0].record)
    assert telling_gene(result) == "moved"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "Say where the result goes"),
        (["--json", "j", "--values", "a"], "numbers from 0 to 1"),
        (["--json", "j", "--values", "2"], "from 0 to 1"),
        (["--json", "j", "--method", "knn"], "has no lambda"),
        (["--json", "j", "--blend", "fixed"], "leave --blend away"),
        (["--json", "j", "--hide", "section_2", "--color", "NOPE"], "no gene 'NOPE'"),
    ],
)
def test_bad_sweeps_get_one_sentence(
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    run: Run,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("sweep", store, *options) == 2
    assert expected in capsys.readouterr().err
