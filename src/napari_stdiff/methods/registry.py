"""Ids of the methods and where they live; nothing heavy is imported until one is used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ..compute.errors import StdiffError
from .base import Method

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
]

_PLACES: dict[str, str] = {
    "stdiffusion": "stdiffusion:StDiffusion",
    "stdiffusion-paper": "stdiffusion_paper:StDiffusionPaper",
    "linear": "neighbours:Linear",
    "knn": "neighbours:Knn",
    "typed-knn": "neighbours:TypedKnn",
    "typed-donor": "neighbours:TypedDonor",
    "field": "field:Field",
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
    if name not in _PLACES:
        raise StdiffError(f"There is no method '{name}'; choose one of: {', '.join(_PLACES)}.")
    module, _, attribute = _PLACES[name].partition(":")
    found: type[Method] = getattr(import_module(f"{__package__}.{module}"), attribute)
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
    try:
        return cls.load(Path(folder).expanduser(), tissue)
    except StdiffError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, of a device that is too small
            raise
        raise StdiffError(
            f"The model in '{folder}' is damaged or of another version; fit it again."
        ) from error
