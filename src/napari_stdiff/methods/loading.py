"""What every registry of methods does: find a class by its id, and read a model or refuse it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

from ..compute.errors import StdiffError

M = TypeVar("M")


def class_of(name: str, places: Mapping[str, str], package: str | None) -> Any:
    """Return the class of the method called `name`, importing its module now.

    Parameters
    ----------
    name
        Id of the method.
    places
        Id -> ``"module:Class"``.
    package
        Package that the modules are in.

    Raises
    ------
    StdiffError
        When there is no such method.
    """
    if name not in places:
        raise StdiffError(f"There is no method '{name}'; choose one of: {', '.join(places)}.")
    module, _, attribute = places[name].partition(":")
    return getattr(import_module(f"{package}.{module}"), attribute)


def read_or_refuse(load: Callable[[], M], folder: object) -> M:
    """Return what `load` reads from `folder`.

    Raises
    ------
    StdiffError
        As `load` does, and when something in the model is missing or of the wrong shape.
    """
    try:
        return load()
    except StdiffError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, of a device that is too small
            raise
        raise StdiffError(
            f"The model in '{folder}' is damaged or of another version; fit it again."
        ) from error
