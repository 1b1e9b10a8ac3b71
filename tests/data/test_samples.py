from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data import samples

SAMPLES = [samples.squidpy_merfish, samples.visium_he]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(samples, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def fail_with(monkeypatch, error: BaseException) -> None:
    def load(path: Path) -> None:
        raise error

    monkeypatch.setattr(samples, "_loader", lambda name: load)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("refused"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        ExceptionGroup("Failed", [ValueError("x"), ConnectionError("unreachable")]),
        ExceptionGroup("Failed", [ExceptionGroup("deep", [OSError(101, "no route")])]),
    ],
)
def test_without_network_there_is_one_sentence(monkeypatch, sample, error) -> None:
    fail_with(monkeypatch, error)
    with pytest.raises(StdiffError, match="no network") as caught:
        sample()
    assert str(caught.value).count(".") == 1
    assert str(caught.value).endswith(".")


def test_a_damaged_file_is_not_called_a_network_problem(monkeypatch, cache) -> None:
    fail_with(monkeypatch, ExceptionGroup("Failed", [ValueError("hash does not match")]))
    with pytest.raises(StdiffError, match="hash does not match") as caught:
        samples.squidpy_merfish()
    assert "network" not in str(caught.value)
    assert str(cache) in str(caught.value)


def test_a_bug_is_not_hidden(monkeypatch) -> None:
    fail_with(monkeypatch, ZeroDivisionError("bug"))
    with pytest.raises(ZeroDivisionError):
        samples.squidpy_merfish()


def test_what_squidpy_returns_is_handed_on_and_sockets_do_not_wait_for_ever(monkeypatch) -> None:
    seen = {}

    def load(path: Path) -> str:
        seen.update(path=path, patience=socket.getdefaulttimeout())
        return "data"

    names = []
    monkeypatch.setattr(samples, "_loader", lambda name: names.append(name) or load)
    before = socket.getdefaulttimeout()
    level = logging.root.manager.disable
    assert samples.squidpy_merfish() == "data"
    assert names == ["merfish"]
    assert seen["path"].parent.is_dir()
    assert 0 < seen["patience"] <= 60
    assert socket.getdefaulttimeout() == before
    assert logging.root.manager.disable == level


def test_squidpy_has_both_data_sets_and_leaves_no_folder_where_the_user_is(
    monkeypatch, tmp_path
) -> None:
    import pooch

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(pooch, "retrieve", offline)
    for sample in SAMPLES:
        with pytest.raises(StdiffError, match="no network"):
            sample()
    assert os.listdir(here) == []


def test_a_cache_that_cannot_be_made_is_named(monkeypatch, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(samples, "cache_folder", lambda: blocked / "samples")
    with pytest.raises(StdiffError, match="writable"):
        samples.visium_he()
