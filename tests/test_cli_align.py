"""The shell aligns, says what it was worth, and takes it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from spatialdata import read_zarr

from napari_stdiff.cli.app import app
from napari_stdiff.data.alignment_store import list_alignments
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.tasks.config import AlignConfig

Run = Callable[..., int]
QUICK = ["--starts", "4", "--spots", "60", "--components", "5"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "sample.zarr"
    simulate(n_sections=3, cells_per_section=70, n_genes=12, image_size=50).sdata.write(path)
    return path


@pytest.mark.parametrize("command", [["align", "d"], ["evaluate", "align", "d"]])
def test_every_setting_is_an_option(command: list[str]) -> None:
    said = {"method": "histology", "transform": "affine", "fixed": "s", "landmarks": "l.csv"}
    said |= {"alpha": "0.5", "starts": "7", "spots": "70", "components": "9", "seed": "3"}
    tokens = [x for k, v in said.items() for x in (f"--{k}", v)] + ["--flip", "--no-keep"]
    _, bound, _ = app.parse_args([*command, *tokens], exit_on_error=False, print_error=False)
    wanted = AlignConfig.model_validate({**said, "flip": True, "keep": False})
    assert bound.arguments["config"] == wanted
    assert set(said) | {"flip", "keep"} == set(AlignConfig.model_fields)


def test_into_the_store_and_out_again(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    record = tmp_path / "record.json"
    assert run("align", store, "--into-store", "--json", record, *QUICK) == 0
    said = capsys.readouterr().out
    assert "Coordinate system 'aligned' is in" in said
    assert "neighbour correlation" in said
    assert "section_3" in said
    assert json.loads(record.read_text(encoding="utf-8"))["task"] == "align"
    assert list(list_alignments(store)) == ["aligned"]
    assert read(store, coordinate_system="aligned").n_cells == read(store).n_cells
    assert run("info", store) == 0
    assert "aligned  by expression" in capsys.readouterr().out
    assert run("info", store, "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["alignments"]
    assert (listed["name"], listed["record"]["task"]) == ("aligned", "align")
    said = ["--coordinate-system", "aligned", "--method", "knn", "--draws", "0"]
    assert run("interpolate", store, "--at", 60, "--out", store, *said) == 0
    assert run("align", store, "--undo", "aligned") == 0
    assert "stay in it: virtual_z60_knn." in capsys.readouterr().out
    assert run("remove", store, "virtual_z60_knn") == 0
    assert read_zarr(store).coordinate_systems == ["global"]
    assert run("align", store, "--undo", "aligned") == 2
    assert "no alignment 'aligned'" in capsys.readouterr().err


def test_to_a_new_store(store: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "new.zarr"
    assert run("align", store, "--out", out, "--system", "turned", *QUICK) == 0
    assert read(out, coordinate_system="turned").sections == read(store).sections


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say where the alignment goes"),
        (["--out", "a.zarr", "--into-store"], "either --out or --into-store"),
        (["--out", "."], "choose a free path"),
        (["--undo", "x", "--flip"], "does no more"),
        (["--into-store", "--alpha", "2"], "--alpha: input should be less than or equal to 1"),
        (["--into-store", "--landmarks", "none.csv"], "no file 'none.csv'"),
    ],
)
def test_what_is_refused(
    store: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    assert run("align", store, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_file_has_no_coordinate_systems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    file = tmp_path / "a.h5ad"
    file.write_bytes(b"x")
    assert run("align", file, "--into-store") == 2
    assert "--into-store needs a SpatialData store" in capsys.readouterr().err


def test_scores(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run) -> None:
    out = tmp_path / "scores.json"
    assert run("evaluate", "align", store, "--json", out, *QUICK) == 0
    assert "neighbour correlation on genes left out" in capsys.readouterr().out
    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found["sections"]) == {"section_1", "section_2", "section_3"}
