"""The shell: every setting can be said, every wrong one gets a sentence, results are as stated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from napari_stdiff import cli
from napari_stdiff.cli.app import app
from napari_stdiff.cli.bar import left
from napari_stdiff.compute.config import Config
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.results import list_results
from napari_stdiff.data.simulate import SimulateConfig
from napari_stdiff.evaluation.config import EvaluateGenerateConfig, EvaluateInterpolateConfig
from napari_stdiff.methods.neighbours import Linear
from napari_stdiff.tasks.config import GenerateConfig, InterpolateConfig

pytestmark = pytest.mark.usefixtures("no_kept_models")
Run = Callable[..., int]
COMMANDS: list[tuple[list[str], str, type[Config]]] = [
    (["interpolate", "data.h5ad"], "config", InterpolateConfig),
    (["interpolate", "data.h5ad"], "read", ReadConfig),
    (["evaluate", "interpolate", "data.h5ad"], "config", EvaluateInterpolateConfig),
    (["evaluate", "interpolate", "data.h5ad"], "read", ReadConfig),
    (["generate", "data.h5ad"], "config", GenerateConfig),
    (["generate", "data.h5ad"], "read", ReadConfig),
    (["evaluate", "generate", "data.h5ad"], "config", EvaluateGenerateConfig),
    (["info", "store.zarr"], "read", ReadConfig),
    (["show", "store.zarr"], "read", ReadConfig),
    (["sample", "out.zarr"], "config", SimulateConfig),
]


def another(info: FieldInfo) -> list[Any]:
    """Return valid values of a field that are not its default."""
    kind = info.annotation
    if get_origin(kind) is Literal:
        return [value for value in get_args(kind) if value != info.default]
    if kind is str:
        return ["bregma_-0.14"]
    if kind is bool:
        return [not info.default]
    if kind in (int, float):
        up, down = info.default * 2 + 1, info.default / 2
        if kind is int:
            up, down = int(up), int(down)
        limits = [m for m in info.metadata if any(hasattr(m, b) for b in ("le", "lt"))]
        most = min((getattr(m, "le", getattr(m, "lt", up)) for m in limits), default=up)
        return [up if up < most else down]
    return [-140.5, 3.0, "middle"]  # the depth: a number or a word


def parsed(tokens: list[str]) -> dict[str, Any]:
    _, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    return dict(bound.arguments)


@pytest.mark.parametrize(("command", "name", "cls"), COMMANDS)
def test_every_setting_round_trips(command: list[str], name: str, cls: type[Config]) -> None:
    assert cls.model_fields
    for field, info in cls.model_fields.items():
        for value in another(info):
            option = field.replace("_", "-")
            said = [f"--{option}", str(value)]
            if isinstance(value, bool):  # a flag
                said = [f"--{option}" if value else f"--no-{option}"]
            tokens = [*command, *said]
            got = parsed(tokens)[name]
            assert getattr(got, field) == value
            assert got == cls.of(**{field: value})
            assert got.model_fields_set == {field}


@pytest.mark.parametrize(("command", "name", "cls"), COMMANDS)
def test_what_is_not_said_is_the_default(command: list[str], name: str, cls: type[Config]) -> None:
    assert parsed(command).get(name, cls()) == cls()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, write_store: Callable[..., Path]) -> Path:
    """Return a small simulated store, written by the command."""
    return write_store(tmp_path_factory.mktemp("cli"), n_sections=4, cells_per_section=80)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["interpolate"], "requires an argument"),
        (["interpolate", "d.h5ad"], "Say where the result goes"),
        (["interpolate", "d.h5ad", "--out", "o", "--epoch", "3"], "Did you mean --epochs"),
        (["interpolate", "d.h5ad", "--width", "0"], "--width: input should be greater than"),
        (["interpolate", "d.h5ad", "--at", "up"], "--at: input should be a valid number or"),
        (
            ["interpolate", "d.h5ad", "--method", "magic"],
            "--method: input should be 'stdiffusion'",
        ),
        (["interpolate", "d.h5ad", "--at", "3", "--hide", "a", "--out", "o"], "not both"),
        (["interpolate", "d.h5ad", "--lambda", "2", "--out", "o"], "from 0 to 1 (got '2')"),
        (["interpolate", "d.h5ad", "--lambda", "x", "--out", "o"], "'chosen' or a number"),
        (["interpolate", "d.h5ad", "--out", "o"], "d.h5ad"),
        (["interpolate", "d.h5ad", "--out", "o.h5ad"], "end it in .zarr"),
        (["align", "d.h5ad", "--out", "o.h5ad"], "end it in .zarr"),
        (["evaluate", "interpolate", "d.h5ad"], "Name the section to hide"),
        (["evaluate", "interpolate", "d.h5ad", "--hide", "a", "--tier", "D"], "--tier"),
        (["info", "nowhere.zarr"], "nowhere.zarr"),
        (["remove", "nowhere.zarr", "x"], "nowhere.zarr"),
        (["nonsense"], "Unknown command"),
        (["sample", ""], "names no store"),
        (["sample", "s.zarr", "--depth", "1e30"], "--depth"),
        (["info", "d.h5ad", "--spacing", "inf"], "--spacing: input should be a finite number"),
    ],
)
def test_bad_input_gets_one_sentence_and_code_2(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    last = said.err.splitlines()[-1]
    assert expected in last
    assert last.endswith((".", "?", ")"))
    assert "Traceback" not in said.err
    assert "pydantic" not in said.err


def test_sample_refuses_to_overwrite(
    store: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    assert run("sample", store) == 2
    assert "already" in capsys.readouterr().err


def test_from_tissue_to_saved_section_and_back(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    out, record = tmp_path / "result.zarr", tmp_path / "deep" / "record.json"
    options = ["--method", "typed-knn", "--draws", "2", "--out", out, "--json", record]
    assert run("interpolate", store, "--hide", "section_2", *options) == 0
    printed = capsys.readouterr().out
    assert "by typed-knn" in printed
    assert "scores: pcc" in printed
    written = json.loads(record.read_text())
    assert written["target"]["hidden"] == "section_2"
    assert written["parameters"]["draws"] == 2
    (result,) = list_results(out)
    assert result.record.model_dump(mode="json") == written

    assert run("info", out) == 0
    assert f"{result.name}  interpolate by typed-knn" in capsys.readouterr().out
    assert run("info", out, "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["results"][0]["record"] == written
    assert run("remove", out, "measured") == 2
    assert run("remove", out, result.name) == 0
    assert list_results(out) == []


def test_lambda_reaches_the_record(store: Path, tmp_path: Path, run: Run) -> None:
    to = tmp_path / "record.json"
    base = ["interpolate", store, "--effort", "quick", "--draws", "0", "--json", to]
    assert run(*base, "--lambda", "0.25") == 0
    parameters = json.loads(to.read_text())["parameters"]
    assert (parameters["blend"], parameters["blend_value"]) == ("fixed", 0.25)
    assert run(*base, "--lambda", "geometric") == 0
    assert json.loads(to.read_text())["parameters"]["blend"] == "geometric"


def test_a_kept_model_is_used_again(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    model, to = tmp_path / "model", tmp_path / "record.json"
    options = ["--hide", "section_2", "--json", to]
    assert run("interpolate", store, "--method", "knn", *options, "--save-model", model) == 0
    first = json.loads(to.read_text())
    assert (model / "model.safetensors").exists()
    assert run("interpolate", store, "--method", "knn", *options, "--model", model) == 0
    assert json.loads(to.read_text())["scores"] == first["scores"]
    assert run("interpolate", store, "--method", "field", *options, "--model", model) == 2
    assert "is a 'knn', not a 'field'" in capsys.readouterr().err


def test_evaluate_prints_and_writes_the_same(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    to = tmp_path / "scores.json"
    options = ["--hide", "section_2", "--methods", "linear, typed-knn", "--seed", "3"]
    assert run("evaluate", "interpolate", store, *options, "--json", to) == 0
    result = json.loads(to.read_text())
    assert list(result["methods"]) == ["linear", "typed-knn"]
    assert result["protocol"]["seed"] == 3
    assert result["dataset"] == "sample"
    said = capsys.readouterr()
    assert f"{result['methods']['typed-knn']['pcc']:.3f}" in said.out
    assert "typed-knn: fitting" in said.err
    assert run("evaluate", "interpolate", store, "--hide", "nowhere", "--methods", "knn") == 2
    assert "no section 'nowhere'" in capsys.readouterr().err


def test_settings_of_an_evaluation_reach_the_methods(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    seen: list[InterpolateConfig] = []
    fit = Linear.fit

    def spy(self: Linear, tissue: Any, reference: Any, config: Any, monitor: Any) -> Linear:
        seen.append(config)
        return fit(self, tissue, reference, config, monitor)

    monkeypatch.setattr(Linear, "fit", spy)
    options = ["--methods", "linear", "--hide", "section_2", "--width", "32", "--draws", "3"]
    assert run("evaluate", "interpolate", store, *options, "--lambda", "0.5") == 0
    (config,) = seen
    assert (config.width, config.draws, config.hide, config.blend) == (32, 3, "section_2", "fixed")
    assert "epochs" not in config.model_fields_set


def test_ctrl_c_cancels_cleanly(
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    def interrupted(self: Any, tissue: Any, reference: Any, config: Any, monitor: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        monitor.step(1, 2)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Linear, "fit", interrupted)
    out = tmp_path / "out.zarr"
    assert run("interpolate", store, "--method", "linear", "--out", out) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Cancelled; nothing was written."
    assert not out.exists()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("OutOfMemoryError", (RuntimeError,), {})(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_gets_a_sentence(
    error: Exception,
    store: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Linear, "fit", full)
    assert run("interpolate", store, "--method", "linear", "--json", os.devnull) == 1
    assert "not enough memory" in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_dressed_up(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Linear, "fit", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["interpolate", str(store), "--method", "linear", "--json", os.devnull])


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--out", "file"], "no SpatialData store"),
        (["--out", "file/new.zarr"], "is a file"),
        (["--out", "."], "no SpatialData store"),
        (["--json", "."], "is a folder"),
        (["--save-model", "file"], "is a file"),
        (["--out", "new.zarr", "--json", "file/record.json"], "is a file"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_the_fit(
    option: list[str],
    expected: str,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    def fitted(*_: Any) -> None:
        raise AssertionError("the fit has begun")

    monkeypatch.setattr(Linear, "fit", fitted)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert run("interpolate", store, "--method", "linear", *option) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert expected in said
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == ["file"]


def test_ctrl_c_while_reading_ends_at_once(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    def interrupted(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    monkeypatch.setattr("napari_stdiff.data.reading.read", interrupted)
    # what runs in the background of a shell is started with Ctrl-C ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run("interpolate", store, "--method", "linear", "--json", os.devnull) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "Cancelled; nothing was written.\n"


def test_positions_without_given_cells(
    store: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    assert run("interpolate", store, "--positions", "p.csv", "--json", os.devnull) == 2
    assert "--cells given" in capsys.readouterr().err


def test_a_file_that_cannot_be_written(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    (tmp_path / "file").write_text("x")
    to = tmp_path / "file" / "record.json"
    assert run("interpolate", store, "--method", "linear", "--draws", "0", "--json", to) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_it_says_so_before_any_work(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for arguments in (["show", store], ["interpolate", store, "--screenshot", "a.png"]):
        assert run(*arguments) == 2
        assert capsys.readouterr().err.startswith("There is no display")


def test_starting_and_helping_is_cheap() -> None:
    code = (
        "import sys, napari_stdiff.cli as c\n"
        "try: c.main(['interpolate', '--help'])\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = {'torch', 'napari', 'qtpy', 'scanpy', 'squidpy', 'spatialdata'}\n"
        "assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--lambda" in done.stdout


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (4.6, "0:05 left"), (59.7, "1:00 left"), (3601, "60:01 left")],
)
def test_time_left(seconds: float | None, expected: str) -> None:
    assert left(seconds) == expected


def test_the_main_job_on_real_tissue(
    real_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    data = real_data("merfish_hypothalamus.h5ad")
    out = tmp_path / "virtual.zarr"
    options = ["--hide", "bregma_-0.14", "--method", "typed-donor", "--draws", "2", "--out", out]
    assert run("interpolate", data, *options) == 0
    (result,) = list_results(out)
    assert result.n_cells == 5926
    assert 0.4 < (result.record.scores["pcc"] or 0) < 0.45
