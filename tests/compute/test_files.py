"""Files that are whole or not there."""

from pathlib import Path

import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.files import refuse_taken, write_whole


def test_what_is_there_is_refused(tmp_path: Path) -> None:
    refuse_taken(tmp_path / "free")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(StdiffError, match="taken exists and is not overwritten"):
        refuse_taken(tmp_path / "taken")


def test_a_write_that_stops_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("before")

    def stops(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, stops)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, lambda part: part.write_text("after"))
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_is_said_in_a_sentence(tmp_path: Path) -> None:
    def full(part: Path) -> None:
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StdiffError, match=r"No space left on device.*choose another folder"):
        write_whole(tmp_path / "new" / "result.txt", full)
    assert not list((tmp_path / "new").iterdir())
