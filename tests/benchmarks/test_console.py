"""What the benchmark commands share: how a process ends, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

console = pytest.importorskip("console", reason="the benchmarks are not here")


def test_options_and_errors_in_one_line() -> None:
    assert console.listed(" a, ,b ,") == ["a", "b"]
    assert console.listed("") == []
    assert console.shorten("one\n  two") == "one two"
    assert len(console.shorten("x" * 400)) == 160


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("pass", ""),
        ("raise MemoryError('too much')", "MemoryError: too much"),
        ("raise SystemExit(3)", "The process ended with 3."),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("import time; time.sleep(60)", "It took longer than 5 s"),
    ],
)
def test_how_a_process_ends_is_told(code: str, told: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code)
    problem = console.process(script, [], tmp_path, tmp_path, 5.0)
    assert problem == told or (told and told in problem)


@pytest.mark.parametrize(("threads", "seen"), [(None, "7"), (3, "3")])
def test_options_folders_and_cores_reach_the_process(
    threads: int | None, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nsys.exit(' '.join(sys.argv[1:]) + os.environ['OMP_NUM_THREADS'])"
    )
    problem = console.process(script, ["--unit", "u"], Path("d"), Path("w"), 60.0, threads)
    assert problem == f"--unit u --data d --work w{seen}"


def test_tables_take_the_place_between_their_comments() -> None:
    text = console.placed("above\n", "one", "parts")
    assert console.placed(text, "two", "parts") == text.replace("one", "two")
    both = console.placed(text + "below\n", "three", "other")
    assert console.placed(both, "two", "parts") == both.replace("one", "two")
