"""Configs: strict, frozen, and plain about what is wrong."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from napari_stdiff.compute.config import Config, setting
from napari_stdiff.compute.errors import StdiffError


class Example(Config):
    """An example."""

    steps: int = setting(3, "Steps", "How many.", ge=1, unit="um")
    kind: Literal["a", "b"] = setting("a", "Kind", "Which.")


def test_what_is_wrong_is_one_sentence() -> None:
    with pytest.raises(StdiffError) as caught:
        Example.of(steps=0, kind="c", colour=1)
    text = str(caught.value)
    assert "steps: input should be greater than or equal to 1 (got 0)" in text
    assert "kind" in text
    assert "colour: there is no such setting" in text
    assert "\n" not in text


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Example().steps = 4  # type: ignore[misc]


def test_a_copy_is_validated_and_remembers_what_was_said() -> None:
    copy = Example(steps=5).but(kind="b")
    assert copy.model_fields_set == {"steps", "kind"}
    assert Example().but(kind="b").model_fields_set == {"kind"}
    with pytest.raises(StdiffError):
        copy.but(steps=-1)


def test_a_preset_fills_what_was_not_said() -> None:
    assert Example(steps=5).filled(steps=9, kind="b") == Example(steps=5, kind="b")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(value: float) -> None:
    class Length(Config):
        """A length."""

        length: float = setting(1.0, "Length", "How long.")

    with pytest.raises(StdiffError, match="length: input should be a finite number"):
        Length.of(length=value)
