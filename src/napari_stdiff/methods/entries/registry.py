"""Ids of the methods that fill in entries and where they live; imported when one is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ..loading import class_of, read_or_refuse
from .base import EntryMethod

if TYPE_CHECKING:
    from ...data.visible import Visible

EntryMethodName = Literal[
    "stmcdi",
    "spotdiff",
    "stmcdi-paper",
    "spotdiff-paper",
    "stack",
    "stack-network",
    "masked-network",
    "blend",
    "soft-svd",
    "expression-knn",
    "ridge",
    "vae",
    "spatial-knn",
    "mean",
]

_PLACES: dict[str, str] = {
    "stmcdi": "stmcdi:Stmcdi",
    "spotdiff": "spotdiff:Spotdiff",
    "stmcdi-paper": "stmcdi_paper:StmcdiPaper",
    "spotdiff-paper": "spotdiff_paper:SpotdiffPaper",
    "stack": "stack:Stack",
    "stack-network": "stack_network:StackNetwork",
    "masked-network": "masked_network:MaskedNetworkMethod",
    "blend": "closed_form:BlendMethod",
    "soft-svd": "closed_form:SoftSvdMethod",
    "expression-knn": "closed_form:ExpressionKnnMethod",
    "ridge": "closed_form:RidgeMethod",
    "vae": "vae:VaeMethod",
    "spatial-knn": "closed_form:SpatialKnnMethod",
    "mean": "closed_form:MeanMethod",
}

# Those that also learn from a reference, said here so that a dock need not import them.
WITH_REFERENCE: tuple[EntryMethodName, ...] = ("spotdiff", "spotdiff-paper")


def entry_methods() -> tuple[str, ...]:
    """Return the ids of the methods that fill in entries, the default first."""
    return get_args(EntryMethodName)


def entry_method_class(name: str) -> type[EntryMethod]:
    """Return the class of the method called `name`.

    Raises
    ------
    StdiffError
        When there is no such method.
    """
    found: type[EntryMethod] = class_of(name, _PLACES, __package__)
    return found


def load_entry_method(name: str, folder: str | Path, visible: Visible) -> EntryMethod:
    """Return the method called `name` as it was saved to `folder`, for the tissue of its fit.

    Raises
    ------
    StdiffError
        When there is no such method or model, it was fitted on another tissue or reference, or
        something in the model is missing or of the wrong shape.
    """
    cls = entry_method_class(name)
    return read_or_refuse(lambda: cls.load(Path(folder).expanduser(), visible), folder)
