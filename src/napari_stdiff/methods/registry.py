"""Ids of the methods and where they live; nothing heavy is imported until one is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from .base import Method
from .loading import class_of, read_or_refuse

if TYPE_CHECKING:
    from ..data.tissue import Tissue

InterpolationMethod = Literal[
    "stdiffusion",
    "stdiffusion-paper",
    "linear",
    "knn",
    "typed-knn",
    "typed-donor",
    "field",
    "gaussian-process",
]

_PLACES: dict[str, str] = {
    "stdiffusion": "stdiffusion:StDiffusion",
    "stdiffusion-paper": "stdiffusion_paper:StDiffusionPaper",
    "linear": "neighbours:Linear",
    "knn": "neighbours:Knn",
    "typed-knn": "neighbours:TypedKnn",
    "typed-donor": "neighbours:TypedDonor",
    "field": "field:Field",
    "gaussian-process": "gaussian_process:GaussianProcess",
}


def interpolation_methods() -> tuple[str, ...]:
    """Return the ids of the methods that predict between sections, defaults first."""
    return get_args(InterpolationMethod)


def method_class(name: str) -> type[Method]:
    """Return the class of the method called `name`.

    Raises
    ------
    StdiffError
        When there is no such method.
    """
    found: type[Method] = class_of(name, _PLACES, __package__)
    return found


def load_method(name: str, folder: str | Path, tissue: Tissue) -> Method:
    """Return the method called `name` as it was saved to `folder`, fit for `tissue`.

    Raises
    ------
    StdiffError
        When there is no such method or model, it does not fit the tissue, or something in the
        model is missing or of the wrong shape.
    """
    cls = method_class(name)
    return read_or_refuse(lambda: cls.load(Path(folder).expanduser(), tissue), folder)
