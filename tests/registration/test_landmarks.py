"""Landmarks: read from CSV, fitted, and a sentence where they do not suffice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.registration.frames import about, moved
from napari_stdiff.registration.landmarks import fit_landmarks, read_landmarks

POINTS = np.array([[0.0, 0], [10, 0], [0, 20], [7, 9]])


def test_names_match_places_and_gaps_stay_open(tmp_path: Path) -> None:
    file = tmp_path / "marks.csv"
    file.write_text("Section,x,y,name\n1,1,2,a\n1,3,4,b\n2,5,6,b\n2,7,8,c\n", encoding="utf-8")
    found = read_landmarks(file)
    np.testing.assert_array_equal(found["1"], [[2, 1], [4, 3], [np.nan, np.nan]])
    np.testing.assert_array_equal(found["2"], [[np.nan, np.nan], [6, 5], [8, 7]])


def test_without_names_the_order_tells(tmp_path: Path) -> None:
    file = tmp_path / "marks.csv"
    file.write_text("section,x,y\na,1,2\nb,5,6\na,3,4\nb,7,8\n", encoding="utf-8")
    found = read_landmarks(file)
    np.testing.assert_array_equal(found["a"], [[2, 1], [4, 3]])
    np.testing.assert_array_equal(found["b"], [[6, 5], [8, 7]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("section,x\na,1\n", "there is no y"),
        ("section,x,y\na,one,2\n", "must hold numbers"),
        ("section,x,y,name\na,1,2,p\na,3,4,p\n", "occurs twice in one section"),
        ("", "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_with_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "marks.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StdiffError, match=sentence):
        read_landmarks(file)
    with pytest.raises(StdiffError, match="no file"):
        read_landmarks(tmp_path / "other.csv")


@pytest.mark.parametrize("affine", [False, True])
def test_the_map_is_found(affine: bool) -> None:
    truth = about(33.0, np.zeros(2), np.array([5.0, 6.0]))
    if affine:
        truth = truth @ np.diag([1.3, 0.8, 1.0])
    marks = {"a": np.vstack([POINTS, [np.nan, 1]]), "b": np.vstack([moved(POINTS, truth), [1, 2]])}
    np.testing.assert_allclose(fit_landmarks(marks, "a", "b", affine=affine), truth, atol=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "options", "sentence"),
    [
        (POINTS[:1], POINTS[:1], {}, "1 landmark.* needs at least 2"),
        (POINTS[:2], POINTS[:2], {"affine": True}, "2 landmark.* needs at least 3"),
        (POINTS[:2], POINTS[:2], {"flip": True}, "needs at least 3"),
        (POINTS, POINTS[:3], {}, "shapes"),
        (POINTS[[0, 0]], POINTS[:2], {}, "on one spot"),
        (np.c_[:4, :4] * 1.0, POINTS, {"affine": True}, "on one line"),
        (POINTS, np.c_[:4, :4] * 1.0, {"affine": True}, "squeeze the section flat"),
    ],
)
def test_what_does_not_suffice(
    a: np.ndarray, b: np.ndarray, options: dict[str, bool], sentence: str
) -> None:
    with pytest.raises(StdiffError, match=sentence):
        fit_landmarks({"a": a, "b": b}, "a", "b", **options)


def test_a_section_without_landmarks() -> None:
    with pytest.raises(StdiffError, match="'b' has no landmarks"):
        fit_landmarks({"a": POINTS}, "a", "b")
